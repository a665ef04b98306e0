// A primary that is lost while rows are written, and a replica that takes its place.

import EventLoop
import Glibc
import Journal
import LocalServers
import PostgresClient
import Testing
import Tracking

@testable import Gateway

struct FailOverTests {
    /// A history over a primary with a replica, and what the replica has of it once it is promoted.
    private final class Scene {
        let fixture: HistoryFixture
        let replica: LocalPostgres

        init(segmentBytes: Int = 16 << 20) throws {
            fixture = try HistoryFixture(ownServer: true, segmentBytes: segmentBytes)
            replica = try LocalPostgres.startReplica(of: fixture.server)
            fixture.configuration.postgresURL = LocalPostgres.url(
                of: [fixture.server, replica], database: fixture.database)
        }

        deinit { replica.remove() }

        func number(_ sql: String) throws -> Int64 {
            try #require(Int64(try replica.psql(sql, database: fixture.database)))
        }
    }

    @Test func `rows are there exactly once after the primary was lost and a synchronous replica promoted`() throws {
        let scene = try Scene()
        let fixture = scene.fixture
        let writer = fixture.startWriter()
        fixture.append(try (0..<500).map { try somePing($0) })
        fixture.drain(writer)
        try fixture.server.awaitReplicas()
        // Many small transactions, so that one is under way when the primary goes.
        for round in 1...40 {
            fixture.append(try (0..<100).map { try somePing($0, at: Double(round)) })
            if round == 20 { fixture.server.kill() }
        }
        eventually("the writer looks for another: \(writer.summary)") { writer.counters.state == .connecting }
        try scene.replica.promote()
        fixture.append(try (0..<100).map { try somePing($0, at: 100) })
        fixture.drain(writer)
        writer.stop()
        #expect(try scene.number("SELECT count(*) FROM driver_location_events") == 500 + 4_100)
        #expect(writer.inserted == 4_600 && writer.alreadyThere == 0)
        #expect(try scene.number("SELECT count(*) FROM ingest_dead_letters") == 0)
        #expect(try scene.number("SELECT lsn FROM ingest_checkpoints") == Int64(fixture.journal.durableLSN))
    }

    /// Rows that the primary confirmed and the replica never got: small segments, so that the journal forgets in time.
    @Test(arguments: [0, 3_600])
    func `what an asynchronous replica lacks comes again from a journal that was to keep it`(keepSeconds: Int) throws {
        let scene = try Scene(segmentBytes: 1 << 20)
        let fixture = scene.fixture
        fixture.configuration.keepSeconds = keepSeconds
        let writer = fixture.startWriter()
        fixture.append(try (0..<100).map { try somePing($0) })
        fixture.drain(writer)
        let position = try fixture.text("SELECT pg_current_wal_lsn()") ?? ""
        try eventually("the replica has it") {
            try scene.replica.psql("SELECT pg_last_wal_replay_lsn() >= '\(position)'") == "t"
        }
        scene.replica.stop()
        for round in 1...30 { fixture.append(try (0..<1_000).map { try somePing($0, at: Double(round)) }) }
        fixture.drain(writer)
        #expect(writer.inserted == 30_100)
        if keepSeconds == 0 {
            eventually("the journal forgets") { fixture.journal.store.firstLSN > 101 }
        }
        fixture.server.kill()
        try scene.replica.start()
        try scene.replica.promote()
        if keepSeconds > 0 {
            let last = Int64(fixture.journal.durableLSN)
            try eventually("all rows are written again: \(writer.summary)", within: 60) {
                try scene.number("SELECT lsn FROM ingest_checkpoints") == last
            }
            #expect(try scene.number("SELECT count(*) FROM driver_location_events") == 30_100)
        } else {
            eventually("the writer says what is missing: \(writer.summary)") {
                if case .holding(let reason) = writer.counters.state {
                    reason.contains("the journal holds")
                } else {
                    false
                }
            }
        }
        writer.stop()
    }

    @Test func `what is committed stays in the journal as long as it is to, and no longer where room is short`() {
        var retention = JournalRetention(keepSeconds: 10, roomBytes: 100)
        let second: Int64 = 1_000_000
        retention.begin(at: 5, now: 0)
        for step in 1...20 { retention.committed(5 + UInt64(step), now: Int64(step) * second / 4) }
        #expect(retention.releasable(now: 9 * second, journalBytes: 100) == nil)
        // The mark of the first second goes when its last commit is old enough.
        #expect(retention.releasable(now: 10 * second + second / 2, journalBytes: 100) == nil)
        #expect(retention.releasable(now: 10 * second + 3 * second / 4, journalBytes: 100) == 8)
        #expect(retention.releasable(now: 11 * second, journalBytes: 100) == nil)
        // Postgres has less than it had: what it has lost is not released by an old mark.
        retention.begin(at: 10, now: 12 * second)
        #expect(retention.releasable(now: 21 * second, journalBytes: 100) == nil)
        #expect(retention.releasable(now: 22 * second, journalBytes: 100) == 10)
        retention.committed(30, now: 23 * second)
        #expect(retention.releasable(now: 23 * second, journalBytes: 101) == 30)
        var immediate = JournalRetention(keepSeconds: 0, roomBytes: .max)
        immediate.committed(7, now: 1)
        #expect(immediate.releasable(now: 1, journalBytes: 0) == 7)
    }
}
