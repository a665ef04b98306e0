// The history in a schema of its own, among a platform's tables, from the first ping to the archive.

import EventLoop
import LocalServers
import PostgresClient
import Testing
import Tracking

@testable import Gateway

@Suite struct `A history that stands among a platform's tables` {
    private let fixture: HistoryFixture
    private var configuration = Configuration()

    init() throws {
        fixture = try HistoryFixture()
        fixture.configuration.schema = "drover"
        configuration.postgresURL = fixture.url
        configuration.postgresSchema = "drover"
        configuration.historySchema = "public"
        configuration.historyRetentionDays = 3
        configuration.historyArchiveDirectory = fixture.directory.path + "/archive"
        // What a platform may have that is called like something of Drover's.
        try fixture.connection().run(
            """
            CREATE TABLE driver_sessions (id uuid PRIMARY KEY); CREATE TABLE tracking_sessions (id uuid PRIMARY KEY);
            CREATE TABLE driver_assignments (id uuid PRIMARY KEY); CREATE TABLE schema_migrations (version text);
            CREATE TABLE history_generation (no_generation text); INSERT INTO driver_sessions VALUES (gen_random_uuid())
            """)
    }

    /// Names of the history's relations in a schema, partitions aside.
    private func relations(_ schema: String) throws -> String? {
        try fixture.text(
            """
            SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_class WHERE relkind IN ('r', 'p', 'v')
                AND relnamespace = '\(schema)'::regnamespace AND relname ~ 'driver_location'
                AND NOT relispartition AND relname <> 'driver_location_changes'
            """)
    }

    private static let all = "active_driver_locations driver_location_events driver_location_hourly"

    private func session() throws -> MaintenanceSession {
        try fixture.session { $0 = configuration }
    }

    @Test func `pings, partitions, roll-up, erasure and archive find it there`() throws {
        let redis = try LocalRedis.start()
        defer { redis.stop() }
        var configuration = configuration
        configuration.redisURL = redis.url
        fixture.configuration.historySchema = "public"
        let writer = fixture.startWriter()
        let records = try (0..<20).map { try somePing($0 % 2, at: Double($0 * 10)) }
        fixture.append(records)
        fixture.drain(writer)
        // The same again goes by the staging table, and adds nothing.
        fixture.append(records)
        fixture.drain(writer)
        writer.stop()
        #expect(writer.inserted == 20 && writer.alreadyThere == 20)
        #expect(try relations("public") == Self.all)
        #expect(try relations("drover") == nil)
        #expect(try fixture.number("SELECT count(*) FROM public.driver_location_events") == 20)
        #expect(try fixture.number("SELECT count(*) FROM public.driver_location_events_20260306") == 20)
        #expect(try fixture.number("SELECT count(*) FROM public.driver_sessions") == 1, "the platform's own")

        try fixture.rollUp(session())
        expectSame(try fixture.hours(), HourlyRow.fromScratch(records))
        #expect(try fixture.number("SELECT count(*) FROM drover.driver_location_changes") == 0)

        let driver = try #require(DriverID("driver-1"))
        let request = ErasureRequest(
            driver: driver, pseudonym: Pseudonym(of: driver, secret: [1, 2, 3]), reachesTo: someNoon + 3_600_000_000,
            keepsRegistration: false, origin: .commandLine, node: nil)
        try fixture.connection().query(request.statement("drover"), request.parameters)
        try fixture.connection().query(
            "UPDATE drover.erasures SET nodes_done = ARRAY(SELECT node_id FROM drover.ingest_checkpoints)")
        let executor = ErasureExecutor(try fixture.connection(), configuration, cutOff: PostgresCutOff())
        var pieces = 0
        while try executor.advance() == .advanced { pieces += 1 }
        #expect(pieces >= Erasure.Step.allCases.count)
        let removed = "SELECT (receipt->'removed'->>'history_rows')::bigint FROM drover.erasures"
        #expect(try fixture.number(removed) == 10)
        #expect(try fixture.hours().map(\.driver) == ["driver-0"])

        let keeper = PartitionKeeper(try fixture.connection(), configuration, cutOff: PostgresCutOff())
        #expect(try keeper.list().contains { $0.name == "driver_location_events_20260306" && $0.rows != nil })
        try keeper.maintain(now: someNoon + 6 * 86_400_000_000) { _ in }
        #expect(try fixture.number("SELECT count(*) FROM public.driver_location_events") == 0)
        #expect(try fixture.text("SELECT to_regclass('public.driver_location_events_20260306')") == nil)
        #expect(try fixture.number("SELECT row_count FROM drover.history_archives WHERE dropped_at IS NOT NULL") == 10)
    }

    @Test func `it is moved with its rows and partitions, there and back, and only once`() throws {
        let writer = fixture.startWriter()
        fixture.append([try somePing(1), try somePing(2)])
        fixture.drain(writer)
        writer.stop()
        #expect(try relations("drover") == Self.all)
        let connection = try fixture.connection()
        for history in ["public", "public", "Past \"quoted\"", ""] {
            #expect(try Migrations.migrate(connection, schema: "drover", history: history) == [])
            try Migrations.check(connection, schema: "drover", history: history)
            let place = HistoryPlace(schema: "drover", history: history)
            #expect(try relations(quotedIdentifier(place.history)) == Self.all)
            let partition = place.inHistory("driver_location_events_20260306")
            #expect(try fixture.number("SELECT count(*) FROM \(partition)") == 2)
            #expect(try fixture.number("SELECT count(*) FROM \(place.inHistory("driver_location_events"))") == 2)
        }
        #expect(throws: PostgresError.self) { try Migrations.check(connection, schema: "drover", history: "public") }
    }

    @Test func `what is called the same and is not Drover's is neither taken nor replaced`() throws {
        let connection = try fixture.connection()
        try connection.run(
            "CREATE TABLE driver_location_hourly (mine text); INSERT INTO driver_location_hourly VALUES ('x')")
        do {
            try Migrations.migrate(connection, schema: "drover", history: "public")
            Issue.record("it was put over a table of somebody else's")
        } catch {
            #expect(error.message.contains("public.driver_location_hourly is in the way of the history"))
            #expect(error.advice.contains("DROVER_HISTORY_SCHEMA"))
        }
        #expect(try fixture.text("SELECT mine FROM public.driver_location_hourly") == "x")
        #expect(try relations("drover") == Self.all)
        try Migrations.check(connection, schema: "drover")
    }
}
