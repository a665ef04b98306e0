/// One thing that must be done in Postgres now and then.
import EventLoop
import Logging
import PostgresClient
import Synchronization

/// See the file's head. `run` is called on the maintenance's thread while nobody else does maintenance, and says whether
/// there is more to do at once.
struct MaintenanceJob: Sendable {
    /// For metrics and logs.
    let name: String
    /// Microseconds from the end of a run to the next.
    let interval: Int64
    let run: @Sendable (MaintenanceSession) throws -> Bool
}

/// What a job works with: the connection that holds the locks. One thread.
final class MaintenanceSession {
    let connection: PostgresConnection
    let configuration: Configuration
    let cutOff: PostgresCutOff
    let counters: MaintenanceCounters
    let log: Logger

    init(
        _ connection: PostgresConnection, _ configuration: Configuration, cutOff: PostgresCutOff,
        _ counters: MaintenanceCounters, _ log: Logger
    ) {
        self.connection = connection
        self.configuration = configuration
        self.cutOff = cutOff
        self.counters = counters
        self.log = log
    }

    /// The archived days.
    var archives: Archives {
        Archives(
            directory: configuration.historyArchiveDirectory, connection: connection,
            schema: configuration.postgresSchema, history: configuration.historySchema, cutOff: cutOff)
    }

    /// Drover's schema as SQL takes it.
    var schema: String { quotedIdentifier(configuration.postgresSchema) }
}

/// What the jobs have done: written on the maintenance's thread, read by metrics and health.
final class MaintenanceCounters: Sendable {
    /// Of one job.
    struct Job: Sendable {
        var runs = 0
        var failures = 0
        /// Wall microseconds; 0 before the first.
        var lastSuccessAt: Int64 = 0
        /// Microseconds that the last run took.
        var lastDuration: Int64 = 0
        /// Why the last run failed; nil where it did not.
        var error: String?
    }

    /// Of the job `partitions`.
    let partitions = PartitionCounters()
    private let jobs: Mutex<[String: Job]>
    private let leading = Atomic<Bool>(false)

    init(_ names: [String]) {
        jobs = Mutex(Dictionary(uniqueKeysWithValues: names.map { ($0, Job()) }))
    }

    /// Every job by name, in alphabetical order.
    var all: [(name: String, job: Job)] {
        jobs.withLock { jobs in jobs.sorted { $0.key < $1.key }.map { ($0.key, $0.value) } }
    }

    /// Whether this process is the one that does the jobs.
    var leads: Bool { leading.load(ordering: .relaxed) }

    func set(leads: Bool) {
        leading.store(leads, ordering: .relaxed)
    }

    func succeeded(_ name: String, microseconds: Int64) {
        jobs.withLock { jobs in
            jobs[name]?.runs += 1
            jobs[name]?.lastDuration = microseconds
            jobs[name]?.lastSuccessAt = SystemClock.wallMicroseconds()
            jobs[name]?.error = nil
        }
    }

    func failed(_ name: String, _ error: String) {
        jobs.withLock { jobs in
            jobs[name]?.runs += 1
            jobs[name]?.failures += 1
            jobs[name]?.error = error
        }
    }
}
