/// One run: senders and watchers on one thread, a warm-up that is dropped, a window that is measured.
import Glibc

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
    var rejections = 0
    /// Frames that were refused for now (429, 503).
    var refusals = 0
    /// Pings sent in all that nobody acknowledged within five seconds of the end.
    var unacknowledged = 0

    /// Whether even the servers' CPU says nothing: a starved generator sends in bursts, and bursts are cheaper.
    var isVoid: Bool { lag.milliseconds(99) > 5 || generatorShare > 0.7 }

    /// Why the figures are the generator's rather than the server's; nil where they are the server's.
    var generatorLimit: String? {
        if lag.milliseconds(99) > 1 { return "it sent up to \(decimals(lag.milliseconds(99), 1)) ms late (p99)" }
        if generatorShare > 0.7 { return "it used \(Int(generatorShare * 100)) % of its core" }
        return nil
    }
}

final class Load {
    private let dialect: any Dialect
    private let fleet: Fleet
    private let audience: Audience?
    private let clock = RunClock()
    private let poller = Poller()
    private var frames = ServerFrames()

    init(_ dialect: some Dialect, fleet: FleetPlan, audience: AudiencePlan? = nil) {
        self.dialect = dialect
        self.fleet = Fleet(fleet, dialect)
        self.audience = audience.map { Audience($0, fleet: fleet, dialect) }
    }

    /// Opens all sockets, runs, closes them. `atEdge` is called at the window's beginning and end.
    func run(warmUp: Double, seconds: Double, atEdge: () -> Void) throws -> LoadResult {
        try fleet.open()
        try audience?.open()
        defer {
            fleet.close()
            audience?.close()
        }
        for (index, socket) in (fleet.descriptors + (audience?.descriptors ?? [])).enumerated() {
            poller.add(socket, number: index)
        }
        let start = (clock.now / 1_000_000 + 20) * 1_000_000
        let window = (start + Int64(warmUp * 1e9))..<(start + Int64((warmUp + seconds) * 1e9))
        fleet.window = window
        audience?.window = window
        fleet.begin(at: start)

        try go(until: window.lowerBound)
        let generator = Self.threadSeconds()
        atEdge()
        try go(until: window.upperBound)
        let used = Self.threadSeconds() - generator
        atEdge()
        // What is on its way still counts; nothing more is sent.
        let deadline = clock.now + 5_000_000_000
        while dialect.acknowledges, fleet.acknowledgedCount < fleet.sent, clock.now < deadline {
            try turn(until: clock.now + 5_000_000)
        }
        return result(seconds: seconds, generatorShare: used / seconds)
    }

    /// Sends and receives until `moment`.
    private func go(until moment: Int64) throws {
        while clock.now < moment {
            fleet.sendDue { [clock] in min(clock.now, moment - 1) }
            try turn(until: min(moment, fleet.nextDue))
        }
    }

    private func turn(until moment: Int64) throws {
        let devices = fleet.descriptors.count
        poller.wait(nanoseconds: max(0, moment - clock.now)) { number in
            let time = clock.now
            if number < devices {
                let outcome = frames.read(fleet.descriptors[number], dialect.deviceFraming) {
                    fleet.received($0, on: number, at: time)
                }
                if outcome == .ended { fleet.ended(number) }
            } else if let audience {
                let viewer = number - devices
                let outcome = frames.read(audience.descriptors[viewer], dialect.viewerFraming) {
                    audience.received($0, on: viewer, at: time)
                }
                if outcome == .ended { audience.ended() }
            }
        }
        if let failure = fleet.failure ?? audience?.failure { throw BenchError(failure) }
    }

    private func result(seconds: Double, generatorShare: Double) -> LoadResult {
        var result = LoadResult()
        result.pings = fleet.sentInWindow
        result.seconds = seconds
        result.acknowledged = fleet.acknowledged
        result.lag = fleet.lag
        result.generatorShare = generatorShare
        result.rejections = fleet.rejections
        result.refusals = fleet.refusals
        result.unacknowledged = dialect.acknowledges ? fleet.sent - fleet.acknowledgedCount : 0
        if let audience {
            result.deliveries = audience.deliveriesInWindow
            result.viewed = audience.latency
            result.pushBytes = Double(audience.bytes) / Double(max(1, audience.frames))
            result.positionsPerFrame = Double(audience.deliveries) / Double(max(1, audience.frames))
        }
        return result
    }

    private static func threadSeconds() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
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
