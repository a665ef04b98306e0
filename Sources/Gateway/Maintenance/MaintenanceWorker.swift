/// The loop of the maintenance's thread: connect, take the lead, run what is due.
import EventLoop
import Logging
import PostgresClient

/// The state of the maintenance's thread.
struct MaintenanceWorker: ~Copyable {
    /// How long one statement may take: a day of millions of rows is archived in one.
    private static let callMilliseconds = 3_600_000
    /// How often a process that does not lead tries to.
    private static let leadMilliseconds = 5_000
    /// How long a job waits for a command that does maintenance.
    private static let workMilliseconds = 60_000

    private let configuration: Configuration
    private let jobs: [MaintenanceJob]
    private let counters: MaintenanceCounters
    private let signals: HistorySignals
    private let log: Logger
    /// When each job is due, in monotonic microseconds.
    private var due: [Int64]
    private var delay = RetryDelay()

    init(
        _ configuration: Configuration, _ jobs: [MaintenanceJob], _ counters: MaintenanceCounters,
        _ signals: HistorySignals, _ log: Logger
    ) {
        precondition(!jobs.isEmpty, "without a job there is nothing to wait for")
        self.configuration = configuration
        self.jobs = jobs
        self.counters = counters
        self.signals = signals
        self.log = log
        due = jobs.map { _ in 0 }
    }

    /// Runs until it is asked to stop.
    consuming func run() {
        while !signals.isStopping {
            do {
                try serve()
            } catch {
                log.debug("maintenance waits for Postgres", metadata: ["reason": "\(error)"])
            }
            counters.set(leads: false)
            if signals.isStopping { return }
            signals.cutOff.pause(milliseconds: delay.next())
        }
    }

    /// One connection's life.
    private mutating func serve() throws {
        let connection = try configuration.connectDirectly(
            cutOff: signals.cutOff, callMilliseconds: Self.callMilliseconds)
        // The history's writer does the same, where there is one: whoever comes first.
        if configuration.historyMigrate {
            try configuration.migrateTables(connection)
        } else {
            try configuration.checkTables(connection)
        }
        while try !MaintenanceLock.tryLead(connection, schema: configuration.postgresSchema) {
            delay.reset()
            signals.cutOff.pause(milliseconds: Self.leadMilliseconds)
            if signals.isStopping { return }
        }
        counters.set(leads: true)
        delay.reset()
        let session = MaintenanceSession(connection, configuration, cutOff: signals.cutOff, counters, log)
        while !signals.isStopping {
            for index in jobs.indices where due[index] <= SystemClock.monotonicMicroseconds() {
                try run(index, session)
            }
            let left = (due.min() ?? 0) - SystemClock.monotonicMicroseconds()
            // A wake-up ends the pause; then every job looks again, which costs each a question.
            if left > 0, !signals.isStopping {
                let start = SystemClock.monotonicMicroseconds()
                signals.cutOff.pause(milliseconds: Int(left / 1_000) + 1)
                if SystemClock.monotonicMicroseconds() < start + left { due = due.map { _ in 0 } }
            }
            guard connection.isAlive else { throw PostgresError(.connection, "Postgres ended the connection") }
        }
    }

    /// Runs a job. Throws where the connection is no longer good for the next.
    private mutating func run(_ index: Int, _ session: MaintenanceSession) throws {
        let job = jobs[index]
        let start = SystemClock.monotonicMicroseconds()
        do {
            let hasMore = try MaintenanceLock.whileAlone(
                session.connection, schema: configuration.postgresSchema, withinMilliseconds: Self.workMilliseconds
            ) { try job.run(session) }
            let end = SystemClock.monotonicMicroseconds()
            counters.succeeded(job.name, microseconds: end - start)
            due[index] = hasMore ? end : end + job.interval
        } catch {
            due[index] = SystemClock.monotonicMicroseconds() + min(job.interval, 60_000_000)
            if signals.isStopping { return }
            counters.failed(job.name, "\(error)")
            log.error("maintenance failed", metadata: ["job": "\(job.name)", "reason": "\(error)"])
            if let error = error as? PostgresError, error.endsSession { throw error }
        }
    }
}
