/// What must be done in Postgres now and then (partitions, archives, the roll-up, erasures), on a thread and a connection
/// of its own, by one process of those that share a schema: whoever holds an advisory lock.
import EventLoop
import Logging
import PostgresClient
import Synchronization

/// Made and stopped by the gateway; everything between is the thread's.
final class Maintenance: Sendable {
    let counters: MaintenanceCounters
    private let signals = HistorySignals()
    private let thread: HistoryThread

    /// Starts. `jobs` run in their order where several are due.
    init(_ configuration: Configuration, _ jobs: [MaintenanceJob], log: Logger) {
        let counters = MaintenanceCounters(jobs.map(\.name))
        self.counters = counters
        let signals = self.signals
        thread = HistoryThread {
            MaintenanceWorker(configuration, jobs, counters, signals, log).run()
        }
    }

    /// The jobs look at once whether there is something to do, here where this process does them. Any thread.
    func wake() {
        signals.cutOff.wake()
    }

    /// Gives up what is under way, which can be done again, and waits for the thread's end; false where it did not end.
    @discardableResult
    func stop(withinMilliseconds milliseconds: Int = 500) -> Bool {
        signals.stop(at: SystemClock.monotonicMicroseconds())
        return thread.waitForEnd(milliseconds: milliseconds)
    }
}

/// The lock that says whose work it is.
enum MaintenanceLock {
    /// Takes the lock of `schema` for this session; false where another session has it.
    static func tryTake(_ connection: PostgresConnection, schema: String) throws(PostgresError) -> Bool {
        try connection.query("SELECT pg_try_advisory_lock(\(key(schema)))").flag(0, 0) == true
    }

    /// Gives it back.
    static func release(_ connection: PostgresConnection, schema: String) throws(PostgresError) {
        try connection.query("SELECT pg_advisory_unlock(\(key(schema)))")
    }

    private static func key(_ schema: String) -> String {
        "hashtextextended('drover maintenance ' || \(quotedLiteral(schema)), 0)"
    }
}

/// The state of the maintenance's thread.
private struct MaintenanceWorker: ~Copyable {
    /// How long one statement may take: a day of millions of rows is archived in one.
    private static let callMilliseconds = 3_600_000
    /// How often a process that does not have the lock tries to get it.
    private static let lockMilliseconds = 5_000

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
            counters.set(holdsLock: false)
            if signals.isStopping { return }
            signals.cutOff.pause(milliseconds: delay.next())
        }
    }

    /// One connection's life.
    private mutating func serve() throws {
        let connection = try configuration.connectDirectly(
            cutOff: signals.cutOff, callMilliseconds: Self.callMilliseconds)
        // The history's writer brings the schema up to date.
        try Migrations.check(connection, schema: configuration.postgresSchema)
        while try !MaintenanceLock.tryTake(connection, schema: configuration.postgresSchema) {
            delay.reset()
            signals.cutOff.pause(milliseconds: Self.lockMilliseconds)
            if signals.isStopping { return }
        }
        counters.set(holdsLock: true)
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
            let hasMore = try job.run(session)
            let end = SystemClock.monotonicMicroseconds()
            counters.succeeded(job.name, microseconds: end - start)
            due[index] = hasMore ? end : end + job.interval
        } catch {
            due[index] = SystemClock.monotonicMicroseconds() + min(job.interval, 60_000_000)
            if signals.isStopping { return }
            counters.failed(job.name, "\(error)")
            log.error("maintenance failed", metadata: ["job": "\(job.name)", "reason": "\(error)"])
            if let error = error as? PostgresError, [.connection, .interrupted].contains(error.kind) { throw error }
        }
    }
}
