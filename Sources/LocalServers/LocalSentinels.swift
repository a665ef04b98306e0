/// A private primary with a replica, and three Sentinels who watch them: on loopback, gone when we are.
import Glibc

/// Five servers of our own.
public final class LocalSentinels: Sendable {
    /// What the Sentinels call the primary.
    public static let name = "drover"
    /// The primary at the start, and its replica.
    public let primary: LocalRedis
    /// The replica at the start.
    public let replica: LocalRedis
    /// Those who watch them.
    public let sentinels: [LocalRedis]
    /// `redis-sentinel://…`, as `DROVER_REDIS_URL` takes it.
    public let url: String
    private let directory: TemporaryDirectory

    /// Starts them and waits until the Sentinels know each other and the replica.
    public static func start() throws(LocalServerError) -> LocalSentinels { try LocalSentinels() }

    private init() throws(LocalServerError) {
        directory = try TemporaryDirectory(prefix: "ds")
        let ports = try LoopbackPorts.take(5)
        let quick = ["--repl-diskless-sync-delay", "0"]
        primary = try LocalRedis.start(directory: directory.path + "/a", port: ports[0], options: quick)
        replica = try LocalRedis.start(
            directory: directory.path + "/b", port: ports[1], options: quick + ["--replicaof", "127.0.0.1 \(ports[0])"])
        var sentinels: [LocalRedis] = []
        for port in ports[2...] {
            let place = "\(directory.path)/\(port)"
            try makeDirectory(place)
            let file = place + "/sentinel.conf"
            try writeFile(
                file,
                """
                sentinel monitor \(Self.name) 127.0.0.1 \(ports[0]) 2
                sentinel down-after-milliseconds \(Self.name) 1000
                sentinel failover-timeout \(Self.name) 3000

                """)
            sentinels.append(
                try LocalRedis.start(directory: place, port: port, configuration: file, options: ["--sentinel"]))
        }
        self.sentinels = sentinels
        url = "redis-sentinel://" + sentinels.compactMap(\.endpoint).joined(separator: ",") + "/" + Self.name
        try awaitHealth()
    }

    /// Waits until every Sentinel knows the two others and one replica that follows.
    public func awaitHealth() throws(LocalServerError) {
        try waitUntil("a watched Redis") { () throws(LocalServerError) in
            guard try replica.command("INFO", "replication").contains("master_link_status:up") else { return false }
            for sentinel in sentinels where sentinel.isRunning {
                let known = try sentinel.command("INFO", "sentinel")
                guard known.contains("status=ok"), known.contains("slaves=1"), known.contains("sentinels=3")
                else { return false }
            }
            return true
        }
    }

    /// Ends all of it.
    public func stop() {
        for server in sentinels + [replica, primary] { server.kill() }
        directory.remove()
    }
}

/// A small file, made anew.
private func writeFile(_ path: String, _ text: String) throws(LocalServerError) {
    let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw .file(path, reason: systemReason()) }
    defer { close(descriptor) }
    let bytes = Array(text.utf8)
    guard write(descriptor, bytes, bytes.count) == bytes.count else { throw .file(path, reason: systemReason()) }
}
