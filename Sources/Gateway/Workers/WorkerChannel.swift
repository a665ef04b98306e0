/// The way between a supervisor and one of its workers: a socket pair that ends with either of them.
import EventLoop
import Glibc

/// One end of it. Lives on the loop's thread.
final class WorkerChannel {
    /// What may wait for a peer that does not read; then it is given up.
    private static let maximumWaiting = 64 << 20

    private let descriptor: Int32
    private var poll: LoopPoll?
    private var incoming: [UInt8] = []
    private var outgoing: [UInt8] = []
    private let received: (WorkerMessage) -> Void
    private let ended: () -> Void

    /// Takes the descriptor over. `ended` is called once where the peer is gone, or makes no sense.
    init(
        loop: EventLoop, descriptor: Int32, received: @escaping (WorkerMessage) -> Void, ended: @escaping () -> Void
    ) throws(EventLoopError) {
        self.descriptor = descriptor
        self.received = received
        self.ended = ended
        _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
        poll = try LoopPoll(loop: loop, descriptor: descriptor) { [unowned self] readiness in
            if readiness.contains(.writable) { write() }
            if readiness.contains(.readable) { read() }
        }
        poll?.watch(.readable)
    }

    deinit {
        close()
    }

    /// Two connected ends, both closed on exec.
    static func pair() -> (Int32, Int32)? {
        var ends: [Int32] = [-1, -1]
        let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        guard socketpair(AF_UNIX, kind, 0, &ends) == 0 else { return nil }
        return (ends[0], ends[1])
    }

    func send(_ message: WorkerMessage) {
        guard poll != nil else { return }
        outgoing += message.bytes
        write()
    }

    func close() {
        guard poll != nil else { return }
        poll?.close()
        poll = nil
        Glibc.close(descriptor)
    }

    private func end() {
        guard poll != nil else { return }
        close()
        ended()
    }

    private func write() {
        var sent = 0
        while sent < outgoing.count {
            let count = outgoing.withUnsafeBytes { bytes in
                Glibc.send(descriptor, bytes.baseAddress! + sent, bytes.count - sent, Int32(MSG_NOSIGNAL))
            }
            if count < 0, errno == EINTR { continue }
            if count < 0, errno != EAGAIN { return end() }
            if count < 0 { break }
            sent += count
        }
        outgoing.removeFirst(sent)
        guard outgoing.count <= Self.maximumWaiting else { return end() }
        poll?.watch(outgoing.isEmpty ? .readable : [.readable, .writable])
    }

    private func read() {
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while poll != nil {
            let count = Glibc.recv(descriptor, &buffer, buffer.count, 0)
            if count < 0, errno == EINTR { continue }
            if count < 0, errno == EAGAIN { return }
            guard count > 0 else { return end() }
            incoming += buffer.prefix(count)
            guard handOn() else { return end() }
        }
    }

    /// False where something else than messages came.
    private func handOn() -> Bool {
        var rest = incoming[...]
        incoming = []
        do throws(WorkerMessageError) {
            while poll != nil, let message = try WorkerMessage.take(from: &rest) { received(message) }
        } catch {
            return false
        }
        incoming = Array(rest)
        return true
    }
}
