/// A private Redis Cluster: three primaries and a replica of each, on loopback, gone when we are.
import Glibc

/// Six redis-servers of our own.
public final class LocalRedisCluster: Sendable {
    /// Three primaries, then their replicas in the same order, as they were at the start.
    public let nodes: [LocalRedis]
    /// `redis-cluster://…`, as `DROVER_REDIS_URL` takes it; names all nodes.
    public let url: String
    private let directory: TemporaryDirectory

    private static let slots = 16_384

    /// Starts one and waits until every slot is served and every primary has its replica.
    ///
    /// - Parameter timeoutMilliseconds: after which silence of a primary its replica takes over.
    public static func start(timeoutMilliseconds: Int = 1_000) throws(LocalServerError) -> LocalRedisCluster {
        try LocalRedisCluster(timeoutMilliseconds: timeoutMilliseconds)
    }

    private init(timeoutMilliseconds: Int) throws(LocalServerError) {
        directory = try TemporaryDirectory(prefix: "dc")
        var nodes: [LocalRedis] = []
        for port in try LoopbackPorts.take(6) {
            nodes.append(
                try LocalRedis.start(
                    directory: "\(directory.path)/\(port)", port: port,
                    options: [
                        "--cluster-enabled", "yes", "--cluster-node-timeout", "\(timeoutMilliseconds)",
                        "--cluster-replica-validity-factor", "0", "--repl-diskless-sync-delay", "0",
                    ]))
        }
        self.nodes = nodes
        url = "redis-cluster://" + nodes.compactMap(\.endpoint).joined(separator: ",")
        try join()
    }

    /// Introduces the nodes to each other, gives out the slots and the replicas.
    private func join() throws(LocalServerError) {
        let share = Self.slots / 3
        for (index, node) in nodes.enumerated() {
            try node.command("CLUSTER", "MEET", "127.0.0.1", "\(nodes[0].port ?? 0)")
            if index < 3 {
                let last = index == 2 ? Self.slots - 1 : (index + 1) * share - 1
                try node.command("CLUSTER", "ADDSLOTSRANGE", "\(index * share)", "\(last)")
            }
        }
        let nodes = nodes
        try waitUntil("a Redis Cluster") { () throws(LocalServerError) in
            for node in nodes where try !node.command("CLUSTER", "INFO").contains("cluster_known_nodes:6") {
                return false
            }
            return true
        }
        for index in 0..<3 {
            let primary = try nodes[index].command("CLUSTER", "MYID")
            try waitUntil("a replica in a Redis Cluster") { () throws(LocalServerError) in
                try nodes[index + 3].command("CLUSTER", "REPLICATE", primary).hasPrefix("OK")
            }
        }
        try awaitHealth()
    }

    /// Waits until all slots are served and every replica that runs follows its primary.
    public func awaitHealth() throws(LocalServerError) {
        let running = nodes.filter(\.isRunning)
        try waitUntil("a Redis Cluster that serves every slot") { () throws(LocalServerError) in
            for node in running {
                guard try node.command("CLUSTER", "INFO").contains("cluster_state:ok") else { return false }
                let replication = try node.command("INFO", "replication")
                if replication.contains("role:slave"), !replication.contains("master_link_status:up") { return false }
            }
            return true
        }
    }

    /// The running primary that owns the key's slot.
    public func owner(of key: String) throws(LocalServerError) -> LocalRedis {
        var owner: LocalRedis?
        try waitUntil("an owner of \(key)") { () throws(LocalServerError) in
            for node in nodes where node.isRunning {
                let answer = try node.command("EXISTS", key)
                if Int(answer) != nil, try node.command("ROLE").hasPrefix("master") { owner = node }
            }
            return owner != nil
        }
        guard let owner else { throw .notReady("an owner of \(key)", within: .zero, log: "") }
        return owner
    }

    /// Gives a command to the key's owner; the key is the second part.
    @discardableResult
    public func command(_ parts: String...) throws(LocalServerError) -> String {
        let client = try findProgram("redis-cli", package: "redis-tools")
        guard let node = nodes.first(where: \.isRunning) else {
            throw .notReady("Redis Cluster", within: .zero, log: "")
        }
        let output = try Command.runChecked([client, "-c", "-p", "\(node.port ?? 0)"] + parts, within: .seconds(20))
        return output.hasSuffix("\n") ? String(output.dropLast()) : output
    }

    /// Ends all of it.
    public func stop() {
        for node in nodes { node.kill() }
        directory.remove()
    }
}
