// Field layouts: what they accept, what they write into hashes and JSON, and that a hash is read back as it was written.
import Foundation
import RedisClient
import Testing
import Tracking

@testable import Gateway

@Suite struct FieldLayoutTests {
    private static let position = Position(
        recordedAt: 1_760_000_000_125_000, receivedAt: 1_760_000_001_250_000, latitude: 407_128_000,
        longitude: -740_060_001, accuracy: 7.5, speed: 8.333, heading: 271.25)
    private static let driver = DriverID("64f1a2b3c4d5e6f708091023")

    private static func unknown(_ change: (inout Position) -> Void) -> Position {
        var position = position
        change(&position)
        return position
    }

    /// The commands for a position, as words.
    private static func commands(_ layout: String, _ position: Position = position) throws -> [[String]] {
        var commands = RedisCommands()
        let id = try #require(driver)
        HashLayout(try FieldLayout(layout, for: .hash)).append(
            id, position, DecimalText(Int64(position.latitude), decimals: 7),
            DecimalText(Int64(position.longitude), decimals: 7), at: KeyTemplate("d:{id}"), to: &commands)
        var lines = String(decoding: commands.bytes, as: UTF8.self).components(separatedBy: "\r\n")[...]
        var words: [[String]] = []
        while let head = lines.popFirst(), head.hasPrefix("*") {
            let count = try #require(Int(head.dropFirst()))
            let parts = Array(lines.prefix(2 * count))
            try #require(parts.count == 2 * count)
            lines = lines.dropFirst(2 * count)
            for index in 0..<count { #expect(parts[2 * index] == "$\(parts[2 * index + 1].utf8.count)") }
            words.append((0..<count).map { parts[2 * $0 + 1] })
        }
        #expect(lines == [""] || lines.isEmpty)
        #expect(words.count == commands.count)
        return words
    }

    private static func json(_ layout: String, _ source: FieldSource, for use: FieldLayout.Use = .event) throws
        -> String
    {
        var writer = JSONWriter()
        try FieldLayout(layout, for: use).append(source, to: &writer)
        return String(decoding: writer.bytes, as: UTF8.self)
    }

    // MARK: The hash

    @Test func `Drover's own hash has the bytes it always had`() throws {
        #expect(Configuration().redisLocationFields == FieldLayout.nativeHash)
        let always = [
            "HSET", "d:64f1a2b3c4d5e6f708091023", "lat", "40.7128", "lng", "-74.0060001", "accuracy", "7.5",
            "recorded_at", "1760000000125", "timestamp", "2025-10-09T08:53:20.125Z",
        ]
        let heading = ["heading", "271.25"]
        let speed = ["speed", "8.333"]
        let hdel = ["HDEL", "d:64f1a2b3c4d5e6f708091023"]
        #expect(try Self.commands(FieldLayout.nativeHash) == [always + heading + speed])
        #expect(
            try Self.commands(FieldLayout.nativeHash, Self.unknown { $0.speed = nil })
                == [always + heading, hdel + ["speed"]])
        #expect(
            try Self.commands(FieldLayout.nativeHash, Self.unknown { $0.heading = nil })
                == [always + speed, hdel + ["heading"]])
        #expect(
            try Self.commands(FieldLayout.nativeHash, Self.unknown { ($0.heading, $0.speed) = (nil, nil) })
                == [always, hdel + ["heading", "speed"]])
    }

    @Test(arguments: [
        ("v=speed", "8.333"), ("v=speed:mps", "8.333"), ("v=speed:kmh", "29.999"), ("v=speed:mph", "18.64"),
        ("v=speed:kn", "16.198"), ("v=recorded_at", "1760000000125"), ("v=recorded_at:s", "1760000000.125"),
        ("v=received_at:iso", "2025-10-09T08:53:21.250Z"), ("v=accuracy", "7.5"),
        ("v=driver", "64f1a2b3c4d5e6f708091023"),
        ("v='van'", "van"), ("v=''", ""), ("v=point:wkt", "POINT(-74.0060001 40.7128)"),
        ("v=point:latlng", "40.7128,-74.0060001"),
        ("v=point", #"{"type":"Point","coordinates":[-74.0060001,40.7128]}"#),
        ("v=point:geojson", #"{"type":"Point","coordinates":[-74.0060001,40.7128]}"#),
    ])
    func `a hash holds a value in its unit`(layout: String, expected: String) throws {
        let words = try Self.commands("  \(layout) ")
        #expect(words == [["HSET", "d:64f1a2b3c4d5e6f708091023", "v", expected]])
        // What stands twice under two names is written twice.
        let second = layout.replacing(/^v/, with: "w")
        #expect(try Self.commands("\(layout), \(second)").first?.suffix(2) == ["w", expected])
    }

    @Test func `a hash of unknown values alone sets nothing`() throws {
        let words = try Self.commands("speed, kmh=speed:kmh", Self.unknown { $0.speed = nil })
        #expect(words == [["HDEL", "d:64f1a2b3c4d5e6f708091023", "speed", "kmh"]])
    }

    @Test func `a heading that would round to 360 is north`() throws {
        let north = Self.unknown { $0.heading = 359.9996 }
        #expect(try Self.commands("heading", north).first?.last == "0")
        #expect(try Self.json("heading", FieldSource(position: north, now: 0)) == #"{"heading":0}"#)
    }

    @Test func `what a hash says is read back, whatever its units`() throws {
        let layouts = [
            FieldLayout.nativeHash, "lat, lng, heading, speed=speed:kmh, timestamp=recorded_at:iso, accuracy",
            "p=point, a=accuracy, v=speed:mph, h=heading, t=recorded_at:s",
            "p=point:wkt, accuracy, speed=speed:kn, heading, t=recorded_at, r=received_at:iso",
            "p=point:latlng, accuracy, speed, heading, t=recorded_at:iso, source='gps', id=driver",
        ]
        var generator = SystemRandomNumberGenerator()
        for text in layouts {
            let layout = try FieldLayout(text, for: .hash)
            let reader = HashReader(layout, accuracyLimit: 200)
            #expect(reader.isReadable)
            for _ in 0..<200 {
                let position = Position(
                    recordedAt: Int64.random(in: 0..<1 << 41, using: &generator) * 1_000, receivedAt: 0,
                    latitude: Int32.random(in: -900_000_000...900_000_000, using: &generator),
                    longitude: Int32.random(in: -1_800_000_000...1_800_000_000, using: &generator),
                    accuracy: Float(Int.random(in: 1..<200_000, using: &generator)) / 1_000,
                    speed: Bool.random() ? nil : Float(Int.random(in: 0...70_000, using: &generator)) / 1_000,
                    heading: Bool.random() ? nil : Float(Int.random(in: 0..<360_000, using: &generator)) / 1_000)
                var values: [String: String] = [:]
                let words = try #require(try Self.commands(text, position).first)
                for index in stride(from: 2, to: words.count, by: 2) { values[words[index]] = words[index + 1] }
                let read = try #require(reader.position(reader.names.map { values[$0] }), "\(text): \(values)")
                #expect(read.latitude == position.latitude && read.longitude == position.longitude, "\(values)")
                #expect(read.recordedAt == position.recordedAt)
                #expect(read.receivedAt == (text.contains("received_at") ? 0 : position.recordedAt))
                #expect(abs(read.accuracy - position.accuracy) < 0.000_1)
                #expect(read.heading.map { abs($0 - (position.heading ?? -1)) < 0.000_5 } ?? (position.heading == nil))
                // A millimetre a second is what Drover itself writes.
                #expect(read.speed.map { abs($0 - (position.speed ?? -1)) < 0.000_5 } ?? (position.speed == nil))
            }
        }
    }

    @Test func `without an accuracy a hash is read with the judge's limit, without a time not at all`() throws {
        let reader = HashReader(try FieldLayout("lat, lng, t=recorded_at", for: .hash), accuracyLimit: 150)
        let read = reader.position(["1.5", "-2.25", "1000"])
        #expect(read?.accuracy == 150 && read?.speed == nil && read?.latitude == 15_000_000)
        #expect(!HashReader(try FieldLayout("lat, lng, accuracy", for: .hash), accuracyLimit: 150).isReadable)
        #expect(!HashReader(try FieldLayout("lat, t=recorded_at", for: .hash), accuracyLimit: 150).isReadable)
    }

    @Test(
        arguments: [
            ["1.5", nil, "5", "1000"], ["x", "2", "5", "1000"], ["91", "2", "5", "1000"], ["1", "181", "5", "1000"],
            ["1", "2", "0", "1000"], ["1", "2", nil, "1000"], ["1", "2", "5", nil], ["1", "2", "5", "then"],
            ["1", "2", "5", "99999999999999999"], ["nan", "2", "5", "1000"], [nil, nil, nil, nil], ["1", "2", "5"],
        ] as [[String?]])
    func `a hash that is not whole is none`(values: [String?]) throws {
        let reader = HashReader(try FieldLayout("lat, lng, accuracy, recorded_at", for: .hash), accuracyLimit: 200)
        #expect(reader.position(values) == nil)
    }

    // MARK: JSON

    @Test func `a row holds what is known, in its units`() throws {
        let source = FieldSource(driver: Self.driver, position: Self.position, now: 1_760_000_002_125_000)
        #expect(
            try Self.json(
                "driver_id=driver, lat, lng, heading, speed=speed:kmh, timestamp=recorded_at:iso, age=age:s, kind='van'",
                source, for: .row)
                == #"{"driver_id":"64f1a2b3c4d5e6f708091023","lat":40.7128,"lng":-74.0060001,"heading":271.25,"#
                + #""speed":29.999,"timestamp":"2025-10-09T08:53:20.125Z","age":2,"kind":"van"}"#)
        #expect(
            try Self.json("speed, heading, accuracy", FieldSource(position: Self.unknown { $0.speed = nil }, now: 0))
                == #"{"heading":271.25,"accuracy":7.5}"#)
        #expect(try Self.json("driver, lat, point, order, user, id, eta", FieldSource(now: 0)) == "{}")
    }

    @Test func `an event holds its own members, and its place as GeoJSON`() throws {
        let source = FieldSource(
            driver: Self.driver, position: Self.position, order: "o-1", user: "a\"b",
            event: FieldSource.Event(
                id: "e1", type: "departed", status: "in_transit", at: 1_760_000_000_000_000, notes: "Left\n"),
            arrival: FieldSource.Arrival(at: 1_760_000_300_000_000, confidence: "high", distanceMetres: 1_234.5678),
            now: 0)
        #expect(
            try Self.json("id, type, status, timestamp=at:iso, location=point, notes", source)
                == #"{"id":"e1","type":"departed","status":"in_transit","timestamp":"2025-10-09T08:53:20.000Z","#
                + #""location":{"type":"Point","coordinates":[-74.0060001,40.7128]},"notes":"Left\u000a"}"#)
        #expect(
            try Self.json("order, user, eta=eta:s, confidence, km=distance:km", source)
                == #"{"order":"o-1","user":"a\"b","eta":1760000300,"confidence":"high","km":1.235}"#)
        #expect(try Self.json("p=point:wkt, q=point:latlng", source).contains(#""POINT(-74.0060001 40.7128)""#))
    }

    // MARK: The grammar

    @Test(arguments: [
        ("", "\"\": expected name"), ("lat,,lng", "\"\": expected name"), ("lat, lat", "lat stands twice"),
        ("x", "x: there is no value x here. There are: driver, lat, lng, point"),
        ("t=timestamp", "t: there is no value timestamp here"), ("speed:kmh", "\"speed:kmh\": expected name"),
        ("v=speed:kph", "v: speed is not written as kph. There are: mps, kmh, mph, kn"),
        ("v=lat:deg", "v: lat has no unit"), ("v=point:iso", "There are: geojson, wkt, latlng"),
        ("v=age", "there is no value age here"), ("v=order", "there is no value order here"),
        ("a b=lat", "expected name"), ("v=", "there is no value  here"), ("v='", "there is no value '"),
    ])
    func `a layout that makes no sense says what is expected`(layout: String, expected: String) {
        let error = #expect(throws: FieldLayoutError.self) { try FieldLayout(layout, for: .hash) }
        #expect(error?.description.contains(expected) == true, "\(error?.description ?? "")")
    }

    @Test func `each use knows its own values`() throws {
        #expect(!FieldLayout.values(for: .hash).contains(.age))
        #expect(FieldLayout.values(for: .row).contains(.order))
        #expect(!FieldLayout.values(for: .row).contains(.type))
        #expect(FieldLayout.values(for: .event).count == FieldLayout.Value.allCases.count)
    }

    @Test func `the configuration refuses a layout by its setting's name`() throws {
        for (name, value) in [("redis.location_fields", "lat, lng, v=speed:kph"), ("webhook.fields", "at, at")] {
            let error = #expect(throws: ConfigurationError.self) {
                try Configuration.load(file: nil, environment: [:], overrides: ["\(name)=\(value)"])
            }
            #expect(error?.description.hasPrefix("\(name): ") == true, "\(error?.description ?? "")")
        }
    }

    // MARK: Keys

    @Test func `a key's pattern puts values in their places`() {
        let pattern = KeyPattern("rate_limit:{client}:{endpoint}")
        #expect(pattern.key { $0 == "client" ? "10.0.0.1" : "drivers" } == "rate_limit:10.0.0.1:drivers")
        #expect(pattern.scanPattern { $0 == "client" ? "jwt:a*b" : nil } == "rate_limit:jwt:a\\*b:*")
        #expect(KeyPattern("{endpoint}/{client}[x]").scanPattern { _ in nil } == "*/*\\[x\\]")
        #expect(KeyPattern("{endpoint}/{client}[x]").key { $0 } == "endpoint/client[x]")
    }
}
