/// Brings `driver_location_hourly` up to date with the history: reads the notes that the writers left, and for each
/// driver's hour that has one either what is new or, after a late ping, the whole hour. See `HistoryGeneration` for why
/// nothing is missed or counted twice.
import EventLoop
import PostgresClient
import Tracking

extension MaintenanceJob {
    /// The roll-up, every `history.rollup_s`.
    static func rollUp(_ configuration: Configuration) -> MaintenanceJob {
        MaintenanceJob(name: "rollup", interval: Int64(configuration.historyRollupSeconds) * 1_000_000) { session in
            try RollUp(session).run(now: SystemClock.wallMicroseconds())
        }
    }
}

/// One run of it, over a direct connection that holds the maintenance's lock.
struct RollUp {
    /// How long the writers may be kept waiting for the lock, try by try, in milliseconds. A transaction that writes a
    /// full batch takes some 300 ms; a writer that waits loses nothing, its journal does not.
    private static let patience = [300, 300, 300, 1_000, 3_000]
    /// Driver-hours in one statement, so that a stop is heard soon.
    private static let chunk = 500
    /// A run ends after so many microseconds, and the next goes on: its snapshot holds up VACUUM and DETACH.
    private static let longestRun: Int64 = 10_000_000
    /// Rows of the roll-up that are removed in one statement.
    private static let removedAtOnce = 50_000

    private let connection: PostgresConnection
    private let cutOff: PostgresCutOff
    private let schema: String
    private let place: HistoryPlace
    private let hourlyRetentionDays: Int
    private let statements: RollUpStatements
    private let lockMilliseconds: [Int]

    init(_ session: MaintenanceSession, lockMilliseconds: [Int] = RollUp.patience) {
        self.lockMilliseconds = lockMilliseconds
        connection = session.connection
        cutOff = session.cutOff
        schema = session.configuration.postgresSchema
        place = session.configuration.historyPlace
        hourlyRetentionDays = session.configuration.historyHourlyRetentionDays
        statements = RollUpStatements(trackGapSeconds: session.configuration.historyTrackGapSeconds)
    }

    /// Takes in what was written until now; `now` in microseconds since 1970 decides only what is too old to be kept.
    /// True where there is more to do at once.
    func run(now: Microseconds) throws(PostgresError) -> Bool {
        let hasMoreToRemove = try removeOld(now)
        let waiting = try connection.query(
            "SELECT EXISTS (SELECT FROM \(quotedIdentifier(schema)).driver_location_changes)")
        guard waiting.flag(0, 0) == true else { return hasMoreToRemove }
        let generation = try closeGeneration()
        let hasMore: Bool
        do {
            hasMore = try connection.transaction(prologue) { () throws(PostgresError) in
                try takeIn(through: generation)
            }
        } catch {
            release()
            throw error
        }
        return hasMore || hasMoreToRemove
    }

    // MARK: The snapshot

    /// Raises the generation and returns the one that is complete. The lock stays with the session: it goes in
    /// `prologue`, by the statement that has taken the snapshot.
    private func closeGeneration() throws(PostgresError) -> Int64 {
        var failure: PostgresError?
        for (attempt, milliseconds) in lockMilliseconds.enumerated() {
            if attempt > 0 { cutOff.pause(milliseconds: 200) }
            do {
                return try raise(waitingMilliseconds: milliseconds)
            } catch {
                release()
                // 55P03: the lock was not to be had in time.
                guard error.sqlState == "55P03" else { throw error }
                failure = error
            }
        }
        throw PostgresError(
            .transient, "transactions that write the history left the roll-up no room: \(failure?.message ?? "")",
            advice: "It is tried again by itself; where it goes on, look for old transactions in pg_stat_activity.")
    }

    private func raise(waitingMilliseconds milliseconds: Int) throws(PostgresError) -> Int64 {
        // Not synchronous, since writers wait meanwhile: what depends on the new number stands behind it in the log.
        let prologue = """
            SET LOCAL search_path TO \(place.searchPath); SET LOCAL synchronous_commit = off;
            SET LOCAL lock_timeout = '\(milliseconds)ms'; SELECT pg_advisory_lock(\(HistoryGeneration.lock(schema)))
            """
        return try connection.transaction(prologue) { () throws(PostgresError) in
            let raised = try connection.query(
                "UPDATE history_generation SET generation = generation + 1 RETURNING generation - 1")
            guard raised.count == 1, let complete = raised.integer(0, 0) else { throw HistoryGeneration.missing }
            return complete
        }
    }

    /// Without the lock it says so and no more; a connection that is gone has no lock.
    private func release() {
        _ = try? connection.query("SELECT pg_advisory_unlock(\(HistoryGeneration.lock(schema)))")
    }

    /// The first query of a REPEATABLE READ transaction takes its snapshot, before it lets go of the lock; also its
    /// number, so that a younger number on a row means that the snapshot did not have it.
    private var prologue: String {
        """
        SET TRANSACTION ISOLATION LEVEL REPEATABLE READ;
        SELECT pg_current_xact_id(), pg_advisory_unlock(\(HistoryGeneration.lock(schema)));
        SET LOCAL search_path TO \(place.searchPath); \(RollUpStatements.settings)
        """
    }

    // MARK: Taking in

    private func takeIn(through generation: Int64) throws(PostgresError) -> Bool {
        try connection.query(RollUpStatements.gather, ["\(generation)"])
        let total = try connection.query("SELECT count(*) FROM pg_temp.drover_hours").integer(0, 0) ?? 0
        let end = SystemClock.monotonicMicroseconds() + Self.longestRun
        var done: Int64 = 0
        var hasFollowing = false
        while done < total, done == 0 || SystemClock.monotonicMicroseconds() < end {
            let last = min(total, done + Int64(Self.chunk))
            let followed = try connection.query(statements.takeIn, ["\(done)", "\(last)", "\(generation + 1)"])
            hasFollowing = hasFollowing || followed.flag(0, 0) == true
            done = last
        }
        try connection.query(RollUpStatements.removeNotes, ["\(generation)", "\(done)"])
        return hasFollowing || done < total
    }

    // MARK: Retention

    /// Removes hours that are older than `history.hourly_retention_days`; true where there are more.
    private func removeOld(_ now: Microseconds) throws(PostgresError) -> Bool {
        guard hourlyRetentionDays > 0 else { return false }
        let oldest = now - Microseconds(hourlyRetentionDays) * 86_400_000_000
        let table = place.inHistory("driver_location_hourly")
        let removed = try connection.query(
            """
            DELETE FROM \(table) WHERE ctid = ANY (ARRAY(
                SELECT ctid FROM \(table)
                WHERE hour < timestamptz '1970-01-01 00:00:00+00' + $1::bigint * interval '1 microsecond'
                ORDER BY hour LIMIT \(Self.removedAtOnce)))
            """, ["\(oldest)"])
        return removed.affected == Self.removedAtOnce
    }
}
