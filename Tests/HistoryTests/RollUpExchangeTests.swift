import EventLoop
import Glibc
import PostgresClient
import Synchronization
import Testing

@testable import Gateway
@testable import Tracking

/// How the writer and the roll-up keep from missing each other.
struct RollUpExchangeTests {
    /// What a writer's transaction does, by hand: lock, generation, row, note.
    private func begin(_ connection: PostgresConnection, at second: Int) throws {
        try connection.run(
            """
            BEGIN; SELECT pg_advisory_xact_lock_shared(\(HistoryGeneration.lock("public")));
            INSERT INTO driver_location_events (driver_id, recorded_at, lat, lng, accuracy, received_at)
                VALUES ('slow', '2026-03-06T12:00:\(second)Z', 1, 1, 5, now());
            INSERT INTO driver_location_changes (driver_id, hour, from_at, generation)
                VALUES ('slow', '2026-03-06T12:00Z', '2026-03-06T12:00:\(second)Z', \(HistoryGeneration.current))
            """)
    }

    private func prepared() throws -> (HistoryFixture, HistoryWriter) {
        let fixture = try HistoryFixture()
        let writer = fixture.startWriter()
        fixture.append([try somePing(1)])
        fixture.drain(writer)
        return (fixture, writer)
    }

    @Test func `the roll-up waits for a transaction that is open, and takes in what it wrote`() throws {
        let (fixture, writer) = try prepared()
        let other = try PostgresConnection(PostgresAddress(fixture.url), cutOff: PostgresCutOff())
        try begin(other, at: 10)
        let session = try fixture.session()
        // Commits once the roll-up stands at the lock.
        let url = fixture.url
        let committed = Mutex<String?>(nil)
        let helper = Waiter(other)
        let thread = HistoryThread {
            do {
                let watch = try PostgresConnection(PostgresAddress(url), cutOff: PostgresCutOff())
                eventually("the roll-up waits for the lock") {
                    (try? watch.query(
                        "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted)"))?
                        .flag(0, 0) == true
                }
                try helper.connection.run("COMMIT")
            } catch {
                committed.withLock { $0 = "\(error)" }
            }
        }
        try fixture.rollUp(session)
        #expect(thread.waitForEnd(milliseconds: 30_000))
        #expect(committed.withLock { $0 } == nil)
        #expect(try fixture.hours().map(\.driver) == ["driver-1", "slow"])
        writer.stop()
    }

    @Test func `a transaction that does not end fails the run, keeps the notes, and leaves no lock behind`() throws {
        let (fixture, writer) = try prepared()
        let other = try PostgresConnection(PostgresAddress(fixture.url), cutOff: PostgresCutOff())
        try begin(other, at: 10)
        let session = try fixture.session()
        let error = #expect(throws: PostgresError.self) {
            try RollUp(session, lockMilliseconds: [20, 20]).run(now: someNoon)
        }
        #expect(error?.kind == .transient)
        #expect(try fixture.hours().isEmpty)
        // Writers go on, and the roll-up too once the transaction is gone.
        fixture.append([try somePing(2)])
        fixture.drain(writer)
        try other.run("ROLLBACK")
        try fixture.rollUp(session)
        #expect(try fixture.hours().map(\.driver) == ["driver-1", "driver-2"])
        #expect(
            try fixture.number(
                "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            ) == 0)
        writer.stop()
    }

    @Test func `a row that comes while a run reads is not in that run but in the next, once`() throws {
        let (fixture, writer) = try prepared()
        let session = try fixture.session()
        // A lock on the roll-up's table holds a run after it has its snapshot.
        let holder = try PostgresConnection(PostgresAddress(fixture.url), cutOff: PostgresCutOff())
        try holder.run("BEGIN; LOCK TABLE driver_location_hourly IN EXCLUSIVE MODE")
        let failure = Mutex<String?>(nil)
        let run = Waiter(session)
        let thread = HistoryThread {
            do { _ = try RollUp(run.connection).run(now: someNoon) } catch { failure.withLock { $0 = "\(error)" } }
        }
        try eventually("the run waits for the table") {
            try fixture.number(
                "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'driver_location_hourly'::regclass") > 0
        }
        fixture.append([try somePing(1, at: 5)])
        fixture.drain(writer)
        try holder.run("COMMIT")
        #expect(thread.waitForEnd(milliseconds: 30_000))
        #expect(failure.withLock { $0 } == nil)
        #expect(try fixture.hours().map(\.pings) == [1])
        #expect(try fixture.number("SELECT count(*) FROM driver_location_changes") == 1)
        try fixture.rollUp(session)
        #expect(try fixture.hours().map(\.pings) == [2])
        writer.stop()
    }

    @Test func `a batch that is rolled back and written by another path leaves its notes`() throws {
        let fixture = try HistoryFixture()
        let writer = fixture.startWriter()
        fixture.append([try somePing(1)])
        fixture.drain(writer)
        let session = try fixture.session()
        try fixture.rollUp(session)
        // The repetition makes the fast path fail, after its notes were made.
        let records = [try somePing(1), try somePing(1, at: 7), try somePing(2, at: 7)]
        fixture.append(records)
        fixture.drain(writer)
        #expect(writer.alreadyThere == 1)
        try fixture.rollUp(session)
        expectSame(try fixture.hours(), HourlyRow.fromScratch(records))
        writer.stop()
    }

    @Test func `a writer notes an hour once a generation, and again for an earlier ping`() throws {
        let fixture = try HistoryFixture()
        let writer = fixture.startWriter()
        for second in 0..<5 {
            fixture.append([try somePing(1, at: Double(second))])
            fixture.drain(writer)
        }
        let notes = "SELECT count(*) FROM driver_location_changes"
        #expect(try fixture.number(notes) == 1)
        fixture.append([try somePing(1, at: -1), try somePing(1, at: 4_000)])
        fixture.drain(writer)
        #expect(try fixture.number(notes) == 3)
        fixture.append([try somePing(1, at: -2)])
        fixture.drain(writer)
        #expect(try fixture.number(notes) == 4)
        try fixture.rollUp(try fixture.session())
        #expect(try fixture.number(notes) == 0)
        fixture.append([try somePing(1, at: 5)])
        fixture.drain(writer)
        #expect(try fixture.number(notes) == 1)
        writer.stop()
    }

    @Test func `without something to take in, a run changes nothing`() throws {
        let (fixture, writer) = try prepared()
        let session = try fixture.session()
        try fixture.rollUp(session)
        let before = try fixture.text("SELECT generation FROM history_generation")
        #expect(try !RollUp(session).run(now: someNoon))
        #expect(try fixture.text("SELECT generation FROM history_generation") == before)
        writer.stop()
    }

    @Test func `what is remembered is bounded`() throws {
        var notes = ChangeNotes()
        notes.begin(generation: 1)
        let driver = try #require(ShortText("van-1"))
        var stream: [UInt8] = []
        for hour in 0..<(ChangeNotes.capacity / 1_000 + 1) {
            for part in 0..<1_000 {
                notes.add(driver, at: Int64(hour * 1_000 + part) * 3_600_000_000)
            }
            #expect(notes.writeStream(into: &stream) == 1_000)
            notes.committed()
            #expect(notes.count <= ChangeNotes.capacity)
            notes.begin(generation: 1)
        }
        #expect(notes.count == 1_000)
    }
}

/// Hands what only one thread uses to another. `@unchecked Sendable`: the tests wait for that thread before they use it.
private final class Waiter<Value>: @unchecked Sendable {
    let connection: Value
    init(_ connection: Value) { self.connection = connection }
}
