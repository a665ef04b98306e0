import DroverClient
import Glibc
import LocalServers
import Logging
import PostgresClient
import Synchronization
import Testing
import Tracking

@testable import Gateway

/// A history without a gateway, three days of retention, and a directory for archives.
final class KeeperFixture {
    static let day: Microseconds = 86_400_000_000

    let history: HistoryFixture
    let connection: PostgresConnection
    var configuration = Configuration()

    init() throws {
        history = try HistoryFixture()
        connection = try history.connection()
        try Migrations.migrate(connection, schema: "public")
        configuration.postgresURL = history.url
        configuration.historyRetentionDays = 3
        configuration.historyPartitionsAheadDays = 1
        configuration.historyArchiveDirectory = "\(history.directory.path)/archive"
    }

    func keeper(_ connection: PostgresConnection? = nil) -> PartitionKeeper {
        PartitionKeeper(
            connection ?? self.connection, configuration, cutOff: PostgresCutOff(), stepMilliseconds: 50)
    }

    var archives: Archives {
        Archives(
            directory: configuration.historyArchiveDirectory, connection: connection, schema: "public",
            cutOff: PostgresCutOff())
    }

    var removal: PartitionRemoval {
        PartitionRemoval(
            connection: connection, place: HistoryPlace(schema: "public"), cutOff: PostgresCutOff(),
            lockMilliseconds: 50)
    }

    func names(_ state: PartitionEntry.State = .attached) throws -> [String] {
        try keeper().list().filter { $0.state == state }.map {
            String($0.name.dropFirst(PartitionName.table.count + 1))
        }
    }

    func entry(_ day: String) throws -> PartitionEntry {
        try #require(try keeper().list().first { $0.name == "\(PartitionName.table)_\(day)" })
    }

    /// Puts `count` pings of `driver` into the day that `days` after 2026-03-06 is.
    func insert(_ count: Int, day: Int = 0, driver: String = "driver-1") throws {
        try connection.query(
            """
            INSERT INTO driver_location_events
            SELECT $3, timestamptz '2026-03-06 12:00Z' + $2::int * interval '1 day' + n * interval '1 s', 43, -79, NULL,
                NULL, 5, NULL, 'gps', NULL, 0, timestamptz '2026-03-06 12:00Z' + $2::int * interval '1 day'
            FROM generate_series(1, $1::int) n
            """, ["\(count)", "\(day)", driver])
    }

    func rows(_ condition: String = "true") throws -> Int64 {
        try history.number("SELECT count(*) FROM driver_location_events WHERE \(condition)")
    }

    func archived() throws -> Int64 { try history.number("SELECT coalesce(sum(row_count), 0) FROM history_archives") }
}

struct PartitionKeeperTests {
    struct Days: CustomTestStringConvertible {
        let zone: String
        let now: Microseconds
        /// The names' ends, with the length in hours.
        let expected: [String]
        let testDescription: String
    }

    @Test(arguments: [
        Days(
            zone: "America/Toronto", now: 1_772_945_999_999_999, expected: ["20260307 24", "20260308 23"],
            testDescription: "a microsecond before Toronto's midnight, before the 23-hour day"),
        Days(
            zone: "America/Toronto", now: 1_772_946_000_000_000, expected: ["20260308 23", "20260309 24"],
            testDescription: "Toronto's midnight"),
        Days(
            zone: "America/Toronto", now: 1_773_028_799_999_999, expected: ["20260308 23", "20260309 24"],
            testDescription: "the last microsecond of the 23-hour day"),
        Days(
            zone: "America/Toronto", now: 1_793_595_599_999_999, expected: ["20261101 25", "20261102 24"],
            testDescription: "the last microsecond of the 25-hour day"),
        Days(
            zone: "America/Toronto", now: 1_793_595_600_000_000, expected: ["20261102 24", "20261103 24"],
            testDescription: "the midnight after it"),
        Days(
            zone: "UTC", now: 1_769_903_999_999_999, expected: ["20260131 24", "20260201 24"],
            testDescription: "a month's end"),
        Days(
            zone: "UTC", now: 1_835_395_200_000_000, expected: ["20280229 24", "20280301 24"],
            testDescription: "a leap day"),
        Days(
            zone: "UTC", now: 1_798_761_599_000_000, expected: ["20261231 24", "20270101 24"],
            testDescription: "a year's end"),
    ])
    func `days ahead are made by the clock that is given`(days: Days) throws {
        let fixture = try KeeperFixture()
        fixture.configuration.historyTimeZone = days.zone
        try fixture.keeper().maintain(now: days.now)
        let found = try fixture.keeper().list().map { entry in
            "\(entry.name.suffix(8)) \(((entry.upper ?? 0) - (entry.lower ?? 0)) / 3_600_000_000)"
        }
        #expect(found == days.expected)
        #expect(try PartitionEntry.defaultPartition(fixture.connection, HistoryPlace(schema: "public")) == nil)
    }

    @Test func `a day goes a day after retention ends, to the microsecond, and leaves a verified archive`() throws {
        let fixture = try KeeperFixture()
        try fixture.keeper().maintain(now: someNoon)
        try fixture.insert(10)
        try fixture.insert(5, day: 1)
        // The 6th ends at midnight; three days of retention and one more.
        let due = someNoon + KeeperFixture.day / 2 + 4 * KeeperFixture.day
        try fixture.keeper().maintain(now: due - 1)
        #expect(try fixture.names() == ["20260306", "20260307", "20260310", "20260311"])
        var steps: [PartitionKeeper.Step] = []
        try fixture.keeper().maintain(now: due) { steps.append($0) }
        #expect(try fixture.names() == ["20260307", "20260310", "20260311", "20260312"])
        #expect(steps.contains(.dropped("driver_location_events_20260306")))
        #expect(try fixture.rows() == 5)
        let manifest = try fixture.archives.verify("driver_location_events_20260306.csv.zst")
        #expect(manifest.rows == 10)
        #expect(manifest.lowerBound == "2026-03-06T00:00:00.000000Z")
        #expect(manifest.upperBound == "2026-03-07T00:00:00.000000Z")
        #expect(
            try fixture.history.text(
                "SELECT concat_ws(' ', row_count, extract(epoch FROM dropped_at)::bigint) FROM history_archives")
                == "10 \(due / 1_000_000)")
        // Nothing more is due.
        steps = []
        try fixture.keeper().maintain(now: due) { steps.append($0) }
        #expect(steps == [])
    }

    @Test func `a failed archive keeps the day, and the rest is done`() throws {
        let fixture = try KeeperFixture()
        try fixture.keeper().maintain(now: someNoon)
        try fixture.insert(10)
        // A file where the directory should be.
        close(open(fixture.configuration.historyArchiveDirectory, O_CREAT | O_WRONLY, 0o644))
        #expect(throws: ArchiveError.self) { try fixture.keeper().maintain(now: someNoon + 6 * KeeperFixture.day) }
        #expect(try fixture.names() == ["20260306", "20260307", "20260312", "20260313"])
        #expect(try fixture.rows() == 10)
        #expect(try fixture.archived() == 0)
    }

    @Test func `the job fails aloud where it cannot archive, and recovers`() throws {
        let fixture = try KeeperFixture()
        try fixture.keeper().maintain(now: someNoon)
        try fixture.insert(10)
        let path = fixture.configuration.historyArchiveDirectory
        close(open(path, O_CREAT | O_WRONLY, 0o644))
        let maintenance = Maintenance(
            fixture.configuration, MaintenanceJob.all(fixture.configuration), log: Logger(label: "test"))
        defer { maintenance.stop(withinMilliseconds: 5_000) }
        func job() -> MaintenanceCounters.Job? { maintenance.counters.all.first { $0.name == "partitions" }?.job }
        eventually("the job fails") { job()?.error != nil }
        #expect(job()?.error?.contains("DROVER_HISTORY_ARCHIVE_DIRECTORY") == true)
        #expect(maintenance.counters.partitions.current.partitions >= 4)
        #expect(maintenance.counters.partitions.current.oldest == someNoon - KeeperFixture.day / 2)
        #expect(try fixture.rows() == 10)
        unlink(path)
        maintenance.wake()
        eventually("the job recovers") { job().map { $0.error == nil && $0.runs > 1 } ?? false }
        let values = maintenance.counters.partitions.current
        #expect(values.archivedRows == 10)
        #expect(values.archivesWritten == 2)
        #expect(values.partitionsDropped == 2)
        #expect(values.partitions == 2)
        #expect(try fixture.rows() == 0)
    }

    @Test func `beside a default partition nothing is dropped, and somebody is told what to do`() throws {
        let fixture = try KeeperFixture()
        try fixture.keeper().maintain(now: someNoon)
        try fixture.connection.run("CREATE TABLE the_rest PARTITION OF driver_location_events DEFAULT")
        #expect(throws: PartitionError.defaultPartition("the_rest")) {
            try fixture.keeper().maintain(now: someNoon + 6 * KeeperFixture.day)
        }
        #expect(try fixture.names().contains("20260306"))
        #expect(try fixture.names().contains("20260313"))
    }

    @Test func `without a directory days are dropped unarchived, and without retention nothing is touched`() throws {
        let fixture = try KeeperFixture()
        try fixture.keeper().maintain(now: someNoon)
        try fixture.insert(3)
        fixture.configuration.historyRetentionDays = 0
        try fixture.keeper().maintain(now: someNoon + 60 * KeeperFixture.day)
        #expect(try fixture.names() == ["20260306", "20260307"])
        #expect(MaintenanceJob.all(fixture.configuration).allSatisfy { $0.name != "partitions" })
        fixture.configuration.historyRetentionDays = 3
        fixture.configuration.historyArchiveDirectory = ""
        try fixture.keeper().maintain(now: someNoon + 60 * KeeperFixture.day)
        #expect(try fixture.rows() == 0)
        #expect(try fixture.archived() == 0)
    }

    @Test func `archives past their own retention are deleted, and one that is elsewhere is asked for`() throws {
        let fixture = try KeeperFixture()
        try fixture.keeper().maintain(now: someNoon)
        try fixture.insert(3)
        fixture.configuration.historyArchiveRetentionDays = 10
        try fixture.keeper().maintain(now: someNoon + 6 * KeeperFixture.day)
        #expect(try fixture.history.number("SELECT count(*) FROM history_archives") == 2)
        // The 6th ended half a day after noon.
        try fixture.keeper().maintain(now: someNoon + 10 * KeeperFixture.day + KeeperFixture.day / 2)
        #expect(
            try fixture.history.text(
                "SELECT string_agg(file, ' ' ORDER BY file) FROM history_archives WHERE upper_bound < '2026-03-09Z'")
                == "driver_location_events_20260307.csv.zst")
        let directory = try #require(fixture.archives.directory)
        #expect(try directory.files().contains("driver_location_events_20260306.csv.zst") == false)
        #expect(directory.isTaken("driver_location_events_20260306.csv.zst") == false)
        // A removal that was cut off goes on: its manifest is still there. Where both are away, they are elsewhere.
        let file = "driver_location_events_20260307.csv.zst"
        unlink(directory.path(of: file))
        try fixture.keeper().maintain(now: someNoon + 12 * KeeperFixture.day)
        #expect(directory.isTaken(file) == false)
        #expect(try fixture.history.number("SELECT count(*) FROM history_archives WHERE file = '\(file)'") == 0)
        let other = "driver_location_events_20260312.csv.zst"
        #expect(try directory.files().contains(other) == false || directory.holds(other))
        try fixture.connection.run(
            """
            INSERT INTO history_archives VALUES ('away.csv.zst', 'away', '2026-01-01Z', '2026-01-02Z', 0, NULL, NULL, 1,
                sha256('a'), now(), now())
            """)
        #expect(throws: ArchiveError.missing(file: "away.csv.zst", directory: directory.path)) {
            try fixture.keeper().maintain(now: someNoon + 12 * KeeperFixture.day)
        }
    }

    @Test func `days are archived by hand without being dropped, and a replay reads them`() throws {
        let fixture = try KeeperFixture()
        try fixture.keeper().maintain(now: someNoon)
        try fixture.insert(10)
        try fixture.insert(4, day: 1, driver: "driver-2")
        #expect(throws: PartitionError.noPartition(day: "2026-03-01")) {
            try fixture.keeper().archive(day: "2026-03-01", now: someNoon)
        }
        try fixture.keeper().archive(day: "2026-03-07", now: someNoon)
        #expect(try fixture.archived() == 4)
        // Every day that is over: the 7th is not.
        try fixture.keeper().archive(day: nil, now: someNoon + KeeperFixture.day)
        #expect(try fixture.archived() == 14)
        #expect(try fixture.rows() == 14)
        let directory = try #require(fixture.archives.directory)
        let file = try PingFile(path: directory.path(of: "driver_location_events_20260306.csv.zst"))
        #expect(file.drivers == ["driver-1"])
        #expect(file.rows.map(\.time) == (1...10).map { someNoon / 1_000 + Int64($0) * 1_000 })
        #expect(
            file.rows.allSatisfy { $0.latitude == 43 && $0.longitude == -79 && $0.accuracy == 5 && $0.speed == nil })
        fixture.configuration.historyArchiveDirectory = ""
        #expect(throws: PartitionError.noArchiveDirectory) {
            try fixture.keeper().archive(day: nil, now: someNoon)
        }
    }

    @Test func `the commands list, plan, archive and maintain`() throws {
        let fixture = try KeeperFixture()
        let commands = try PartitionCommands(fixture.configuration)
        let lines = Mutex<[String]>([])
        func done() -> [String] {
            lines.withLock { found in
                defer { found = [] }
                return found
            }
        }
        try commands.maintain(at: "2026-03-06T12:00:00Z", isDryRun: false) { line in lines.withLock { $0.append(line) }
        }
        #expect(done() == ["made 2 partitions ahead"])
        try fixture.insert(10)
        try fixture.connection.run("ANALYZE driver_location_events")
        let table = try commands.list()
        #expect(table.count == 3)
        #expect(table[0].hasPrefix("PARTITION "))
        #expect(
            table[1].hasPrefix("driver_location_events_20260306  2026-03-06T00:00:00Z  2026-03-07T00:00:00Z  10 "))
        #expect(table[1].contains(" attached  -"))
        try commands.archive(day: "2026-03-06") { line in lines.withLock { $0.append(line) } }
        #expect(done().first?.hasPrefix("archived driver_location_events_20260306: 10 rows, ") == true)
        try commands.maintain(at: "2026-03-11", isDryRun: true) { line in lines.withLock { $0.append(line) } }
        #expect(done() == ["would archive and drop driver_location_events_20260306"])
        #expect(try fixture.rows() == 10)
        try commands.maintain(at: "2026-03-11", isDryRun: false) { line in lines.withLock { $0.append(line) } }
        #expect(done() == ["made 2 partitions ahead", "dropped driver_location_events_20260306"])
        #expect(throws: CommandError.self) { try commands.maintain(at: "soon", isDryRun: false) { _ in } }
        #expect(throws: CommandError.self) { try commands.archive(day: "yesterday") { _ in } }
    }
}
