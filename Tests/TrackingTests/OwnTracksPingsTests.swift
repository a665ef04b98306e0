// OwnTracks' messages: what a location becomes, what every other message is, and the senders that get it wrong.

import Testing

@testable import Tracking

@Suite struct OwnTracksPingsTests {
    private static func decode(
        _ text: String, driver: String? = nil, limit: Int = 1_000
    ) -> Result<[DecodedPing], PingDecodingError> {
        var batch = PingBatch()
        do throws(PingDecodingError) {
            try OwnTracksPings.decode(
                Array(text.utf8).span, into: &batch, maximumPings: limit, assumedAccuracy: 20,
                driver: driver.flatMap { DriverID($0) })
            return .success(batch.pings)
        } catch {
            #expect(batch.pings.isEmpty)
            return .failure(error)
        }
    }

    private static func ping(_ text: String) throws -> DecodedPing {
        let pings = try decode(text).get()
        try #require(pings.count == 1, "\(text)")
        return pings[0]
    }

    @Test func `an iPhone's location with everything that it can say`() throws {
        let found = try Self.ping(
            #"""
            {"tst":1760000000,"acc":8,"alt":44,"vac":3,"vel":36,"cog":271,"batt":83,"bs":1,"conn":"m","m":2,"t":"t",
             "p":101.325,"rad":100,"created_at":1760000002,"inregions":["home"],"inrids":["a1b2c3"],"ssid":"net",
             "bssid":"0:11:22:33:44:55","motionactivities":["automotive"],"poi":"a \"place\"","tag":"x",
             "image":"aGVs\/bG8=","imagename":"i.jpg","tid":"JP","topic":"owntracks\/jane\/van-1",
             "lat":52.520008,"lon":13.404954,"_type":"location"}
            """#)
        #expect(found.defect == nil)
        #expect(found.driver == DriverID("van-1"))
        #expect(found.ping.recordedAt == 1_760_000_000_000_000)
        #expect(found.ping.latitude == 525_200_080)
        #expect(found.ping.longitude == 134_049_540)
        #expect(found.ping.accuracy == 8)
        #expect(found.ping.altitude == 44)
        #expect(found.ping.speed == 10)
        #expect(found.ping.heading == 271)
        #expect(found.ping.battery == 0.83)
        #expect(found.ping.source == nil)
        #expect(found.ping.sequence == nil && !found.ping.isMock && found.ping.sessionID.isEmpty)
    }

    @Test(arguments: [("gps", PingSource.gps), ("network", .network), ("fused", .fused), ("passive", nil)])
    func `an Android's source is the ping's`(name: String, source: PingSource?) throws {
        let found = try Self.ping(
            #"{"_type":"location","_id":"1a2b3c4d","lat":1.5,"lon":2.5,"tst":1760000000,"source":"\#(name)"}"#)
        #expect(found.ping.source == source)
        #expect(found.ping.accuracy == 20, "an accuracy of 0 is left out")
        #expect(found.ping.speed == nil && found.ping.heading == nil && found.ping.altitude == nil)
    }

    @Test func `a coordinate that is exactly 0 is left out by Android, and is 0`() throws {
        let equator = try Self.ping(#"{"_type":"location","lon":13.4,"tst":1760000000,"acc":5}"#)
        #expect(equator.defect == nil && equator.ping.latitude == 0 && equator.ping.longitude == 134_000_000)
        let meridian = try Self.ping(#"{"_type":"location","lat":51.5,"tst":1760000000,"acc":5}"#)
        #expect(meridian.defect == nil && meridian.ping.latitude == 515_000_000 && meridian.ping.longitude == 0)
        // Without any place it is a sign of life.
        #expect(try Self.decode(#"{"_type":"location","tst":1760000000,"acc":5}"#).get().isEmpty)
    }

    @Test func `what is missing, negative or of another kind`() throws {
        let noTime = try Self.ping(#"{"_type":"location","lat":1,"lon":2,"acc":5}"#)
        #expect(noTime.defect == .missing(.recordedAt))
        let zero = try Self.ping(#"{"_type":"location","lat":1,"lon":2,"acc":0,"tst":1760000000}"#)
        #expect(zero.ping.accuracy == 20)
        let odd = try Self.ping(
            #"{"_type":"location","lat":"1.5","lon":2,"acc":"8","tst":"1760000000","vel":-1,"cog":-1,"batt":null}"#)
        #expect(odd.defect == nil && odd.ping.latitude == 15_000_000 && odd.ping.accuracy == 8)
        #expect(odd.ping.speed == nil && odd.ping.heading == nil && odd.ping.battery == nil)
    }

    @Test func `Overland counts from 2001 in its OwnTracks mode`() throws {
        let overland = try Self.ping(
            #"{"_type":"location","lat":1,"lon":2,"acc":5,"batt":80,"tst":781692800,"topic":"owntracks/a/b"}"#)
        #expect(overland.ping.recordedAt == 1_760_000_000_000_000)
        let old = try Self.ping(#"{"_type":"location","lat":1,"lon":2,"acc":5,"tst":781692800,"tid":"ab"}"#)
        #expect(old.ping.recordedAt == 781_692_800_000_000, "OwnTracks itself means what it says")
    }

    @Test(arguments: [
        "lwt", "transition", "waypoint", "waypoints", "status", "card", "cmd", "configuration", "steps", "beacon",
        "request", "encrypted", "something-new",
    ])
    func `a message of another type is no ping, though it has a place`(type: String) throws {
        let text = #"{"lat":1,"lon":2,"acc":5,"tst":1760000000,"wtst":1,"event":"enter","data":"","_type":"\#(type)"}"#
        #expect(try Self.decode(text).get().isEmpty)
    }

    @Test func `several locations in a list, or under "locations"`() throws {
        let one = #"{"_type":"location","lat":1,"lon":2,"acc":5,"tst":1760000000}"#
        let other = #"{"_type":"lwt","tst":1}"#
        #expect(try Self.decode("[\(one),\(other),\(one)]").get().count == 2)
        #expect(try Self.decode("{\"locations\":[\(one),\(one)]}").get().count == 2)
        #expect(try Self.decode("[]").get().isEmpty)
        #expect(throws: PingDecodingError.self) { try Self.decode("[\(one),\(one)]", limit: 1).get() }
    }

    @Test(arguments: ["{}", "7", "null", #"{"lat":1,"lon":2}"#, "[7]", #"{"locations":7}"#, #"[{"lat":1}]"#])
    func `what has no type is no message of OwnTracks`(text: String) {
        guard case .failure(.notPings) = Self.decode(text) else {
            Issue.record("\(text) was taken")
            return
        }
    }

    @Test(arguments: ["", "{", #"{"_type":"location""#, #"{"_type":"location"}x"#, "\u{1}"])
    func `what is no JSON is called that`(text: String) {
        guard case .failure(.notJSON) = Self.decode(text) else {
            Issue.record("\(text) was taken")
            return
        }
    }

    @Test func `the request's own label goes before the topic's last part`() throws {
        let text = #"{"_type":"location","lat":1,"lon":2,"tst":1760000000,"topic":"owntracks/jane/van-1"}"#
        #expect(try Self.decode(text, driver: "van-2").get().first?.driver == DriverID("van-2"))
        for topic in ["owntracks/jane/a b", "", "owntracks/jane/", String(repeating: "a", count: 65)] {
            let odd = #"{"_type":"location","lat":1,"lon":2,"tst":1760000000,"topic":"\#(topic)"}"#
            #expect(try Self.ping(odd).driver == nil, "\(topic)")
        }
        let long = String(repeating: "x", count: 80) + "/van-3"
        let far = #"{"_type":"location","lat":1,"lon":2,"tst":1760000000,"topic":"owntracks/\#(long)"}"#
        // A part that is too long makes the topic unreadable.
        #expect(try Self.ping(far).driver == nil)
    }

    @Test func `an envelope's data is found wherever it stands, with its escapes resolved`() {
        func data(_ text: String) -> String? {
            OwnTracksEnvelope.data(Array(text.utf8).span).map { String(decoding: $0, as: UTF8.self) }
        }
        #expect(data(#"{"_type":"encrypted","data":"a\/b+c="}"#) == "a/b+c=")
        #expect(data(#" {"topic":"x","data":"YQ==","_type":"encrypted"} "#) == "YQ==")
        #expect(data(#"{"_type":"encrypted"}"#) == "")
        #expect(data(#"{"_type":"encrypted","data":7}"#) == "")
        #expect(data(#"{"_type":"location","data":"YQ=="}"#) == nil)
        #expect(data(#"[{"_type":"encrypted","data":"YQ=="}]"#) == nil)
        #expect(data("") == nil)
        #expect(data(#"{"_type":"encrypted","data":"YQ=="#) == nil)
    }
}
