// Where Redis has a place: scores, ranges of them, and the keys of a cluster.

import Testing
import Tracking

@testable import Gateway
@testable import LocalServers

@Suite struct GeoHashTests {
    private static func place(_ random: inout SystemRandomNumberGenerator) -> (Degrees7, Degrees7) {
        let limit = GeoHash.northernmost
        let corners: [Degrees7] = [-limit, limit, 0, .random(in: -limit...limit), .random(in: -limit...limit)]
        let meridians: [Degrees7] = [-1_800_000_000, 1_799_999_999, 0, .random(in: -1_800_000_000...1_800_000_000)]
        return (corners.randomElement(using: &random) ?? 0, meridians.randomElement(using: &random) ?? 0)
    }

    @Test func `a score is the one that Redis documents`() {
        // https://redis.io/docs/latest/commands/geohash, and ZSCORE after GEOADD of the examples there.
        #expect(GeoHash.score(latitude: 381_155_560, longitude: 133_613_890) == 3_479_099_956_230_698)
        #expect(GeoHash.score(latitude: 375_026_690, longitude: 150_872_690) == 3_479_447_370_796_909)
    }

    @Test func `scores are Redis' own, and say where a place is to less than a metre`() throws {
        let redis = try LocalRedis.start()
        defer { redis.stop() }
        var random = SystemRandomNumberGenerator()
        for _ in 0..<300 {
            let (latitude, longitude) = Self.place(&random)
            let (lat, lng) = (Double(latitude) / 1e7, Double(longitude) / 1e7)
            _ = UnixSocket.ask(redis.socketPath, "DEL g\r\n")
            let added = UnixSocket.ask(redis.socketPath, "GEOADD g \(lng) \(lat) m\r\n")
            #expect(added?.hasPrefix(":1") == true, "\(lat), \(lng): \(added ?? "")")
            let reply = try #require(UnixSocket.ask(redis.socketPath, "ZSCORE g m\r\n"))
            let lines = reply.split(separator: "\r\n")
            let score = try #require(lines.last.flatMap { Double($0) }.map { UInt64($0) })
            let ours = GeoHash.score(latitude: latitude, longitude: longitude)
            // The last bit is a matter of rounding; places at the very edge are said to be in the last square.
            let place = GeoHash.place(of: score < 1 << 52 ? score : ours)
            #expect(Distance.metres(latitude, longitude, place.latitude, place.longitude) < 1, "\(lat), \(lng)")
            let box = Box(latitude: latitude, longitude: longitude)
            #expect(GeoHash.ranges(of: box).contains { $0.contains(score) }, "\(lat), \(lng): \(score), \(ours)")
        }
    }

    @Test func `the ranges of a box hold every place in it, and do not overlap`() {
        var random = SystemRandomNumberGenerator()
        for _ in 0..<2_000 {
            let (south, west) = Self.place(&random)
            let scale = [10, 100_000, 50_000_000, 1_000_000_000].randomElement(using: &random) ?? 1
            let north = min(900_000_000, Int(south) + .random(in: 0...scale, using: &random))
            var east = Int(west) + .random(in: 0...scale, using: &random)
            if east > 1_800_000_000 { east -= 3_600_000_000 }
            let box = Box(south: south, west: west, north: Degrees7(north), east: Degrees7(east))
            let ranges = GeoHash.ranges(of: box)
            #expect(ranges.count <= 33)
            for (before, after) in zip(ranges, ranges.dropFirst()) { #expect(before.upperBound < after.lowerBound) }
            for latitude in [south, min(GeoHash.northernmost, Degrees7(north))] where latitude >= south {
                for longitude in [west, Degrees7(east)] {
                    let score = GeoHash.score(latitude: latitude, longitude: longitude)
                    #expect(ranges.contains { $0.contains(score) }, "\(box): \(latitude), \(longitude)")
                }
            }
        }
        #expect(GeoHash.ranges(of: .globe) == [0..<1 << 54])
    }

    @Test func `a cluster's cells have keys of their own, and a box names those that it touches`() throws {
        let one = GeoKeys(base: "drivers:geo", isCut: false)
        #expect(one.key(of: one.cell(latitude: 1, longitude: 2)) == "drivers:geo")
        #expect(one.cells(of: .globe, atMost: 1) == [GeoKeys.whole])
        let cut = GeoKeys(base: "drivers:geo", isCut: true)
        // Toronto: 43.65 is in row (43.65 + 90) / 1.40625 = 95.04, -79.38 in column (180 - 79.38) / 1.40625 = 71.55.
        let toronto = cut.cell(latitude: 436_500_000, longitude: -793_800_000)
        #expect(cut.key(of: toronto) == "drivers:geo:95.71")
        #expect(cut.cell(named: "95.71") == toronto)
        for name in ["", "95", "128.0", "0.256", "-1.0", "1.2.3", "a.b"] { #expect(cut.cell(named: name) == nil) }
        let city = Box(south: 435_000_000, west: -795_000_000, north: 438_000_000, east: -792_000_000)
        #expect(cut.cells(of: city, atMost: 64)?.contains(toronto) == true)
        #expect(cut.touches(city, toronto))
        #expect(cut.cells(of: .globe, atMost: 64) == nil)
        let fiji = Box(south: -180_000_000, west: 1_799_000_000, north: -170_000_000, east: -1_799_000_000)
        let cells = try #require(cut.cells(of: fiji, atMost: 64))
        #expect(Set(cells.map { cut.name(of: $0).split(separator: ".")[1] }) == ["0", "255"])
        var random = SystemRandomNumberGenerator()
        for _ in 0..<1_000 {
            let (latitude, longitude) = Self.place(&random)
            let cell = cut.cell(latitude: latitude, longitude: longitude)
            #expect(cut.box(of: cell).contains(latitude: latitude, longitude: longitude))
            #expect(cut.cell(named: cut.name(of: cell)) == cell)
            #expect(cut.cells(of: Box(latitude: latitude, longitude: longitude), atMost: 1) == [cell])
        }
    }
}
