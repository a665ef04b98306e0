/// What a WebSocket's client sends and libwebsockets does not tell of: pings, which it answers by itself, the beginning of
/// a frame whose header never becomes whole, and frames without a mask. The kernel has counted all bytes; what is left
/// when those that were seen are taken away tells the three apart.
import EventLoop
import Glibc

/// One connection's account. A message costs it an addition; the rest is looked at once in `web.message_deadline_s`.
struct UnseenTraffic {
    /// The bytes a second that pings may take: some 700 empty ones, or 30 of the largest.
    static let allowedBytesPerSecond = 4_096
    /// TLS adds up to 29 bytes and more to each frame.
    static let allowedEncryptedBytesPerSecond = 65_536
    /// The smallest whole frame of a client: two bytes and the mask.
    static let smallestFrame = 6

    /// What was seen: the handshake, and each frame with its header.
    private(set) var explained = 0
    /// The part of the unexplained that has been judged.
    private var judged = 0
    private var received = 0
    private var second = 0
    /// The second of the look that first saw as many bytes as there are now.
    private var changed = 0
    /// Whether the account begins with the connection, so that it can never be below zero.
    private var isExact = false

    /// What a look has found.
    enum Finding {
        case nothing
        /// More pings than anybody needs.
        case flood
        /// The beginning of a frame, and nothing behind it for as long as a message may take.
        case halfFrame
        /// Frames shorter than masked ones can be.
        case unmasked
    }

    /// The WebSocket is open. `head` is the handshake's length where that was the first thing on the connection.
    mutating func begin(head: Int?, received: Int, second: Int) {
        explained = head ?? received
        isExact = head != nil
        self.received = received
        self.second = second
        changed = second
    }

    /// A frame of that payload, in its shortest form, has begun.
    @inline(__always)
    mutating func sawFrame(_ payload: Int) {
        explained &+= payload &+ (payload < 126 ? 6 : payload < 65_536 ? 8 : 14)
    }

    /// Compares the account with the kernel's count. `missing` are the bytes that a frame still lacks which is accounted
    /// for already, `patience` is how long a message may take, in seconds.
    mutating func look(
        received now: Int, missing: Int, second: Int, patience: Int, isEncrypted: Bool
    ) -> Finding {
        let elapsed = max(1, second - self.second)
        if now != received { changed = second }
        received = now
        self.second = second
        let unexplained = now - explained + missing
        let fresh = unexplained - judged
        if isEncrypted {
            judged += fresh
            return fresh > Self.allowedEncryptedBytesPerSecond * elapsed ? .flood : .nothing
        }
        if fresh > Self.allowedBytesPerSecond * elapsed { return .flood }
        if isExact, unexplained < 0 { return .unmasked }
        if fresh > 0, fresh < Self.smallestFrame { return second - changed >= patience ? .halfFrame : .nothing }
        judged += fresh
        return .nothing
    }

    /// The bytes that the library has read from a socket so far: what the kernel has received, less what still waits there.
    /// Nil where the kernel does not say, or where more came between its two answers: the next look will do.
    static func read(_ descriptor: Int32) -> Int? {
        var waiting: Int32 = 0
        guard let before = received(descriptor), ioctl(descriptor, UInt(FIONREAD), &waiting) == 0,
            received(descriptor) == before
        else { return nil }
        return before - Int(waiting)
    }

    static func received(_ descriptor: Int32) -> Int? {
        // struct tcp_info of linux/tcp.h, whose fields never move; glibc's own ends before tcpi_bytes_received.
        withUnsafeTemporaryAllocation(byteCount: 136, alignment: 8) { buffer in
            var length = socklen_t(buffer.count)
            guard getsockopt(descriptor, Int32(IPPROTO_TCP), TCP_INFO, buffer.baseAddress, &length) == 0,
                length == buffer.count
            else { return nil }
            return Int(buffer.load(fromByteOffset: 128, as: UInt64.self))
        }
    }
}
