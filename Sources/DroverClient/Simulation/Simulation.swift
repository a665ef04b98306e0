/// Simulated drivers and viewers against a gateway: for the demo, for `drover simulate`, and as a first load.
public import EventLoop

/// Vans that report and viewers that watch, on the caller's loop. Not `Sendable`.
public final class Simulation {
    /// Since the begin.
    public private(set) var total = SimulationStatistics()
    /// Since the last `takeInterval()`.
    private var interval = SimulationStatistics()

    private struct Driver {
        let session: Int
        let number: Int
        var van: Van
        /// The last pings sent, so that a viewer's update finds when its ping left.
        var recent: [(recordedAt: Int64, sentAt: Int64)]
        var nextRecent = 0
    }

    private let options: Options
    private let network: ClientNetwork
    private let gateway: Endpoint
    private var sessions: [IngestSession] = []
    private var viewers: [TrackSession] = []
    private var drivers: [Driver] = []
    private var timer: LoopTimer?
    private var beganAt: Int64 = 0
    private var nextTick: Int64 = 0
    private var connected = 0
    private var isStopped = false

    /// Checks the options; connects nothing yet.
    public init(loop: EventLoop, options: Options) throws(DroverClientError) {
        try options.check()
        self.options = options
        network = ClientNetwork(loop: loop, seed: options.seed)
        gateway = try Endpoint(options.gateway)
        for index in 0..<options.drivers { addDriver(index) }
    }

    /// The drivers' ids.
    public var driverIDs: [String] { (0..<options.drivers).map { driverID($0) } }

    /// Connects everybody and starts driving.
    public func start() {
        for (index, session) in sessions.enumerated() {
            session.onSettled = { [self] in settled($0, session: index) }
            session.onInterrupted = { [self] closure, _ in interrupted(closure) }
            session.onEnded = { [self] in ended($0) }
            session.connect()
        }
        addViewers()
        beganAt = SystemClock.monotonicMicroseconds()
        let timer = LoopTimer(loop: network.loop) { [self] in tick() }
        timer.start(afterMilliseconds: 1)
        self.timer = timer
    }

    /// Closes every connection in order.
    public func stop() {
        isStopped = true
        timer?.close()
        timer = nil
        for session in sessions { session.close() }
        for viewer in viewers { viewer.close() }
    }

    /// Pings sent and not settled.
    public var unsettled: Int { sessions.reduce(0) { $0 + $1.unsettled } }

    /// Stops driving; connections stay, so that what is on its way can be settled.
    public func park() {
        timer?.close()
        timer = nil
    }

    /// What has been counted since the last call.
    public func takeInterval() -> SimulationStatistics {
        defer { interval = SimulationStatistics() }
        return interval
    }

    private func driverID(_ index: Int) -> String {
        let digits = String(index + 1)
        return "\(options.prefix)-\(String(repeating: "0", count: max(0, 4 - digits.utf8.count)))\(digits)"
    }

    private func addDriver(_ index: Int) {
        if index % options.driversPerConnection == 0 {
            sessions.append(
                IngestSession(
                    network: network, gateway: gateway, token: options.token,
                    options: IngestSession.Options(
                        window: max(64, 8 * options.driversPerConnection), pingsPerFrame: 1,
                        patienceMilliseconds: options.patienceSeconds * 1000)))
        }
        let session = sessions.count - 1
        let van = Van(
            latitude: options.latitude, longitude: options.longitude, radiusMetres: options.radiusMetres,
            seed: options.seed &* 0x9E37_79B9 &+ UInt64(index))
        drivers.append(
            Driver(
                session: session, number: sessions[session].addDriver(driverID(index)), van: van,
                recent: Array(repeating: (0, 0), count: 8)))
    }

    private func addViewers() {
        var random = SeededRandom(seed: options.seed &+ 0x5EED)
        for _ in 0..<options.viewers {
            let viewer = TrackSession(
                network: network, gateway: gateway, token: options.viewerToken ?? options.token,
                options: TrackSession.Options(patienceMilliseconds: options.patienceSeconds * 1000))
            var watched: Set<Int> = []
            while watched.count < min(options.driversPerViewer, options.drivers) {
                watched.insert(Int.random(in: 0..<options.drivers, using: &random))
            }
            viewer.subscribe(watched.sorted().map { "driver:\(driverID($0))" })
            viewer.onPosition = { [self] in delivered($0, isSnapshot: $1, at: $2) }
            viewer.onError = { [self] _, code, message in total.lastProblem = "\(code): \(message)" }
            viewer.onInterrupted = { [self] closure, _ in interrupted(closure) }
            viewer.onEnded = { [self] in ended($0) }
            viewers.append(viewer)
            viewer.connect()
        }
    }

    /// Sends what is due. Ping number n of all is due n / (drivers × hertz) seconds after the begin, whatever happened
    /// to those before it, so that a slow gateway is not spared.
    private func tick() {
        let now = SystemClock.monotonicMicroseconds()
        let wall = SystemClock.wallMicroseconds()
        let spacing = 1e6 / (Double(options.drivers) * options.hertz)
        while true {
            let due = beganAt + Int64(Double(nextTick) * spacing)
            guard due <= now else {
                timer?.start(afterMilliseconds: max(1, Int((due - now + 999) / 1000)))
                return
            }
            send(Int(nextTick % Int64(options.drivers)), wall: wall, lateBy: now - due)
            nextTick += 1
        }
    }

    private func send(_ index: Int, wall: Int64, lateBy: Int64) {
        drivers[index].van.advance(seconds: 1 / options.hertz)
        let session = sessions[drivers[index].session]
        guard session.isConnected else { return }
        let recordedAt = wall / 1000
        let report = drivers[index].van.report(at: recordedAt)
        guard session.send(report, driver: drivers[index].number) != nil else {
            total.skipped += 1
            interval.skipped += 1
            return
        }
        session.flush()
        drivers[index].recent[drivers[index].nextRecent] = (recordedAt, SystemClock.monotonicMicroseconds())
        drivers[index].nextRecent = (drivers[index].nextRecent + 1) % drivers[index].recent.count
        total.sent += 1
        interval.sent += 1
        total.lateness.record(lateBy)
        interval.lateness.record(lateBy)
    }

    private func settled(_ outcome: PingOutcome, session: Int) {
        let latency = outcome.settledAt - outcome.sentAt
        total.acknowledged += 1
        interval.acknowledged += 1
        total.acknowledgements.record(latency)
        interval.acknowledgements.record(latency)
        guard let rejection = outcome.rejection else { return }
        total.rejected[rejection.reason, default: 0] += 1
        interval.rejected[rejection.reason, default: 0] += 1
    }

    private func delivered(_ position: LivePosition, isSnapshot: Bool, at receivedAt: Int64) {
        guard !isSnapshot else { return }
        total.updates += 1
        interval.updates += 1
        guard let index = driverIndex(position.driver), index < drivers.count,
            let ping = drivers[index].recent.first(where: { $0.recordedAt == position.recordedAt })
        else { return }
        total.deliveries.record(receivedAt - ping.sentAt)
        interval.deliveries.record(receivedAt - ping.sentAt)
    }

    /// The number at the end of one of our drivers' ids, counted from 0.
    private func driverIndex(_ id: UnsafeRawBufferPointer) -> Int? {
        let start = options.prefix.utf8.count + 1
        guard id.count > start else { return nil }
        var value = 0
        for byte in id[start...] {
            guard byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9"), value < 10_000_000 else { return nil }
            value = value * 10 + Int(byte - UInt8(ascii: "0"))
        }
        return value > 0 ? value - 1 : nil
    }

    private func interrupted(_ closure: WebSocketClosure) {
        total.interruptions += 1
        interval.interruptions += 1
        total.lastProblem = closure.description
    }

    private func ended(_ closure: WebSocketClosure) {
        guard !isStopped else { return }
        total.ended += 1
        interval.ended += 1
        total.lastProblem = closure.description
    }
}
