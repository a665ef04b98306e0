/// One connection that sends pings: what waits there for an acknowledgement, and what the kernel did not take.
import Glibc

struct DeviceSocket {
    let group: Int
    let firstDriver: Int
    /// Negative while there is no connection.
    private(set) var descriptor: Int32 = -1
    var frames = FrameRing()
    /// On this connection.
    var sentPings = 0
    var sentFrames = 0
    /// The end of a frame of which the kernel took only the beginning.
    private var rest: [UInt8] = []

    /// Frames of its backlog that are still to be sent.
    var backlogLeft = 0
    /// When it began to flush; 0 where it does not.
    var flushBegan: Int64 = 0

    init(group: Int, firstDriver: Int) {
        self.group = group
        self.firstDriver = firstDriver
    }

    var isCatchingUp: Bool { flushBegan != 0 }
    /// Whether the kernel takes nothing more for now.
    var isClogged: Bool { !rest.isEmpty }

    /// What became of bytes.
    enum Outcome {
        case sent
        case failed(String)
    }

    mutating func open(_ descriptor: Int32) {
        self.descriptor = descriptor
        sentPings = 0
        sentFrames = 0
        frames.removeAll()
        rest = []
    }

    /// Forgets the connection. Returns how many sent pings were never acknowledged.
    mutating func close() -> Int {
        var pings = 0
        while frames.sent > 0 { pings += Int(frames.removeFirst().pings) }
        frames.removeAll()
        rest = []
        descriptor = -1
        return pings
    }

    /// Sends all of it; what the kernel does not take now goes later, by `sendRest`.
    mutating func send(_ bytes: UnsafeRawBufferPointer) -> Outcome {
        guard rest.isEmpty else {
            rest.append(contentsOf: bytes)
            return .sent
        }
        let count = Glibc.send(descriptor, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL))
        if count == bytes.count { return .sent }
        guard count >= 0 || errno == EAGAIN || errno == EINTR else { return .failed(Socket.reason()) }
        rest.append(contentsOf: bytes[max(0, count)...])
        return .sent
    }

    mutating func sendRest() -> Outcome {
        let count = rest.withUnsafeBytes { Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
        guard count >= 0 || errno == EAGAIN || errno == EINTR else { return .failed(Socket.reason()) }
        rest.removeFirst(max(0, count))
        return .sent
    }
}
