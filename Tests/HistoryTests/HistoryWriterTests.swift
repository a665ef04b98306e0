import EventLoop
import Glibc
import Journal
import PostgresClient
import Testing
import Tracking

@testable import Gateway

struct HistoryWriterTests {
    @Test func `rows equal the records field by field`() throws {
        let fixture = try HistoryFixture()
        let writer = fixture.startWriter()
        let records = [
            try somePing(1, at: 0.000001, flags: [.clamped, .mock]) { ping in
                ping.accuracy = 199.99998
                ping.speed = 0.1
                ping.heading = 359.99997
                ping.altitude = -428.33334
                ping.source = .fused
                ping.sessionID = ShortText("Sitzung ü") ?? ShortText()
            },
            try somePing(2) { ping in
                ping.latitude = -900_000_000
                ping.longitude = 1_800_000_000
                ping.accuracy = .leastNonzeroMagnitude
                ping.speed = nil
                ping.source = nil
            },
            try somePing(3, at: -0.000001) { ping in
                ping.latitude = 1
                ping.longitude = -1
                ping.source = .manual
            },
        ]
        fixture.append(records)
        fixture.drain(writer)
        let rows = try fixture.connection().query(
            """
            SELECT driver_id, (extract(epoch FROM recorded_at) * 1000000)::bigint, lat, lng, speed, heading, accuracy,
                altitude, source, session_id, flags, (extract(epoch FROM received_at) * 1000000)::bigint
            FROM driver_location_events ORDER BY driver_id
            """)
        #expect(rows.count == records.count)
        for (row, record) in records.enumerated() {
            #expect(rows.text(row, 0) == record.driver.string)
            #expect(rows.integer(row, 1) == record.recordedAt)
            #expect(rows.text(row, 2).flatMap(Double.init) == Double(record.latitude) / 1e7)
            #expect(rows.text(row, 3).flatMap(Double.init) == Double(record.longitude) / 1e7)
            #expect(rows.text(row, 4).flatMap(Float.init) == record.speed)
            #expect(rows.text(row, 5).flatMap(Float.init) == record.heading)
            #expect(rows.text(row, 6).flatMap(Float.init) == record.accuracy)
            #expect(rows.text(row, 7).flatMap(Float.init) == record.altitude)
            #expect(rows.text(row, 8) == record.source.map { "\($0.name)" })
            #expect(rows.text(row, 9) == (record.sessionID.isEmpty ? nil : record.sessionID.string))
            #expect(rows.integer(row, 10) == Int64(record.flags.rawValue))
            #expect(rows.integer(row, 11) == record.receivedAt)
        }
        // Coordinates read back as the seven digits that the device sent.
        #expect(rows.text(2, 2) == "1e-07")
        #expect(writer.stop())
        #expect(writer.inserted == 3)
        #expect(writer.counters.state == .stopped)
    }

    @Test func `a ping is in Postgres within a second of being durable`() throws {
        let fixture = try HistoryFixture()
        fixture.configuration.batchMilliseconds = 200
        let writer = fixture.startWriter()
        eventually("the writer is ready") { writer.counters.state == .ready }
        let start = SystemClock.monotonicMicroseconds()
        fixture.append([try somePing(1)])
        fixture.drain(writer)
        // The promise of the interface, with room for a busy machine.
        #expect(SystemClock.monotonicMicroseconds() - start < 5_000_000)
        #expect(try fixture.number("SELECT count(*) FROM driver_location_events") == 1)
        writer.stop()
    }

    @Test func `repetitions are counted and add no row`() throws {
        let fixture = try HistoryFixture()
        let writer = fixture.startWriter()
        let first = try (0..<100).map { try somePing($0) }
        fixture.append(first)
        fixture.drain(writer)
        // The same again as the judge lets them through when it no longer remembers, among new late ones.
        let late = try (50..<150).map { try somePing($0, flags: .late) }
        fixture.append(late)
        fixture.drain(writer)
        #expect(writer.inserted == 150)
        #expect(writer.alreadyThere == 50)
        // And as fresh ones, which a copy straight into the table meets: the whole batch goes by the staging table.
        fixture.append(try (140..<160).map { try somePing($0) })
        fixture.drain(writer)
        #expect(writer.inserted == 160)
        #expect(writer.alreadyThere == 60)
        // Twice within one batch.
        fixture.append([try somePing(500), try somePing(500, flags: .late), try somePing(500, flags: .late)])
        fixture.drain(writer)
        #expect(writer.inserted == 161)
        #expect(writer.alreadyThere == 62)
        #expect(try fixture.number("SELECT count(*) FROM driver_location_events") == 161)
        #expect(writer.deadLettered == 0)
        writer.stop()
    }

    @Test func `a new writer goes on where the last one was`() throws {
        let fixture = try HistoryFixture()
        fixture.append(try (0..<10).map { try somePing($0) })
        let first = fixture.startWriter()
        fixture.drain(first)
        first.stop()
        fixture.append(try (10..<30).map { try somePing($0) })
        let second = fixture.startWriter()
        fixture.drain(second)
        second.stop()
        #expect(second.inserted == 20)
        #expect(second.alreadyThere == 0)
        #expect(
            try fixture.number("SELECT lsn FROM ingest_checkpoints WHERE node_id = '\(fixture.journal.nodeID)'") == 30)
    }

    @Test func `stopping writes what is durable first`() throws {
        let fixture = try HistoryFixture()
        fixture.configuration.batchMilliseconds = 100_000
        let writer = fixture.startWriter()
        eventually("the writer is ready") { writer.counters.state == .ready }
        fixture.append(try (0..<12_000).map { try somePing($0) })
        #expect(writer.stop(flushDeadlineMilliseconds: 30_000))
        #expect(writer.inserted == 12_000)
    }

    @Test func `every row is there exactly once although backends are terminated at random moments`() throws {
        let fixture = try HistoryFixture()
        fixture.configuration.batchRecords = 500
        fixture.configuration.batchMilliseconds = 1
        fixture.configuration.retryMilliseconds = 1...20
        let writer = fixture.startWriter()
        let administrator = try fixture.connection()
        var sent = 0
        var ended: Int64 = 0
        while sent < 40_000 {
            let late = sent % 4_000 == 0
            fixture.append(try (sent..<(sent + 250)).map { try somePing($0, flags: late ? .late : []) })
            sent += 250
            if Int.random(in: 0..<3) == 0 {
                poll(nil, 0, Int32.random(in: 0..<8))
                let others = try administrator.query(
                    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = $1 AND pid <> pg_backend_pid()",
                    [fixture.database])
                ended += others.integer(0, 0) ?? 0
            }
        }
        fixture.drain(writer)
        writer.stop()
        #expect(ended > 5)
        #expect(try fixture.number("SELECT count(*) FROM driver_location_events") == Int64(sent))
        #expect(try fixture.number("SELECT count(DISTINCT driver_id) FROM driver_location_events") == Int64(sent))
        // No record was ever written twice, not even in vain: the checkpoint sees to that.
        #expect(writer.inserted == UInt64(sent))
        #expect(writer.alreadyThere == 0)
        #expect(writer.deadLettered == 0)
    }

    @Test func `without a history the journal is let go and nothing is asked of Postgres`() throws {
        let fixture = try HistoryFixture()
        fixture.append(try (0..<10).map { try somePing($0) })
        let writer = HistoryWriter(discardingFrom: fixture.journal.store)
        fixture.append(try (10..<20).map { try somePing($0) })
        fixture.drain(writer)
        #expect(writer.stop())
        #expect(try fixture.number("SELECT count(*) FROM pg_class WHERE relname = 'ingest_checkpoints'") == 0)
    }

    @Test
    func
        `Drover's tables stand in their own schema beside a platform's, and a direct address serves what a pool cannot`()
        throws
    {
        let fixture = try HistoryFixture()
        try fixture.connection().run(
            "CREATE TABLE driver_location_events (mine int); CREATE TABLE schema_migrations (mine int)")
        fixture.configuration.schema = "drover"
        fixture.configuration.directURL = fixture.url + "&application_name=direct"
        let writer = fixture.startWriter()
        fixture.append([try somePing(1), try somePing(1, flags: .late)])
        fixture.drain(writer)
        writer.stop()
        #expect(writer.inserted == 1)
        #expect(writer.alreadyThere == 1)
        #expect(try fixture.number("SELECT count(*) FROM drover.driver_location_events") == 1)
        #expect(try fixture.number("SELECT count(*) FROM public.driver_location_events") == 0)
        #expect(writer.counters.partitionError == nil)
    }

    @Test func `a time zone that Postgres does not know is named`() throws {
        let fixture = try HistoryFixture()
        fixture.configuration.timeZone = "Mars/Olympus Mons"
        let writer = fixture.startWriter()
        fixture.append([try somePing(1)])
        eventually("the writer holds") { writer.isHolding }
        #expect(writer.counters.lastError?.contains("Set DROVER_HISTORY_TIME_ZONE") == true)
        #expect(writer.counters.partitionError?.contains("Mars/Olympus Mons") == true)
        #expect(writer.deadLettered == 0)
        writer.stop()
    }

    @Test func `the newest row of each active driver shows in the view`() throws {
        let fixture = try HistoryFixture()
        let writer = fixture.startWriter()
        let now = SystemClock.wallMicroseconds()
        func ping(_ driver: Int, _ age: Int64, _ latitude: Int32) throws -> PingRecord {
            try somePing(driver) { ping in
                ping.recordedAt = now - age * 1_000_000
                ping.latitude = latitude
            }
        }
        fixture.append([try ping(1, 60, 10), try ping(1, 10, 20_000_000), try ping(2, 400, 30), try ping(3, 200, 40)])
        fixture.drain(writer)
        writer.stop()
        let rows = try fixture.connection().query(
            "SELECT driver_id, lat FROM active_driver_locations ORDER BY driver_id")
        #expect((0..<rows.count).map { rows.text($0, 0) } == ["driver-1", "driver-3"])
        #expect(rows.text(0, 1) == "2")
    }
}
