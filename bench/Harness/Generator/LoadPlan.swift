/// All of what a run does.

struct LoadPlan {
    var fleets: [FleetPlan]
    var audiences: [AudiencePlan] = []
    var profile = LoadProfile()
    var storm: Storm?
    /// Seconds after the measured part's beginning at which devices with a backlog flush it.
    var flushAt = 0.0
    /// Whether a connection that the server ends is counted, and the run goes on. Otherwise it ends the run.
    var toleratesLosses = false

    var sockets: Int { fleets.reduce(0) { $0 + $1.sockets } }
    var viewers: Int { audiences.reduce(0) { $0 + $1.viewers } }
    var hasBacklog: Bool { fleets.contains { $0.backlog != nil } }
}

/// What is told about a run once a second, for whoever watches it.
struct LoadProgress {
    enum Phase: String {
        case opening, ramp, warmUp = "warm-up", steady, drop
    }
    var phase: Phase
    /// Seconds since the first ping, and of the whole run.
    var elapsed: Double
    var total: Double
    var openSockets: Int
    var sockets: Int
    /// Since the last time.
    var pingsPerSecond: Double
    var deliveriesPerSecond: Double
    /// Of the last second, in milliseconds.
    var acknowledged: (p50: Double, p99: Double)
    var viewed: (p50: Double, p99: Double)
    var lag: Double
    /// What goes on besides: a storm, a flush.
    var disturbance: String?
}
