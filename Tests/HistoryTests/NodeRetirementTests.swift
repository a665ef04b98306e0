// Nodes that are gone for good.

import Glibc
import Journal
import LocalServers
import PostgresClient
import Testing
import Tracking

@testable import Gateway

struct NodeRetirementTests {
    private func retire(_ node: String, _ fixture: HistoryFixture, isForced: Bool = false) throws -> NodeRetirement {
        try NodeRetirement.retire(
            node: node, connection: fixture.connection(), schema: "public", isForced: isForced)
    }

    @Test func `a node that was heard of lately is kept unless it is forced out`() throws {
        let fixture = try HistoryFixture()
        let connection = try fixture.connection()
        try Migrations.migrate(connection, schema: "public")
        try connection.run(
            """
            INSERT INTO ingest_checkpoints (node_id, lsn, host) VALUES ('n1', 7, 'alpha'), ('n2', 8, 'beta');
            INSERT INTO driver_sessions (driver_id, device_id, connected_since, last_seen, node_id)
            VALUES ('d1', 'x', now(), now(), 'n1'), ('d2', 'x', now(), now(), 'n2');
            INSERT INTO erasures (id, driver_id, driver_hash, reaches_to, keeps_registration, requested_by)
            VALUES ('e1', 'd9', sha256('x'), now(), true, 'cli')
            """)
        let refused = #expect(throws: PostgresError.self) { try retire("n1", fixture) }
        #expect(refused?.description.contains("node n1 was heard of 0 s ago") == true)
        #expect(refused?.description.contains("--force") == true)
        #expect(try fixture.number("SELECT count(*) FROM ingest_checkpoints") == 2)
        let retired = try retire("n1", fixture, isForced: true)
        #expect(retired.host == "alpha" && retired.lsn == 7 && retired.erasures == 1)
        #expect(try fixture.text("SELECT string_agg(node_id, ' ') FROM ingest_checkpoints") == "n2")
        #expect(
            try fixture.text("SELECT string_agg(driver_id, ' ') FROM driver_sessions WHERE connected_since IS NULL")
                == "d1")
        let trail = try fixture.text(
            """
            SELECT concat_ws(' ', actor, action, subject, detail->>'lsn', detail->>'host', detail->>'forced')
            FROM api_audit_logs
            """)
        #expect(trail == "cli node.retire node:n1 7 alpha true")
        let unknown = #expect(throws: PostgresError.self) { try retire("n1", fixture) }
        #expect(unknown?.description.contains("drover nodes list") == true)
    }

    @Test func `silence since its last row and its last sign is what counts`() throws {
        let fixture = try HistoryFixture()
        let connection = try fixture.connection()
        try Migrations.migrate(connection, schema: "public")
        try connection.run(
            """
            INSERT INTO ingest_checkpoints (node_id, lsn, updated_at, heard_at) VALUES
                ('idle', 1, now() - interval '1 day', now() - interval '4 minutes'),
                ('busy', 1, now() - interval '4 minutes', now() - interval '1 day'),
                ('gone', 1, now() - interval '6 minutes', now() - interval '6 minutes')
            """)
        #expect(throws: PostgresError.self) { try retire("idle", fixture) }
        #expect(throws: PostgresError.self) { try retire("busy", fixture) }
        _ = try retire("gone", fixture)
        #expect(try fixture.number("SELECT count(*) FROM ingest_checkpoints") == 2)
    }

    @Test func `a node that turns up again writes what is left of its journal once`() throws {
        let fixture = try HistoryFixture()
        fixture.append(try (0..<10).map { try somePing($0) })
        let writer = fixture.startWriter()
        fixture.drain(writer)
        // Taken out while it runs: the next batch makes it known again.
        _ = try retire(fixture.journal.nodeID, fixture, isForced: true)
        fixture.append(try (10..<20).map { try somePing($0) })
        fixture.drain(writer)
        writer.stop()
        // And between two runs: everything that the journal has is looked at again.
        _ = try retire(fixture.journal.nodeID, fixture, isForced: true)
        fixture.append(try (20..<30).map { try somePing($0) })
        let second = fixture.startWriter()
        fixture.drain(second)
        second.stop()
        #expect(second.inserted == 10 && second.alreadyThere == 20)
        #expect(try fixture.number("SELECT count(*) FROM driver_location_events") == 30)
        #expect(try fixture.number("SELECT lsn FROM ingest_checkpoints") == 30)
    }

    @Test func `a node that turns up after drivers were erased writes nothing until it is admitted`() throws {
        let fixture = try HistoryFixture()
        fixture.append(try (0..<10).map { try somePing($0) })
        let writer = fixture.startWriter()
        fixture.drain(writer)
        writer.stop()
        _ = try retire(fixture.journal.nodeID, fixture, isForced: true)
        try fixture.connection().run(
            """
            DELETE FROM driver_location_events WHERE driver_id = 'driver-3';
            INSERT INTO erasures (
                id, driver_hash, reaches_to, keeps_registration, requested_by, step, receipt, finished_at)
            VALUES ('e1', sha256('x'), now(), true, 'cli', 'receipt', '{}', clock_timestamp())
            """)
        let second = fixture.startWriter()
        eventually("it holds: \(second.summary)") { second.isHolding }
        #expect(second.counters.lastError?.contains("drover nodes admit \(fixture.journal.nodeID)") == true)
        // Being there for erasures does not change that.
        try fixture.connection().query(
            "INSERT INTO ingest_checkpoints (node_id, lsn) VALUES ($1, 0)", [fixture.journal.nodeID])
        second.stop()
        let third = fixture.startWriter()
        eventually("it holds again: \(third.summary)") { third.isHolding }
        #expect(try fixture.number("SELECT count(*) FROM driver_location_events") == 9)
        try NodeRetirement.admit(node: fixture.journal.nodeID, connection: fixture.connection(), schema: "public")
        fixture.drain(third)
        third.stop()
        #expect(try fixture.number("SELECT count(*) FROM driver_location_events") == 10)
        let again = #expect(throws: PostgresError.self) {
            try NodeRetirement.admit(node: fixture.journal.nodeID, connection: fixture.connection(), schema: "public")
        }
        #expect(again?.description.contains("drover nodes list") == true)
    }
}
