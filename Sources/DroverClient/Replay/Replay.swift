/// `drover replay`: recorded pings, streamed to a gateway as if they happened now, over one ingest connection.
public import EventLoop
import Glibc

/// One replay, from reading its files to its report.
public final class Replay {
    /// When the recordings are said to have happened.
    public enum Start: Sendable, Equatable {
        /// Each file's first ping gets this epoch millisecond.
        case at(milliseconds: Int64)
        /// The times in the files stay; for files that have absolute ones.
        case original
    }

    /// How fast recorded time passes.
    public enum Speed: Sendable, Equatable {
        /// So many times as fast as it was.
        case times(Double)
        /// As fast as the gateway takes it.
        case maximum
    }

    /// What is replayed, and how.
    public struct Options: Sendable {
        /// CSV and GPX files.
        public var files: [String]
        /// The gateway's address.
        public var gateway: String
        /// A backend key with `pings:write`, or a device's token.
        public var token: String
        /// The driver of a single file without a driver column; the beginning of the names where there are several
        /// (`ID-` and the file's or the column's own). Nil takes the file's name or the column as it is.
        public var driver: String?
        /// True leaves `driver_id` out: a device's token says who it is.
        public var isDriverFromToken: Bool
        /// When the recordings are said to have happened.
        public var start: Start
        /// Metres, for pings whose file does not say or whose phone did not know. Nil leaves the latter to the
        /// gateway's judgement.
        public var accuracy: Double?
        /// How fast recorded time passes.
        public var speed: Speed
        /// How long to go on trying without a connection.
        public var patienceSeconds: Int
        /// Pings in one frame at `.maximum` speed; otherwise those due together share one.
        public var pingsPerFrame: Int
        /// False shows no progress on standard error.
        public var showsProgress: Bool

        /// The command's defaults: yesterday's midnight UTC, real time, a minute of patience.
        public init(
            files: [String], gateway: String, token: String, driver: String? = nil, isDriverFromToken: Bool = false,
            start: Start? = nil, accuracy: Double? = nil, speed: Speed = .times(1), patienceSeconds: Int = 60,
            pingsPerFrame: Int = 50, showsProgress: Bool = true
        ) {
            self.files = files
            self.gateway = gateway
            self.token = token
            self.driver = driver
            self.isDriverFromToken = isDriverFromToken
            let now = SystemClock.wallMicroseconds() / 1000
            self.start = start ?? .at(milliseconds: Timestamp.yesterdaysMidnight(now: now))
            self.accuracy = accuracy
            self.speed = speed
            self.patienceSeconds = patienceSeconds
            self.pingsPerFrame = pingsPerFrame
            self.showsProgress = showsProgress
        }
    }

    private let options: Options
    private let plan: ReplayPlan
    private let loop: EventLoop
    private let session: IngestSession
    private let progress = ProgressLine()
    private var signals: [LoopSignal] = []
    private var timer: LoopTimer?
    private var watch: LoopTimer?
    private var driverNumbers: [Int] = []
    private var next = 0
    private var beganAt: Int64 = 0
    private var lastSettledAt: Int64 = 0
    private var stalledSince: Int64 = 0
    private var isStopping = false
    private var report = ReplayReport()

    /// Reads the files and checks the options; connects nothing yet. `run()` runs `loop`.
    public init(_ options: Options, loop: EventLoop = EventLoop()) throws(DroverClientError) {
        self.options = options
        self.loop = loop
        plan = try ReplayPlan(options)
        let gateway = try Endpoint(options.gateway)
        let network = ClientNetwork(loop: loop)
        // Frames of one keep the order of verdicts visible at real speed; the window bounds what a crash repeats.
        session = IngestSession(
            network: network, gateway: gateway, token: options.token,
            options: IngestSession.Options(
                window: 5000, pingsPerFrame: max(1, options.pingsPerFrame),
                patienceMilliseconds: options.patienceSeconds * 1000, newestFirst: false))
        driverNumbers = plan.drivers.map { session.addDriver(options.isDriverFromToken ? "" : $0) }
        report.total = plan.pings.count
    }

    /// The drivers as which the files are replayed.
    public var drivers: [String] { plan.drivers }

    /// Streams everything and waits for the last acknowledgement. SIGINT and SIGTERM end it in order: nothing more is
    /// sent, what is on its way is awaited for five seconds, and the report says what is missing.
    public func run() -> ReplayReport {
        signals = [SIGINT, SIGTERM].map { number in LoopSignal(loop: loop, number: number) { [self] in stop() } }
        session.onConnected = { [self] in connected() }
        session.onRoom = { [self] in feed() }
        session.onSettled = { [self] in settled($0) }
        session.onInterrupted = { [self] closure, _ in
            // What follows a loss are attempts that failed, until one succeeds.
            if session.interruptions > report.interruptions { report.lastInterruption = closure.description }
            report.interruptions = session.interruptions
            if options.showsProgress { progress.update(fraction: nil) { "waiting for the gateway: \(closure)" } }
        }
        session.onEnded = { [self] closure in
            if unacknowledged > 0, report.failure == nil {
                report.failure =
                    "\(closure), with \(unacknowledged) pings unacknowledged. Run the same replay again: "
                    + "what is there already is not stored twice"
            }
            finish()
        }
        let watch = LoopTimer(loop: loop) { [self] in
            reconnectIfStalled()
            showProgress()
        }
        watch.start(afterMilliseconds: 200, everyMilliseconds: 200)
        self.watch = watch
        timer = LoopTimer(loop: loop) { [self] in feed() }
        session.connect()
        loop.run()
        if options.showsProgress { progress.finish() }
        // The closures hold this object, and it holds them.
        session.onConnected = {}
        session.onRoom = {}
        session.onSettled = { _ in }
        session.onInterrupted = { _, _ in }
        session.onEnded = { _ in }
        report.interruptions = session.interruptions
        if lastSettledAt > beganAt { report.seconds = Double(lastSettledAt - beganAt) / 1e6 }
        return report
    }

    private var unacknowledged: Int { report.total - report.acknowledged }

    private func connected() {
        if beganAt == 0 { beganAt = SystemClock.monotonicMicroseconds() }
        feed()
    }

    /// Hands over what is due; the timer or the window's room brings us back for the rest.
    private func feed() {
        guard !isStopping, beganAt > 0 else { return }
        let elapsed = SystemClock.monotonicMicroseconds() - beganAt
        while next < plan.pings.count, session.room > 0 {
            let ping = plan.pings[next]
            if case .times(let factor) = options.speed {
                let due = Int64(Double(ping.offset) * 1000 / factor)
                if due > elapsed {
                    timer?.start(afterMilliseconds: Int((due - elapsed + 999) / 1000))
                    break
                }
            }
            guard session.send(ping.report, driver: driverNumbers[ping.driver]) != nil else { break }
            next += 1
            report.sent += 1
        }
        session.flush()
    }

    private func settled(_ outcome: PingOutcome) {
        report.acknowledged += 1
        lastSettledAt = outcome.settledAt
        stalledSince = outcome.settledAt
        if let rejection = outcome.rejection { report.rejected[rejection.reason, default: 0] += 1 }
        if report.acknowledged == report.total || (isStopping && session.unsettled == 0) { session.close() }
    }

    private func stop() {
        guard !isStopping else {
            session.close()
            return finish()
        }
        isStopping = true
        report.failure = "interrupted, with \(unacknowledged) pings not acknowledged"
        guard session.unsettled > 0, session.isConnected else {
            session.close()
            return finish()
        }
        let limit = LoopTimer(loop: loop) { [self] in
            session.close()
            finish()
        }
        limit.start(afterMilliseconds: 5000)
        timer?.close()
        timer = limit
    }

    private func finish() {
        for signal in signals { signal.close() }
        signals = []
        timer?.close()
        watch?.close()
        timer = nil
        watch = nil
        loop.stop()
    }

    /// An open connection over which nothing comes back is given up like a lost one.
    private func reconnectIfStalled() {
        let now = SystemClock.monotonicMicroseconds()
        if session.unsettled == 0 || !session.isConnected { stalledSince = now }
        guard now - stalledSince > Int64(options.patienceSeconds) * 1_000_000 else { return }
        stalledSince = now
        session.reconnect(because: "no acknowledgement for \(options.patienceSeconds) s")
    }

    private func showProgress() {
        guard options.showsProgress, beganAt > 0 else { return }
        progress.update(fraction: Double(report.acknowledged) / Double(max(1, report.total))) {
            let seconds = max(0.001, Double(SystemClock.monotonicMicroseconds() - beganAt) / 1e6)
            let rejected = report.rejected.values.reduce(0, +)
            return "\(report.acknowledged) of \(report.total) acknowledged"
                + (rejected > 0 ? ", \(rejected) rejected" : "")
                + ", \(oneDecimal(Double(report.acknowledged) / seconds)) pings/s"
                + (session.isConnected ? "" : ", waiting for the gateway")
        }
    }
}
