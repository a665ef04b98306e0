/// Where a server listens.
import Glibc

/// An IPv4 address and port. Loopback unless told otherwise.
struct ServerAddress: CustomStringConvertible {
    /// In the host's byte order.
    var host: UInt32
    var port: Int

    init(host: UInt32 = 0x7F00_0001, port: Int) {
        self.host = host
        self.port = port
    }

    /// 127.0.0.0/8 (RFC 1122, part 3.2.1.3).
    var isLoopback: Bool { host >> 24 == 127 }

    var description: String {
        [24, 16, 8, 0].map { String(host >> UInt32($0) & 0xFF) }.joined(separator: ".") + ":\(port)"
    }

    var native: sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(truncatingIfNeeded: port).bigEndian
        address.sin_addr.s_addr = host.bigEndian
        return address
    }
}
