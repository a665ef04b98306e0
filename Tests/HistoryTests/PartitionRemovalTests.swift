import LocalServers
import PostgresClient
import Synchronization
import Testing
import Tracking

@testable import Gateway

/// How days leave the history, whatever comes between.
struct PartitionRemovalTests {
    @Test func `rows that come between the archive and the end are archived too`() throws {
        let fixture = try KeeperFixture()
        try fixture.keeper().maintain(now: someNoon)
        try fixture.insert(10)
        var inserted = 0
        try fixture.keeper().maintain(now: someNoon + 6 * KeeperFixture.day) { step in
            if case .archived(let manifest, _) = step, manifest.partition.hasSuffix("0306"), inserted == 0 {
                inserted = 7
                try fixture.insert(7, driver: "late")
            }
        }
        #expect(inserted == 7)
        #expect(try fixture.archives.verify("driver_location_events_20260306.csv.zst").rows == 17)
        #expect(try fixture.rows() == 0)
    }

    @Test(arguments: ["archived", "marked", "detached", "pending", "archived again"])
    func `a drop that was cut off is ended`(crash: String) throws {
        let fixture = try KeeperFixture()
        try fixture.keeper().maintain(now: someNoon)
        try fixture.insert(10)
        let entry = try fixture.entry("20260306")
        let day = try #require(entry.day)
        let directory = try #require(fixture.archives.directory)
        _ = try fixture.archives.write(day, into: directory)
        try fixture.insert(4, driver: "between")
        switch crash {
        case "marked":
            try fixture.connection.run(
                "COMMENT ON TABLE \(entry.name) IS '\(PartitionEntry.mark)\(day.lower) \(day.upper)'")
        case "pending":
            let reader = try PostgresConnection(PostgresAddress(fixture.history.url), cutOff: PostgresCutOff())
            try reader.run("BEGIN; SELECT count(*) FROM driver_location_events")
            #expect(throws: PartitionError.inUse(partition: entry.name)) { try fixture.removal.detach(entry) }
            #expect(try fixture.names(.detaching) == ["20260306"])
        case "detached", "archived again":
            try fixture.removal.detach(entry)
            if crash == "archived again" { _ = try fixture.archives.write(day, into: directory) }
            #expect(try fixture.names(.leftover) == ["20260306"])
            #expect(try fixture.rows() == 0)
        default: break
        }
        try fixture.keeper().maintain(now: someNoon + 6 * KeeperFixture.day)
        #expect(try fixture.keeper().list().allSatisfy { $0.state == .attached && $0.name.suffix(4) > "0306" })
        #expect(try fixture.archives.verify("driver_location_events_20260306.csv.zst").rows == 14)
        #expect(try fixture.archived() == 14)
        #expect(try fixture.history.number("SELECT count(*) FROM history_archives WHERE dropped_at IS NULL") == 0)
    }

    @Test func `a long reader only delays a drop, and is named as the reason`() throws {
        let fixture = try KeeperFixture()
        try fixture.keeper().maintain(now: someNoon)
        try fixture.insert(3)
        let later = someNoon + 6 * KeeperFixture.day
        let reader = try PostgresConnection(PostgresAddress(fixture.history.url), cutOff: PostgresCutOff())
        try reader.run("BEGIN; SELECT count(*) FROM driver_location_events")
        let error = #expect(throws: PartitionError.self) { try fixture.keeper().maintain(now: later) }
        #expect(error?.description.contains("pg_stat_activity") == true)
        // The days ahead were made all the same, and others write.
        #expect(try fixture.names().contains("20260313"))
        try fixture.insert(2, day: 6)
        try reader.run("COMMIT")
        try fixture.keeper().maintain(now: later)
        #expect(try fixture.archived() == 3)
        #expect(try fixture.rows() == 2)
    }

    @Test func `a detach that an operator began is ended, and the table kept`() throws {
        let fixture = try KeeperFixture()
        try fixture.keeper().maintain(now: someNoon)
        let reader = try PostgresConnection(PostgresAddress(fixture.history.url), cutOff: PostgresCutOff())
        try reader.run("BEGIN; SELECT count(*) FROM driver_location_events")
        try fixture.connection.run("SET lock_timeout = 50")
        #expect(throws: PostgresError.self) {
            try fixture.connection.run(
                "ALTER TABLE driver_location_events DETACH PARTITION driver_location_events_20260306 CONCURRENTLY")
        }
        #expect(try fixture.names(.detaching) == ["20260306"])
        try reader.run("COMMIT")
        try fixture.keeper().maintain(now: someNoon + 6 * KeeperFixture.day)
        #expect(try fixture.names(.detached) == ["20260306"])
        #expect(try fixture.names(.detaching) == [])
    }

    @Test func `writers into other days go on while days are dropped`() throws {
        let fixture = try KeeperFixture()
        for day in 0..<3 { try fixture.keeper().maintain(now: someNoon + Microseconds(day) * KeeperFixture.day) }
        for day in 0..<3 { try fixture.insert(2_000, day: day) }
        let configuration = fixture.configuration
        let failure = Mutex<String?>(nil)
        let writer = fixture.history.startWriter()
        fixture.history.append([try somePing(0, at: 8 * 86_400)])
        fixture.history.drain(writer)
        let maintainer = HistoryThread {
            do {
                let connection = try configuration.connectDirectly()
                try PartitionKeeper(connection, configuration, cutOff: PostgresCutOff())
                    .maintain(now: someNoon + 8 * KeeperFixture.day)
            } catch { failure.withLock { $0 = "\(error)" } }
        }
        var sent = 1
        while !maintainer.waitForEnd(milliseconds: 1), sent < 100_000 {
            // Today's, and late ones of a day that has no partition yet.
            fixture.history.append([
                try somePing(sent, at: 8 * 86_400 + Double(sent)), try somePing(sent, at: 5 * 86_400 + Double(sent)),
            ])
            sent += 2
        }
        #expect(failure.withLock { $0 } == nil)
        fixture.history.drain(writer)
        writer.stop()
        #expect(writer.counters.lastError == nil)
        #expect(Int(writer.inserted) == sent)
        #expect(try fixture.rows() == Int64(sent))
        #expect(try fixture.archived() == 6_000)
    }

    @Test func `two maintainers at once do each thing once`() throws {
        let fixture = try KeeperFixture()
        for day in 0..<4 { try fixture.keeper().maintain(now: someNoon + Microseconds(day) * KeeperFixture.day) }
        for day in 0..<4 { try fixture.insert(500, day: day) }
        let configuration = fixture.configuration
        let outcome = Mutex<(dropped: [String], failures: [String])>(([], []))
        let threads = (0..<2).map { _ in
            HistoryThread {
                do {
                    let connection = try configuration.connectDirectly()
                    let keeper = PartitionKeeper(
                        connection, configuration, cutOff: PostgresCutOff(), lockMilliseconds: 60_000)
                    try keeper.maintain(now: someNoon + 30 * KeeperFixture.day) { step in
                        if case .dropped(let name) = step { outcome.withLock { $0.dropped.append(name) } }
                    }
                } catch { outcome.withLock { $0.failures.append("\(error)") } }
            }
        }
        for thread in threads { #expect(thread.waitForEnd(milliseconds: 120_000)) }
        #expect(outcome.withLock { $0.failures } == [])
        // Four days with rows, and the one that was made ahead of the last.
        #expect(outcome.withLock { $0.dropped.count } == 5)
        #expect(outcome.withLock { Set($0.dropped).count } == 5)
        #expect(try fixture.archived() == 2_000)
        #expect(try fixture.names() == ["20260405", "20260406"])
    }

    @Test func `a table that an operator took off is left alone`() throws {
        let fixture = try KeeperFixture()
        try fixture.keeper().maintain(now: someNoon)
        try fixture.insert(3)
        try fixture.connection.run(
            "ALTER TABLE driver_location_events DETACH PARTITION driver_location_events_20260306")
        try fixture.keeper().maintain(now: someNoon + 60 * KeeperFixture.day)
        #expect(try fixture.names(.detached) == ["20260306"])
        #expect(try fixture.history.number("SELECT count(*) FROM driver_location_events_20260306") == 3)
    }

    @Test func `a day whose retention was prolonged meanwhile stays`() throws {
        let fixture = try KeeperFixture()
        try fixture.keeper().maintain(now: someNoon)
        let entry = try fixture.entry("20260306")
        let day = try #require(entry.day)
        try fixture.connection.run(
            "COMMENT ON TABLE \(entry.name) IS '\(PartitionEntry.mark)\(day.lower) \(day.upper)'")
        fixture.configuration.historyRetentionDays = 30
        try fixture.keeper().maintain(now: someNoon + 6 * KeeperFixture.day)
        #expect(try fixture.entry("20260306").isMarked == false)
        #expect(try fixture.entry("20260306").state == .attached)
    }

    @Test func `a ping for a day that is being taken off waits, and is in the history when it is gone`() throws {
        let fixture = try KeeperFixture()
        try fixture.keeper().maintain(now: someNoon)
        try fixture.insert(3)
        let writer = fixture.history.startWriter()
        eventually("the writer is ready") { writer.counters.state == .ready }
        let reader = try PostgresConnection(PostgresAddress(fixture.history.url), cutOff: PostgresCutOff())
        try reader.run("BEGIN; SELECT count(*) FROM driver_location_events")
        let later = someNoon + 6 * KeeperFixture.day
        #expect(throws: PartitionError.self) { try fixture.keeper().maintain(now: later) }
        #expect(try fixture.names(.detaching) == ["20260306"])
        fixture.history.append([try somePing(9)])
        eventually("the writer holds") { writer.isHolding }
        try reader.run("COMMIT")
        try fixture.keeper().maintain(now: later)
        fixture.history.drain(writer)
        writer.stop()
        #expect(try fixture.rows() == 1)
        // It goes with the next run, into a file of its own.
        try fixture.keeper().maintain(now: later)
        #expect(try fixture.rows() == 0)
        #expect(try fixture.archived() == 4)
        let files = try #require(try fixture.archives.directory?.files())
        #expect(files.filter { $0.contains("20260306") }.count == 2)
    }
}
