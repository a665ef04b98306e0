// Overland's batches: what is a fix, in which order, and what its values become.

import Testing

@testable import Tracking

@Suite struct OverlandPingsTests {
    private static func decode(_ text: String, limit: Int = 1_000) -> Result<[DecodedPing], PingDecodingError> {
        var batch = PingBatch()
        do throws(PingDecodingError) {
            try OverlandPings.decode(Array(text.utf8).span, into: &batch, maximumPings: limit, assumedAccuracy: 20)
            return .success(batch.pings)
        } catch {
            #expect(batch.pings.isEmpty)
            return .failure(error)
        }
    }

    private static func feature(
        _ properties: String, geometry: String = #"{"type":"Point","coordinates":[13.404954,52.520008]}"#
    ) -> String {
        #"{"type":"Feature","geometry":\#(geometry),"properties":{\#(properties)}}"#
    }

    private static func ping(_ properties: String) throws -> DecodedPing {
        let document = #"{"locations":[\#(feature(properties))]}"#
        return try #require(try decode(document).get().first)
    }

    private static let time = #""timestamp":"2026-03-02T08:15:30Z""#

    @Test func `a fix of Overland for iOS, with tracking stats, becomes a ping`() throws {
        let found = try Self.ping(
            #""timestamp":"2026-03-02T08:15:30Z","altitude":44,"speed":10,"horizontal_accuracy":8,"vertical_accuracy":3,"#
                + #""speed_accuracy":0.52,"course":271,"course_accuracy":4.1,"motion":["driving","stationary"],"#
                + #""pauses":false,"activity":"automotive_navigation","desired_accuracy":-1,"deferred":0,"#
                + #""significant_change":"disabled","tracking_mode":1,"locations_in_payload":1,"#
                + #""battery_state":"unplugged","battery_level":0.83,"device_id":"van-12","unique_id":"A-B","wifi":"","#
                + #""trip_id":"2026-03-02T08:00:00Z""#)
        #expect(found.defect == nil)
        #expect(found.ping.recordedAt == Timestamp.parse(ShortText("2026-03-02T08:15:30Z")!))
        #expect(found.ping.latitude == 525_200_080)
        #expect(found.ping.longitude == 134_049_540)
        #expect(found.ping.accuracy == 8)
        #expect(found.ping.speed == 10)
        #expect(found.ping.heading == 271)
        #expect(found.ping.altitude == 44)
        #expect(found.ping.battery == 0.83)
        #expect(found.ping.sessionID.string == "2026-03-02T08:00:00Z")
        #expect(found.driver == DriverID("van-12"))
        #expect(found.ping.source == nil)
    }

    @Test func `minus one is unknown, but for the accuracy, where it says that there is no fix`() throws {
        let found = try Self.ping(
            Self.time + #","altitude":-1,"speed":-1,"course":-1,"vertical_accuracy":-1,"horizontal_accuracy":-1,"#
                + #""battery_level":-1,"speed_accuracy":-1,"course_accuracy":-1"#)
        #expect(found.defect == nil)
        #expect(found.ping.speed == nil)
        #expect(found.ping.heading == nil)
        #expect(found.ping.battery == nil)
        // The judge refuses it by this.
        #expect(found.ping.accuracy == -1)
        // A metre below the sea is an altitude.
        #expect(found.ping.altitude == -1)
    }

    @Test(arguments: [
        "2015-10-01T08:00:00-0700", "2015-10-01T08:00:00-07:00", "2015-10-01T15:00:00Z", "2015-10-01T15:00:00.000Z",
        "2015-10-01T17:00:00.000+02:00",
    ])
    func `zones come with and without a colon, times with and without milliseconds`(text: String) throws {
        let found = try Self.ping(#""timestamp":"\#(text)""#)
        #expect(found.defect == nil)
        #expect(found.ping.recordedAt == 1_443_711_600_000_000)
    }

    @Test(
        arguments: [("0.83", 0.83), ("1", 1), ("1.0", 1), ("83", 0.83), ("100", 1), ("0", 0), ("\"83\"", 0.83)]
            as [(String, Float)])
    func `a battery level above 1 is percent, as the Dawarich sender writes it`(text: String, share: Float) throws {
        #expect(try Self.ping(Self.time + #","battery_level":\#(text)"#).ping.battery == share)
    }

    @Test func `a fix of the Dawarich sender becomes a ping`() throws {
        let found = try Self.ping(
            #""timestamp":"2026-03-02T09:15:30.125+01:00","altitude":44.5,"speed":10.25,"horizontal_accuracy":8.5,"#
                + #""vertical_accuracy":5.1,"activity":"other","desired_accuracy":0,"deffered":0,"#
                + #""significant_change":"unknown","locations_in_payload":1,"device_id":"pixel","wifi":"","#
                + #""battery_state":"charging","battery_level":83"#)
        #expect(found.defect == nil)
        #expect(found.ping.recordedAt == Timestamp.parse(ShortText("2026-03-02T08:15:30.125Z")!))
        #expect(found.ping.speed == 10.25)
        #expect(found.ping.heading == nil)
        #expect(found.ping.battery == 0.83)
        #expect(found.driver == DriverID("pixel"))
    }

    @Test func `a fix of Overland for Android becomes a ping: its battery state is a flag, its id may be undefined`()
        throws
    {
        let document =
            #"{"locations":[{"type":"Feature","properties":{"timestamp":"2026-03-02T08:15:30.125Z","altitude":44.1,"#
            + #""speed":10.5,"horizontal_accuracy":8.2,"vertical_accuracy":-1,"motion":["in_vehicle"],"pauses":true,"#
            + #""activity":"other","desired_accuracy":"high","deferred":"disabled","significant_change":"disabled","#
            + #""locations_in_payload":1,"battery_state":false,"battery_level":0.5,"device_id":"undefined","wifi":""},"#
            + #""geometry":{"type":"Point","coordinates":["13.404954","52.520008"]}}],"#
            + #""trip":"{\"distance\":1,\"start_location\":{\"geometry\":{\"coordinates\":[\"52.5\",\"13.4\"]}}}"}"#
        let found = try #require(try Self.decode(document).get().first)
        #expect(found.defect == nil)
        #expect(found.ping.latitude == 525_200_080)
        #expect(found.ping.longitude == 134_049_540)
        #expect(found.ping.battery == 0.5)
        #expect(found.driver == nil)
    }

    @Test func `the id is the device's, or the phone's own where that has none`() throws {
        #expect(try Self.ping(Self.time + #","device_id":"a","unique_id":"b""#).driver == DriverID("a"))
        #expect(try Self.ping(Self.time + #","unique_id":"b","device_id":"a""#).driver == DriverID("a"))
        #expect(try Self.ping(Self.time + #","unique_id":"b","device_id":"""#).driver == DriverID("b"))
        #expect(try Self.ping(Self.time + #","unique_id":"b","device_id":"undefined""#).driver == DriverID("b"))
        #expect(try Self.ping(Self.time + #","device_id":"my phone""#).driver == nil)
    }

    @Test func `the accuracy that the phone does not know is assumed`() throws {
        #expect(try Self.ping(Self.time).ping.accuracy == 20)
        #expect(try Self.ping(Self.time + #","horizontal_accuracy":null"#).ping.accuracy == 20)
        #expect(try Self.ping(Self.time + #","horizontal_accuracy":0"#).ping.accuracy == 20)
    }

    @Test func `a trip's id with control characters is no label`() throws {
        #expect(try Self.ping(Self.time + #","trip_id":"a\u0000b""#).ping.sessionID.isEmpty)
    }

    @Test(arguments: [
        feature(
            #""timestamp":"2026-03-02T08:15:30Z","type":"trip","mode":"car","start":"2026-03-02T08:00:00Z","#
                + #""end":"2026-03-02T08:15:30Z","start_location":null,"end_location":null,"duration":930,"distance":-1,"#
                + #""stopped_automatically":false,"steps":0"#),
        feature(
            #""timestamp":"2026-03-02T08:15:30Z","action":"visit","arrival_date":"2026-03-02T08:00:00Z","#
                + #""departure_date":null,"horizontal_accuracy":30"#),
        feature(#""timestamp":"2026-03-02T08:15:30Z","action":"paused_location_updates""#),
        #"{"type":"Feature","properties":{"timestamp":"2026-03-02T08:15:30Z","action":"will_terminate"}}"#,
        #"{"type":"Feature","properties":{"timestamp":"2026-03-02T08:15:30Z"}}"#,
        feature(#""timestamp":"2026-03-02T08:15:30Z""#, geometry: "null"),
        feature(
            #""timestamp":"2026-03-02T08:15:30Z""#, geometry: #"{"type":"LineString","coordinates":[[1,2],[3,4]]}"#),
        "null", "7", "[]", "{}",
    ])
    func `what is no fix is left out, and what stands beside it is taken`(other: String) throws {
        let fix = Self.feature(Self.time)
        #expect(try Self.decode(#"{"locations":[\#(other),\#(fix),\#(other)]}"#).get().count == 1)
        #expect(try Self.decode(#"{"locations":[\#(other)],"current":\#(other)}"#).get().isEmpty)
    }

    @Test func `the current fix stands before the backlog, wherever it stands in the document`() throws {
        let backlog = (0..<3).map { Self.feature(#""timestamp":\#(1_760_000_000 + $0)"#) }.joined(separator: ",")
        let current = Self.feature(#""timestamp":1760000100"#)
        for document in [
            #"{"locations":[\#(backlog)],"current":\#(current),"trip":{"mode":"car","current_location":\#(current)}}"#,
            #"{"trip":{"mode":"car","current_location":null},"current":\#(current),"locations":[\#(backlog)]}"#,
        ] {
            let times = try Self.decode(document).get().map { $0.ping.recordedAt / 1_000_000 - 1_760_000_000 }
            #expect(times == [100, 0, 1, 2])
        }
    }

    @Test func `an empty batch is one, other JSON is none`() throws {
        #expect(try Self.decode(#"{"locations":[]}"#).get().isEmpty)
        #expect(Self.failure(#"{}"#) == .notPings)
        #expect(Self.failure("[]") == .notPings)
        #expect(Self.failure(#"{"locations":["#) == .notJSON(offset: 14))
        #expect(Self.failure("") == .notJSON(offset: 0))
        let two = #"{"locations":[\#(Self.feature(Self.time))],"current":\#(Self.feature(Self.time))}"#
        #expect(Self.failure(two, limit: 1) == .tooMany(limit: 1))
        let deep = String(repeating: "[", count: 40)
        #expect(Self.failure(#"{"other":\#(deep)"#) == .tooDeep(offset: 42))
    }

    private static func failure(_ text: String, limit: Int = 1_000) -> PingDecodingError? {
        if case .failure(let error) = decode(text, limit: limit) { error } else { nil }
    }

    @Test func `a place without a time is malformed`() throws {
        #expect(try Self.ping(#""speed":1"#).defect == .missing(.recordedAt))
        #expect(try Self.ping(#""timestamp":"yesterday""#).defect == .missing(.recordedAt))
    }
}
