/// A run with what it cost the servers: CPU between the window's edges, divided by what was done in it.

struct Measurement {
    private(set) var load: LoadResult
    /// The window, in nanoseconds since 1970; of several runs, from the first's beginning to the last's end.
    private(set) var window: Range<Int64>
    /// CPU seconds of the server, all threads.
    private(set) var serverSeconds: Double
    /// CPU seconds of its first thread, the loop.
    private(set) var loopSeconds: Double
    /// CPU seconds of each of its threads, oldest first: of the gateway loop, journal, history.
    private(set) var threadSeconds: [Double]
    private(set) var redisSeconds: Double
    private(set) var postgresSeconds: Double
    private var userTicks: Int64
    private var systemTicks: Int64
    /// Seconds of the machine's cores that somebody else used.
    private var otherSeconds: Double

    /// Runs the load against the gateway, or against the floor whose process is given. `atEdge` is called at the window's
    /// beginning and end.
    init(
        _ stage: Stage, _ load: Load, server: Int32? = nil, options: RunOptions, atEdge: () -> Void = {}
    ) throws {
        var snapshots: [Snapshot] = []
        var edges: [Int64] = []
        let clock = RunClock()
        self.load = try load.run(warmUp: options.warmUp, seconds: options.seconds) {
            edges.append(clock.now)
            snapshots.append(stage.snapshot(of: server))
            atEdge()
        }
        window = edges[0]..<edges[1]
        let (before, after) = (snapshots[0], snapshots[1])
        serverSeconds = after.gateway.seconds - before.gateway.seconds
        loopSeconds = after.gateway.mainThreadSeconds - before.gateway.mainThreadSeconds
        threadSeconds = after.gateway.threads.sorted { $0.key < $1.key }.map { thread, time in
            Double(time - (before.gateway.threads[thread] ?? 0)) / 1e9
        }
        redisSeconds = after.redis.seconds - before.redis.seconds
        postgresSeconds = after.postgresSeconds - before.postgresSeconds
        userTicks = after.gateway.userTicks - before.gateway.userTicks
        systemTicks = after.gateway.systemTicks - before.gateway.systemTicks
        let ours = serverSeconds + redisSeconds + postgresSeconds + after.own.seconds - before.own.seconds
        otherSeconds = max(0, after.machine.busySeconds - before.machine.busySeconds - ours)
    }

    /// Adds a further run of the same load.
    mutating func add(_ other: Measurement) {
        load.add(other.load)
        window = window.lowerBound..<other.window.upperBound
        serverSeconds += other.serverSeconds
        loopSeconds += other.loopSeconds
        // A floor is a new process each time; its threads are as many.
        threadSeconds = zip(threadSeconds, other.threadSeconds).map { $0 + $1 }
        redisSeconds += other.redisSeconds
        postgresSeconds += other.postgresSeconds
        userTicks += other.userTicks
        systemTicks += other.systemTicks
        otherSeconds += other.otherSeconds
    }

    /// The part of its CPU that was spent in user space.
    var userShare: Double { Double(userTicks) / Double(max(1, userTicks + systemTicks)) }
    /// The part of the machine's cores that somebody else used.
    var otherShare: Double { otherSeconds / load.seconds }

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
    var backlog = 500_000
}
