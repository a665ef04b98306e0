// Eight nodes that write one history at the same time: nobody waits for long, nothing is there twice.

import EventLoop
import Glibc
import Journal
import LocalServers
import PostgresClient
import Synchronization
import Testing
import Tracking

@testable import Gateway

struct ManyWritersTests {
    /// A node: a journal and its writer.
    private final class Node {
        let fixture: HistoryFixture
        var writer: HistoryWriter?

        /// In the database of `first`, where there is one.
        init(beside first: HistoryFixture?) throws {
            fixture = try HistoryFixture(beside: first)
            fixture.configuration.batchRecords = 500
        }

        deinit { writer?.stop() }

        func start() { writer = fixture.startWriter() }
    }

    private func nodes(_ count: Int) throws -> [Node] {
        let first = try Node(beside: nil)
        return try [first] + (1..<count).map { _ in try Node(beside: first.fixture) }
    }

    /// Looks who waits for a lock until all nodes have written everything; gives the waits that were seen, by kind.
    private func waits(of nodes: [Node]) throws -> Set<String> {
        let first = nodes[0].fixture
        let sql = """
            SELECT DISTINCT l.locktype || ' ' || coalesce(l.relation::regclass::text, '') FROM pg_locks l
            JOIN pg_stat_activity a USING (pid) WHERE NOT l.granted AND a.datname = current_database()
                AND l.locktype <> 'extend'
            """
        var seen: Set<String> = []
        try eventually("all nodes have written everything: \(nodes.compactMap { $0.writer?.summary })", within: 120) {
            let rows = try first.connection().query(sql)
            for row in 0..<rows.count { seen.insert(rows.text(row, 0) ?? "") }
            return nodes.allSatisfy { node in
                guard let writer = node.writer else { return false }
                return writer.counters.lastCommittedLSN.load(ordering: .acquiring) >= node.fixture.journal.durableLSN
            }
        }
        return seen
    }

    private func deadlocks(_ fixture: HistoryFixture) throws -> Int64 {
        // The counters of a session reach the view when it ends, or now and then.
        try fixture.connection().query("SELECT pg_stat_force_next_flush()")
        return try fixture.number("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
    }

    @Test func `nodes with drivers of their own never wait for each other`() throws {
        let nodes = try nodes(8)
        // The day is there before they begin.
        nodes[0].fixture.append([try somePing(0)])
        nodes[0].start()
        nodes[0].fixture.drain(try #require(nodes[0].writer))
        for (index, node) in nodes.enumerated() {
            node.fixture.append(try (0..<5_000).map { try somePing(index * 100 + $0 % 100, at: Double(1 + $0 / 100)) })
        }
        for node in nodes.dropFirst() { node.start() }
        let seen = try waits(of: nodes)
        #expect(seen.subtracting(["advisory "]) == [], "nobody waits for rows or tables")
        let count = try nodes[0].fixture.number("SELECT count(*) FROM driver_location_events")
        #expect(count == 8 * 5_000 + 1)
        #expect(try deadlocks(nodes[0].fixture) == 0)
        for node in nodes { #expect(node.writer?.counters.lastError == nil) }
    }

    @Test func `nodes with the same fixes at the same time write each once and run into no deadlock`() throws {
        let nodes = try nodes(8)
        for (index, node) in nodes.enumerated() {
            // Each in an order of its own, as sockets bring them.
            let order = (0..<2_000).map { ($0 * 7 + index * 250) % 2_000 }
            node.fixture.append(try order.map { try somePing($0 % 40, at: Double($0 / 40)) })
        }
        for node in nodes { node.start() }
        _ = try waits(of: nodes)
        #expect(try nodes[0].fixture.number("SELECT count(*) FROM driver_location_events") == 2_000)
        #expect(nodes.compactMap { $0.writer?.inserted }.reduce(0, +) == 2_000)
        #expect(nodes.compactMap { $0.writer?.alreadyThere }.reduce(0, +) == 7 * 2_000)
        #expect(nodes.compactMap { $0.writer?.deadLettered }.reduce(0, +) == 0)
        #expect(try deadlocks(nodes[0].fixture) == 0)
    }

    @Test func `what is fresh at one node and late at another is written once too`() throws {
        let nodes = try nodes(8)
        for (index, node) in nodes.enumerated() {
            node.fixture.append(
                try (0..<2_000).map { number in
                    let isLate = (number + index).isMultiple(of: 3)
                    return try somePing(number % 40, at: Double(number / 40), flags: isLate ? .late : [])
                })
        }
        for node in nodes { node.start() }
        _ = try waits(of: nodes)
        #expect(try nodes[0].fixture.number("SELECT count(*) FROM driver_location_events") == 2_000)
        #expect(nodes.compactMap { $0.writer?.inserted }.reduce(0, +) == 2_000)
        #expect(nodes.compactMap { $0.writer?.deadLettered }.reduce(0, +) == 0)
    }

    @Test func `at midnight the new day is made once, and everybody goes on`() throws {
        let nodes = try nodes(8)
        for node in nodes {
            node.fixture.configuration.partitionsAhead = 0
            node.start()
        }
        for node in nodes {
            eventually("the writer is ready: \(node.writer?.summary ?? "")") { node.writer?.counters.state == .ready }
        }
        // Noon, and the days after it: of which no partition is there.
        for day in 0..<3 {
            for (index, node) in nodes.enumerated() {
                node.fixture.append(
                    try (0..<200).map { try somePing(index * 200 + $0, at: Double(day * 86_400)) })
            }
        }
        _ = try waits(of: nodes)
        let fixture = nodes[0].fixture
        #expect(try fixture.number("SELECT count(*) FROM driver_location_events") == 3 * 8 * 200)
        let days = try fixture.number(
            """
            SELECT count(*) FROM pg_inherits WHERE inhparent = 'driver_location_events'::regclass
                AND inhrelid::regclass::text ~ '_202603'
            """)
        #expect(days == 3)
        #expect(nodes.compactMap { $0.writer?.deadLettered }.reduce(0, +) == 0)
        for node in nodes { #expect(node.writer?.counters.lastError == nil) }
    }
}
