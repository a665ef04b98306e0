// What the tests of the roll-up stand on: a maintenance session over a fixture's database, and the roll-up's meaning
// written down a second time, from the pings alone.

import EventLoop
import Logging
import PostgresClient
import Testing
import Tracking

@testable import Gateway

extension HistoryFixture {
    /// A session such as a maintenance job gets; `change` sets what the test is about.
    func session(_ change: (inout Configuration) -> Void = { _ in }) throws -> MaintenanceSession {
        var settings = Configuration()
        settings.postgresURL = configuration.postgresURL
        change(&settings)
        let cutOff = PostgresCutOff()
        return MaintenanceSession(
            try PostgresConnection(PostgresAddress(configuration.postgresURL), cutOff: cutOff), settings,
            cutOff: cutOff,
            MaintenanceCounters([]), Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    /// Runs the roll-up until it says that there is no more.
    func rollUp(_ session: MaintenanceSession, now: Microseconds = someNoon) throws {
        var runs = 0
        while try RollUp(session).run(now: now) {
            runs += 1
            try #require(runs < 1_000, "the roll-up comes to an end")
        }
    }

    /// The roll-up as it stands, ordered by driver and hour.
    func hours() throws -> [HourlyRow] {
        let micro = { (column: String) in "(extract(epoch FROM \(column)) * 1000000)::bigint" }
        let rows = try connection().query(
            """
            SELECT driver_id, \(micro("hour")), pings, distance_m, moving_m, moving_s, idle_s, max_speed, min_lat, min_lng,
                max_lat, max_lng, \(micro("first_at")), first_lat, first_lng, \(micro("last_at")), last_lat, last_lng
            FROM driver_location_hourly ORDER BY driver_id COLLATE "C", hour
            """)
        return try (0..<rows.count).map { row in
            let number = { (column: Int) throws in try #require(rows.text(row, column).flatMap(Double.init)) }
            let time = { (column: Int) throws in try #require(rows.integer(row, column)) }
            return HourlyRow(
                driver: try #require(rows.text(row, 0)), hour: try time(1), pings: Int(try time(2)),
                distance: try number(3), movingMetres: try number(4), movingSeconds: try number(5),
                idleSeconds: try number(6), maximumSpeed: rows.text(row, 7).flatMap(Float.init),
                box: [try number(8), try number(9), try number(10), try number(11)],
                firstAt: try time(12), first: [try number(13), try number(14)],
                lastAt: try time(15), last: [try number(16), try number(17)])
        }
    }
}

/// A row of `driver_location_hourly`.
struct HourlyRow: Equatable {
    var driver: String
    var hour: Microseconds
    var pings: Int
    var distance: Double
    var movingMetres: Double
    var movingSeconds: Double
    var idleSeconds: Double
    var maximumSpeed: Float?
    /// South, west, north, east.
    var box: [Double]
    var firstAt: Microseconds
    var first: [Double]
    var lastAt: Microseconds
    var last: [Double]

    /// Whether all is the same but for rounding in the sums.
    func agrees(with other: HourlyRow) -> Bool {
        var left = self
        let near = { (one: Double, two: Double) in abs(one - two) <= 1e-6 * max(1, abs(one)) }
        guard near(distance, other.distance), near(movingMetres, other.movingMetres),
            near(movingSeconds, other.movingSeconds), near(idleSeconds, other.idleSeconds)
        else { return false }
        (left.distance, left.movingMetres) = (other.distance, other.movingMetres)
        (left.movingSeconds, left.idleSeconds) = (other.movingSeconds, other.idleSeconds)
        return left == other
    }

    /// The roll-up of `records` from nothing, ordered by driver and hour.
    static func fromScratch(_ records: [PingRecord], gapSeconds: Double = 300) -> [HourlyRow] {
        var rows: [HourlyRow] = []
        let sorted = records.sorted {
            ($0.driver.string, $0.recordedAt) < ($1.driver.string, $1.recordedAt)
        }
        for (index, record) in sorted.enumerated() {
            let point = [Double(record.latitude) / 1e7, Double(record.longitude) / 1e7]
            let hour = record.recordedAt / 3_600_000_000 * 3_600_000_000
            if rows.last?.driver != record.driver.string || rows.last?.hour != hour {
                rows.append(
                    HourlyRow(
                        driver: record.driver.string, hour: hour, pings: 0, distance: 0, movingMetres: 0,
                        movingSeconds: 0, idleSeconds: 0, box: point + point, firstAt: record.recordedAt, first: point,
                        lastAt: record.recordedAt, last: point))
            }
            rows[rows.count - 1].add(record, at: point, after: index > 0 ? sorted[index - 1] : nil, gapSeconds)
        }
        return rows
    }

    private mutating func add(_ record: PingRecord, at point: [Double], after before: PingRecord?, _ gap: Double) {
        pings += 1
        box = [min(box[0], point[0]), min(box[1], point[1]), max(box[2], point[0]), max(box[3], point[1])]
        (lastAt, last) = (record.recordedAt, point)
        if let speed = record.speed { maximumSpeed = max(maximumSpeed ?? speed, speed) }
        guard let before, before.driver == record.driver else { return }
        let seconds = Double(record.recordedAt - before.recordedAt) / 1e6
        guard seconds <= gap else { return }
        let metres = Distance.metres(before.latitude, before.longitude, record.latitude, record.longitude)
        distance += metres
        if metres >= 0.5 * seconds {
            movingMetres += metres
            movingSeconds += seconds
        } else {
            idleSeconds += seconds
        }
    }
}

/// Records an issue for each row that differs.
func expectSame(_ found: [HourlyRow], _ expected: [HourlyRow], at location: SourceLocation = #_sourceLocation) {
    #expect(found.map(\.driver) == expected.map(\.driver), sourceLocation: location)
    #expect(found.map(\.hour) == expected.map(\.hour), sourceLocation: location)
    for (one, other) in zip(found, expected) where !one.agrees(with: other) {
        Issue.record("\(one) is not \(other)", sourceLocation: location)
    }
}
