/// `drover serve`: opens the journal, recalls what it holds, joins everything on one loop, and ends in good order.
import EventLoop
import Foundation
import Journal
public import Logging
import PostgresClient
import RedisClient
import Tracking
import WebServer

/// One gateway from start to end.
public final class GatewayProcess {
    /// How the process ended.
    public enum Outcome: Sendable, Equatable {
        /// By SIGTERM or SIGINT, everything flushed.
        case stopped
        /// The journal failed: what was not acknowledged will be sent again by the devices.
        case failed(String)
    }

    /// Milliseconds for sockets to say goodbye, for the journal's last group, and for the last rows: together under the
    /// five seconds that a stop may take.
    private static let socketGrace = 1_200
    private static let sessionsGrace = 300
    private static let journalGrace: Int64 = 1_000_000
    private static let historyGrace = 2_000

    private let configuration: Configuration
    private let log: Logger
    private let loop = EventLoop()
    private let journal: Journal
    private let gateway: Gateway
    private let server: WebServer
    private let postgres: PostgresQuestions
    private let past: PostgresQuestions
    private let maintenance: Maintenance
    /// Never closed: the journal's thread may tell of a last group, or of a failure on a slow disk, until the process ends.
    private var wakeUp: LoopWakeUp?
    private var signals: [LoopSignal] = []
    private var drainTimer: LoopTimer?
    private var guardTimer: LoopTimer?
    private var guardDeadline: Int64 = 0
    private var isStopping = false
    private var failure: String?

    /// Starts everything but the loop. Throws what keeps it from starting, each with what to do; Postgres and Redis
    /// being away does not. `seat` is its place where a supervisor started it.
    public init(_ configuration: Configuration, seat: WorkerSeat? = nil, log: Logger) throws {
        let configuration = seat?.applied(to: configuration) ?? configuration
        self.configuration = configuration
        self.log = log
        Self.prepareProcess()
        var web = try configuration.web()
        web.inheritedSockets = seat?.sockets ?? []
        let orders = try OrderSettings(configuration)
        web.furtherHeaders = orders.signatureHeaders
        let redis = try RedisDeployment(configuration.redisURL)
        let postgresAddress = try PostgresAddress(configuration.postgresURL)

        let notifier = JournalNotifier()
        journal = try Journal(configuration: configuration.journal) { notifier.notify() }
        log.info(
            "journal open",
            metadata: [
                "directory": "\(configuration.journalDirectory)", "first": "\(journal.recovery.firstLSN)",
                "last": "\(journal.recovery.lastLSN)", "torn_bytes": "\(journal.recovery.tornBytes)",
            ])
        let pipeline = Pipeline(
            journal: journal, rules: configuration.judgeRules, presence: configuration.presenceLimits,
            replayBytes: configuration.liveReplayMiB << 20,
            redis: RedisPositions(configuration), keepsHistory: configuration.historyRetentionDays > 0,
            requiresShifts: configuration.system.requiresShifts)
        try Self.recall(journal, into: pipeline)

        postgres = PostgresQuestions(loop: loop, address: postgresAddress)
        past = PostgresQuestions(loop: loop, address: postgresAddress)
        let systemDatabase =
            configuration.system.needsDatabase
            ? SystemDatabase(
                loop: loop, address: try PostgresAddress(configuration.systemDatabaseURL),
                configuration: configuration.system, log: log) : nil
        let access = AccessControl(
            loop: loop, postgres: postgres, systemDatabase: systemDatabase, configuration: configuration,
            cache: CredentialCache(directory: configuration.journalDirectory), log: log)
        let history =
            configuration.historyRetentionDays > 0
            ? HistoryWriter(configuration.history(nodeID: journal.nodeID), from: journal.store)
            : HistoryWriter(discardingFrom: journal.store)
        maintenance = Maintenance(configuration, MaintenanceJob.all(configuration), log: log)
        gateway = Gateway(
            loop: loop, configuration: configuration, pipeline: pipeline, access: access,
            limits: RateLimits(configuration, exempt: web.exemptAddresses, proxies: web.trustedProxies),
            postgres: postgres, past: past, systemDatabase: systemDatabase, history: history, maintenance: maintenance,
            assets: Assets(configuration), log: log)
        do {
            server = try WebServer(loop: loop, configuration: web, application: gateway)
        } catch {
            history.requestStop(flushDeadlineMilliseconds: 0)
            maintenance.stop()
            // libuv aborts where a socket that it still watches has become another's.
            postgres.close()
            past.close()
            systemDatabase?.close()
            throw error
        }
        gateway.orders = OrderFollowing(
            gateway: gateway, outbox: orders.targets.map { Outbox($0, configuration, log: log) },
            webhooks: orders.webhooks)
        gateway.start(server, redis: redis)
        wakeUp = LoopWakeUp(loop: loop) {}
        notifier.target = wakeUp
        gateway.onJournalFailure = { [unowned self] error in fail("\(error)") }
        postgres.onStateChange = { [unowned self] isConnected in
            // First of all questions, so that nothing that is being erased is learned again from Postgres.
            if isConnected {
                gateway.erasures.look()
                gateway.shifts.look()
            }
            log.info(isConnected ? "Postgres is there" : "Postgres is away; the journal keeps the pings")
        }
        for number in [SIGTERM, SIGINT] {
            signals.append(LoopSignal(loop: loop, number: number) { [unowned self] in stopSignalled() })
        }
        signals.append(
            LoopSignal(loop: loop, number: SIGHUP) {
                log.notice(
                    "SIGHUP is for the supervisor of several workers; one process reads its settings at its start")
            })
        guard let seat else { return }
        gateway.worker = try WorkerSide(seat, gateway: gateway, server: server) { [unowned self] in stop() }
    }

    /// The port in use.
    public var port: UInt16 { server.port }

    /// Serves until a signal ends it.
    public func run() -> Outcome {
        if let worker = gateway.worker {
            worker.ready()
        } else {
            log.info("listening", metadata: ["address": "\(configuration.listen)", "port": "\(port)"])
        }
        loop.run()
        server.finish()
        let isFlushed = journal.close(timeoutMicroseconds: Self.journalGrace)
        maintenance.stop()
        gateway.orders.outbox?.stop()
        gateway.history?.stop(flushDeadlineMilliseconds: Self.historyGrace)
        if let failure { return .failed(failure) }
        log.info("stopped", metadata: ["journal_flushed": "\(isFlushed)"])
        return .stopped
    }

    // MARK: Start

    /// What holds for every process that serves, or looks after those who do.
    static func prepareProcess() {
        signal(SIGPIPE, SIG_IGN)
        // Core files would hold positions and tokens.
        var none = rlimit(rlim_cur: 0, rlim_max: 0)
        setrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &none)
        // libwebsockets sizes its tables by this limit and falls back to 2,560 where it is absurdly large.
        var files = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &files)
        files.rlim_cur = min(files.rlim_max, 1_000_000)
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &files)
    }

    /// Rebuilds each driver's newest position and remembered fixes from what the journal still holds.
    private static func recall(_ journal: Journal, into pipeline: Pipeline) throws {
        guard journal.recovery.lastLSN >= journal.recovery.firstLSN else { return }
        let reader = try journal.store.makeReader(after: journal.recovery.firstLSN - 1)
        var batch = JournalBatch()
        while try reader.read(into: &batch, maxRecords: 10_000, maxBytes: 4 << 20) > 0 {
            for index in 0..<batch.count {
                guard let record = batch.withRecord(at: index, { PingRecord($0) }) else { continue }
                let isLate = record.flags.contains(.late)
                // A driver of whom only late pings are left here is looked up in the stores instead.
                guard !isLate || pipeline.drivers.index(of: record.driver) != nil else { continue }
                let driver = pipeline.addDriver(record.driver)
                pipeline.recall(Position(record), isLate: isLate, of: driver)
                pipeline.redis.recalled(driver)
            }
        }
    }

    // MARK: End

    private func stopSignalled() {
        if isStopping {
            log.notice("second signal: ending at once")
            _exit(1)
        }
        stop()
    }

    private func fail(_ reason: String) {
        log.critical("the journal failed; ending, nothing more is acknowledged", metadata: ["reason": "\(reason)"])
        failure = reason
        stop()
    }

    /// Takes no more, acknowledges what is durable, then closes the sockets.
    private func stop() {
        guard !isStopping else { return }
        isStopping = true
        log.notice("stopping")
        server.stopAccepting()
        gateway.worker?.stop()
        gateway.stopAccepting()
        let deadline = SystemClock.monotonicMicroseconds() + 500_000
        drainTimer = LoopTimer(loop: loop) { [unowned self] in
            let isOver = failure != nil || SystemClock.monotonicMicroseconds() >= deadline
            guard gateway.isDrained || isOver else { return }
            drainTimer?.close()
            drainTimer = nil
            closeSockets()
        }
        drainTimer?.start(afterMilliseconds: 0, everyMilliseconds: 2)
    }

    private func closeSockets() {
        server.shutDown(withinMilliseconds: Self.socketGrace)
        // Handles that a library forgets must not keep the process.
        guardTimer = LoopTimer(loop: loop) { [unowned self] in
            guard server.isShutDown || SystemClock.monotonicMicroseconds() > guardDeadline else { return }
            guardTimer?.close()
            gateway.driverSessions.finish(withinMilliseconds: Self.sessionsGrace) { [unowned self] in
                gateway.writes.finish(loop, withinMilliseconds: Self.sessionsGrace) { [unowned self] in
                    guard let watching = gateway.watching else { return finish() }
                    server.forEachConnection { ($0.session as? TrackSocket)?.leave() }
                    watching.finish(withinMilliseconds: Self.sessionsGrace) { [unowned self] in finish() }
                }
            }
        }
        guardDeadline = SystemClock.monotonicMicroseconds() + Int64(Self.socketGrace + 200) * 1_000
        guardTimer?.start(afterMilliseconds: 10, everyMilliseconds: 10)
    }

    private func finish() {
        gateway.close()
        gateway.worker?.close()
        postgres.close()
        past.close()
        for signal in signals { signal.close() }
        loop.stop()
    }
}

/// Carries the journal's progress to the loop. The loop's wake-up exists only after the journal, hence the detour.
///
/// `@unchecked Sendable`: `target` is set once, before any record is appended and thus before the first notification.
private final class JournalNotifier: @unchecked Sendable {
    var target: LoopWakeUp?

    func notify() {
        target?.wake()
    }
}

extension Configuration {
    /// The journal's part.
    var journal: JournalConfiguration {
        JournalConfiguration(
            directory: journalDirectory, segmentBytes: journalSegmentMiB << 20, limitBytes: journalLimitMiB << 20,
            acceptCorruptSegment: journalAcceptCorruptSegment.split(separator: ",").map(String.init))
    }

    /// The history writer's part.
    func history(nodeID: String) -> HistoryConfiguration {
        var history = HistoryConfiguration(postgresURL: postgresURL, nodeID: nodeID)
        history.directURL = postgresDirectURL.isEmpty ? nil : postgresDirectURL
        history.schema = postgresSchema
        history.historySchema = historySchema
        history.timeZone = historyTimeZone
        history.batchRecords = historyBatchRecords
        history.batchMilliseconds = historyBatchMilliseconds
        history.keepSeconds = historyKeepSeconds
        history.keepBytes = journalLimitMiB << 19
        history.partitionsAhead = historyPartitionsAheadDays
        history.migrate = historyMigrate
        return history
    }

    /// Where the platform's own tables are.
    var systemDatabaseURL: String {
        if !system.postgresURL.isEmpty { return system.postgresURL }
        return postgresDirectURL.isEmpty ? postgresURL : postgresDirectURL
    }

    /// The web server's part.
    func web() throws -> WebServerConfiguration {
        let listen = try listenAddress()
        var web = WebServerConfiguration()
        web.address = listen.address
        web.port = listen.port
        web.trustedProxies = try AddressRanges(webTrustedProxies, setting: "web.trusted_proxies")
        web.exemptAddresses = try AddressRanges(limitsExemptAddresses, setting: "limits.exempt_addresses")
        web.allowedOrigins = try AllowedOrigins(webAllowedOrigins, setting: "web.allowed_origins")
        if !webTLSCertificate.isEmpty || !webTLSKey.isEmpty {
            web.certificate = try CertificateFiles(chain: webTLSCertificate, key: webTLSKey)
        }
        web.connectionsPerAddress = limitsConnectionsPerAddress
        web.maximumMessageBytes = ["/v1/ingest": 262_144, "/v1/track": 16_384]
        web.messageDeadlineSeconds = webMessageDeadlineSeconds
        web.heartbeatSeconds = webHeartbeatSeconds
        web.subprotocols = [("drover.ingest.v1", 2_048), ("drover.v1", 512)]
        return web
    }
}
