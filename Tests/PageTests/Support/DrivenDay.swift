// A driver's day, made up of ways that can be worked out again: two trips with a stop between them, a silence, and a
// third trip that begins elsewhere.

import DroverClient
import EventLoop
import Foundation
import Testing

/// What one driver did the day before yesterday, which is today in no zone; times in seconds since 1970, whole ones.
struct DrivenDay {
    /// One ping.
    struct Fix {
        let at: Int
        let place: Place
        /// m/s
        let speed: Double
    }

    /// Straight on for so long, at an even speed; standing where that is 0.
    private struct Leg {
        let seconds: Int
        let step: Int
        /// m/s, northwards and eastwards.
        let north: Double
        let east: Double
    }

    let driver: String
    /// YYYY-MM-DD, in UTC.
    let date: String
    private(set) var fixes: [Fix] = []
    /// From the last ping before the silence to the first after it.
    private(set) var silence = 0..<0
    /// When the second trip begins, at the latest.
    private(set) var secondTrip = 0

    /// A metre northwards, and about as much eastwards in Toronto, in degrees.
    private static let northDegrees = 1 / 111_194.93
    private static let eastDegrees = northDegrees / cos(toronto.lat * .pi / 180)
    private static let toronto = PageTests.toronto

    /// The day before yesterday from 15:00 UTC on.
    init(of driver: String) {
        self.driver = driver
        let midnight = Int(SystemClock.wallMicroseconds() / 1_000_000) / 86_400 * 86_400 - 2 * 86_400
        date = Self.format(midnight, "yyyy-MM-dd", zone: "UTC")
        var time = midnight + 15 * 3_600
        var place = Self.toronto
        drive(Leg(seconds: 400, step: 5, north: 8, east: 6), &time, &place)
        drive(Leg(seconds: 600, step: 10, north: 0, east: 0), &time, &place)
        secondTrip = time + 10
        drive(Leg(seconds: 400, step: 5, north: -3, east: 9), &time, &place)
        let before = time
        time += 2_400
        place.lat -= 2_000 * Self.northDegrees
        silence = before..<time
        drive(Leg(seconds: 300, step: 5, north: -10, east: -2), &time, &place)
    }

    private mutating func drive(_ leg: Leg, _ time: inout Int, _ place: inout Place) {
        let speed = (leg.north * leg.north + leg.east * leg.east).squareRoot()
        let begin = (time, place)
        // The end of one leg is the begin of the next.
        for second in stride(from: fixes.last?.at == time ? leg.step : 0, through: leg.seconds, by: leg.step) {
            time = begin.0 + second
            place.lat = begin.1.lat + Double(second) * leg.north * Self.northDegrees
            place.lng = begin.1.lng + Double(second) * leg.east * Self.eastDegrees
            fixes.append(Fix(at: time, place: place, speed: speed))
        }
    }

    /// Where the driver was: on a straight line between two pings, and where the silence began within that.
    func place(at time: Double) -> Place {
        let index = fixes.lastIndex { Double($0.at) <= time } ?? 0
        let from = fixes[index]
        guard index + 1 < fixes.count, !silence.contains(Int(time)) else { return from.place }
        let to = fixes[index + 1]
        let part = (time - Double(from.at)) / Double(to.at - from.at)
        return Place(
            lat: from.place.lat + (to.place.lat - from.place.lat) * part,
            lng: from.place.lng + (to.place.lng - from.place.lng) * part)
    }

    /// The time of day in a zone.
    static func clock(_ time: Int, zone: String = "UTC") -> String { format(time, "HH:mm:ss", zone: zone) }

    static func format(_ time: Int, _ pattern: String, zone: String) -> String {
        let formatter = DateFormatter()
        formatter.locale = Locale(identifier: "en_US_POSIX")
        formatter.timeZone = TimeZone(identifier: zone)
        formatter.dateFormat = pattern
        return formatter.string(from: Date(timeIntervalSince1970: Double(time)))
    }
}

extension GatewayFixture {
    /// Has the driver be somewhere now, and then send yesterday's pings, as a phone does that was offline; waits until
    /// they are all in history.
    func drive(_ day: DrivenDay) throws {
        try ping(day.driver, at: PageTests.toronto, speed: 8, heading: 300, secondsAgo: 3)
        try send(
            day.driver,
            day.fixes.map { fix in
                "\"recorded_at\":\(fix.at * 1_000),\"lat\":\(fix.place.lat),\"lng\":\(fix.place.lng),\"speed\":\(fix.speed)"
            })
        try waitForHistory(of: day.driver, on: day.date, count: day.fixes.count)
    }

    /// Sends pings, a thousand at a time; each is its members but the driver and the accuracy.
    func send(_ driver: String, _ pings: [String]) throws {
        for start in stride(from: 0, to: pings.count, by: 1_000) {
            let part = pings[start..<min(pings.count, start + 1_000)].map {
                "{\"driver_id\":\"\(driver)\",\"accuracy\":5,\($0)}"
            }
            let response = try call("POST", "/v1/pings", "[\(part.joined(separator: ","))]")
            try #require(response.text.contains("\"rejected\":[]"), "all are taken: \(response.text)")
        }
    }

    /// Waits until so many pings of a day are in history.
    func waitForHistory(of driver: String, on date: String, count: Int) throws {
        try eventually("\(count) pings of \(driver) on \(date)") {
            try call("GET", "/v1/drivers/\(driver)/trips?date=\(date)").text.contains("\"pings\":\(count),")
        }
    }
}
