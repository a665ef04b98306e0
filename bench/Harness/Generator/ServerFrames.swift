/// Cuts what a socket gives into the server's frames.
import Glibc

/// One receive buffer for all sockets; only a cut-off frame is kept a socket.
struct ServerFrames: ~Copyable {
    private let buffer: UnsafeMutableRawBufferPointer
    private var leftovers: [Int32: [UInt8]] = [:]

    init() { buffer = .allocate(byteCount: 1 << 18, alignment: 16) }
    deinit { buffer.deallocate() }

    /// What came of reading.
    enum Outcome {
        case open
        /// The peer has ended the connection, or the socket failed.
        case ended
    }

    /// Reads once and calls `body` with the opcode and payload of each complete frame. The payload is valid only
    /// during the call.
    mutating func read(
        _ descriptor: Int32, _ body: (UInt8, UnsafeRawBufferPointer) -> Void
    ) -> Outcome {
        var filled = 0
        if !leftovers.isEmpty, let rest = leftovers.removeValue(forKey: descriptor) {
            buffer.copyBytes(from: rest)
            filled = rest.count
        }
        let count = recv(descriptor, buffer.baseAddress.unsafelyUnwrapped + filled, buffer.count - filled, 0)
        if count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR) { return .ended }
        let end = filled + max(0, count)
        var start = 0
        while let (header, length) = Self.header(UnsafeRawBufferPointer(rebasing: buffer[start..<end])),
            start + header + length <= end
        {
            body(
                buffer[start] & 0x0F,
                UnsafeRawBufferPointer(rebasing: buffer[(start + header)..<(start + header + length)]))
            start += header + length
        }
        if start < end { leftovers[descriptor] = Array(buffer[start..<end]) }
        return .open
    }

    /// The sizes of an unmasked frame's header and payload; nil while the header is incomplete.
    static func header(_ bytes: UnsafeRawBufferPointer) -> (header: Int, length: Int)? {
        guard bytes.count >= 2 else { return nil }
        switch bytes[1] & 0x7F {
        case 126:
            return bytes.count < 4 ? nil : (4, Int(bytes[2]) << 8 | Int(bytes[3]))
        case 127:
            return bytes.count < 10 ? nil : (10, (2..<10).reduce(0) { $0 << 8 | Int(bytes[$1]) })
        case let length:
            return (2, Int(length))
        }
    }
}
