/// TCP ports on loopback for servers that must know each other's before they start.
import Glibc

enum LoopbackPorts {
    /// Below the ports that the kernel gives to clients (from 32768 on), and such that port + 10000, where a node of a
    /// Redis Cluster listens to the others, is none of a server's own.
    private static let range = 12_000..<22_000

    /// Ports that nobody listens on now, each with its neighbour 10000 above. Somebody may take one before it is used: the
    /// server then does not start.
    static func take(_ count: Int) throws(LocalServerError) -> [Int] {
        var ports: [Int] = []
        for _ in 0..<1_000 where ports.count < count {
            let port = Int.random(in: range)
            if !ports.contains(port), isFree(port), isFree(port + 10_000) { ports.append(port) }
        }
        guard ports.count == count else { throw .cannotStart("redis-server", reason: "no free ports on loopback") }
        return ports
    }

    private static func isFree(_ port: Int) -> Bool {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        } == 0
    }
}

/// Waits until `condition` holds, at most `limit`.
func waitUntil(
    _ what: String, within limit: Duration = .seconds(30), _ condition: () throws(LocalServerError) -> Bool
) throws(LocalServerError) {
    let deadline = ContinuousClock.now + limit
    while try !condition() {
        guard ContinuousClock.now < deadline else { throw .notReady(what, within: limit, log: "") }
        _ = poll(nil, 0, 20)
    }
}
