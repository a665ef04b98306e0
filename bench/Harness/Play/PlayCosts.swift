/// What a run cost the servers: CPU and memory, read from /proc at the edges of the measured part.
import Glibc

/// One server's part.
struct ServerCost: Codable {
    var server: String
    /// CPU seconds of all its threads or processes within the measured part.
    var cpuSeconds: Double
    /// Divided by the pings and by the deliveries of that part. Each is the whole: a ping's share holds what its
    /// deliveries cost, and the other way round.
    var microsecondsPerPing: Double?
    var microsecondsPerDelivery: Double?
    /// At the end of the measured part, and how much more than before the first connection.
    var memoryBytes: Int
    var memoryGrowthBytes: Int
}

/// Watches some processes from a run's beginning.
final class CostWatch {
    private let servers: [Server]
    private var edges: [[Reading]] = []
    /// Busy seconds of the whole machine and of this process at the same moments.
    private var machine: [(busy: Double, own: Double)] = []
    private let before: [Reading]

    struct Server {
        var name: String
        var process: Int32
        /// Postgres: every connection is a process of its own.
        var isTree = false
    }

    private struct Reading {
        var cpuSeconds: Double
        var memoryBytes: Int
    }

    init(_ servers: [Server]) {
        self.servers = servers
        before = servers.map(Self.read)
    }

    /// Called at the beginning and at the end of the measured part.
    func edge() {
        edges.append(servers.map(Self.read))
        machine.append((MachineUsage().busySeconds, ProcessUsage(getpid()).seconds))
    }

    /// Cores that were busy with something else than the watched servers and this process; nil where no server is
    /// watched, since then nothing tells whose time it was.
    func otherCores(_ result: LoadResult) -> Double? {
        guard edges.count >= 2, !servers.isEmpty else { return nil }
        let watched = servers.indices.reduce(0) { $0 + edges[1][$1].cpuSeconds - edges[0][$1].cpuSeconds }
        let own = machine[1].own - machine[0].own
        return max(0, machine[1].busy - machine[0].busy - watched - own) / result.seconds
    }

    func costs(_ result: LoadResult) -> [ServerCost] {
        guard edges.count >= 2 else { return [] }
        return servers.indices.map { index in
            let used = edges[1][index].cpuSeconds - edges[0][index].cpuSeconds
            return ServerCost(
                server: servers[index].name, cpuSeconds: used, microsecondsPerPing: Self.each(used, result.pings),
                microsecondsPerDelivery: Self.each(used, result.deliveries),
                memoryBytes: edges[1][index].memoryBytes,
                memoryGrowthBytes: edges[1][index].memoryBytes - before[index].memoryBytes)
        }
    }

    private static func each(_ seconds: Double, _ count: Int) -> Double? {
        count > 0 ? seconds / Double(count) * 1e6 : nil
    }

    private static func read(_ server: Server) -> Reading {
        guard server.isTree else {
            return Reading(
                cpuSeconds: ProcessUsage(server.process).seconds,
                memoryBytes: MemoryUsage(server.process).residentKiB << 10)
        }
        // Its processes share most of their memory: the proportional sizes add up.
        let processes = [server.process] + ProcFile.children(of: server.process)
        return Reading(
            cpuSeconds: PostgresUsage.seconds(server.process),
            memoryBytes: processes.reduce(0) { $0 + MemoryUsage($1).proportionalKiB } << 10)
    }
}
