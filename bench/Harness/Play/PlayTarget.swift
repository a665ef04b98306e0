/// Whom a scenario is played against: somebody's running gateway, or one that is started for it.
import DroverClient
import Glibc

extension ServerAddress {
    /// The address behind `http://HOST:PORT`. A host that is not this machine is refused unless `allowsRemote`.
    init(url: String, allowsRemote: Bool) throws(BenchError) {
        let endpoint: Endpoint
        do throws(DroverClientError) {
            endpoint = try Endpoint(url)
        } catch {
            throw BenchError("--target: \(error)")
        }
        guard endpoint.path.isEmpty || endpoint.path == "/" else {
            throw BenchError("--target is http://HOST:PORT, without a path")
        }
        var hints = addrinfo()
        hints.ai_family = AF_INET
        var list: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(endpoint.host, nil, &hints, &list) == 0, let first = list?.pointee.ai_addr else {
            throw BenchError("--target: \(endpoint.host) has no IPv4 address")
        }
        defer { freeaddrinfo(list) }
        let host = first.withMemoryRebound(to: sockaddr_in.self, capacity: 1) { $0.pointee.sin_addr.s_addr }
        self.init(host: UInt32(bigEndian: host), port: Int(endpoint.port))
        guard isLoopback || allowsRemote else {
            throw BenchError(
                "\(url) is not this machine. A load test of somebody else's server is an attack on it: give "
                    + "--allow-remote if it is yours, or if its owner agreed")
        }
    }
}
