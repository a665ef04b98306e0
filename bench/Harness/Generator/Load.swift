/// One run: senders and watchers on one thread, grown, warmed up, measured over a window, and shrunk.
import Glibc

final class Load {
    private let dialect: any Dialect
    private let plan: LoadPlan
    private let fleet: Fleet
    private let audience: Audience?
    private let connections: Connections
    private let clock = RunClock()
    private var frames = ServerFrames()
    private var disturbance: Disturbance
    private var timeline = Timeline(start: 0, LoadProfile())
    private var closings = Closings()
    private var ticker = ProgressTicker()
    /// Is told how the run goes, about once a second, in the measuring thread: it has to be quick.
    var observer: ((LoadProgress) -> Void)?

    init(_ dialect: some Dialect, _ plan: LoadPlan) {
        let fleet = Fleet(plan.fleets, dialect)
        let audience = plan.viewers > 0 ? Audience(plan.audiences, fleet: fleet, dialect) : nil
        self.dialect = dialect
        self.plan = plan
        self.fleet = fleet
        self.audience = audience
        disturbance = Disturbance(plan, timeline)
        let devices = fleet.socketCount
        connections = Connections(devices: devices, viewers: audience?.socketCount ?? 0) { number throws(BenchError) in
            guard let audience, number >= devices else {
                return try Opening(dialect.deviceOpening(driver: fleet.firstDriver(of: number)), at: dialect.server)
            }
            let (plan, index) = audience.place(of: number - devices)
            return try Opening(
                dialect.viewerOpening(
                    drivers: audience.watched(by: number - devices), maximumRate: plan.maximumRate),
                // A small buffer, so that what a slow viewer does not read is soon the server's affair.
                at: dialect.server, receiveBuffer: plan.isSlow(index) ? 4_096 : nil)
        }
    }

    /// One group of drivers, one of viewers.
    convenience init(_ dialect: some Dialect, fleet: FleetPlan, audience: AudiencePlan? = nil) {
        self.init(dialect, LoadPlan(fleets: [fleet], audiences: audience.map { [$0] } ?? []))
    }

    /// The same with a warm-up and a measured part only.
    func run(warmUp: Double, seconds: Double, atEdge: () -> Void) throws -> LoadResult {
        try run(LoadProfile(warmUp: warmUp, steady: seconds), atEdge: atEdge)
    }

    /// Opens all connections, runs, closes them. `atEdge` is called at the window's beginning and end.
    func run(_ profile: LoadProfile? = nil, atEdge: () -> Void) throws -> LoadResult {
        let profile = profile ?? plan.profile
        defer { connections.closeAll() }
        if profile.ramp == 0 { try openAll() }
        // Connections of a ramp begin half a second before their pings.
        let start = (clock.now / 1_000_000 + (profile.ramp > 0 ? 520 : 20)) * 1_000_000
        timeline = Timeline(start: start, profile)
        disturbance = Disturbance(plan, timeline)
        fleet.begin(timeline)
        audience?.begin(timeline)
        if profile.ramp > 0 { connections.add(intents(from: start - 500_000_000, over: timeline.ramp)) }
        if profile.drop > 0 {
            closings = Closings(
                timeline, devices: fleet.socketCount, count: connections.descriptors.count, rank: rank)
        }
        ticker = ProgressTicker(timeline: timeline, profile: profile)

        try go(until: timeline.window.lowerBound)
        let generator = Self.threadSeconds()
        atEdge()
        try go(until: timeline.window.upperBound)
        let used = Self.threadSeconds() - generator
        atEdge()
        try go(until: timeline.end)
        try drain()
        var result = LoadResult(fleet, audience, connections)
        result.seconds = profile.steady
        result.generatorShare = used / max(0.001, profile.steady)
        result.unacknowledged = dialect.acknowledges ? fleet.counts.outstanding : 0
        result.disturbedSeconds = disturbance.seconds(before: timeline.end)
        return result
    }

    // MARK: The course

    private func openAll() throws {
        connections.add(intents(from: clock.now, over: 0))
        let begun = clock.now
        while connections.isOpening {
            try turn(until: min(connections.nextDue, clock.now + 100_000_000))
            let (devices, viewers) = connections.arrivals
            if devices.givenUp + viewers.givenUp > 0 || clock.now - begun > 120_000_000_000 {
                throw BenchError(
                    "\(connections.openCount) of \(connections.descriptors.count) connections could be opened: "
                        + (devices.reason ?? viewers.reason ?? "they took longer than two minutes"))
            }
            for _ in 0..<64 where connections.beginDue(at: clock.now) {}
            connections.expire(at: clock.now)
            if ticker.isDue(clock.now) { report(.opening) }
        }
    }

    /// Every connection, at its place in the ramp.
    private func intents(from begin: Int64, over span: Int64) -> [ConnectionIntent] {
        connections.descriptors.indices.map {
            ConnectionIntent(due: begin + Int64(Double(span) * rank(of: $0)), number: $0)
        }
    }

    private func rank(of number: Int) -> Double {
        guard let audience, number >= fleet.socketCount else { return fleet.rank(of: number) }
        return audience.rank(of: number - fleet.socketCount)
    }

    /// Sends and receives until `moment`.
    private func go(until moment: Int64) throws {
        while clock.now < moment {
            fleet.sendDue(clock)
            work()
            let next = min(fleet.nextDue, connections.nextDue, disturbance.nextDue, closings.nextDue)
            try turn(until: fleet.hasBacklogToSend ? 0 : min(moment, next, ticker.due))
            if ticker.isDue(clock.now) { report(timeline.phase(at: clock.now)) }
        }
    }

    /// What is not pings, in pieces of a few hundred microseconds.
    private func work() {
        let time = clock.now
        for _ in 0..<4 where fleet.nextDue > clock.now { guard connections.beginDue(at: time) else { break } }
        disturbance.work(at: time, connections, fleet) { close($0) }
        if disturbance.settle(at: time, connections, fleet) || !disturbance.range.isEmpty {
            fleet.latency.disturbance = disturbance.range
            audience?.latency.disturbance = disturbance.range
        }
        for _ in 0..<4 where fleet.hasBacklogToSend && fleet.nextDue > clock.now { fleet.sendBacklog(at: clock.now) }
        for _ in 0..<16 where closings.nextDue <= time {
            let number = closings.popFirst()
            // Who still waits for an answer stays until the run's end.
            if number >= fleet.socketCount || fleet.isIdle(number) { close(number) }
        }
        connections.expire(at: time)
    }

    /// What is on its way still counts, for five seconds at most; nothing more is sent.
    private func drain() throws {
        connections.forgetIntents()
        let end = clock.now
        while clock.now - end < 5_000_000_000 {
            let isWaiting = dialect.acknowledges && fleet.counts.outstanding > 0
            // A viewer's tick may be 250 ms.
            guard isWaiting || (audience != nil && clock.now - end < 300_000_000) else { return }
            try turn(until: clock.now + 5_000_000)
        }
    }

    // MARK: One turn

    private func turn(until moment: Int64) throws {
        for socket in fleet.takeClogged() where fleet.isClogged(socket) {
            connections.poller.change(connections.descriptors[socket], number: socket, writable: true)
        }
        var handled = 0
        connections.poller.wait(nanoseconds: max(0, moment - clock.now)) { number in
            handle(number)
            handled += 1
            // A thousand ready sockets take milliseconds: pings do not wait for them.
            if handled % 16 == 0 { fleet.sendDue(clock) }
        }
        if !plan.toleratesLosses, let failure = fleet.failure ?? audience?.failure { throw BenchError(failure) }
    }

    private func handle(_ number: Int) {
        let time = clock.now
        let descriptor = connections.descriptors[number]
        guard descriptor >= 0 else {
            if connections.advance(number, at: time) { opened(number) }
            return
        }
        if number < fleet.socketCount {
            if fleet.isClogged(number) {
                fleet.roomed(number)
                if !fleet.isClogged(number) { connections.poller.change(descriptor, number: number, writable: false) }
            }
            let outcome = frames.read(descriptor, dialect.deviceFraming) { fleet.received($0, on: number, at: time) }
            if outcome == .ended {
                fleet.lost(number, "the server ended it")
                close(number)
            }
        } else if let audience {
            let viewer = number - fleet.socketCount
            let outcome = frames.read(descriptor, dialect.viewerFraming) {
                audience.received($0, on: viewer, at: time)
            }
            if outcome == .ended {
                audience.lost(viewer)
                close(number)
            }
        }
    }

    private func opened(_ number: Int) {
        let descriptor = connections.descriptors[number]
        guard let audience, number >= fleet.socketCount else { return fleet.opened(number, descriptor) }
        let viewer = number - fleet.socketCount
        audience.opened(viewer, descriptor)
        let (plan, index) = audience.place(of: viewer)
        if plan.isSlow(index) { connections.poller.remove(descriptor) }
    }

    private func close(_ number: Int) {
        let descriptor = connections.descriptors[number]
        if descriptor >= 0 {
            frames.forget(descriptor)
            if number < fleet.socketCount {
                fleet.closing(number)
            } else {
                audience?.closing(number - fleet.socketCount)
            }
        }
        connections.close(number)
    }

    // MARK: What came of it

    private func report(_ phase: LoadProgress.Phase) {
        guard let observer else { return ticker.skip(clock.now) }
        observer(
            ticker.progress(phase, at: clock.now, fleet, audience, connections, disturbance.words(connections, fleet)))
        fleet.forgetRecent()
        audience?.latency.forgetRecent()
    }

    private static func threadSeconds() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
}
