/// The listening socket: ours, because Debian's libwebsockets cannot share a port, which several processes will need;
/// its connections are handed over by adoption.
import EventLoop
import Glibc

/// A connection that has just been accepted.
struct Arrival {
    /// Owned by whoever holds this.
    let descriptor: Int32
    /// The TCP peer.
    let address: NetworkAddress
    /// Whether it counts against its address's limit.
    var isCounted = false
    /// The length of its first request's head; 0 where that was not looked at.
    var headBytes = 0
}

/// Accepts connections on a TCP port.
final class Listener {
    let port: UInt16
    private let descriptor: Int32
    private var poll: LoopPoll?

    /// Listens; `accepted` gets each new connection, whose descriptor it then owns.
    init(
        loop: EventLoop, address: String, port: UInt16, accepted: @escaping (Arrival) -> Void
    ) throws(WebServerError) {
        let isIPv6 = address.contains(":")
        let family = isIPv6 ? AF_INET6 : AF_INET
        let descriptor = socket(family, Int32(SOCK_STREAM.rawValue) | O_NONBLOCK | O_CLOEXEC, 0)
        self.descriptor = descriptor
        guard descriptor >= 0 else { throw Self.error("open a socket", address, port) }
        // A restart must not wait for the connections of the process before it. Not SO_REUSEPORT: as long as one process
        // serves a port, a second one on it is a mistake that should be told.
        var on: Int32 = 1
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<Int32>.size))
        guard let bound = Self.bind(descriptor, address: address, port: port, isIPv6: isIPv6) else {
            let error = Self.error("listen on", address, port)
            Glibc.close(descriptor)
            throw error
        }
        self.port = bound
        guard listen(descriptor, 4_096) == 0 else {
            let error = Self.error("listen on", address, port)
            Glibc.close(descriptor)
            throw error
        }
        do {
            poll = try LoopPoll(loop: loop, descriptor: descriptor) { _ in
                // At most 64 a wake-up, so that a storm of connects does not starve those who are in.
                for _ in 0..<64 {
                    var peer = sockaddr_storage()
                    let client = Self.accept(descriptor, &peer)
                    guard client >= 0 else { return }
                    _ = fcntl(client, F_SETFL, O_NONBLOCK)
                    _ = fcntl(client, F_SETFD, FD_CLOEXEC)
                    var on: Int32 = 1
                    setsockopt(client, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
                    accepted(Arrival(descriptor: client, address: NetworkAddress(peer)))
                }
            }
        } catch {
            Glibc.close(descriptor)
            throw WebServerError(description: "cannot watch the listening socket: \(error)")
        }
        poll?.watch(.readable)
    }

    private static func accept(_ descriptor: Int32, _ peer: inout sockaddr_storage) -> Int32 {
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        return withUnsafeMutablePointer(to: &peer) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { Glibc.accept(descriptor, $0, &length) }
        }
    }

    /// Stops accepting.
    func close() {
        poll?.close()
        poll = nil
        Glibc.close(descriptor)
    }

    /// Binds and returns the port in use; nil with `errno` set where that fails.
    private static func bind(_ descriptor: Int32, address: String, port: UInt16, isIPv6: Bool) -> UInt16? {
        func bound<Address>(_ value: inout Address) -> Bool {
            var length = socklen_t(MemoryLayout<Address>.size)
            return withUnsafeMutablePointer(to: &value) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    Glibc.bind(descriptor, $0, length) == 0 && getsockname(descriptor, $0, &length) == 0
                }
            }
        }
        if isIPv6 {
            var value = sockaddr_in6()
            value.sin6_family = sa_family_t(AF_INET6)
            value.sin6_port = port.bigEndian
            guard inet_pton(AF_INET6, address, &value.sin6_addr) == 1, bound(&value) else { return nil }
            return UInt16(bigEndian: value.sin6_port)
        }
        var value = sockaddr_in()
        value.sin_family = sa_family_t(AF_INET)
        value.sin_port = port.bigEndian
        guard inet_pton(AF_INET, address, &value.sin_addr) == 1, bound(&value) else { return nil }
        return UInt16(bigEndian: value.sin_port)
    }

    private static func error(_ what: String, _ address: String, _ port: UInt16) -> WebServerError {
        let reason = String(cString: strerror(errno))
        return WebServerError(
            description: "cannot \(what) \(address):\(port): \(reason). Choose another with DROVER_LISTEN=ADDRESS:PORT")
    }
}
