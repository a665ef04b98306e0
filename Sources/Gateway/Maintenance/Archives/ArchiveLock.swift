/// One process at a time works on the partitions and archives of a schema: the gateway that does the maintenance, or a
/// command beside it. It is not the maintenance's own lock, which a gateway holds for as long as it runs.
import PostgresClient

/// An advisory lock of the session.
enum ArchiveLock {
    /// Runs `body` under the lock of `schema` (unquoted). Waits for it `milliseconds` at most, then says who has it.
    static func hold<Value>(
        _ connection: PostgresConnection, schema: String, milliseconds: Int, _ body: () throws -> Value
    ) throws -> Value {
        let key = "hashtextextended('drover archives ' || \(quotedLiteral(schema)), 0)"
        try take(connection, key, milliseconds)
        // A connection that cannot give it back is lost, and the lock with it.
        defer { _ = try? connection.query("SELECT pg_advisory_unlock(\(key))") }
        return try body()
    }

    private static func take(_ connection: PostgresConnection, _ key: String, _ milliseconds: Int) throws {
        do {
            try connection.run(
                "BEGIN; SET LOCAL lock_timeout = \(milliseconds); SELECT pg_advisory_lock(\(key)); COMMIT")
        } catch {
            guard error.sqlState == "55P03" else { throw error }
            try connection.run("ROLLBACK")
            throw ArchiveError.busy(who: try holder(connection, key))
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
}
