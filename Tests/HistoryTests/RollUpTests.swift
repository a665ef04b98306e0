import EventLoop
import Glibc
import PostgresClient
import Testing
import Tracking

@testable import Gateway

struct RollUpTests {
    /// A ping of driver `number` at `seconds` after `someNoon`, `metres` north of where it began.
    private func ping(
        _ number: Int, at seconds: Double, metres: Double, flags: PingFlags = [], speed: Float? = 3
    ) throws -> PingRecord {
        try somePing(number, at: seconds, flags: flags) { ping in
            ping.latitude += Int32((metres / 0.0111194926).rounded())
            ping.speed = speed
        }
    }

    @Test func `an hour has its pings, distance, times, speeds, box and ends`() throws {
        let fixture = try HistoryFixture()
        let writer = fixture.startWriter()
        let records = [
            try ping(1, at: 0, metres: 0, speed: nil), try ping(1, at: 10, metres: 100, speed: 12.5),
            try ping(1, at: 20, metres: 101, speed: 2), try ping(1, at: 30, metres: 51),
        ]
        fixture.append(records)
        fixture.drain(writer)
        writer.stop()
        let session = try fixture.session()
        try fixture.rollUp(session)
        let row = try #require(try fixture.hours().first)
        #expect(row.pings == 4)
        #expect(abs(row.distance - 151) < 0.05)
        #expect(row.movingSeconds == 20)
        #expect(row.idleSeconds == 10)
        #expect(row.maximumSpeed == 12.5)
        #expect(row.hour == someNoon)
        #expect(row.firstAt == someNoon)
        #expect(row.lastAt == someNoon + 30_000_000)
        let north = Double(records[2].latitude) / 1e7
        #expect(row.box == [row.first[0], row.first[1], north, row.first[1]])
        #expect(try fixture.text("SELECT round(mean_speed::numeric, 1) FROM driver_location_hourly") == "7.5")
        expectSame(try fixture.hours(), HourlyRow.fromScratch(records))
        #expect(try fixture.number("SELECT count(*) FROM driver_location_changes") == 0)
    }

    @Test(arguments: [1, 2, 3])
    func `roll-ups between random pings of several gateways, late ones too, add up to the roll-up of all`(
        seed: UInt64
    ) throws {
        var random = SeededGenerator(seed: seed)
        let gap = seed == 3 ? 7_200.0 : 300
        let fixtures = [try HistoryFixture(), try HistoryFixture()]
        fixtures[1].configuration.postgresURL = fixtures[0].url
        let writers = fixtures.map { $0.startWriter() }
        eventually("the schema is there") { writers.allSatisfy { $0.counters.state == .ready } }
        let session = try fixtures[0].session { $0.historyTrackGapSeconds = Int(gap) }
        var all: [PingRecord] = []
        var taken: Set<[Int64]> = []
        for round in 0..<24 {
            for (fixture, writer) in zip(fixtures, writers) {
                var records: [PingRecord] = []
                for _ in 0..<Int.random(in: 0..<120, using: &random) {
                    let driver = Int.random(in: 0..<5, using: &random)
                    let isLate = Int.random(in: 0..<4, using: &random) == 0
                    // Mostly some minutes on; some as late as two days. Many stand near the turn of an hour.
                    var seconds = Double(round) * 500 + Double(Int.random(in: 0..<500_000, using: &random)) / 1_000
                    if isLate { seconds -= Double(Int.random(in: 0..<172_800, using: &random)) }
                    if Int.random(in: 0..<8, using: &random) == 0 {
                        seconds = (seconds / 3_600).rounded() * 3_600 + Double(Int.random(in: -9..<9, using: &random))
                    }
                    let wander = Double(Int.random(in: 0..<4_000, using: &random))
                    let record = try ping(
                        driver, at: seconds, metres: wander, flags: isLate ? .late : [],
                        speed: Bool.random(using: &random) ? Float(wander / 100) : nil)
                    if taken.insert([Int64(driver), record.recordedAt]).inserted { records.append(record) }
                }
                all += records
                if !records.isEmpty { fixture.append(records) }
                if Bool.random(using: &random) { fixture.drain(writer) }
            }
            // The writers are often at work meanwhile.
            if Int.random(in: 0..<3, using: &random) > 0 { try fixtures[0].rollUp(session) }
        }
        for (fixture, writer) in zip(fixtures, writers) { fixture.drain(writer) }
        try fixtures[0].rollUp(session)
        expectSame(try fixtures[0].hours(), HourlyRow.fromScratch(all, gapSeconds: gap))
        #expect(try fixtures[0].number("SELECT count(*) FROM driver_location_changes") == 0)
        #expect(try fixtures[0].number("SELECT count(*) FROM driver_location_events") == Int64(all.count))
        for writer in writers { writer.stop() }
    }

    @Test func `a late ping from yesterday corrects yesterday's hour and no other`() throws {
        let fixture = try HistoryFixture()
        let writer = fixture.startWriter()
        let yesterday = -86_400.0
        var records = [
            try ping(1, at: yesterday + 10, metres: 0), try ping(1, at: yesterday + 30, metres: 100),
            try ping(1, at: 10, metres: 0), try ping(1, at: 20, metres: 10),
        ]
        fixture.append(records)
        fixture.drain(writer)
        let session = try fixture.session()
        try fixture.rollUp(session)
        let today = try fixture.text("SELECT xmin FROM driver_location_hourly WHERE hour = '2026-03-06T12:00Z'")
        records.append(try ping(1, at: yesterday + 20, metres: 400, flags: .late))
        fixture.append([records[4]])
        fixture.drain(writer)
        try fixture.rollUp(session)
        expectSame(try fixture.hours(), HourlyRow.fromScratch(records))
        #expect(try fixture.text("SELECT xmin FROM driver_location_hourly WHERE hour = '2026-03-06T12:00Z'") == today)
        writer.stop()
    }

    @Test func `a segment across the hour counts in the hour that it ends in, and moves with a late ping before it`()
        throws
    {
        let fixture = try HistoryFixture()
        let writer = fixture.startWriter()
        var records = [try ping(1, at: 3_500, metres: 0), try ping(1, at: 3_650, metres: 1_000)]
        fixture.append(records)
        fixture.drain(writer)
        let session = try fixture.session()
        try fixture.rollUp(session)
        #expect(try fixture.hours().map { ($0.distance / 10).rounded() * 10 } == [0, 1_000])
        // The hour before ends elsewhere now: the segment begins there.
        records.append(try ping(1, at: 3_590, metres: 200, flags: .late))
        fixture.append([records[2]])
        fixture.drain(writer)
        try fixture.rollUp(session)
        #expect(try fixture.hours().map { ($0.distance / 10).rounded() * 10 } == [200, 800])
        #expect(try fixture.hours().map(\.movingSeconds) == [90, 60])
        expectSame(try fixture.hours(), HourlyRow.fromScratch(records))
        writer.stop()
    }

    @Test func `there is no segment across a silence longer than the gap`() throws {
        let fixture = try HistoryFixture()
        let writer = fixture.startWriter()
        let records = [
            try ping(1, at: 0, metres: 0), try ping(1, at: 300, metres: 600),
            try ping(1, at: 600.000001, metres: 1_200),
        ]
        fixture.append(records)
        fixture.drain(writer)
        writer.stop()
        try fixture.rollUp(try fixture.session())
        let row = try #require(try fixture.hours().first)
        #expect(row.movingSeconds == 300)
        #expect(row.pings == 3)
        expectSame(try fixture.hours(), HourlyRow.fromScratch(records))
    }

    @Test func `only what is new is read where nothing came late`() throws {
        let fixture = try HistoryFixture()
        let writer = fixture.startWriter()
        let session = try fixture.session()
        fixture.append([try ping(1, at: 0, metres: 0), try ping(1, at: 10, metres: 50)])
        fixture.drain(writer)
        try fixture.rollUp(session)
        // A false sum survives while the hour is only extended, and goes when it is computed anew.
        try fixture.connection().run("UPDATE driver_location_hourly SET distance_m = 1050")
        fixture.append([try ping(1, at: 20, metres: 100)])
        fixture.drain(writer)
        try fixture.rollUp(session)
        #expect(abs(try fixture.hours()[0].distance - 1_100) < 0.1)
        #expect(try fixture.hours()[0].pings == 3)
        fixture.append([try ping(1, at: 5, metres: 25, flags: .late)])
        fixture.drain(writer)
        try fixture.rollUp(session)
        #expect(abs(try fixture.hours()[0].distance - 100) < 0.1)
        writer.stop()
    }

    @Test func `late pings of a dropped day are added to what was known of it`() throws {
        let fixture = try HistoryFixture()
        let writer = fixture.startWriter()
        let session = try fixture.session()
        fixture.append(try (0..<60).map { try ping(1, at: Double($0), metres: Double($0) * 10) })
        fixture.drain(writer)
        try fixture.rollUp(session)
        try fixture.connection().run("DROP TABLE driver_location_events_20260306")
        fixture.append([try ping(1, at: 90, metres: 900, flags: .late)])
        fixture.drain(writer)
        try fixture.rollUp(session)
        #expect(try fixture.hours()[0].pings == 61)
        #expect(abs(try fixture.hours()[0].distance - 900) < 0.1)
        // And before its last ping.
        fixture.append([try ping(1, at: 30.5, metres: 305, flags: .late)])
        fixture.drain(writer)
        try fixture.rollUp(session)
        let row = try #require(try fixture.hours().first)
        #expect(row.pings == 62)
        #expect(row.firstAt == someNoon)
        #expect(row.lastAt == someNoon + 90_000_000)
        writer.stop()
    }

    @Test func `hours older than their retention go`() throws {
        let fixture = try HistoryFixture()
        let writer = fixture.startWriter()
        fixture.append(try [0.0, -3_600, -7_200].map { try ping(1, at: $0, metres: 0, flags: .late) })
        fixture.drain(writer)
        writer.stop()
        let session = try fixture.session { $0.historyHourlyRetentionDays = 1 }
        try fixture.rollUp(session)
        #expect(try fixture.hours().count == 3)
        try fixture.rollUp(session, now: someNoon + 86_400_000_000 - 3_600_000_000)
        #expect(try fixture.hours().map(\.hour) == [someNoon - 3_600_000_000, someNoon])
    }
}
