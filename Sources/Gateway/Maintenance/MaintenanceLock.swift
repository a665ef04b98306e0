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

    /// Runs `body` while nobody else does maintenance. Waits for that at most so long; then it throws who is in the way.
    static func whileAlone<Result>(
        _ connection: PostgresConnection, schema: String, withinMilliseconds limit: Int, _ body: () throws -> Result
    ) throws -> Result {
        try take(connection, schema, limit)
        // A connection that has broken has given the lock back already.
        defer { _ = try? connection.query("SELECT pg_advisory_unlock(\(key("work", schema)))") }
        return try body()
    }

    private static func take(_ connection: PostgresConnection, _ schema: String, _ limit: Int) throws(PostgresError) {
        try connection.run("SET lock_timeout = \(limit)")
        do {
            try connection.query("SELECT pg_advisory_lock(\(key("work", schema)))")
        } catch {
            guard error.sqlState == "55P03" else { throw error }
            throw error.advising(try holder(connection, schema))
        }
        try connection.run("RESET lock_timeout")
    }

    private static func holder(_ connection: PostgresConnection, _ schema: String) throws(PostgresError) -> String {
        let rows = try connection.query(
            """
            SELECT l.pid, coalesce(nullif(a.application_name, ''), 'a session')
            FROM pg_locks l JOIN pg_stat_activity a USING (pid), (SELECT \(key("work", schema)) AS key) k
            WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
                AND l.classid = (k.key >> 32 & 4294967295)::oid AND l.objid = (k.key & 4294967295)::oid
            """)
        guard rows.count > 0 else { return "Try again." }
        return
            "Maintenance is under way in \(rows.text(0, 1) ?? "") (backend \(rows.text(0, 0) ?? "")): try again later."
    }

    private static func key(_ what: String, _ schema: String) -> String {
        "hashtextextended('drover maintenance \(what) ' || \(quotedLiteral(schema)), 0)"
    }
}
