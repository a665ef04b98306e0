import Glibc
import PostgresClient
import Synchronization
import Testing
import Tracking

@testable import Gateway

struct PartitionTests {
    private func bounds(_ fixture: HistoryFixture) throws -> [String] {
        try fixture.connection().run("SET TIME ZONE 'UTC'")
        let rows = try fixture.connection().query(
            """
            SELECT c.relname || ' ' || pg_get_expr(c.relpartbound, c.oid) FROM pg_inherits i JOIN pg_class c ON c.oid = inhrelid
            WHERE inhparent = 'driver_location_events'::regclass ORDER BY pg_get_expr(c.relpartbound, c.oid)
            """)
        return (0..<rows.count).compactMap { rows.text($0, 0) }
    }

    private func batch(_ times: [Microseconds]) throws -> HistoryBatch {
        var batch = HistoryBatch()
        var bytes = [UInt8](repeating: 0, count: PingRecord.maximumBytes)
        for time in times {
            var span = bytes.mutableSpan
            let length = try somePing(1, change: { $0.recordedAt = time }).encode(into: &span)
            batch.append(bytes.span.extracting(0..<length))
        }
        return batch
    }

    @Test func `days in Toronto have 23 and 25 hours when its clocks change`() throws {
        let fixture = try HistoryFixture()
        let connection = try fixture.connection()
        try Migrations.migrate(connection, schema: "public")
        var partitions = Partitions(schema: "public", timeZone: "America/Toronto")
        // 2026-03-08T05:00Z to 2026-03-09T04:00Z, and 2026-11-01T04:00Z to 2026-11-02T05:00Z; last and first microseconds.
        let short: [Microseconds] = [1_772_946_000_000_000, 1_773_028_799_999_999]
        let long: [Microseconds] = [1_793_505_600_000_000, 1_793_595_599_999_999]
        try partitions.make(for: batch(short + long), connection)
        #expect(
            try bounds(fixture) == [
                "driver_location_events_20260308 FOR VALUES FROM ('2026-03-08 05:00:00+00') TO ('2026-03-09 04:00:00+00')",
                "driver_location_events_20261101 FOR VALUES FROM ('2026-11-01 04:00:00+00') TO ('2026-11-02 05:00:00+00')",
            ])
        try partitions.make(for: batch([short[0] - 1, short[1] + 1]), connection)
        #expect(try bounds(fixture).count == 4)
        #expect(partitions.map.partitions.count == 4)
    }

    @Test func `late pings get the partition of their day on demand, and several days in one batch`() throws {
        let fixture = try HistoryFixture()
        let writer = fixture.startWriter()
        fixture.append(try (0..<20).map { try somePing($0, at: -86_400 * Double($0 % 10), flags: .late) })
        fixture.drain(writer)
        writer.stop()
        #expect(writer.inserted == 20)
        #expect(
            try fixture.number(
                "SELECT count(DISTINCT tableoid) FROM driver_location_events WHERE tableoid::regclass::text = "
                    + "'driver_location_events_' || to_char(recorded_at AT TIME ZONE 'UTC', 'YYYYMMDD')") == 10)
    }

    @Test func `today and the days ahead are ready before the first ping`() throws {
        let fixture = try HistoryFixture()
        fixture.configuration.timeZone = "Pacific/Kiritimati"
        fixture.configuration.partitionsAhead = 3
        let writer = fixture.startWriter()
        eventually("the writer is ready") { writer.counters.state == .ready }
        writer.stop()
        let expected = try fixture.text(
            """
            SELECT string_agg('driver_location_events_' || to_char((now() AT TIME ZONE 'Pacific/Kiritimati')::date + d, 'YYYYMMDD'), ' ' ORDER BY d)
            FROM generate_series(0, 3) d
            """)
        let found = try bounds(fixture).map { $0.split(separator: " ")[0] }.joined(separator: " ")
        #expect(found == expected)
    }

    @Test func `a partition that was taken away under the writer is made again`() throws {
        let fixture = try HistoryFixture()
        let writer = fixture.startWriter()
        fixture.append([try somePing(1)])
        fixture.drain(writer)
        try fixture.connection().run("DROP TABLE driver_location_events_20260306")
        fixture.append([try somePing(2)])
        fixture.drain(writer)
        writer.stop()
        #expect(writer.inserted == 2)
        #expect(writer.deadLettered == 0)
        #expect(try fixture.number("SELECT count(*) FROM driver_location_events_20260306") == 1)
    }

    @Test func `processes that make the same days at once do not fail`() throws {
        let fixture = try HistoryFixture()
        try Migrations.migrate(fixture.connection(), schema: "public")
        let url = fixture.url
        let failures = Mutex<[String]>([])
        let threads = (0..<4).map { _ in
            HistoryThread {
                do {
                    let connection = try PostgresConnection(PostgresAddress(url), cutOff: PostgresCutOff())
                    var partitions = Partitions(schema: "public", timeZone: "UTC")
                    try partitions.makeAhead(10, now: someNoon, connection)
                } catch {
                    failures.withLock { $0.append("\(error)") }
                }
            }
        }
        for thread in threads { #expect(thread.waitForEnd(milliseconds: 30_000)) }
        #expect(failures.withLock { $0 } == [])
        #expect(try bounds(fixture).count == 11)
    }

    @Test func `after a change of the time zone the days fit between the old ones`() throws {
        let fixture = try HistoryFixture()
        let connection = try fixture.connection()
        try Migrations.migrate(connection, schema: "public")
        var before = Partitions(schema: "public", timeZone: "UTC")
        try before.make(for: batch([someNoon]), connection)
        var after = Partitions(schema: "public", timeZone: "America/Toronto")
        try after.reload(connection)
        // 23:00 of the 6th in Toronto is 04:00Z of the 7th, behind the UTC day's end.
        try after.make(for: batch([someNoon, someNoon + 16 * 3_600_000_000]), connection)
        #expect(
            try bounds(fixture) == [
                "driver_location_events_20260306 FOR VALUES FROM ('2026-03-06 00:00:00+00') TO ('2026-03-07 00:00:00+00')",
                "driver_location_events_20260306_part2 FOR VALUES FROM ('2026-03-07 00:00:00+00') TO ('2026-03-07 05:00:00+00')",
            ])
    }

    @Test func `a role that may not make tables writes into the partitions that are there`() throws {
        let fixture = try HistoryFixture()
        let connection = try fixture.connection()
        try Migrations.migrate(connection, schema: "public")
        var partitions = Partitions(schema: "public", timeZone: "UTC")
        try partitions.make(for: batch([someNoon]), connection)
        let role = "writer_\(fixture.database)"
        try connection.run(
            "CREATE ROLE \(role) LOGIN; GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA public TO \(role)")
        fixture.configuration.postgresURL += "&user=\(role)"
        fixture.configuration.migrate = false
        let writer = fixture.startWriter()
        fixture.append([try somePing(1)])
        fixture.drain(writer)
        #expect(writer.inserted == 1)
        fixture.append([try somePing(2, at: -86_400)])
        eventually("the writer holds") { writer.isHolding }
        #expect(writer.counters.lastError?.contains("42501") == true)
        try connection.run(
            "GRANT CREATE ON SCHEMA public TO \(role); ALTER TABLE driver_location_events OWNER TO \(role)")
        fixture.drain(writer)
        writer.stop()
        #expect(writer.inserted == 2)
    }
}
