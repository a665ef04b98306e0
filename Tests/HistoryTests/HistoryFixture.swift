// A private Postgres, a fresh database, a real journal and a writer: what the tests of the history stand on.

import EventLoop
import Glibc
import Journal
import LocalServers
import PostgresClient
import Synchronization
import Testing
import Tracking

@testable import Gateway

/// The cluster that tests share which leave it running; gone with the process.
enum SharedPostgres {
    static let server = Result { try LocalPostgres.start() }
}

/// Waits until `condition` holds; records an issue where that takes longer than `seconds`.
func eventually(
    _ what: Comment, within seconds: Int64 = 30, at location: SourceLocation = #_sourceLocation,
    _ condition: () throws -> Bool
) rethrows {
    let deadline = SystemClock.monotonicMicroseconds() + seconds * 1_000_000
    while try !condition() {
        if SystemClock.monotonicMicroseconds() > deadline {
            Issue.record(what, sourceLocation: location)
            return
        }
        poll(nil, 0, 5)
    }
}

/// One test's database and journal. Used on one thread.
final class HistoryFixture {
    let server: LocalPostgres
    let url: String
    let database: String
    let directory: TemporaryDirectory
    var journal: Journal
    var configuration: HistoryConfiguration
    private let ownsServer: Bool
    private var admin: PostgresConnection?

    /// With a server of its own where the test stops or freezes it; or another journal over the database of `other`.
    init(ownServer: Bool = false, segmentBytes: Int = 16 << 20, beside other: HistoryFixture? = nil) throws {
        ownsServer = ownServer
        if let other {
            (server, database) = (other.server, other.database)
        } else {
            server = try ownServer ? LocalPostgres.start() : SharedPostgres.server.get()
            database = "t\(SystemClock.monotonicMicroseconds())_\(Int.random(in: 0..<1_000_000))"
            try server.createDatabase(database)
        }
        url = server.url(database: database)
        directory = try TemporaryDirectory(prefix: "dh")
        journal = try Journal(
            configuration: JournalConfiguration(directory: directory.path, segmentBytes: segmentBytes), onProgress: {})
        configuration = HistoryConfiguration(postgresURL: url, nodeID: journal.nodeID)
        configuration.batchMilliseconds = 20
        configuration.retryMilliseconds = 10...200
    }

    deinit {
        journal.close(timeoutMicroseconds: 1_000_000)
        directory.remove()
        if ownsServer { server.remove() }
    }

    func startWriter() -> HistoryWriter { HistoryWriter(configuration, from: journal.store) }

    /// Puts records into the journal and waits until they are durable.
    func append(_ records: [PingRecord]) {
        var bytes = [UInt8](repeating: 0, count: PingRecord.maximumBytes)
        for record in records {
            var span = bytes.mutableSpan
            let length = record.encode(into: &span)
            append(bytes.span.extracting(0..<length))
        }
        makeDurable()
    }

    func append(_ record: Span<UInt8>) {
        while !journal.hasRoom(records: 1, bytes: record.count) { poll(nil, 0, 1) }
        _ = journal.append(record)
    }

    func makeDurable() {
        eventually("the journal makes its records durable") {
            journal.submit()
            return journal.durableLSN == journal.appendedLSN
        }
    }

    /// Waits until the writer is done with everything durable.
    func drain(_ writer: HistoryWriter, at location: SourceLocation = #_sourceLocation) {
        let last = journal.durableLSN
        eventually("the history takes record \(last): \(writer.summary)", within: 60, at: location) {
            writer.counters.lastCommittedLSN.load(ordering: .acquiring) >= last
        }
    }

    /// A connection that looks at what was written.
    func connection() throws -> PostgresConnection {
        if let admin, admin.isAlive { return admin }
        let fresh = try PostgresConnection(PostgresAddress(url), cutOff: PostgresCutOff())
        admin = fresh
        return fresh
    }

    func number(_ sql: String) throws -> Int64 {
        try #require(try connection().query(sql).integer(0, 0))
    }

    func text(_ sql: String) throws -> String? {
        try connection().query(sql).text(0, 0)
    }
}

extension HistoryWriter {
    var inserted: UInt64 { counters.rowsInserted.load(ordering: .acquiring) }
    var alreadyThere: UInt64 { counters.rowsAlreadyThere.load(ordering: .acquiring) }
    var deadLettered: UInt64 { counters.rowsDeadLettered.load(ordering: .acquiring) }
    var summary: Comment { "\(counters.state) \(counters.lastError ?? "")" }
    var isHolding: Bool { if case .holding = counters.state { true } else { false } }
}

/// 2026-03-06T12:00:00Z.
let someNoon: Microseconds = 1_772_798_400_000_000

/// A record of driver `number` at `seconds` after `someNoon`, plausible and distinct.
func somePing(
    _ number: Int, at seconds: Double = 0, flags: PingFlags = [], change: (inout Ping) throws -> Void = { _ in }
) throws -> PingRecord {
    var ping = Ping()
    ping.recordedAt = someNoon + Microseconds(seconds * 1_000_000)
    ping.latitude = 436_532_000 + Int32(number)
    ping.longitude = -793_832_000 - Int32(number)
    ping.accuracy = 5
    ping.speed = 8.3
    ping.source = .gps
    try change(&ping)
    return PingRecord(
        ping, driver: try #require(DriverID("driver-\(number)")), receivedAt: someNoon + 250_000, flags: flags)
}

/// What the system's own `sha256sum` says of a file.
func sha256sum(_ path: String) throws -> String? {
    try Command.runChecked(["sha256sum", path]).split(separator: " ").first.map(String.init)
}
