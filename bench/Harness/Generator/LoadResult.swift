/// What a run found on the client's side.

struct LoadResult {
    /// Pings whose intended time lies in the window.
    var pings = 0
    var deliveries = 0
    /// Seconds of the window.
    var seconds = 0.0
    var acknowledged = Latencies()
    var viewed = Latencies()
    var lag = Latencies()
    /// CPU of the generator's own thread, as a part of one core.
    var generatorShare = 0.0
    /// Average bytes of a frame to a viewer, header included.
    var pushBytes = 0.0
    /// Positions in such a frame.
    var positionsPerFrame = 0.0
    /// Pings sent in all that nobody acknowledged within five seconds of the end.
    var unacknowledged = 0
    /// All pings and positions, those outside the window too.
    var counts = PingCounts()
    var deliveryCounts = DeliveryCounts()
    /// How soon connections were there: at first, and after a storm. Without a ramp all are meant to begin at once.
    var deviceArrivals = ConnectionFigures()
    var viewerArrivals = ConnectionFigures()
    var deviceReturns = ConnectionFigures()
    var viewerReturns = ConnectionFigures()
    /// The latencies during a storm or while backlogs were flushed, and how long that took; 0 where there was none.
    var disturbedAcknowledged = Latencies()
    var disturbedViewed = Latencies()
    var disturbedSeconds = 0.0
    /// From the flush's beginning to a device's last acknowledgement.
    var flushTimes = Latencies()

    /// What the parts of a run have counted.
    init(_ fleet: Fleet, _ audience: Audience?, _ connections: Connections) {
        pings = fleet.counts.due
        acknowledged = fleet.latency.measured
        disturbedAcknowledged = fleet.latency.disturbed
        lag = fleet.lag
        counts = fleet.counts
        flushTimes = fleet.flushTimes
        deviceArrivals = connections.arrivals.devices
        viewerArrivals = connections.arrivals.viewers
        deviceReturns = connections.returns.devices
        viewerReturns = connections.returns.viewers
        guard let audience else { return }
        viewed = audience.latency.measured
        disturbedViewed = audience.latency.disturbed
        deliveryCounts = audience.counts
        deliveries = deliveryCounts.deliveriesInWindow
        pushBytes = Double(deliveryCounts.bytes) / Double(max(1, deliveryCounts.frames))
        positionsPerFrame = Double(deliveryCounts.deliveries) / Double(max(1, deliveryCounts.frames))
    }

    /// Adds another run of the same load.
    mutating func add(_ other: LoadResult) {
        let parts = (seconds / (seconds + other.seconds), other.seconds / (seconds + other.seconds))
        generatorShare = generatorShare * parts.0 + other.generatorShare * parts.1
        pushBytes = pushBytes * parts.0 + other.pushBytes * parts.1
        positionsPerFrame = positionsPerFrame * parts.0 + other.positionsPerFrame * parts.1
        pings += other.pings
        deliveries += other.deliveries
        seconds += other.seconds
        acknowledged.add(other.acknowledged)
        viewed.add(other.viewed)
        lag.add(other.lag)
        unacknowledged += other.unacknowledged
        counts.rejections += other.counts.rejections
        counts.refusals += other.counts.refusals
    }

    /// Acknowledgements that carried rejections.
    var rejections: Int { counts.rejections }
    /// Frames that were refused for now (429, 503).
    var refusals: Int { counts.refusals }

    /// Whether even the servers' CPU says nothing: a starved generator sends in bursts, and bursts are cheaper.
    var isVoid: Bool { lag.milliseconds(99) > 5 || generatorShare > 0.7 }

    /// Why the figures are the generator's rather than the server's; nil where they are the server's.
    var generatorLimit: String? {
        if lag.milliseconds(99) > 1 { return "it sent up to \(decimals(lag.milliseconds(99), 1)) ms late (p99)" }
        if generatorShare > 0.7 { return "it used \(Int(generatorShare * 100)) % of its core" }
        return nil
    }
}

/// A number with so many decimals.
func decimals(_ value: Double, _ count: Int) -> String {
    let scale = (0..<count).reduce(1.0) { power, _ in power * 10 }
    let scaled = (value * scale).rounded()
    guard scaled.isFinite, abs(scaled) < 1e15 else { return "\(value)" }
    let whole = Int(abs(scaled))
    let fraction = String(whole % Int(scale))
    let text = count == 0 ? "" : "." + String(repeating: "0", count: count - fraction.count) + fraction
    return (scaled < 0 ? "-" : "") + "\(whole / Int(scale))" + text
}
