/// A run with what it cost the servers: CPU between the window's edges, divided by what was done in it.

struct Measurement {
    let load: LoadResult
    /// The window, in nanoseconds since 1970.
    let window: Range<Int64>
    private let before: Snapshot
    private let after: Snapshot

    /// Runs the load against the gateway, or against the floor whose process is given.
    init(_ stage: Stage, _ load: Load, server: Int32? = nil, options: RunOptions) throws {
        var snapshots: [Snapshot] = []
        var edges: [Int64] = []
        let clock = RunClock()
        self.load = try load.run(warmUp: options.warmUp, seconds: options.seconds) {
            edges.append(clock.now)
            snapshots.append(stage.snapshot(of: server))
        }
        window = edges[0]..<edges[1]
        before = snapshots[0]
        after = snapshots[1]
    }

    /// CPU seconds of the server, all threads.
    var serverSeconds: Double { after.gateway.seconds - before.gateway.seconds }
    /// CPU seconds of its first thread, the loop.
    var loopSeconds: Double { after.gateway.mainThreadSeconds - before.gateway.mainThreadSeconds }
    /// CPU seconds of each of its threads, oldest first: of the gateway loop, journal, history.
    var threadSeconds: [Double] {
        after.gateway.threads.sorted { $0.key < $1.key }.map { thread, time in
            Double(time - (before.gateway.threads[thread] ?? 0)) / 1e9
        }
    }
    /// The part of its CPU that was spent in user space.
    var userShare: Double {
        let user = Double(after.gateway.userTicks - before.gateway.userTicks)
        let system = Double(after.gateway.systemTicks - before.gateway.systemTicks)
        return user / max(1, user + system)
    }
    var redisSeconds: Double { after.redis.seconds - before.redis.seconds }
    var postgresSeconds: Double { after.postgresSeconds - before.postgresSeconds }
    /// The part of the machine's cores that somebody else used.
    var otherShare: Double {
        let busy = after.machine.busySeconds - before.machine.busySeconds
        let ours =
            serverSeconds + redisSeconds + postgresSeconds + after.own.seconds - before.own.seconds
        return max(0, busy - ours) / load.seconds
    }

    func perPing(_ seconds: Double) -> Double { seconds / Double(max(1, load.pings)) * 1e6 }
    func perDelivery(_ seconds: Double) -> Double { seconds / Double(max(1, load.deliveries)) * 1e6 }
}

/// How long and how large the runs are.
struct RunOptions {
    var warmUp = 2.0
    var seconds = 6.0
    var devices = 500
    var pingsPerSecond = 10_000.0
    var viewers = 1_000
    var deliveriesPerSecond = 20_000.0
    var idleViewers = 15_000
    var backlog = 200_000
}
