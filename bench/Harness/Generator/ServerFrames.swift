/// Cuts what a socket gives into the server's messages.
import Glibc

/// One receive buffer for all sockets; only a cut-off message is kept a socket.
struct ServerFrames: ~Copyable {
    private let buffer: UnsafeMutableRawBufferPointer
    private var leftovers: [Int32: [UInt8]] = [:]
    /// The largest message that can be taken.
    private static let capacity = 1 << 22

    init() { buffer = .allocate(byteCount: Self.capacity, alignment: 16) }
    deinit { buffer.deallocate() }

    /// What came of reading.
    enum Outcome {
        case open
        /// The peer has ended the connection, the socket failed, or a message is larger than 4 MiB.
        case ended
    }

    /// Reads once and calls `body` with each complete message, which is valid only during the call.
    mutating func read(_ descriptor: Int32, _ framing: Framing, _ body: (Message) -> Void) -> Outcome {
        var filled = 0
        if !leftovers.isEmpty, let rest = leftovers.removeValue(forKey: descriptor) {
            buffer.copyBytes(from: rest)
            filled = rest.count
        }
        guard filled < buffer.count else { return .ended }
        let count = recv(descriptor, buffer.baseAddress.unsafelyUnwrapped + filled, buffer.count - filled, 0)
        if count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR) { return .ended }
        let end = filled + max(0, count)
        var start = 0
        while let extent = framing.extent(UnsafeRawBufferPointer(rebasing: buffer[start..<end])),
            extent.length <= end - start - extent.header
        {
            let payload = start + extent.header
            body(
                Message(
                    kind: extent.kind,
                    payload: UnsafeRawBufferPointer(rebasing: buffer[payload..<(payload + extent.length)]),
                    size: extent.header + extent.length))
            start = payload + extent.length
        }
        if start < end { leftovers[descriptor] = Array(buffer[start..<end]) }
        return .open
    }

    /// Forgets a cut-off message: the socket is about to be closed, and its number will be another's.
    mutating func forget(_ descriptor: Int32) {
        if !leftovers.isEmpty { leftovers.removeValue(forKey: descriptor) }
    }
}
