/// What the kernel knows of a connection that the library does not tell. Apart from the library's module, since the same C
/// names come with it too.
import Glibc

/// Asked of a socket's descriptor.
enum SocketState {
    /// POLLRDHUP of Linux's poll.h, which glibc shows only to GNU's own sources.
    private static let peerHasClosed: Int16 = 0x2000

    /// Whether the other side has closed its end, or the connection is broken.
    static func hasEnded(_ descriptor: Int32) -> Bool {
        var state = pollfd(fd: descriptor, events: peerHasClosed, revents: 0)
        return poll(&state, 1, 0) > 0
    }

    /// How many bytes the peer's kernel has acknowledged: `tcpi_bytes_acked` of linux/tcp.h's struct tcp_info, whose fields
    /// never move. 0 where it cannot be told.
    static func acknowledgedBytes(_ descriptor: Int32) -> UInt64 {
        withUnsafeTemporaryAllocation(byteCount: 128, alignment: 8) { buffer in
            var length = socklen_t(buffer.count)
            guard getsockopt(descriptor, Int32(IPPROTO_TCP), TCP_INFO, buffer.baseAddress, &length) == 0,
                length == buffer.count
            else { return 0 }
            return buffer.load(fromByteOffset: 120, as: UInt64.self)
        }
    }
}
