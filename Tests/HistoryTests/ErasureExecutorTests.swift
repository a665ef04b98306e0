// The executor of erasures piece by piece, each piece by another process, and each tried in vain before.

import EventLoop
import LocalServers
import PostgresClient
import Testing
import Tracking
import Zstandard

@testable import Gateway

@Suite struct `The erasing of a driver in Postgres` {
    private let fixture: HistoryFixture
    private let redis: LocalRedis
    private var configuration = Configuration()

    init() throws {
        fixture = try HistoryFixture()
        redis = try LocalRedis.start()
        configuration.postgresURL = fixture.url
        configuration.redisURL = redis.url
        configuration.historyArchiveDirectory = fixture.directory.path + "/archive"
        try Migrations.migrate(fixture.connection(), schema: "public")
        // The first day was archived and dropped, the second was archived and is still there, the third is today's.
        for day in 4...6 {
            try fixture.connection().run(
                """
                CREATE TABLE driver_location_events_2026030\(day) PARTITION OF driver_location_events
                    FOR VALUES FROM ('2026-03-0\(day) 00:00Z') TO ('2026-03-0\(day + 1) 00:00Z');
                INSERT INTO driver_location_events (driver_id, recorded_at, lat, lng, accuracy, received_at)
                SELECT d, t, 43, -79, 5, t FROM unnest('{jane,jim}'::text[]) d, generate_series(
                    timestamptz '2026-03-0\(day) 10:00Z', '2026-03-0\(day) 10:30Z', interval '1 minute') t;
                """)
        }
        for day in 4...5 {
            let table = DayTable(
                name: "driver_location_events_2026030\(day)", lower: "2026-03-0\(day)T00:00:00.000000Z",
                upper: "2026-03-0\(day + 1)T00:00:00.000000Z")
            _ = try archives().write(table, into: try #require(try archives().directory))
        }
        try fixture.connection().run("DROP TABLE driver_location_events_20260304")
    }

    private func archives() throws -> Archives {
        Archives(
            directory: configuration.historyArchiveDirectory, connection: try fixture.connection(), schema: "public",
            cutOff: PostgresCutOff())
    }

    /// A request of today, 10:20: ten pings of each driver are younger.
    private func request(_ name: String) throws {
        let driver = try #require(DriverID(name))
        let request = ErasureRequest(
            driver: driver, pseudonym: Pseudonym(of: driver, secret: [1, 2, 3]),
            reachesTo: someNoon - 100 * 60_000_000, keepsRegistration: false, origin: .commandLine, node: nil)
        try fixture.connection().query(request.statement("public"), request.parameters)
    }

    /// One piece, by a process that has just begun.
    private func advance() throws -> ErasureExecutor.Outcome {
        let connection = try PostgresConnection(PostgresAddress(fixture.url), cutOff: PostgresCutOff())
        return try ErasureExecutor(connection, configuration, cutOff: PostgresCutOff()).advance()
    }

    private func rows(_ driver: String) throws -> Int64 {
        try fixture.number("SELECT count(*) FROM driver_location_events WHERE driver_id = '\(driver)'")
    }

    @Test func `each piece may fail at its end and be done by another process, and nothing is counted twice`() throws {
        defer { redis.stop() }
        try request("jane")
        try fixture.connection().run(
            """
            CREATE TABLE mishap (is_due boolean); INSERT INTO mishap VALUES (false);
            CREATE FUNCTION mishap() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                IF (SELECT is_due FROM mishap) THEN RAISE EXCEPTION 'the process was killed'; END IF; RETURN new; END $$;
            CREATE TRIGGER mishap BEFORE UPDATE ON erasures FOR EACH ROW EXECUTE FUNCTION mishap()
            """)
        var steps: [String] = []
        while let step = try fixture.text("SELECT max(step) FROM erasures WHERE finished_at IS NULL") {
            steps.append(step)
            // What was counted of a file right before the end may be missing; all else is counted once.
            if step != "archives" {
                try fixture.connection().run("UPDATE mishap SET is_due = true")
                #expect(throws: PostgresError.self) { try advance() }
                try fixture.connection().run("UPDATE mishap SET is_due = false")
            }
            #expect(try advance() == .advanced)
            try #require(steps.count < 50)
        }
        #expect(try advance() == .nothing)
        #expect(Set(steps) == Set(Erasure.Step.allCases.map(\.rawValue)))
        let removed = "receipt->'removed'->>"
        for (place, expected) in ["history_rows": 52, "partitions": 2, "archive_files": 2, "archive_rows": 62] {
            #expect(
                try fixture.number("SELECT (\(removed)'\(place)')::bigint FROM erasures") == Int64(expected), "\(place)"
            )
        }
        #expect(try rows("jane") == 10 && rows("jim") == 62)
        #expect(try fixture.number("SELECT count(*) FROM erasures WHERE driver_id IS NULL AND progress = '{}'") == 1)
        for row in try archives().rows() {
            #expect(try archives().verify(row.file).rows == 31, "\(row.file) is whole, and jim's")
        }
        // What stays of the last hour is noted, so that the roll-up makes it anew.
        #expect(
            try fixture.text("SELECT string_agg(driver_id || from_at, ',') FROM driver_location_changes")
                == fixture.text("SELECT 'jane' || timestamptz '2026-03-06 10:21Z'"))
    }

    @Test func `an archive that is not where it should be keeps the erasure from being done`() throws {
        defer { redis.stop() }
        try request("jane")
        let path = configuration.historyArchiveDirectory + "/driver_location_events_20260304.csv.zst"
        let elsewhere = fixture.directory.path + "/elsewhere"
        _ = try Command.runChecked(["mv", path, elsewhere])
        #expect(throws: ArchiveError.self) { while try advance() == .advanced {} }
        #expect(try fixture.text("SELECT step FROM erasures") == "archives")
        _ = try Command.runChecked(["mv", elsewhere, path])
        while try advance() == .advanced {}
        #expect(try fixture.text("SELECT state FROM (SELECT receipt->>'state' FROM erasures) r(state)") == "done")
    }

    @Test func `waits for every journal, erases meanwhile whom it can, and takes no later row`() throws {
        defer { redis.stop() }
        try fixture.connection().run("INSERT INTO ingest_checkpoints (node_id, lsn) VALUES ('n1', 7), ('n2', 9)")
        try request("jane")
        try fixture.connection().run("UPDATE erasures SET nodes_done = '{n2}'")
        #expect(try advance() == .awaiting(["n1"]))
        try request("jim")
        try fixture.connection().run("UPDATE erasures SET nodes_done = '{n1,n2}' WHERE driver_id = 'jim'")
        while try advance() == .advanced {}
        #expect(try advance() == .awaiting(["n1"]))
        #expect(try rows("jane") == 62 && rows("jim") == 10)
        try fixture.connection().run("UPDATE erasures SET nodes_done = '{n1,n2}' WHERE driver_id = 'jane'")
        while try advance() == .advanced {}
        #expect(try rows("jane") == 10 && rows("jim") == 10)
        #expect(try fixture.number("SELECT count(*) FROM erasures WHERE finished_at IS NOT NULL") == 2)
    }

    @Test func `names stand in the audit trail only where Drover writes them`() throws {
        defer { redis.stop() }
        func rewritten(_ detail: String) throws -> String? {
            try fixture.connection().query("SELECT erased_detail($1::jsonb, 'name', 'X')::text", [detail]).text(0, 0)
        }
        #expect(try rewritten("{\"name\": \"name\"}") == "{\"name\": \"name\"}")
        #expect(try rewritten("{\"name\": \"a phone\", \"driver_id\": \"name\"}") == "{\"driver_id\": \"X\"}")
        #expect(
            try rewritten("{\"added\": [\"a\", \"name\", \"b\"], \"removed\": [\"name\"]}")
                == "{\"added\": [\"a\", \"X\", \"b\"], \"removed\": [\"X\"]}")
        #expect(
            try rewritten("{\"subjects\": [\"order:name\", \"driver:name\", \"driver:name*\", \"driver:names\"]}")
                == "{\"subjects\": [\"order:name\", \"X\", \"X\", \"driver:names\"]}")
        #expect(try rewritten("{}") == "{}")
    }

    @Test func `the hash is HMAC-SHA256 of the id under the audit's key`() throws {
        defer { redis.stop() }
        // What an operator would run to find out whether a hash is of a given id.
        let hash = Pseudonym(of: try #require(DriverID("van-1")), secret: Array("key".utf8)).hexadecimal
        let output = try Command.runChecked(["sh", "-c", "printf van-1 | openssl dgst -sha256 -hmac key"])
        #expect(output.contains(hash) && hash.utf8.count == 64)
        #expect(try fixture.number("SELECT octet_length(secret) FROM audit_key") == 32)
    }

    @Test func `a platform's statement that fails holds the erasure at its step, and once it works it goes on`() throws
    {
        defer { redis.stop() }
        var configuration = configuration
        configuration.system.statements["go"] = NamedStatement(
            name: "go", text: "DELETE FROM couriers WHERE courier = {driver}")
        configuration.system.writes[.eraseDriver] = SystemWrite(statement: "go")
        try request("jane")
        let connection = try PostgresConnection(PostgresAddress(fixture.url), cutOff: PostgresCutOff())
        let executor = ErasureExecutor(connection, configuration, cutOff: PostgresCutOff())
        let step = "SELECT step FROM erasures"
        while try fixture.text(step) != "platform" { #expect(try executor.advance() == .advanced) }
        for _ in 1...2 {
            do {
                _ = try executor.advance()
                Issue.record("there is no table that the statement could have reached")
            } catch let error as PostgresError {
                #expect(error.message.hasPrefix("statement go: relation \"couriers\" does not exist"), "\(error)")
            }
            #expect(try fixture.text(step) == "platform")
        }
        try fixture.connection().run(
            "CREATE TABLE couriers (courier text); INSERT INTO couriers VALUES ('jane'), ('jane'), ('jim')")
        while try executor.advance() == .advanced {}
        #expect(try fixture.number("SELECT (receipt->'removed'->>'platform_rows')::bigint FROM erasures") == 2)
        #expect(try fixture.text("SELECT string_agg(courier, ' ') FROM couriers") == "jim")
    }

    @Test func `where the registration stays, so do the platform's rows`() throws {
        defer { redis.stop() }
        var configuration = configuration
        configuration.system.statements["go"] = NamedStatement(
            name: "go", text: "DELETE FROM couriers WHERE courier = {driver}")
        configuration.system.writes[.eraseDriver] = SystemWrite(statement: "go")
        try request("jane")
        try fixture.connection().run(
            "UPDATE erasures SET keeps_registration = true; CREATE TABLE couriers (courier text); "
                + "INSERT INTO couriers VALUES ('jane')")
        let executor = ErasureExecutor(try fixture.connection(), configuration, cutOff: PostgresCutOff())
        while try executor.advance() == .advanced {}
        #expect(try fixture.number("SELECT (receipt->'removed'->>'platform_rows')::bigint FROM erasures") == 0)
        #expect(try fixture.number("SELECT count(*) FROM couriers") == 1)
        #expect(try rows("jane") == 10)
    }
}
