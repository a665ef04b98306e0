/// Who does maintenance, of all processes that share a schema.
import PostgresClient

/// Two advisory locks of a schema. Whoever leads does the jobs when they are due and keeps that lock; the other is held
/// only while something is done, so that a command can do it between two jobs of a gateway.
enum MaintenanceLock {
    /// Takes the lead for this session; false where another session has it.
    static func tryLead(_ connection: PostgresConnection, schema: String) throws(PostgresError) -> Bool {
        try connection.query("SELECT pg_try_advisory_lock(\(key("lead", schema)))").flag(0, 0) == true
    }

    /// Leaves the lead to others.
    static func endLead(_ connection: PostgresConnection, schema: String) throws(PostgresError) {
        try connection.query("SELECT pg_advisory_unlock(\(key("lead", schema)))")
    }

    /// Runs `body` while nobody else does maintenance in `schema` (unquoted); within a `body` of the same connection it
    /// runs at once. Waits at most so long; then it throws who is in the way. Not within a transaction.
    static func whileAlone<Result>(
        _ connection: PostgresConnection, schema: String, withinMilliseconds limit: Int, _ body: () throws -> Result
    ) throws -> Result {
        let key = key("work", schema)
        try take(connection, key, limit)
        // A connection that has broken has given the lock back already.
        defer { _ = try? connection.query("SELECT pg_advisory_unlock(\(key))") }
        return try body()
    }

    private static func take(_ connection: PostgresConnection, _ key: String, _ limit: Int) throws(PostgresError) {
        do {
            try connection.run("BEGIN; SET LOCAL lock_timeout = \(limit); SELECT pg_advisory_lock(\(key)); COMMIT")
        } catch {
            // 55P03: the lock was not to be had in time.
            guard error.sqlState == "55P03" else { throw error }
            try connection.run("ROLLBACK")
            throw PostgresError(
                .transient, "maintenance is under way by \(try holder(connection, key))",
                advice: "Try again when it is done.")
        }
    }

    private static func holder(_ connection: PostgresConnection, _ key: String) throws(PostgresError) -> String {
        let rows = try connection.query(
            """
            SELECT format('%s (process %s of Postgres, %s, since %s)', coalesce(nullif(a.application_name, ''), 'somebody'),
                a.pid, coalesce('from ' || host(a.client_addr), 'on its machine'), date_trunc('second', a.backend_start))
            FROM pg_locks l JOIN pg_stat_activity a USING (pid), (SELECT \(key) AS key) k
            WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
                AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
                AND l.classid::bigint = (k.key >> 32) & 4294967295 AND l.objid::bigint = k.key & 4294967295
            """)
        return rows.count > 0 ? rows.text(0, 0) ?? "another process" : "another process"
    }

    private static func key(_ what: String, _ schema: String) -> String {
        "hashtextextended('drover maintenance \(what) ' || \(quotedLiteral(schema)), 0)"
    }
}
