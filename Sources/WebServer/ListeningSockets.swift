/// Listening sockets, which several processes can share: opened here, accepted on by `Listener`.
import Glibc

/// One or more listening sockets over one port.
public struct ListeningSockets: Sendable {
    /// Whoever holds this closes them; they are closed on exec.
    public let descriptors: [Int32]
    /// The port in use, also where 0 was asked for.
    public let port: UInt16

    /// Opens `count` sockets, among which the kernel divides connections by their addresses (socket(7), SO_REUSEPORT).
    ///
    /// The first is bound and listens as if it were alone, and only then shares: so a port that somebody else serves is
    /// refused, by another gateway's sockets too, which a socket bound with SO_REUSEPORT would silently join.
    public init(address: String, port: UInt16, count: Int = 1) throws(WebServerError) {
        var descriptors: [Int32] = []
        var bound = port
        do throws(WebServerError) {
            for index in 0..<count {
                descriptors.append(try Self.open(address, &bound, isShared: index > 0))
                // Beyond the check at its own binding, the first must allow the others theirs.
                if index == 0, count > 1 { Self.set(SO_REUSEPORT, on: descriptors[0]) }
            }
        } catch {
            for descriptor in descriptors { close(descriptor) }
            throw error
        }
        self.descriptors = descriptors
        self.port = bound
    }

    /// The port of a socket that listens; 0 where it is none.
    static func port(of descriptor: Int32) -> UInt16 {
        var address = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        return withUnsafeMutablePointer(to: &address) { pointer in
            let got = pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                getsockname(descriptor, $0, &length)
            }
            guard got == 0 else { return 0 }
            // The port stands at the same place in both families (RFC 3493, 3.3).
            return pointer.withMemoryRebound(to: sockaddr_in.self, capacity: 1) {
                UInt16(bigEndian: $0.pointee.sin_port)
            }
        }
    }

    private static func open(
        _ address: String, _ port: inout UInt16, isShared: Bool
    ) throws(WebServerError) -> Int32 {
        let family = address.contains(":") ? AF_INET6 : AF_INET
        let descriptor = socket(family, Int32(SOCK_STREAM.rawValue) | O_NONBLOCK | O_CLOEXEC, 0)
        guard descriptor >= 0 else { throw error("open a socket", address, port) }
        // A restart must not wait for the connections of the process before it.
        set(SO_REUSEADDR, on: descriptor)
        if isShared { set(SO_REUSEPORT, on: descriptor) }
        guard bind(descriptor, address, port, family), listen(descriptor, 4_096) == 0 else {
            let error = error("listen on", address, port)
            close(descriptor)
            throw error
        }
        port = self.port(of: descriptor)
        return descriptor
    }

    private static func set(_ option: Int32, on descriptor: Int32) {
        var on: Int32 = 1
        setsockopt(descriptor, SOL_SOCKET, option, &on, socklen_t(MemoryLayout<Int32>.size))
    }

    /// False with `errno` set where it fails.
    private static func bind(_ descriptor: Int32, _ address: String, _ port: UInt16, _ family: Int32) -> Bool {
        func bound<Address>(_ value: inout Address) -> Bool {
            withUnsafeMutablePointer(to: &value) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    Glibc.bind(descriptor, $0, socklen_t(MemoryLayout<Address>.size)) == 0
                }
            }
        }
        if family == AF_INET6 {
            var value = sockaddr_in6()
            value.sin6_family = sa_family_t(AF_INET6)
            value.sin6_port = port.bigEndian
            return inet_pton(AF_INET6, address, &value.sin6_addr) == 1 && bound(&value)
        }
        var value = sockaddr_in()
        value.sin_family = sa_family_t(AF_INET)
        value.sin_port = port.bigEndian
        return inet_pton(AF_INET, address, &value.sin_addr) == 1 && bound(&value)
    }

    private static func error(_ what: String, _ address: String, _ port: UInt16) -> WebServerError {
        let reason = String(cString: strerror(errno))
        return WebServerError(
            description: "cannot \(what) \(address):\(port): \(reason). Choose another with DROVER_LISTEN=ADDRESS:PORT")
    }
}
