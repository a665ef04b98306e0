/// The telemetry in Postgres: rows of the history, dead letters, hours of the roll-up and its notes.
import PostgresClient
import Tracking

extension ErasureExecutor {
    /// How far ahead of its receipt a ping's hour may be: the largest tolerance that can be configured is far less.
    private static let hoursAhead = 24

    /// The rows of one partition; also of one that was detached and is not dropped yet.
    func removeHistory(_ erasure: Erasure, _ driver: DriverID) throws(PostgresError) {
        let tables = try connection.query(
            """
            SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE n.nspname = $1 AND c.relkind = 'r' AND (
                c.relname ~ ('^' || $2 || '_[0-9]{8}(_[0-9]+)?$') OR c.oid IN (
                    SELECT i.inhrelid FROM pg_inherits i JOIN pg_class p ON p.oid = i.inhparent
                    WHERE p.relname = $2 AND p.relnamespace = n.oid))
            ORDER BY c.relname COLLATE "C"
            """, [configuration.historySchemaName, PartitionName.table])
        let names = (0..<tables.count).compactMap { tables.text($0, 0) }
        let left = names.filter { erasure.progress.partition.map { Array($0.utf8) }.isBefore(Array($0.utf8)) }
        try piece(erasure) { (progress) throws(PostgresError) in
            progress.add(0, "history_rows")
            guard let table = left.first else { return true }
            if erasure.progress.partition == nil { try touchSampledHistory(&progress) }
            let removed = try connection.query(
                "DELETE FROM \(configuration.historyPlace.inHistory(table)) WHERE driver_id = $1 AND received_at <= \(Self.instant("$2"))",
                [driver.string, "\(erasure.reachesTo)"]
            ).affected
            progress.add(Int64(removed), "history_rows", from: table)
            progress.add(removed > 0 ? 1 : 0, "partitions")
            progress.partition = table
            (progress.done, progress.of) = (names.count - left.count + 1, names.count)
            return left.count == 1
        }
    }

    /// The history as a whole has statistics of its own only where somebody has run ANALYZE on it.
    private func touchSampledHistory(_ progress: inout ErasureProgress) throws(PostgresError) {
        let samples = try connection.query(
            "SELECT FROM pg_stats WHERE schemaname = $1 AND tablename = $2 AND inherited LIMIT 1",
            [configuration.historySchemaName, PartitionName.table])
        if samples.count > 0 { progress.touch(PartitionName.table) }
    }

    /// Records that name the driver. When one was received stands in the record; of one that cannot be read nobody knows,
    /// and it goes where the name stands in it.
    func removeDeadLetters(_ erasure: Erasure, _ driver: DriverID) throws(PostgresError) {
        try piece(erasure) { (progress) throws(PostgresError) in
            let rows = try connection.query(
                """
                SELECT id, encode(record, 'hex') FROM ingest_dead_letters
                WHERE driver_id = $1 OR (driver_id IS NULL AND position(convert_to($1, 'UTF8') IN record) > 0)
                """, [driver.string])
            let ids = (0..<rows.count).filter { row in
                guard let bytes = rows.text(row, 1).flatMap({ AuditSecret.bytes($0) }),
                    let record = PingRecord(bytes.span)
                else { return true }
                return record.receivedAt <= erasure.reachesTo
            }.compactMap { rows.text($0, 0) }
            let removed = try connection.query(
                "DELETE FROM ingest_dead_letters WHERE id = ANY (string_to_array($1, ',')::bigint[])",
                [ids.joined(separator: ",")]
            ).affected
            progress.add(Int64(removed), "dead_letters", from: "ingest_dead_letters")
            return true
        }
    }

    /// The driver's hours go; what was received later and stays in them is noted, so that the roll-up makes them anew.
    /// Notes of before go too: the generation is raised first, so that a writer who relies on one notes it again.
    func removeHours(_ erasure: Erasure, _ driver: DriverID) throws(PostgresError) {
        let generation = try raiseGeneration()
        try piece(erasure) { (progress) throws(PostgresError) in
            let last = "\(Self.instant("$2")) + interval '\(Self.hoursAhead) hours'"
            let parameters = [driver.string, "\(erasure.reachesTo)"]
            let hours = try connection.query(
                "DELETE FROM driver_location_hourly WHERE driver_id = $1 AND hour <= \(last)", parameters)
            progress.add(Int64(hours.affected), "hourly_rows", from: "driver_location_hourly")
            let notes = try connection.query(
                """
                DELETE FROM driver_location_changes WHERE driver_id = $1 AND hour <= \(last) AND generation < $3::bigint
                """, parameters + ["\(generation)"])
            if notes.affected > 0 { progress.touch("driver_location_changes") }
            try connection.query(
                """
                INSERT INTO driver_location_changes (driver_id, hour, from_at, generation)
                SELECT driver_id, date_trunc('hour', recorded_at, 'UTC'), min(recorded_at), $3::bigint - 1
                FROM driver_location_events WHERE driver_id = $1 AND recorded_at < \(last) + interval '1 hour'
                GROUP BY 1, 2
                """, parameters + ["\(generation)"])
            return true
        }
    }

    /// Raises the roll-up's generation while no writer's transaction is open, and returns the new one. A lock that waits
    /// holds writers up, so each attempt is short.
    private func raiseGeneration() throws(PostgresError) -> Int64 {
        var attempt = 0
        while true {
            attempt += 1
            do {
                return try connection.transaction(
                    """
                    SET LOCAL search_path TO \(schema); SET LOCAL lock_timeout = '300ms';
                    SELECT pg_advisory_xact_lock(\(HistoryGeneration.lock(configuration.postgresSchema)))
                    """
                ) { () throws(PostgresError) in
                    try connection.query(
                        "UPDATE history_generation SET generation = generation + 1 RETURNING generation"
                    )
                    .integer(0, 0) ?? 0
                }
            } catch  where error.sqlState == "55P03" && attempt < 20 {
                continue
            }
        }
    }

    /// The moment that a number of microseconds since 1970 stands for.
    static func instant(_ parameter: String) -> String {
        "(timestamptz '1970-01-01 00:00:00+00' + \(parameter)::bigint * interval '1 microsecond')"
    }
}

extension [UInt8]? {
    /// Whether it comes before the other in the order of bytes; nothing comes before all.
    fileprivate func isBefore(_ other: [UInt8]) -> Bool {
        map { $0.lexicographicallyPrecedes(other) } ?? true
    }
}
