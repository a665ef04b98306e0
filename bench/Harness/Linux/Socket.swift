/// Loopback sockets, as the generator and the floors use them.
import Glibc
import Synchronization

/// Why a run could not be done; one line that says what to do.
struct BenchError: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) {
        self.description = description
    }
}

enum Socket {
    /// Begins to connect and does not wait: the socket is writable once it is connected or has failed.
    static func begin(to server: ServerAddress, receiveBuffer: Int32? = nil) throws(BenchError) -> Int32 {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue), 0)
        guard descriptor >= 0 else { throw BenchError("no descriptor is left: \(reason()). Raise ulimit -n") }
        set(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY)
        if var receiveBuffer {
            setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &receiveBuffer, socklen_t(MemoryLayout<Int32>.size))
        }
        if server.isLoopback { takeSource(descriptor) }
        var address = server.native
        let length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let status = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { Glibc.connect(descriptor, $0, length) }
        }
        guard status == 0 || errno == EINPROGRESS else {
            close(descriptor)
            throw BenchError("cannot connect to \(server): \(reason())")
        }
        return descriptor
    }

    private static let begun = Atomic(0)

    /// Binds to one of eight loopback addresses, a new one every 8,000 connections. One address has 28,000 ports to one
    /// server, and Linux looks for a free one first among every other port: from 14,000 connections on each `connect`
    /// searches for milliseconds.
    private static func takeSource(_ descriptor: Int32) {
        let number = begun.wrappingAdd(1, ordering: .relaxed).oldValue
        var source = ServerAddress(host: 0x7F00_0001 + UInt32(number / 8_000 % 8), port: 0).native
        // The port is chosen by `connect`, which knows the other end (IP_BIND_ADDRESS_NO_PORT, ip(7)).
        set(descriptor, Int32(IPPROTO_IP), 24)
        _ = withUnsafePointer(to: &source) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
    }

    /// What became of a connection or of a socket since (SO_ERROR); 0 is nothing bad.
    static func error(_ descriptor: Int32) -> Int32 {
        var value: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &value, &length)
        return value
    }

    /// Listens on any free loopback port.
    static func listen() throws(BenchError) -> (descriptor: Int32, port: Int) {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = ServerAddress(port: 0).native
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, length) == 0 && Glibc.listen(descriptor, 4_096) == 0
                    && getsockname(descriptor, $0, &length) == 0
            }
        }
        guard isBound else { throw BenchError("cannot listen on loopback: \(reason())") }
        makeNonBlocking(descriptor)
        return (descriptor, Int(UInt16(bigEndian: address.sin_port)))
    }

    /// The next connection; negative where none waits.
    static func accept(_ listener: Int32) -> Int32 {
        let descriptor = Glibc.accept(listener, nil, nil)
        guard descriptor >= 0 else { return descriptor }
        makeNonBlocking(descriptor)
        set(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY)
        return descriptor
    }

    /// Connects to a Unix socket.
    static func connect(path: String) throws(BenchError) -> Int32 {
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let length = socklen_t(MemoryLayout<sockaddr_un>.size)
        let status = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { Glibc.connect(descriptor, $0, length) }
        }
        guard status == 0 else { throw BenchError("cannot connect to \(path): \(reason())") }
        return descriptor
    }

    /// From here on reads and writes return at once.
    static func makeNonBlocking(_ descriptor: Int32) {
        _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
    }

    /// Writes all of it to a blocking socket.
    static func writeAll(_ bytes: [UInt8], to descriptor: Int32) throws(BenchError) {
        var sent = 0
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes {
                send(descriptor, $0.baseAddress.unsafelyUnwrapped + sent, $0.count - sent, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { throw BenchError("the peer does not take bytes: \(reason())") }
            sent += count
        }
    }

    /// Allows this process, and those it starts, as many descriptors as it may have. Returns how many.
    static func raiseDescriptorLimit() -> Int {
        var files = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &files)
        files.rlim_cur = files.rlim_max
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &files)
        return Int(clamping: files.rlim_cur)
    }

    /// The system's words for the present `errno`.
    static func reason() -> String { String(cString: strerror(errno)) }

    private static func set(_ descriptor: Int32, _ level: Int32, _ option: Int32) {
        var on: Int32 = 1
        setsockopt(descriptor, level, option, &on, socklen_t(MemoryLayout<Int32>.size))
    }
}
