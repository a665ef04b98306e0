import Testing

@testable import Tracking

/// The members of one ping.
@Suite struct PingDecoderTests {
    // MARK: What a ping holds

    @Test func `the ping of the interface's description keeps every value`() throws {
        let decoded = try #require(
            decode(
                """
                {"recorded_at":1760000000125,"lat":43.6532,"lng":-79.3832,"accuracy":5.0,"speed":8.3,"heading":271.0,
                "altitude":92.1,"source":"gps","seq":42,"session_id":"morning","battery":0.83,"mock":true,"driver_id":"van-1"}
                """
            ).get().first)
        let ping = decoded.ping
        #expect(decoded.defect == nil)
        #expect(ping.recordedAt == 1_760_000_000_125_000)
        #expect(ping.latitude == 436_532_000 && ping.longitude == -793_832_000)
        #expect(ping.accuracy == 5 && ping.speed == 8.3 && ping.heading == 271 && ping.altitude == 92.1)
        #expect(ping.battery == 0.83 && ping.source == .gps && ping.sequence == 42 && ping.isMock)
        #expect(ping.sessionID.string == "morning" && decoded.driver?.string == "van-1")
    }

    @Test func `a ping of the required members alone knows nothing else`() throws {
        let decoded = try decodePing()
        let ping = decoded.ping
        #expect(decoded.defect == nil && decoded.driver == nil)
        #expect(ping.speed == nil && ping.heading == nil && ping.altitude == nil && ping.battery == nil)
        #expect(ping.source == nil && ping.sequence == nil && !ping.isMock && ping.sessionID.isEmpty)
    }

    @Test func `null is the same as absent for what is optional`() throws {
        let nulls = ["speed", "heading", "altitude", "source", "seq", "session_id", "battery", "mock", "driver_id"]
        let decoded = try decodePing(nulls.map { "\"\($0)\":null" }.joined(separator: ","))
        #expect(decoded.defect == nil && decoded.driver == nil)
        #expect(decoded.ping.speed == nil && decoded.ping.source == nil && !decoded.ping.isMock)
    }

    @Test(arguments: zip(["recorded_at", "lat", "lng", "accuracy"], PingField.allCases.prefix(4)))
    func `a required member that is absent or null is missing`(name: String, field: PingField) throws {
        let members = requiredMembers.split(separator: ",").filter { !$0.hasPrefix("\"\(name)\"") }.joined(
            separator: ",")
        for text in ["{\(members)}", "{\(members),\"\(name)\":null}"] {
            let decoded = try #require(try decode(text).get().first)
            #expect(decoded.defect == .missing(field))
        }
    }

    // MARK: Instants

    @Test(arguments: [
        ("0", 0), ("1760000000125", 1_760_000_000_125_000), ("1760000000125.5", 1_760_000_000_125_500),
        ("1760000000125.0004", 1_760_000_000_125_000), ("1760000000125.0005", 1_760_000_000_125_001),
        ("1.760000000125e12", 1_760_000_000_125_000), ("-1.5", -1_500), ("1e300", 1 << 60), ("-1e300", -(1 << 60)),
        (#""2026-11-21T07:33:48.125Z""#, 1_795_246_428_125_000),
        (#""2026-11-21T02:33:48.125-05:00""#, 1_795_246_428_125_000),
        (#""2026-11-21\u005407:33:48.125\u005a""#, 1_795_246_428_125_000),
    ])
    func `an instant is RFC 3339 text or epoch milliseconds`(text: String, expected: Int64) throws {
        let decoded = try decodePing("\"recorded_at\":\(text)")
        #expect(decoded.defect == nil && decoded.ping.recordedAt == expected)
    }

    @Test(arguments: [
        #""2026-02-30T00:00:00Z""#, #""2026-11-21T07:33:48""#, #""1760000000125""#, #""""#, "true", "[]", "{}",
        #""2026-11-21T07:33:48.\#(String(repeating: "1", count: 64))Z""#,
    ])
    func `an instant that is not one makes the ping malformed`(text: String) throws {
        #expect(try decodePing("\"recorded_at\":\(text)").defect == .invalid(.recordedAt))
    }

    // MARK: Coordinates

    @Test(arguments: [
        ("90", 900_000_000), ("90.0000001", 900_000_001), ("90.00000004", 900_000_000), ("90.00000005", 900_000_001),
        ("-90.00000005", -900_000_001), ("-0", 0), ("0.00000005", 1), ("0.000000049999999999999999999999", 0),
        ("4365320e-5", 436_532_000), ("0.436532E+2", 436_532_000), ("1e999", Int32.max), ("-1e999", Int32.min),
        ("1e-999", 0), ("0e99999999999999999999", 0), ("43.65320000000000000000000000000000000000001", 436_532_000),
        ("139.7", 1_397_000_000),
    ])
    func `a coordinate is rounded to seven decimals, half away from zero`(text: String, expected: Int32) throws {
        let decoded = try decodePing("\"lat\":\(text)")
        #expect(decoded.defect == nil && decoded.ping.latitude == expected)
        #expect(try decodePing("\"lng\":\(text)").ping.longitude == expected)
    }

    @Test func `an exponent brings back the digits it shifts out of a long number`() throws {
        let zeros = String(repeating: "0", count: 150_000)
        #expect(try decodePing("\"lat\":0.\(zeros)1e150001").ping.latitude == 10_000_000)
        #expect(try decodePing("\"lat\":1\(zeros)e-150000").ping.latitude == 10_000_000)
        #expect(try decodePing("\"speed\":0.\(zeros)1e150001").ping.speed == 1)
    }

    // MARK: Measurements and their sentinels

    @Test(
        arguments: [
            ("0", 0), ("-0", 0), ("8.3", 8.3), ("400", 400), ("1e-60", 0), ("-1", nil), ("-0.001", nil), ("-1e-60", 0),
            ("1e999", nil), ("1e39", nil),
        ] as [(String, Float?)])
    func `a negative or infinite speed is unknown`(text: String, expected: Float?) throws {
        let decoded = try decodePing("\"speed\":\(text)")
        #expect(decoded.defect == nil && decoded.ping.speed == expected)
    }

    @Test(
        arguments: [
            ("0", 0), ("359.9", 359.9), ("360", 0), ("359.99999999", 0), ("360.1", nil), ("-1", nil), ("-0.5", nil),
            ("720", nil), ("1e999", nil),
        ] as [(String, Float?)])
    func `a heading is in 0 up to 360, which is north again`(text: String, expected: Float?) throws {
        let decoded = try decodePing("\"heading\":\(text)")
        #expect(decoded.defect == nil && decoded.ping.heading == expected)
    }

    @Test(
        arguments: [
            ("-1", -1), ("0", 0), ("-12000", -12_000), ("-12001", nil), ("100000", 100_000), ("100001", nil),
            ("1e999", nil),
        ] as [(String, Float?)])
    func `an altitude that nobody reaches is unknown`(text: String, expected: Float?) throws {
        #expect(try decodePing("\"altitude\":\(text)").ping.altitude == expected)
    }

    @Test(
        arguments: [("0", 0), ("1", 1), ("0.83", 0.83), ("-1", nil), ("1.01", nil), ("83", nil)] as [(String, Float?)])
    func `a battery charge outside 0 to 1 is unknown`(text: String, expected: Float?) throws {
        #expect(try decodePing("\"battery\":\(text)").ping.battery == expected)
    }

    @Test(
        arguments: [
            ("0", 0), ("-5", -5), ("199.999999", 200), ("199.99998", 199.99998), ("1e9", 1e9), ("1e-60", 0),
            ("1e999", .infinity),
        ] as [(String, Float)])
    func `accuracy keeps what was sent for the judge`(text: String, expected: Float) throws {
        let decoded = try decodePing("\"accuracy\":\(text)")
        #expect(decoded.defect == nil && decoded.ping.accuracy == expected)
    }

    // MARK: Labels

    @Test(
        arguments: [("0", 0), ("42", 42), ("9007199254740993", 9_007_199_254_740_993), ("9223372036854775807", .max)]
            as [(String, Int64)])
    func `a sequence number is exact`(text: String, expected: Int64) throws {
        let decoded = try decodePing("\"seq\":\(text)")
        #expect(decoded.defect == nil && decoded.ping.sequence == expected)
    }

    @Test(arguments: [
        "1.5", "1.0", "1e3", "-1", "9223372036854775808", "18446744073709551616", "10000000000000000000000", "\"1\"",
        "true",
    ])
    func `what is no sequence number makes the ping malformed`(text: String) throws {
        #expect(try decodePing("\"seq\":\(text)").defect == .invalid(.sequence))
    }

    @Test(arguments: [#""gps""#, #""network""#, #""fused""#, #""manual""#, #""\u0067p\u0073""#])
    func `the four sources are known`(text: String) throws {
        let decoded = try decodePing("\"source\":\(text)")
        #expect(decoded.defect == nil && decoded.ping.source != nil)
    }

    @Test(arguments: [#""GPS""#, #""""#, #""gp""#, #""gpss""#, #""gps\u0000""#, #""manuall""#, "1", "[]"])
    func `another source makes the ping malformed`(text: String) throws {
        #expect(try decodePing("\"source\":\(text)").defect == .invalid(.source))
    }

    @Test(arguments: [
        (#"trip 7"#, "trip 7"), (#"\"\\\/ \u00e4\u20ac\ud83d\ude00"#, "\"\\/ ä€😀"), ("äöü", "äöü"), ("", ""),
        ("'); DROP TABLE x --", "'); DROP TABLE x --"),
        (String(repeating: "s", count: 64), String(repeating: "s", count: 64)),
        (String(repeating: #"\u0073"#, count: 64), String(repeating: "s", count: 64)),
    ])
    func `a session label is any text of up to 64 bytes`(text: String, expected: String) throws {
        let decoded = try decodePing("\"session_id\":\"\(text)\"")
        #expect(decoded.defect == nil && decoded.ping.sessionID.string == expected)
    }

    @Test(arguments: [
        String(repeating: "s", count: 65), String(repeating: #"\u0073"#, count: 65), #"a\u0000b"#, #"a\nb"#, #"\u007f"#,
        String(repeating: "ä", count: 33),
    ])
    func `a session label with a control character or more bytes is refused`(text: String) throws {
        #expect(try decodePing("\"session_id\":\"\(text)\"").defect == .invalid(.sessionID))
    }

    @Test(arguments: [#""a b""#, #""""#, #""ä""#, #""a\u0000""#, "7", #""\#(String(repeating: "x", count: 65))""#])
    func `a driver id outside its alphabet is refused`(text: String) throws {
        #expect(try decodePing("\"driver_id\":\(text)").defect == .invalid(.driverID))
    }

    @Test(arguments: ["0", "1", #""true""#, "[true]"])
    func `mock is true or false`(text: String) throws {
        #expect(try decodePing("\"mock\":\(text)").defect == .invalid(.mock))
    }

    @Test(arguments: ["lat", "lng", "accuracy", "speed", "heading", "altitude", "battery"])
    func `a measurement in quotes is malformed`(name: String) throws {
        let field = try #require(PingField.allCases.first { "\($0.name)" == name })
        for value in ["\"48.1\"", "true", "[]", "{\"a\":1}"] {
            #expect(try decodePing("\"\(name)\":\(value)").defect == .invalid(field))
        }
    }

    // MARK: Names

    @Test func `a name may be spelled with escapes`() throws {
        let text =
            #"{"\u0072ecorded_at":1,"l\u0061t":2,"ln\u0067":3,"\u0061\u0063\u0063\u0075\u0072\u0061\u0063\u0079":4}"#
        let decoded = try #require(try decode(text).get().first)
        #expect(decoded.defect == nil)
        #expect(decoded.ping.latitude == 20_000_000 && decoded.ping.accuracy == 4)
    }

    /// Names are compared as packed words, padded with zeros: U+0000 must not pass for padding.
    @Test func `a name that ends in U+0000 is another name`() throws {
        #expect(try decodePing(#""lat\u0000":"x","speed\u0000\u0000":[]"#).defect == nil)
        #expect(try decode(#"{"pings\u0000":[]}"#).get().first?.defect == .missing(.recordedAt))
    }

    @Test(
        arguments: [
            ("\"lat\":43.6532", .twice(.latitude)), (#""l\u0061t":43.6532"#, .twice(.latitude)),
            (#""speed":1,"speed":1"#, .twice(.speed)), (#""mock":null,"mock":true"#, .twice(.mock)),
            (#""x":1,"x":2"#, .twice(nil)), (#""x":1,"\u0078":2"#, .twice(nil)), (#""":1,"":2"#, .twice(nil)),
            (
                "\"\(String(repeating: "n", count: 70))\":1,\"\\u006e\(String(repeating: "n", count: 69))\":1",
                .twice(nil)
            ),
        ] as [(String, PingDefect)])
    func `a member twice is malformed`(members: String, expected: PingDefect) throws {
        let decoded = try #require(try decode("{\(requiredMembers),\(members)}").get().first)
        #expect(decoded.defect == expected)
    }

    @Test func `unknown members are stepped over, up to 48`() throws {
        #expect(
            try decodePing(#""__proto__":{"lat":[1,{"lat":null}]},"note":"x","lats":9,"la":8,"Lat":7"#).defect == nil)
        let members = (0..<48).map { "\"m\($0)\":\($0)" }.joined(separator: ",")
        #expect(try decodePing(members).defect == nil)
        #expect(try decodePing("\(members),\"m48\":1").defect == .tooManyMembers)
    }

    @Test func `a thousand members are a defect of that ping alone`() throws {
        let members = (0..<10_000).map { "\"m\($0)\":\($0)" }.joined(separator: ",")
        let pings = try decode("[{\(requiredMembers),\(members)},{\(requiredMembers)}]").get()
        #expect(pings.map(\.defect) == [.tooManyMembers, nil])
    }
}
