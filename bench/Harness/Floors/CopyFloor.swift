/// The floor of history: psql's binary COPY of the same rows into an equal table.
import LocalServers

/// What the floor took.
struct CopyFloor {
    var rows = 0
    var microsecondsPerRow = 0.0
    var rowsPerSecond = 0.0

    /// Copies up to `limit` rows of the history.
    static func measure(_ postgres: LocalPostgres, database: String, limit: Int) throws -> CopyFloor {
        let file = "\(postgres.socketDirectory)/floor.copy"
        _ = try postgres.psql(
            """
            COPY (SELECT * FROM driver_location_events LIMIT \(limit)) TO '\(file)' (FORMAT binary);
            DROP TABLE IF EXISTS floor_events;
            CREATE TABLE floor_events (LIKE driver_location_events INCLUDING ALL);
            """, database: database)
        guard let process = postgres.processID else { throw BenchError("the private Postgres has ended") }
        let clock = ContinuousClock()
        let before = PostgresUsage.seconds(process)
        let elapsed = try clock.measure {
            _ = try postgres.psql("\\copy floor_events FROM '\(file)' (FORMAT binary)", database: database)
        }
        // The copying backend's time counts once the postmaster has reaped it, which it has when it serves the next one.
        _ = try postgres.psql("SELECT 1", database: database)
        let used = PostgresUsage.seconds(process) - before
        let rows = Int(try postgres.psql("SELECT count(*) FROM floor_events", database: database)) ?? 0
        _ = try postgres.psql("DROP TABLE floor_events", database: database)
        guard rows > 0 else { throw BenchError("there were no rows to copy") }
        let seconds = Double(elapsed.components.seconds) + Double(elapsed.components.attoseconds) / 1e18
        return CopyFloor(
            rows: rows, microsecondsPerRow: used / Double(rows) * 1e6, rowsPerSecond: Double(rows) / seconds)
    }
}
