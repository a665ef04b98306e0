/// Journals of workers that are no longer configured: what is left in them goes to Postgres, then they go.
///
/// A crash at any moment leaves what can be gone on from. The directory `worker-k` is a journal like any other until all of
/// it is in Postgres; then it is renamed, which says so, to `drained-NODE`; then the node is retired, so
/// that no erasure waits for it any longer; then the directory goes. An erasure that is asked for
/// meanwhile waits for the node, as it does for every node, and so finds every row that came out of the journal.
import EventLoop
import Foundation
import Journal
import Logging
import PostgresClient
import Synchronization

/// See the file's head. A thread of its own.
final class LeftoverJournals: Sendable {
    /// What is known of them.
    struct State: Sendable, Equatable {
        /// Directories that are left.
        var count: Int
        /// What is in the way; nil where nothing is.
        var error: String?
    }

    private static let drainedPrefix = "drained-"
    /// How often a journal that is being written is looked at, and how long the pause is after a fault, in milliseconds.
    private static let lookMilliseconds = 50
    private static let pauseMilliseconds = 2_000

    private let configuration: Configuration
    private let log: Logger
    private let signals = HistorySignals()
    private let state: Mutex<State>
    private let thread: Mutex<HistoryThread?> = Mutex(nil)

    /// What is known of them now.
    var current: State { state.withLock { $0 } }

    /// Looks for journals of workers beyond `workers` in the configured directory; nil where there are none.
    init?(_ configuration: Configuration, workers: Int, log: Logger) {
        let found = Self.directories(in: configuration.journalDirectory, beyond: workers)
        guard !found.isEmpty else { return nil }
        self.configuration = configuration
        self.log = log
        state = Mutex(State(count: found.count, error: nil))
        log.notice(
            "journals of workers that are no longer configured are written to Postgres",
            metadata: ["journals": "\(found.joined(separator: ", "))"])
        thread.withLock { $0 = HistoryThread { [self] in run(beyond: workers) } }
    }

    /// Stops within the deadline; what is left is gone on with at the next start.
    func stop(deadlineMilliseconds: Int) {
        signals.stop(at: SystemClock.monotonicMicroseconds() + Int64(deadlineMilliseconds / 2) * 1_000)
        _ = thread.withLock { $0 }?.waitForEnd(milliseconds: deadlineMilliseconds)
    }

    /// Their names, the drained first.
    static func directories(in directory: String, beyond workers: Int) -> [String] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []
        let journals = names.filter { name in
            guard name.hasPrefix(WorkerSeat.journalPrefix) else { return false }
            return Int(name.dropFirst(WorkerSeat.journalPrefix.count)).map { $0 >= max(1, workers) } ?? false
        }
        return names.filter { $0.hasPrefix(drainedPrefix) }.sorted() + journals.sorted()
    }

    private func run(beyond workers: Int) {
        while !signals.isStopping {
            // Looked up anew each time: a journal that was drained has another name since.
            let names = Self.directories(in: configuration.journalDirectory, beyond: workers)
            state.withLock { $0.count = names.count }
            guard !names.isEmpty else { break }
            var hasFailed = false
            for name in names where !signals.isStopping {
                do {
                    try settle(name)
                    log.notice(
                        "a journal that is no longer configured is in Postgres and gone",
                        metadata: ["journal": "\(name)"])
                } catch {
                    hasFailed = true
                    if !signals.isStopping { tell("\(name): \(error)") }
                }
            }
            if hasFailed { signals.cutOff.pause(milliseconds: Self.pauseMilliseconds) }
        }
        state.withLock { if $0.count == 0 { $0.error = nil } }
    }

    /// Once for each new reason.
    private func tell(_ reason: String) {
        let isNew = state.withLock { state in
            defer { state.error = reason }
            return state.error != reason
        }
        if isNew { log.warning("a journal that is no longer configured waits", metadata: ["reason": "\(reason)"]) }
    }

    private func settle(_ name: String) throws {
        let path = configuration.journalDirectory + "/" + name
        guard name.hasPrefix(Self.drainedPrefix) else {
            let node = try drain(path)
            let drained = configuration.journalDirectory + "/" + Self.drainedPrefix + node
            guard rename(path, drained) == 0 else { throw CommandError("cannot rename \(path): \(Self.reason)") }
            try syncParent()
            return try forget(node, drained)
        }
        try forget(String(name.dropFirst(Self.drainedPrefix.count)), path)
    }

    /// Writes what the journal holds; returns its node once all of it is in Postgres.
    private func drain(_ path: String) throws -> String {
        var journalConfiguration = configuration.journal
        journalConfiguration.directory = path
        let journal = try Journal(configuration: journalConfiguration) {}
        defer { journal.close(timeoutMicroseconds: 1_000_000) }
        // Without a history there is nobody to write it for.
        guard configuration.historyRetentionDays > 0, journal.recovery.lastLSN >= journal.recovery.firstLSN else {
            return journal.nodeID
        }
        try register(journal.nodeID)
        let writer = HistoryWriter(configuration.history(nodeID: journal.nodeID), from: journal.store)
        defer { writer.stop(flushDeadlineMilliseconds: 500) }
        // As long as a gateway's journal keeps them: a server that is promoted may lack the last rows.
        let keep = Int64(configuration.historyKeepSeconds) * 1_000_000
        var doneAt: Int64?
        while doneAt.map({ SystemClock.monotonicMicroseconds() < $0 + keep }) ?? true {
            guard !signals.isStopping else { throw CommandError("it is stopped") }
            if case .holding(let reason) = writer.counters.state { tell("\(path): \(reason)") }
            signals.cutOff.pause(milliseconds: Self.lookMilliseconds)
            let isDone =
                writer.counters.lastCommittedLSN.load(ordering: .acquiring) >= journal.recovery.lastLSN
                && writer.counters.state == .ready
            doneAt = isDone ? doneAt ?? SystemClock.monotonicMicroseconds() : nil
        }
        return journal.nodeID
    }

    /// Lets erasures wait for this journal before anything of it is written.
    private func register(_ node: String) throws {
        let connection = try configuration.connectDirectly(cutOff: signals.cutOff)
        if configuration.historyMigrate { try configuration.migrateTables(connection) }
        try connection.query(
            "INSERT INTO \(table) (node_id, lsn) VALUES ($1, 0) ON CONFLICT DO NOTHING", [node])
    }

    /// Takes the node of a drained journal out of Postgres, then the directory away.
    private func forget(_ node: String, _ path: String) throws {
        let connection = try configuration.connectDirectly(cutOff: signals.cutOff)
        // Where there is no table yet, no erasure waits; nor where an earlier run came as far as this.
        let isThere = try connection.query("SELECT to_regclass($1) IS NOT NULL", [table]).flag(0, 0) == true
        if isThere, try connection.query("SELECT 1 FROM \(table) WHERE node_id = $1", [node]).count == 1 {
            try NodeRetirement.retire(
                node: node, connection: connection, schema: configuration.postgresSchema, isForced: true,
                actor: "drain")
        }
        try FileManager.default.removeItem(atPath: path)
        try syncParent()
    }

    private var table: String { "\(quotedIdentifier(configuration.postgresSchema)).ingest_checkpoints" }

    private func syncParent() throws {
        let descriptor = open(configuration.journalDirectory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0, fsync(descriptor) == 0 else {
            throw CommandError("cannot sync \(configuration.journalDirectory): \(Self.reason)")
        }
        close(descriptor)
    }

    private static var reason: String { String(cString: strerror(errno)) }
}
