// Trips, stops and silences of tracks that are made here, so that it is known what they hold.

import Testing

@testable import Tracking

@Suite struct TripFinderTests {
    private static let rules = TripRules(stop: 180_000_000, radius: 70, silence: 300_000_000)
    private static let start: Microseconds = 1_780_000_000_000_000
    /// 10⁻⁷ degrees of latitude in a metre.
    private static let metre = 1 / Distance.metresPerDegree7

    /// A track that is driven along a meridian.
    private struct Drive {
        var points: [TrackPoint] = []
        var second = 0
        var metres = 0.0

        mutating func ping(east: Double = 0, speed: Float? = nil) {
            points.append(
                TrackPoint(
                    recordedAt: start + Int64(second) * 1_000_000, receivedAt: start,
                    latitude: Int32(((metres) * metre).rounded()), longitude: Int32((east * metre).rounded()),
                    accuracy: 5, speed: speed))
        }

        mutating func drive(seconds: Int, speed: Double = 10, every: Int = 1) {
            for _ in 0..<(seconds / every) {
                second += every
                metres += speed * Double(every)
                ping(speed: Float(speed))
            }
        }

        /// Noise of a few metres, never the same.
        mutating func stand(seconds: Int, every: Int = 1) {
            for step in 0..<(seconds / every) {
                second += every
                let place = metres
                metres += Double(step % 7) - 3
                ping(east: Double(step % 5) * 3 - 6, speed: 0)
                metres = place
            }
        }

        var found: TripFinder {
            var finder = TripFinder(rules)
            for point in points { finder.add(point) }
            finder.finish()
            return finder
        }
    }

    private static func at(_ second: Int) -> Microseconds { start + Int64(second) * 1_000_000 }

    @Test func `two trips with a stop between them`() throws {
        var drive = Drive()
        drive.drive(seconds: 600)
        drive.stand(seconds: 400)
        drive.drive(seconds: 300, speed: 20)
        let found = drive.found
        #expect(found.trips.count == 2 && found.stops.count == 1 && found.silences.isEmpty)
        let stop = found.stops[0]
        // The last seventy metres before the place and the first behind it are within the radius.
        #expect(abs(stop.from - Self.at(593)) <= 2_000_000)
        #expect(abs(stop.to - Self.at(1_003)) <= 1_000_000)
        #expect(abs(Double(stop.latitude) / Self.metre - 6_000) < 5)
        #expect(found.trips[0].from == Self.at(1) && found.trips[0].to == stop.from)
        #expect(found.trips[1].from == stop.to && found.trips[1].to == Self.at(1_300))
        #expect(found.trips[0].maximumSpeed == 10 && found.trips[1].maximumSpeed == 20)
        #expect(abs(found.trips[0].distance - 5_920) < 30)
        #expect(abs(found.trips[1].distance - 5_940) < 30)
        #expect(found.trips[1].pings == 298)
        #expect(found.pings == 1_300)
        // What is counted once: a ping between a trip and a stop belongs to both.
        #expect(found.trips.map(\.pings).reduce(0, +) + stop.pings == found.pings + 2)
    }

    @Test func `three minutes within the radius are a stop, less is none`() throws {
        for (seconds, count) in [(175, 1), (150, 0)] {
            var drive = Drive()
            drive.drive(seconds: 300)
            drive.stand(seconds: seconds)
            drive.drive(seconds: 300)
            let found = drive.found
            // Seven seconds before and as many behind are within the radius, too.
            #expect(found.stops.count == count, "\(seconds)")
            #expect(found.trips.count == count + 1)
        }
    }

    @Test func `one bad fix neither ends a stop nor keeps one from beginning`() throws {
        var drive = Drive()
        drive.drive(seconds: 300)
        for length in [60, 400] {
            drive.stand(seconds: length)
            drive.second += 1
            drive.metres += 800
            drive.ping()
            drive.metres -= 800
        }
        drive.stand(seconds: 100)
        drive.drive(seconds: 300)
        let found = drive.found
        #expect(found.stops.count == 1)
        #expect(found.trips.count == 2)
        #expect(abs(Double(found.stops[0].latitude) / Self.metre - 3_000) < 5, "it does not move the middle")
    }

    @Test func `two pings outside end a stop`() throws {
        var drive = Drive()
        drive.stand(seconds: 300)
        drive.drive(seconds: 40)
        let found = drive.found
        #expect(found.stops.count == 1)
        #expect(found.trips.count == 1)
        #expect(found.trips[0].from == found.stops[0].to)
    }

    @Test func `an errand between two sparse pings is no bad fix`() throws {
        var drive = Drive()
        drive.stand(seconds: 600, every: 60)
        drive.second += 200
        drive.metres += 5_000
        drive.ping()
        drive.second += 200
        drive.metres -= 5_000
        drive.ping()
        drive.stand(seconds: 600, every: 60)
        #expect(drive.found.stops.count == 2)
        #expect(drive.found.trips.count == 1)
        #expect(abs(drive.found.trips[0].distance - 10_000) < 60)
    }

    @Test func `a silence ends a trip, and its way is not counted`() throws {
        var drive = Drive()
        drive.drive(seconds: 300)
        drive.second += 1_000
        drive.metres += 50_000
        drive.drive(seconds: 300)
        let found = drive.found
        #expect(found.silences == [Silence(from: Self.at(300), to: Self.at(1_301))])
        #expect(found.trips.map(\.from) == [Self.at(1), Self.at(1_301)])
        #expect(found.trips[0].to == Self.at(300))
        #expect(abs(found.distance - (2_990 + 2_990)) < 1)
        #expect(found.stops.isEmpty)
    }

    @Test func `a phone that says nothing while it stands has stood`() throws {
        var drive = Drive()
        drive.drive(seconds: 300)
        drive.stand(seconds: 30)
        drive.second += 7_200
        drive.stand(seconds: 30)
        drive.drive(seconds: 300)
        let found = drive.found
        #expect(found.stops.count == 1 && found.silences.count == 1 && found.trips.count == 2)
        #expect(found.stops[0].to - found.stops[0].from > 7_200_000_000)
    }

    @Test func `a way that leads nowhere is no trip`() throws {
        var drive = Drive()
        drive.stand(seconds: 100)
        #expect(drive.found.trips.isEmpty && drive.found.stops.isEmpty)
        #expect(drive.found.pings == 100)
        #expect(Drive().found.pings == 0)
    }

    @Test func `a stay that drifts a little over its edge is one stop`() throws {
        var drive = Drive()
        drive.stand(seconds: 400)
        drive.metres += 75
        drive.stand(seconds: 30)
        drive.metres -= 75
        drive.stand(seconds: 400)
        #expect(drive.found.stops.count == 1)
    }

    @Test func `ten pings a second are no more work than a window holds`() throws {
        var drive = Drive()
        drive.drive(seconds: 100)
        var finder = TripFinder(Self.rules)
        for point in drive.points { finder.add(point) }
        // A crawl: never a stop within 180 s, and never far from its beginning.
        var at = Self.at(100)
        for step in 0..<20_000 {
            at += 100_000
            finder.add(
                TrackPoint(
                    recordedAt: at, receivedAt: 0, latitude: Int32((1_000 + Double(step) * 0.09) * Self.metre),
                    longitude: 0, accuracy: 5, speed: 0.9))
            #expect(finder.windowCount <= Int(TripFinder.windowLimit) + 3)
        }
        finder.finish()
        #expect(finder.stops.isEmpty && finder.trips.count == 1)
        #expect(finder.trips[0].pings == 20_100)
    }

    @Test(arguments: 1...40) func `whatever comes, trips and stops tile the day in order`(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        var drive = Drive()
        for _ in 0..<30 {
            switch Int.random(in: 0..<4, using: &random) {
            case 0: drive.drive(seconds: Int.random(in: 1...400, using: &random))
            case 1: drive.stand(seconds: Int.random(in: 1...500, using: &random))
            case 2: drive.stand(seconds: Int.random(in: 60...1_500, using: &random), every: 30)
            default: drive.second += Int.random(in: 1...900, using: &random)
            }
        }
        let found = drive.found
        let spans =
            (found.trips.map { ($0.from, $0.to, true) } + found.stops.map { ($0.from, $0.to, false) })
            .sorted { ($0.0, $0.1) < ($1.0, $1.1) }
        for (one, next) in zip(spans, spans.dropFirst()) { #expect(one.1 <= next.0) }
        for span in spans { #expect(span.0 < span.1) }
        for stop in found.stops {
            #expect(stop.to - stop.from >= Self.rules.stop)
            let inside = drive.points.filter { (stop.from...stop.to).contains($0.recordedAt) }
            #expect(inside.count == stop.pings)
        }
        #expect(found.trips.map(\.distance).reduce(0, +) <= found.distance + 0.001)
        #expect(found.pings == drive.points.count)
    }
}
