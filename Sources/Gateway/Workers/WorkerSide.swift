/// A worker's part in being one of several: it accepts where its supervisor says, says when it is ready and when it ends,
/// and ends when its supervisor is gone.
import EventLoop
import Logging
import PostgresClient
import RedisClient
import WebServer

/// See the file's head. Lives on the loop's thread.
final class WorkerSide {
    private unowned let gateway: Gateway
    private let server: WebServer
    private var channel: WorkerChannel?
    private var isStopping = false
    /// Questions that wait for the supervisor's answer.
    private var asked: [UInt32: (timer: LoopTimer, then: (String?) -> Void)] = [:]
    private var lastNumber: UInt32 = 0
    private var readyTimer: LoopTimer?
    /// How long the stores may take until they are not waited for, in microseconds.
    private static let storePatience: Int64 = 1_000_000
    /// How long the supervisor may take, in milliseconds: longer than it waits for the workers.
    private static let patience = 2_000

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

    /// It can serve: says so once the stores are there, or do not come. Until then others serve in its place, who have them.
    func ready() {
        let deadline = SystemClock.monotonicMicroseconds() + Self.storePatience
        readyTimer = LoopTimer(loop: gateway.loop) { [unowned self] in
            let hasStores = gateway.redis?.isReady == true && gateway.postgres?.isConnected == true
            guard hasStores || SystemClock.monotonicMicroseconds() >= deadline else { return }
            readyTimer?.close()
            if !isStopping { channel?.send(.ready) }
        }
        readyTimer?.start(afterMilliseconds: 0, everyMilliseconds: 5)
    }

    /// It accepts nothing more: another worker shall.
    func stop() {
        isStopping = true
        channel?.send(.stopping)
    }

    /// What all workers together say; nil where the supervisor does not answer.
    func ask(_ topic: WorkerMessage.Topic, then: @escaping (String?) -> Void) {
        lastNumber &+= 1
        let number = lastNumber
        let timer = LoopTimer(loop: gateway.loop) { [unowned self] in answered(number, nil) }
        timer.start(afterMilliseconds: Self.patience)
        asked[number] = (timer, then)
        channel?.send(.question(number, topic))
    }

    /// The last of everything: what it has counted in its life. The loop has ended.
    func sayFarewell() {
        channel?.send(.answer(0, Array(Metrics(gateway).page(.exchange).utf8)))
        channel?.close()
    }

    func close() {
        readyTimer?.close()
        for (timer, _) in asked.values { timer.close() }
        asked = [:]
    }

    private func answered(_ number: UInt32, _ text: String?) {
        guard let (timer, then) = asked.removeValue(forKey: number) else { return }
        timer.close()
        then(text)
    }

    private func answer(_ number: UInt32, _ topic: WorkerMessage.Topic) {
        let text =
            switch topic {
            case .metrics: Metrics(gateway).page(.exchange)
            case .readiness: Readiness(gateway).report
            }
        channel?.send(.answer(number, Array(text.utf8)))
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
        case .question(let number, let topic): answer(number, topic)
        case .answer(let number, let bytes): answered(number, String(decoding: bytes, as: UTF8.self))
        case .ready, .stopping: break
        }
    }
}
