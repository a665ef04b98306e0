/// Once a second: what a run has done since the last time.

struct ProgressTicker {
    private static let interval: Int64 = 1_000_000_000
    private var timeline = Timeline(start: 0, LoadProfile())
    private var total = 0.0
    private(set) var due: Int64 = 0
    private var last: (time: Int64, pings: Int, deliveries: Int) = (0, 0, 0)

    init() {}

    init(timeline: Timeline, profile: LoadProfile) {
        self.timeline = timeline
        total = profile.total
        due = timeline.start + Self.interval
        last.time = timeline.start
    }

    func isDue(_ time: Int64) -> Bool { time >= due }

    /// Nobody watches.
    mutating func skip(_ time: Int64) { due = time + Self.interval }

    mutating func progress(
        _ phase: LoadProgress.Phase, at time: Int64, _ fleet: Fleet, _ audience: Audience?,
        _ connections: Connections, _ disturbance: String?
    ) -> LoadProgress {
        due = time + Self.interval
        let seconds = max(0.001, Double(time - last.time) / 1e9)
        let deliveries = audience?.counts.deliveries ?? 0
        defer { last = (time, fleet.counts.sent, deliveries) }
        return LoadProgress(
            phase: phase, elapsed: phase == .opening ? 0 : max(0, Double(time - timeline.start) / 1e9), total: total,
            openSockets: connections.openCount, sockets: connections.descriptors.count,
            pingsPerSecond: Double(fleet.counts.sent - last.pings) / seconds,
            deliveriesPerSecond: Double(deliveries - last.deliveries) / seconds,
            acknowledged: Self.percentiles(fleet.latency.recent),
            viewed: audience.map { Self.percentiles($0.latency.recent) } ?? (0, 0),
            lag: fleet.recentLag.milliseconds(99), disturbance: disturbance)
    }

    private static func percentiles(_ latencies: Latencies) -> (p50: Double, p99: Double) {
        (latencies.milliseconds(50), latencies.milliseconds(99))
    }
}

extension Timeline {
    /// Which part of the run a moment lies in.
    func phase(at time: Int64) -> LoadProgress.Phase {
        if time < start + ramp { return .ramp }
        if time < window.lowerBound { return .warmUp }
        return time < window.upperBound ? .steady : .drop
    }
}
