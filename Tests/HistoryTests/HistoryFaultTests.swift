import EventLoop
import Glibc
import Journal
import LocalServers
import PostgresClient
import Synchronization
import Testing
import Tracking

@testable import Gateway

struct HistoryFaultTests {
    @Test func `a bad row is set aside alone and the rest of five thousand is stored`() throws {
        let fixture = try HistoryFixture()
        try Migrations.migrate(fixture.connection(), schema: "public")
        try fixture.connection().run(
            "ALTER TABLE driver_location_events ADD CONSTRAINT no_42 CHECK (driver_id <> 'driver-42')")
        fixture.append(try (0..<5_000).map { try somePing($0) })
        let writer = fixture.startWriter()
        fixture.drain(writer)
        writer.stop()
        #expect(try fixture.number("SELECT count(*) FROM driver_location_events") == 4_999)
        #expect(writer.inserted == 4_999)
        #expect(writer.deadLettered == 1)
        let letter = try fixture.connection().query(
            "SELECT node_id, lsn, driver_id, (extract(epoch FROM recorded_at) * 1000000)::bigint, octet_length(record), sqlstate, reason FROM ingest_dead_letters"
        )
        #expect(letter.count == 1)
        #expect(letter.text(0, 0) == fixture.journal.nodeID)
        #expect(letter.integer(0, 1) == 43)
        #expect(letter.text(0, 2) == "driver-42")
        #expect(letter.integer(0, 3) == someNoon)
        #expect(letter.integer(0, 4) == 54)
        #expect(letter.text(0, 5) == "23514")
        #expect(letter.text(0, 6)?.contains("no_42") == true)
        #expect(try fixture.number("SELECT lsn FROM ingest_checkpoints") == 5_000)
    }

    @Test func `a text that Postgres cannot hold and a record that nobody can read are set aside`() throws {
        let fixture = try HistoryFixture()
        fixture.append([try somePing(1)])
        fixture.append([try somePing(2) { $0.sessionID = ShortText("a\0b") ?? ShortText() }])
        fixture.append([9, 9, 9].span)
        fixture.makeDurable()
        fixture.append([try somePing(3) { $0.recordedAt = .max / 2 }, try somePing(4)])
        let writer = fixture.startWriter()
        fixture.drain(writer)
        writer.stop()
        #expect(writer.inserted == 2)
        let letters = try fixture.connection().query(
            "SELECT lsn, driver_id, sqlstate, encode(record, 'hex') FROM ingest_dead_letters ORDER BY lsn")
        #expect((0..<letters.count).map { letters.integer($0, 0) } == [2, 3, 4])
        #expect((0..<letters.count).map { letters.text($0, 1) } == ["driver-2", nil, nil])
        #expect((0..<letters.count).map { letters.text($0, 2) } == ["22021", "22P03", "22008"])
        #expect(letters.text(1, 3) == "090909")
    }

    @Test func `a flood of bad rows holds the writer instead of emptying the journal`() throws {
        let fixture = try HistoryFixture()
        let connection = try fixture.connection()
        try Migrations.migrate(connection, schema: "public")
        try connection.run("ALTER TABLE driver_location_events ADD CONSTRAINT nothing_new CHECK (flags = 99) NOT VALID")
        fixture.append(try (0..<1_000).map { try somePing($0) })
        let writer = fixture.startWriter()
        eventually("the writer holds: \(writer.summary)") { writer.isHolding }
        #expect(writer.deadLettered == 10)
        #expect(writer.counters.lastError?.contains("nothing_new") == true)
        try connection.run("ALTER TABLE driver_location_events DROP CONSTRAINT nothing_new")
        // Partitions made meanwhile have a copy of it, which is the table's own and went with it.
        fixture.drain(writer)
        writer.stop()
        #expect(writer.inserted == 990)
        #expect(writer.deadLettered == 10)
    }

    @Test func `a dropped column holds the writer, loses nothing and is resumed after the repair`() throws {
        let fixture = try HistoryFixture()
        let connection = try fixture.connection()
        let writer = fixture.startWriter()
        fixture.append([try somePing(1)])
        fixture.drain(writer)
        try connection.run("ALTER TABLE driver_location_events DROP COLUMN altitude CASCADE")
        fixture.append(try (2..<500).map { try somePing($0) })
        eventually("the writer holds") { writer.isHolding }
        #expect(writer.counters.lastError?.contains("altitude") == true)
        #expect(writer.counters.lastError?.contains("42703") == true)
        #expect(writer.deadLettered == 0)
        try connection.run("ALTER TABLE driver_location_events ADD COLUMN altitude real")
        fixture.drain(writer)
        eventually("the writer is ready again") { writer.counters.state == .ready && writer.counters.lastError == nil }
        writer.stop()
        #expect(writer.inserted == 499)
        #expect(writer.deadLettered == 0)
    }

    @Test func `a schema that is behind holds a writer that may not migrate`() throws {
        let fixture = try HistoryFixture()
        fixture.configuration.migrate = false
        let writer = fixture.startWriter()
        fixture.append([try somePing(1)])
        eventually("the writer holds") { writer.isHolding }
        #expect(writer.counters.lastError?.contains("drover migrate") == true)
        try Migrations.migrate(fixture.connection(), schema: "public")
        fixture.drain(writer)
        writer.stop()
        #expect(writer.inserted == 1)
    }

    @Test func `Postgres may be away at the start and in between`() throws {
        let fixture = try HistoryFixture(ownServer: true)
        fixture.server.stop()
        let writer = fixture.startWriter()
        fixture.append(try (0..<100).map { try somePing($0) })
        eventually("the writer says what is wrong") { writer.counters.lastError?.contains("Start Postgres") == true }
        #expect(writer.counters.state == .connecting)
        try fixture.server.start()
        fixture.drain(writer)
        fixture.server.kill()
        fixture.append(try (100..<300).map { try somePing($0) })
        eventually("the writer notices") { writer.counters.state == .connecting }
        try fixture.server.start()
        fixture.drain(writer)
        #expect(writer.stop())
        #expect(writer.inserted == 300)
        #expect(writer.alreadyThere == 0)
        #expect(try fixture.number("SELECT count(*) FROM driver_location_events") == 300)
    }

    @Test func `an idle writer notices that Postgres went away`() throws {
        let fixture = try HistoryFixture(ownServer: true)
        let writer = fixture.startWriter()
        eventually("the writer is ready") { writer.counters.state == .ready }
        fixture.server.stop()
        eventually("the writer is not ready any more") { writer.counters.state == .connecting }
        writer.stop()
    }

    @Test func `a frozen Postgres does not delay the stop beyond its deadline`() throws {
        let fixture = try HistoryFixture(ownServer: true)
        let writer = fixture.startWriter()
        fixture.append([try somePing(1)])
        fixture.drain(writer)
        fixture.server.freeze()
        defer { fixture.server.thaw() }
        fixture.append(try (2..<500).map { try somePing($0) })
        // It has begun to write what will not be answered.
        let start = SystemClock.monotonicMicroseconds()
        #expect(writer.stop(flushDeadlineMilliseconds: 2_000), "the thread ends too, not only the wait for it")
        #expect(SystemClock.monotonicMicroseconds() - start < 5_000_000)
        fixture.server.thaw()
        let next = fixture.startWriter()
        fixture.drain(next)
        next.stop()
        #expect(try fixture.number("SELECT count(*) FROM driver_location_events") == 499)
        #expect(next.alreadyThere == 0)
    }

    /// The server commits and then waits for a standby that does not exist; its end in that moment leaves the writer
    /// without an answer to a COMMIT that took place.
    @Test func `a commit whose answer never came is found out and counted once`() throws {
        let fixture = try HistoryFixture(ownServer: true)
        let writer = fixture.startWriter()
        fixture.append([try somePing(1)])
        fixture.drain(writer)
        try fixture.server.psql("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
        try fixture.server.psql("SELECT pg_reload_conf()")
        try eventually("the server knows") {
            try fixture.server.psql("SHOW synchronous_standby_names") == "nobody"
        }
        fixture.append([try somePing(2), try somePing(3), try somePing(1, flags: .late)])
        let waiting = "pg_stat_activity WHERE wait_event = 'SyncRep'"
        try eventually("the commit waits") { try fixture.server.psql("SELECT count(*) FROM \(waiting)") == "1" }
        #expect(writer.inserted == 1, "what is not known to be committed is not counted")
        try fixture.server.psql("SELECT pg_terminate_backend(pid) FROM \(waiting)")
        fixture.drain(writer)
        #expect(writer.inserted == 3)
        #expect(writer.alreadyThere == 1)
        #expect(
            try fixture.server.psql("SELECT count(*) FROM driver_location_events", database: fixture.database) == "3")
        try fixture.server.psql("ALTER SYSTEM RESET synchronous_standby_names")
        try fixture.server.psql("SELECT pg_reload_conf()")
        writer.stop()
    }

    /// The first writer gives its connection up while the server is still at its COMMIT, whose rows nobody sees yet.
    @Test func `a transaction that outlives its writer is neither lost nor repeated`() throws {
        let fixture = try HistoryFixture(ownServer: true)
        let first = fixture.startWriter()
        fixture.append([try somePing(1)])
        fixture.drain(first)
        try fixture.server.psql("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
        try fixture.server.psql("SELECT pg_reload_conf()")
        try eventually("the server knows") {
            try fixture.server.psql("SHOW synchronous_standby_names") == "nobody"
        }
        fixture.append([try somePing(2), try somePing(3)])
        try eventually("the commit waits") {
            try fixture.server.psql("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'") == "1"
        }
        #expect(first.stop(flushDeadlineMilliseconds: 400))
        let second = fixture.startWriter()
        try eventually("the second writer waits for the first one's transaction") {
            try fixture.server.psql("SELECT count(*) FROM pg_locks WHERE NOT granted") != "0"
        }
        #expect(second.counters.lastCommittedLSN.load(ordering: .acquiring) == 1)
        try fixture.server.psql("ALTER SYSTEM RESET synchronous_standby_names")
        try fixture.server.psql("SELECT pg_reload_conf()")
        fixture.drain(second)
        second.stop()
        #expect(second.inserted == 0)
        #expect(second.alreadyThere == 0)
        #expect(try fixture.number("SELECT count(*) FROM driver_location_events") == 3)
    }

    @Test func `a copy of a journal that is in use elsewhere is not written from`() throws {
        let fixture = try HistoryFixture()
        let writer = fixture.startWriter()
        fixture.append([try somePing(1)])
        fixture.drain(writer)
        try fixture.connection().run("UPDATE ingest_checkpoints SET lsn = 77")
        fixture.append([try somePing(2)])
        eventually("the writer holds") { writer.isHolding }
        #expect(try fixture.number("SELECT count(*) FROM driver_location_events") == 1)
        try fixture.connection().run("UPDATE ingest_checkpoints SET lsn = 1")
        fixture.drain(writer)
        writer.stop()
        #expect(writer.inserted == 2)
    }

    @Test func `a writer that loses its backend while it waits for a lock tries again`() throws {
        let fixture = try HistoryFixture()
        let writer = fixture.startWriter()
        fixture.append([try somePing(1)])
        fixture.drain(writer)
        let other = try fixture.connection()
        try other.run("BEGIN; UPDATE ingest_checkpoints SET updated_at = now()")
        fixture.append([try somePing(2)])
        try eventually("the writer waits for the row") {
            try fixture.server.psql("SELECT count(*) FROM pg_locks WHERE NOT granted", database: fixture.database)
                != "0"
        }
        // The writer's backend goes away while it waits; nothing was committed.
        try fixture.server.psql(
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE NOT granted", database: fixture.database)
        try other.run("COMMIT")
        fixture.drain(writer)
        writer.stop()
        #expect(writer.inserted == 2)
        #expect(writer.alreadyThere == 0)
    }
}
