import PostgresClient
import Testing
import Tracking

@testable import Gateway

/// What a company's own analysts see: the roll-up and the view of who is where.
struct RollUpReadingTests {
    private func filled() throws -> HistoryFixture {
        let fixture = try HistoryFixture()
        let writer = fixture.startWriter()
        fixture.append(try (-3..<4).map { try somePing(1, at: Double($0) * 86_400, flags: .late) })
        fixture.drain(writer)
        writer.stop()
        return fixture
    }

    /// The day of the partition that a line of a plan names.
    private func partition(in line: String) -> String? {
        line.firstRange(of: "driver_location_events_").map { String(line[$0.upperBound...].prefix(8)) }
    }

    @Test func `the view shows each driver's newest ping of the last five minutes`() throws {
        let fixture = try HistoryFixture()
        let writer = fixture.startWriter()
        eventually("the schema is there") { writer.counters.state == .ready }
        let now = try fixture.number("SELECT (extract(epoch FROM now()) * 1000000)::bigint")
        let ages: [(driver: Int, seconds: Int64)] = [(1, 200), (1, 100), (1, 150), (2, 20), (3, 400)]
        fixture.append(
            try ages.map { age in
                try somePing(age.driver) { $0.recordedAt = now - age.seconds * 1_000_000 }
            })
        fixture.drain(writer)
        writer.stop()
        let rows = try fixture.connection().query(
            """
            SELECT driver_id, (extract(epoch FROM recorded_at) * 1000000)::bigint FROM active_driver_locations
            ORDER BY driver_id
            """)
        #expect((0..<rows.count).map { rows.text($0, 0) } == ["driver-1", "driver-2"])
        #expect(rows.integer(0, 1) == now - 100_000_000)
    }

    @Test func `the view reads no partition but those of its five minutes`() throws {
        let fixture = try filled()
        let plan = try fixture.connection().query("EXPLAIN (ANALYZE, COSTS OFF) SELECT * FROM active_driver_locations")
        let lines = (0..<plan.count).compactMap { plan.text($0, 0) }
        let read = Set(lines.filter { !$0.contains("never executed") }.compactMap { partition(in: $0) })
        // Today's and those made ahead of it, and until five past midnight yesterday's.
        #expect((1...4).contains(read.count), "\(lines)")
        let today = try fixture.text("SELECT to_char(now() AT TIME ZONE 'UTC' - interval '1 day', 'YYYYMMDD')")
        #expect(read.allSatisfy { $0 >= today ?? "" }, "\(lines)")
    }

    @Test func `a chunk reads the partitions of its hours alone, by their keys`() throws {
        let fixture = try filled()
        let connection = try fixture.connection()
        try connection.run("DELETE FROM driver_location_changes WHERE hour <> '2026-03-06T12:00Z'")
        let lines = try connection.transaction(
            RollUpStatements.settings
        ) { () throws(PostgresError) -> [String] in
            try connection.query(RollUpStatements.gather, ["9"])
            let plan = try connection.query(
                "EXPLAIN (ANALYZE, COSTS OFF) " + RollUpStatements(trackGapSeconds: 300).takeIn, ["0", "500", "10"])
            return (0..<plan.count).compactMap { plan.text($0, 0) }
        }
        let read = lines.filter { $0.contains(" on driver_location_events_") && !$0.contains("never executed") }
        #expect(!read.isEmpty)
        #expect(read.allSatisfy { $0.contains("driver_location_events_20260306") && $0.contains("Index") }, "\(read)")
    }

    @Test func `a role that may only SELECT reads both and changes neither`() throws {
        let fixture = try filled()
        try fixture.rollUp(try fixture.session())
        let connection = try fixture.connection()
        let role = "analyst_\(fixture.database)"
        try connection.run(
            """
            CREATE ROLE \(role); GRANT USAGE ON SCHEMA public TO \(role);
            GRANT SELECT ON driver_location_hourly, active_driver_locations TO \(role); SET ROLE \(role)
            """)
        #expect(try connection.query("SELECT sum(pings) FROM driver_location_hourly").integer(0, 0) == 7)
        #expect(try connection.query("SELECT count(*) FROM active_driver_locations").integer(0, 0) == 0)
        for refused in ["DELETE FROM driver_location_hourly", "SELECT * FROM driver_location_events LIMIT 1"] {
            let error = #expect(throws: PostgresError.self) { try connection.query(refused) }
            #expect(error?.sqlState == "42501")
        }
        try connection.run("RESET ROLE; DROP OWNED BY \(role); DROP ROLE \(role)")
    }
}
