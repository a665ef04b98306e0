/// A worker's part in being one of several: it accepts where its supervisor says, says when it is ready and when it ends,
/// and ends when its supervisor is gone.
import EventLoop
import Logging
import WebServer

/// See the file's head. Lives on the loop's thread.
final class WorkerSide {
    private unowned let gateway: Gateway
    private let server: WebServer
    private var channel: WorkerChannel?
    private var isStopping = false

    /// `orphaned` is called where the supervisor is gone.
    init(
        _ seat: WorkerSeat, gateway: Gateway, server: WebServer, orphaned: @escaping () -> Void
    ) throws {
        self.gateway = gateway
        self.server = server
        channel = try WorkerChannel(loop: gateway.loop, descriptor: seat.channel) { [unowned self] message in
            received(message)
        } ended: { [unowned self] in
            guard !isStopping else { return }
            gateway.log.critical("the supervisor is gone; ending in order")
            orphaned()
        }
    }

    /// It can serve.
    func ready() {
        channel?.send(.ready)
    }

    /// It accepts nothing more: another worker shall.
    func stop() {
        isStopping = true
        channel?.send(.stopping)
    }

    func close() {
        channel?.close()
    }

    private func received(_ message: WorkerMessage) {
        switch message {
        case .accept(let socket):
            guard !isStopping else { return }
            do {
                try server.startAccepting(on: socket)
            } catch {
                gateway.log.error("\(error)")
            }
        case .leave(let socket): server.stopAccepting(on: socket)
        case .question, .answer, .ready, .stopping: break
        }
    }
}
