// Pings as GeoJSON: what a Feature becomes, and that it is judged by the same rules as a native ping.

import Testing

@testable import Tracking

@Suite struct GeoJSONPingsTests {
    private static func decode(_ text: String, limit: Int = 1_000) -> Result<[DecodedPing], PingDecodingError> {
        var batch = PingBatch()
        do throws(PingDecodingError) {
            try GeoJSONPings.decode(Array(text.utf8).span, into: &batch, maximumPings: limit)
            return .success(batch.pings)
        } catch {
            #expect(batch.pings.isEmpty)
            return .failure(error)
        }
    }

    private static func feature(
        _ properties: String = #""recorded_at":1760000000125,"accuracy":5"#, coordinates: String = "[-79.3832,43.6532]",
        more: String = ""
    ) -> String {
        #"{"type":"Feature","geometry":{"type":"Point","coordinates":\#(coordinates)},"properties":{\#(properties)}\#(more)}"#
    }

    private static func ping(_ feature: String) throws -> DecodedPing {
        try #require(try decode(feature).get().first)
    }

    @Test func `a Feature is the native ping of its place and properties`() throws {
        let members =
            #""recorded_at":"2025-10-09T08:53:20.125Z","accuracy":5.5,"speed":8.3,"heading":271,"source":"gps","#
            + #""seq":42,"session_id":"s","battery":0.5,"mock":true,"driver_id":"van-1","unknown":{"a":[1]}"#
        let found = try Self.ping(Self.feature(members, coordinates: "[ -79.3832, 43.6532, 92.1 ]"))
        let native = try #require(
            try TrackingTests.decode("{\"lat\":43.6532,\"lng\":-79.3832,\"altitude\":92.1,\(members)}").get().first)
        #expect(found.defect == nil && native.defect == nil)
        #expect(found.driver == native.driver && found.driver == DriverID("van-1"))
        #expect(found.ping.latitude == 436_532_000 && found.ping.longitude == -793_832_000)
        #expect("\(found.ping)" == "\(native.ping)")
    }

    @Test func `order does not matter, other members are ignored`() throws {
        let found = try Self.ping(
            #"{"bbox":[1,2,3,4],"properties":{"accuracy":5,"recorded_at":1},"title":"x","geometry":"#
                + #"{"coordinates":[1,2],"bbox":[1,2,1,2],"type":"Point"},"id":"van-2","type":"Feature"}"#)
        #expect(found.defect == nil && found.driver == DriverID("van-2"))
        #expect(found.ping.longitude == 10_000_000 && found.ping.latitude == 20_000_000)
    }

    @Test func `a Feature's id is the driver where no property is; ids that are no driver's are labels`() throws {
        #expect(try Self.ping(Self.feature(more: #","id":"van-1""#)).driver == DriverID("van-1"))
        let both = Self.feature(#""recorded_at":1,"accuracy":5,"driver_id":"van-2""#, more: #","id":"van-1""#)
        #expect(try Self.ping(both).driver == DriverID("van-2"))
        #expect(try Self.ping(both).defect == nil)
        for id in ["7", "null", #""a b""#, "{}"] {
            let found = try Self.ping(Self.feature(more: ",\"id\":\(id)"))
            #expect(found.driver == nil && found.defect == nil)
        }
    }

    @Test func `one Feature, several in a list, a collection`() throws {
        let one = Self.feature()
        #expect(try Self.decode(one).get().count == 1)
        #expect(try Self.decode("[\(one),\(one)]").get().count == 2)
        #expect(try Self.decode("[]").get().isEmpty)
        let collection = #"{"type":"FeatureCollection","now":1,"features":[\#(one),\#(one),\#(one)]}"#
        #expect(try Self.decode(collection).get().count == 3)
        #expect(try Self.decode(#"{"features":[\#(one)],"type":"FeatureCollection"}"#).get().count == 1)
        #expect(try Self.decode(#"{"type":"FeatureCollection","features":[]}"#).get().isEmpty)
    }

    @Test(arguments: [
        (#"{"type":"Feature","properties":{"recorded_at":1,"accuracy":5}}"#, PingDefect.missing(.latitude)),
        (#"{"type":"Feature","geometry":null,"properties":{"recorded_at":1,"accuracy":5}}"#, .notAPoint),
        (
            #"{"type":"Feature","geometry":{"type":"LineString","coordinates":[1,2]},"properties":{"recorded_at":1}}"#,
            .notAPoint
        ),
        (feature(coordinates: "[1]"), .notAPoint), (feature(coordinates: "[]"), .notAPoint),
        (feature(coordinates: "[1,2,3,4]"), .notAPoint), (feature(coordinates: #"["1",2]"#), .notAPoint),
        (feature(coordinates: "[[1,2]]"), .notAPoint), (feature(coordinates: "null"), .notAPoint),
        (feature(#""recorded_at":1"#), .missing(.accuracy)), (feature(#""accuracy":1"#), .missing(.recordedAt)),
        (feature(#""recorded_at":1,"accuracy":null"#), .missing(.accuracy)),
        (feature(#""recorded_at":1,"accuracy":5,"lat":1"#), .twice(.latitude)),
        (feature(#""recorded_at":1,"accuracy":5,"accuracy":6"#), .twice(.accuracy)),
        (feature(#""recorded_at":1,"accuracy":5,"altitude":6"#, coordinates: "[1,2,3]"), .twice(.altitude)),
        (feature(#""recorded_at":1,"accuracy":"5""#), .invalid(.accuracy)),
        (feature(more: #","properties":{"speed":1}"#), .twice(nil)),
        (feature(more: #","geometry":{"type":"Point","coordinates":[1,2]}"#), .twice(nil)),
        (feature(more: #","type":"Feature""#), .twice(nil)),
    ])
    func `what is no ping is a defect of that Feature alone`(text: String, defect: PingDefect) throws {
        let good = Self.feature()
        let found = try Self.decode("[\(good),\(text),\(good)]").get()
        #expect(found.count == 3)
        #expect(found[0].defect == nil && found[2].defect == nil)
        let actual = try #require(found[1].defect)
        // Which of two members of one name is blamed for it does not matter.
        if case .twice = defect, case .twice = actual { return }
        #expect(actual == defect)
    }

    @Test func `elements that are no Features are defects`() throws {
        for text in ["7", "null", "[]", "{}", #"{"type":"Point","coordinates":[1,2]}"#, #"{"type":7}"#] {
            #expect(try Self.decode("[\(text)]").get().map(\.defect) == [.notAFeature], "\(text)")
        }
        // A collection within a collection is none.
        let nested = String(repeating: #"[{"type":"FeatureCollection","features":"#, count: 10)
        let text = nested + "[]" + String(repeating: "}]", count: 10)
        #expect(try Self.decode(text).get().map(\.defect) == [.notAFeature])
    }

    @Test(arguments: [
        "{}", "7", "null", #""x""#, #"{"type":"Point","coordinates":[1,2]}"#, #"{"type":"FeatureCollection"}"#,
        #"{"type":"Feature","features":[]}"#, #"{"features":[]}"#, #"{"type":"FeatureCollection","features":{}}"#,
    ])
    func `a document that is neither Feature nor collection is refused as a whole`(text: String) {
        #expect(throws: PingDecodingError.notPings) { try Self.decode(text).get() }
    }

    @Test func `text that is not JSON is called that, to its last byte`() {
        let good = Self.feature()
        for length in 1..<good.utf8.count {
            let cut = String(decoding: Array(good.utf8).prefix(length), as: UTF8.self)
            #expect(throws: PingDecodingError.notJSON(offset: length)) { try Self.decode(cut).get() }
        }
        #expect(throws: PingDecodingError.self) { try Self.decode(good + "x").get() }
        #expect(throws: PingDecodingError.self) { try Self.decode("").get() }
    }

    @Test func `depth and number are bounded`() throws {
        let deep = String(repeating: "[", count: 10_000) + String(repeating: "]", count: 10_000)
        for text in ["[\(deep)]", Self.feature(more: ",\"x\":\(deep)"), Self.feature(coordinates: deep)] {
            guard case .failure(.tooDeep) = Self.decode(text) else {
                Issue.record("not refused as too deep")
                continue
            }
        }
        let ten = Array(repeating: Self.feature(), count: 10).joined(separator: ",")
        #expect(try Self.decode("[\(ten)]", limit: 10).get().count == 10)
        #expect(throws: PingDecodingError.tooMany(limit: 9)) { try Self.decode("[\(ten)]", limit: 9).get() }
    }

    @Test func `what is shown as GeoJSON can be sent as GeoJSON`() throws {
        let position = Position(
            recordedAt: 1_760_000_000_125_000, receivedAt: 0, latitude: 407_128_000, longitude: -740_060_000,
            accuracy: 5.25, speed: 8.5, heading: 271)
        var writer = JSONWriter()
        GeoJSONPositions.append(try #require(DriverID("a-1")), position, distance: 12.34, to: &writer)
        let text = String(decoding: writer.bytes, as: UTF8.self)
        #expect(
            text == #"{"type":"Feature","id":"a-1","geometry":{"type":"Point","coordinates":[-74.006,40.7128]},"#
                + #""properties":{"driver_id":"a-1","recorded_at":1760000000125,"speed":8.5,"heading":271,"#
                + #""accuracy":5.25,"distance_m":12.3}}"#)
        let found = try Self.ping(text)
        #expect(found.defect == nil && found.driver == DriverID("a-1"))
        #expect(Position(found.ping, receivedAt: 0) == position)
    }
}
