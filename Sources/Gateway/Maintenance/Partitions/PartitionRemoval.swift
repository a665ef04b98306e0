/// How a day leaves the history without anybody waiting for it.
///
/// A partition is marked, then detached: DETACH CONCURRENTLY takes no lock that a writer or reader of the history waits for
/// (PostgreSQL manual, ALTER TABLE), but waits itself for transactions that began before it. Then the table is nobody's but
/// ours and can be dropped in peace. Between any two of these steps the process may end: the mark tells the next one that
/// the table is to go, wherever it has got to.
import EventLoop
import PostgresClient
import Tracking

/// Why partitions could not be looked after.
enum PartitionError: Error, Equatable, CustomStringConvertible {
    /// There is a DEFAULT partition, beside which Postgres detaches nothing concurrently.
    case defaultPartition(String)
    /// Transactions from before keep a partition from being detached.
    case inUse(partition: String)
    /// There is no partition for the day asked for.
    case noPartition(day: String)
    /// Nothing is archived where no directory is configured.
    case noArchiveDirectory

    /// One line: what is wrong, and what to do next.
    var description: String {
        switch self {
        case .defaultPartition(let name):
            "the history has a DEFAULT partition, \(name): beside it no day can be dropped without stopping all writers. "
                + "Move its rows elsewhere and DROP it; Drover makes the partition of any day by itself"
        case .inUse(let partition):
            "\(partition) cannot be dropped yet, because older transactions are still open. It is tried again by itself; "
                + "see pg_stat_activity (xact_start) for who they are"
        case .noPartition(let day):
            "there is no partition for \(day). See: drover partitions list"
        case .noArchiveDirectory:
            "there is no directory for archives. Set DROVER_HISTORY_ARCHIVE_DIRECTORY"
        }
    }
}

/// Works on the connection of one thread, outside of a transaction, under `MaintenanceLock`.
struct PartitionRemoval {
    private static let attempts = 3

    let connection: PostgresConnection
    let place: HistoryPlace
    let cutOff: PostgresCutOff
    /// How long one step waits for a lock. Who waits for DETACH meanwhile (another DETACH, ATTACH, ANALYZE) waits no longer.
    let lockMilliseconds: Int

    /// Takes `entry` off the history, or ends what was begun of that. `mark`: to drop it afterwards.
    func detach(_ entry: PartitionEntry, mark: Bool = true) throws {
        var isPending = entry.state == .detaching
        if mark, !entry.isMarked, let day = entry.day {
            try patiently(entry.name) { () throws(PostgresError) in
                try connection.run(
                    """
                    COMMENT ON TABLE \(qualified(entry.name))
                        IS \(quotedLiteral("\(PartitionEntry.mark)\(day.lower) \(day.upper)"))
                    """)
            }
        }
        try patiently(entry.name) { () throws(PostgresError) in
            let parent = qualified(PartitionName.table)
            let partition = qualified(entry.name)
            do throws(PostgresError) {
                try connection.run(
                    "ALTER TABLE \(parent) DETACH PARTITION \(partition) \(isPending ? "FINALIZE" : "CONCURRENTLY")")
            } catch {
                // The wait for older transactions comes after the partition is pending.
                isPending = try isDetaching(entry.name)
                throw error
            }
        }
    }

    /// Takes the mark off a partition that is to stay after all.
    func unmark(_ entry: PartitionEntry) throws {
        try patiently(entry.name) { () throws(PostgresError) in
            try connection.run("COMMENT ON TABLE \(qualified(entry.name)) IS NULL")
        }
    }

    /// Drops a detached table, and notes with its archives that it is gone, in one transaction.
    func drop(_ entry: PartitionEntry, now: Microseconds) throws {
        try patiently(entry.name) { () throws(PostgresError) in
            try connection.transaction { () throws(PostgresError) in
                try connection.query(
                    """
                    UPDATE \(quotedIdentifier(place.schema)).history_archives SET dropped_at = $2::timestamptz
                    WHERE partition = $1 AND dropped_at IS NULL
                    """, [entry.name, ArchiveColumns.time(now)])
                try connection.run("DROP TABLE \(qualified(entry.name))")
            }
        }
    }

    /// Runs `step`, which waits for locks a short while only, again where that was too short.
    private func patiently(_ partition: String, _ step: () throws(PostgresError) -> Void) throws {
        try connection.run("SET lock_timeout = \(lockMilliseconds); SET statement_timeout = 0")
        // A connection on which this fails is lost, and its settings with it.
        defer { _ = try? connection.run("RESET lock_timeout; RESET statement_timeout") }
        for attempt in 1...Self.attempts {
            do throws(PostgresError) {
                try step()
                return
            } catch {
                guard error.sqlState == "55P03" else { throw error }
                if attempt == Self.attempts { throw PartitionError.inUse(partition: partition) }
                try cutOff.check("waiting for older transactions")
            }
        }
    }

    private func isDetaching(_ name: String) throws(PostgresError) -> Bool {
        try connection.query(
            "SELECT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = to_regclass($1) AND inhdetachpending)",
            [qualified(name)]
        ).flag(0, 0) ?? false
    }

    private func qualified(_ name: String) -> String { place.inHistory(name) }
}
