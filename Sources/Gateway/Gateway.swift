/// The gateway: one loop's worth of connections, wired to the pipeline. What happens at the end of each turn of the loop
/// is the heart of it: the journal gets what was gathered, what became durable is acknowledged, what is new is shown.
import EventLoop
import Journal
import Logging
import PostgresClient
import RedisClient
import Tracking
import WebServer

/// See the file's head. Lives on the loop's thread.
final class Gateway: WebApplication {
    let loop: EventLoop
    let configuration: Configuration
    let rules: JudgeRules
    let pipeline: Pipeline
    let acknowledgements = AcknowledgementQueue()
    let access: AccessControl
    let limits: RateLimits
    let assignments: AssignmentStore
    let directory: DriverDirectory
    /// Set once, at the end of `init`.
    private(set) var memberships: Memberships!
    /// Likewise.
    private(set) var erasures: ErasureWatch!
    /// Likewise.
    private(set) var shifts: ShiftWatch!
    /// Likewise.
    private(set) var rates: ReportRates!
    /// Likewise.
    private(set) var lane: BacklogLane!
    /// Questions by place, and the cells of the areas that viewers watch.
    private(set) lazy var places = Places(gateway: self)
    private(set) lazy var areaCells = AreaCells(gateway: self)
    /// Set before `start`.
    var orders: OrderFollowing!
    /// Set where a supervisor started this process.
    var worker: WorkerSide?
    /// Likewise where none did, and journals of former workers are there.
    var leftovers: LeftoverJournals?
    let postgres: PostgresQuestions?
    /// A connection of its own for long readings, so that no login waits behind them.
    let past: PostgresQuestions?
    /// The platform's own database; nil where the configuration has no statements.
    let systemDatabase: SystemDatabase?
    /// The platform's trail of who watched whom; nil where it has none.
    let watching: Watching?
    /// Exports of the past that are under way.
    let downloads = Downloads()
    let history: HistoryWriter?
    let maintenance: Maintenance?
    /// What the platform's own tables are told.
    let writes: PlatformWrites
    /// Which devices report.
    let driverSessions: DriverSessions
    /// What is remembered for phones with OwnTracks.
    private(set) lazy var ownTracks = OwnTracksState(self)
    /// Which other gateways there are, and whose positions are wanted of them.
    private(set) lazy var company = Company(bus: { [unowned self] in bus })
    private(set) lazy var interest = Interest(gateway: self)
    private(set) lazy var devices = DeviceStates(gateway: self)
    /// Positions that came over the bus.
    var busPositions = 0
    /// The viewers that speak the protocol of OwnTracks' Recorder.
    private(set) lazy var recorder = RecorderFeed(gateway: self)
    /// A driver was put into service or out of it, here or by another gateway.
    var onDriverState: ((DriverID) -> Void)?
    let log: Logger
    let assets: Assets
    /// Set once, right after the server was made.
    private(set) var server: WebServer?
    private(set) var redis: RedisStore?
    /// What gateways over the same Redis tell each other.
    private(set) var bus: Bus?
    /// False from the first SIGTERM on: no new ping is taken.
    private(set) var isAccepting = true
    /// Called once when the journal has failed: nothing can be acknowledged any more.
    var onJournalFailure: ((JournalError) -> Void)?

    private var serial: UInt64 = 0
    private var writer = JSONWriter()
    private var lastFlush: Int64 = 0
    /// The bytes that do not wait for the least time between two groups of the journal.
    private static let submitBytes = 256 << 10
    /// How much later than due a group may go, in milliseconds, so that under load no turn is made for it alone.
    private static let submitPatience = 2
    private var lastSubmit: Int64 = 0
    private var submittedLSN: UInt64 = 0
    private var submitTimer: LoopTimer?
    private var tickTimer: LoopTimer?
    private var redisTimer: LoopTimer?
    private var secondTimer: LoopTimer?
    private var lookTimer: LoopTimer?
    private var hasReportedFailure = false
    /// Receipt of a ping to the write that shows it.
    private(set) var viewerLatency = LatencyHistogram()
    /// Viewers that were sent away for reading too slowly.
    private(set) var slowViewersClosed = 0
    /// When the process began, in wall microseconds.
    let startedAt = SystemClock.wallMicroseconds()

    init(
        loop: EventLoop, configuration: Configuration, pipeline: Pipeline, access: AccessControl,
        limits: RateLimits, postgres: PostgresQuestions?, past: PostgresQuestions?, systemDatabase: SystemDatabase?,
        history: HistoryWriter?, maintenance: Maintenance?, assets: Assets, log: Logger
    ) {
        self.loop = loop
        self.configuration = configuration
        self.pipeline = pipeline
        self.access = access
        self.postgres = postgres
        self.past = past
        self.systemDatabase = systemDatabase
        self.history = history
        self.maintenance = maintenance
        self.assets = assets
        self.log = log
        writes = PlatformWrites(loop, systemDatabase, configuration.system, pipeline)
        driverSessions = DriverSessions(
            store: DriverSessionStore(
                postgres: postgres, schema: configuration.postgresSchema, nodeID: pipeline.journal.nodeID),
            seen: writes.seen, intervalSeconds: configuration.historySessionsSeconds)
        rules = configuration.judgeRules
        self.limits = limits
        var redisNow: () -> RedisStore? = { nil }
        var busNow: () -> Bus? = { nil }
        var erasuresNow: () -> ErasureWatch? = { nil }
        var shiftsNow: () -> ShiftWatch? = { nil }
        assignments = AssignmentStore(
            postgres: postgres, schema: configuration.postgresSchema,
            platform: PlatformAssignments(systemDatabase, configuration.system), bus: { busNow() })
        watching = Watching(loop: loop, systemDatabase, configuration.system)
        directory = DriverDirectory(
            pipeline: pipeline, postgres: configuration.historyRetentionDays > 0 ? postgres : nil,
            configuration: configuration, redis: { redisNow() }, erasures: { erasuresNow() }, shifts: { shiftsNow() })
        super.init()
        redisNow = { [unowned self] in redis }
        busNow = { [unowned self] in bus }
        erasuresNow = { [unowned self] in erasures }
        memberships = Memberships(gateway: self)
        erasures = ErasureWatch(gateway: self)
        shifts = ShiftWatch(gateway: self)
        rates = ReportRates(gateway: self)
        lane = BacklogLane(gateway: self)
        shiftsNow = { [unowned self] in shifts }
        onDriverState = { [unowned self] driver in shifts.stateChanged(driver) }
        access.copies.redis = redisNow
        access.onRevoked = { [unowned self] id in closeConnections(of: id) }
        if let platform = access.platform { follow(platform) }
    }

    /// Starts the timers and connections. `server` is this application's.
    func start(_ server: WebServer, redis deployment: RedisDeployment) {
        self.server = server
        tickTimer = LoopTimer(loop: loop) { [unowned self] in flush() }
        // Its firing makes a turn, and each turn ends with `submitSoon`.
        submitTimer = LoopTimer(loop: loop) {}
        submittedLSN = pipeline.journal.appendedLSN
        redisTimer = LoopTimer(loop: loop) { [unowned self] in writeHashes() }
        redisTimer?.start(
            afterMilliseconds: configuration.redisWriteIntervalMilliseconds,
            everyMilliseconds: configuration.redisWriteIntervalMilliseconds)
        secondTimer = LoopTimer(loop: loop) { [unowned self] in everySecond() }
        secondTimer?.start(afterMilliseconds: 1_000, everyMilliseconds: 1_000)
        redis = RedisStore(loop: loop, deployment: deployment) { [unowned self] isReady in redisChanged(isReady) }
        redis?.onRefused = { [unowned self] in
            if let redis { pipeline.redis.rewriteAll(redis, pipeline, now: SystemClock.wallMicroseconds()) }
        }
        let bus = Bus(loop: loop, deployment, configuration, redis: { [unowned self] in redis })
        self.bus = bus
        connect(bus)
        lookTimer = LoopTimer(loop: loop) { [unowned self] in lookAgain() }
        lookTimer?.start(
            afterMilliseconds: configuration.accessRefreshSeconds * 1_000,
            everyMilliseconds: configuration.accessRefreshSeconds * 1_000)
        driverSessions.start(loop)
        shifts.start()
        lane.start(loop)
        loop.atEndOfTurn { [unowned self] in endOfTurn() }
    }

    /// A credential was revoked in Postgres: closes what it holds open here, and everywhere by the bus.
    func revoke(_ credential: String) {
        access.revoke(credential)
        bus?.publish(.revoked(credential))
    }

    /// Whether credentials may see or act on subjects.
    var authorization: SubjectAuthorization { SubjectAuthorization(assignments: assignments) }

    /// Takes no more pings; what was taken goes on to be acknowledged.
    func stopAccepting() {
        isAccepting = false
        lane.refuseAll("shutting down")
    }

    /// Why the decoded batch cannot be taken now; nil where it can.
    var obstacle: String? {
        if !isAccepting { return "shutting down" }
        return pipeline.hasRoom() && acknowledgements.hasRoom ? nil : "the journal is full"
    }

    /// Whether every ping that was taken is acknowledged.
    var isDrained: Bool {
        pipeline.journal.durableLSN == pipeline.journal.appendedLSN && acknowledgements.count == 0
    }

    /// Lets go of everything on the loop but the server.
    func close() {
        loop.removeEndOfTurnHook()
        for timer in [submitTimer, tickTimer, redisTimer, secondTimer, lookTimer] { timer?.close() }
        company.leave()
        redis?.flush()
        redis?.close()
        interest.close()
        areaCells.close()
        bus?.close()
        access.close()
        erasures.close()
        shifts.close()
        lane.close()
        writes.close()
        watching?.close()
        systemDatabase?.close()
        recorder.close()
    }

    /// A number that no other connection or request of this process has.
    func nextSerial() -> UInt64 {
        serial += 1
        return serial
    }

    // MARK: Turns and ticks

    /// Gives what was gathered to the journal: at once where the last time is long enough ago, so that a lone ping does
    /// not wait; else together with what comes until then, since a sync costs as much for one ping as for a hundred.
    private func submitSoon() {
        let journal = pipeline.journal
        guard journal.appendedLSN != submittedLSN, let submitTimer else { return }
        let now = SystemClock.monotonicMicroseconds()
        let wait = lastSubmit + Int64(configuration.journalGroupMilliseconds) * 1_000 - now
        if wait <= 0 || journal.pendingBytes > Self.submitBytes || !isAccepting {
            submitTimer.stop()
            lastSubmit = now
            journal.submit()
            // Where the journal's thread is busy this was in vain, and its progress wakes the loop.
            if journal.gatheringBytes == 0 { submittedLSN = journal.appendedLSN }
        } else if !submitTimer.isActive {
            // A turn that comes in time does it; where none comes, the timer, a little later, makes one.
            submitTimer.start(afterMilliseconds: Int(wait + 999) / 1_000 + Self.submitPatience)
        }
    }

    private func endOfTurn() {
        lane.work()
        followViewers()
        if pipeline.fanout.hasDeviceChanges { devices.follow() }
        submitSoon()
        if let server {
            acknowledgements.release(
                through: pipeline.journal.durableLSN, server: server, now: SystemClock.wallMicroseconds)
        }
        flushSoon()
        redis?.flush()
        bus?.flush()
        if !hasReportedFailure, let failure = pipeline.journal.failure {
            hasReportedFailure = true
            onJournalFailure?(failure)
        }
    }

    /// Shows what is new: at once where the last tick is long enough ago, else at the next.
    func flushSoon() {
        guard pipeline.fanout.hasNews || pipeline.redis.hasUnpublished, let tickTimer, !tickTimer.isActive else {
            return
        }
        let tick = Int64(configuration.liveTickMilliseconds) * 1_000
        let wait = lastFlush + tick - SystemClock.monotonicMicroseconds()
        if wait <= 0 {
            flush()
        } else {
            tickTimer.start(afterMilliseconds: Int(wait + 999) / 1_000)
        }
    }

    private func flush() {
        guard let server else { return }
        lastFlush = SystemClock.monotonicMicroseconds()
        let now = SystemClock.wallMicroseconds()
        let isWaiting = pipeline.fanout.flush(table: pipeline.drivers, monotonic: lastFlush, now: now) {
            handle, frames in Self.send(frames, to: handle, of: server)
        }
        pipeline.fanout.takeLatencies { viewerLatency.record($0) }
        if let redis { pipeline.redis.publish(redis, pipeline.fanout, pipeline.drivers) }
        if isWaiting { tickTimer?.start(afterMilliseconds: configuration.liveTickMilliseconds) }
    }

    @inline(__always)
    private static func send(_ frames: Span<UInt8>, to handle: Int, of server: WebServer) -> SendOutcome {
        switch server.withConnection(handle, { $0.send(frames: frames) }) {
        case .taken: .sent
        case .busy: .busy
        case .gone, nil: .gone
        }
    }

    private func everySecond() {
        if postgres?.isConnected == true { erasures.everySecond() }
        let now = SystemClock.wallMicroseconds()
        pipeline.recency.second += 1
        company.everySecond()
        interest.everySecond(now: now)
        devices.everySecond(now: now)
        pipeline.fanout.sweep(now: now)
        if let redis {
            pipeline.redis.sweep(redis, pipeline.fanout, pipeline.drivers, now: now)
        }
        places.everySecond(now: now)
        areaCells.look()
        orders.everySecond(now: now)
        rates.everySecond(now: now)
        for handle in pipeline.fanout.takeOverrun() { closeSlowViewer(handle) }
        let slow = SystemClock.monotonicMicroseconds() - Int64(configuration.liveSlowViewerSeconds) * 1_000_000
        pipeline.fanout.forEachBlocked(since: slow) { closeSlowViewer($0) }
    }

    private func closeSlowViewer(_ handle: Int) {
        server?.withConnection(handle) { connection in
            guard connection.isOpen else { return }
            slowViewersClosed += 1
            connection.close(code: 4408, reason: "reading too slowly")
        }
    }

    /// Composes an acknowledgement in memory that is reused, and sends it.
    @inline(__always)
    func composeAcknowledgement(
        _ compose: (inout JSONWriter) -> Void, send: (Span<UInt8>) -> WriteResult
    ) -> WriteResult {
        writer.removeAll()
        let payload = WebSocketFrame.reserve(&writer.bytes)
        compose(&writer)
        let start = WebSocketFrame.close(&writer.bytes, payload: payload)
        return writer.withBytes(from: start, send)
    }

    // MARK: Redis

    private func writeHashes() {
        if let redis {
            pipeline.redis.write(redis, pipeline, now: SystemClock.wallMicroseconds())
            limits.share(redis, now: SystemClock.monotonicMicroseconds)
        }
    }

    private func redisChanged(_ isReady: Bool) {
        guard isReady, let redis else {
            log.warning(
                "Redis is away; local viewers go on", metadata: ["redis": "\(self.redis?.display ?? "")"])
            return
        }
        log.info("Redis is there", metadata: ["redis": "\(redis.display)"])
        access.copies.redisReturned()
        pipeline.redis.rewriteAll(redis, pipeline, now: SystemClock.wallMicroseconds())
        writeHashes()
        devices.retell()
        places.redisReturned()
    }

    // MARK: Connections

    override func receive(_ request: WebRequest, on connection: WebConnection) {
        Router(gateway: self).route(configuration.system.words.canonical(request), on: connection)
    }

    override func upgrade(_ request: WebRequest, on connection: WebConnection) -> UpgradeDecision {
        SocketPath.decide(request, on: connection, of: self)
    }

    /// A viewer's socket has room again.
    func tellMissed(_ viewer: ViewerIndex) {
        guard let server else { return }
        pipeline.fanout.writable(
            viewer, table: pipeline.drivers, monotonic: SystemClock.monotonicMicroseconds(),
            now: SystemClock.wallMicroseconds()
        ) { handle, frames in Self.send(frames, to: handle, of: server) }
    }

    override func notice(_ text: String) {
        log.notice("\(text)")
    }

    override func problem(status: Int, code: String, detail: String) -> WebResponse {
        Problem.response(status, code, detail)
    }
}
