// Traccar Client 9's JSON, and the record of Transistorsoft's library in it.

import Testing

@testable import Tracking

@Suite struct TraccarPingsTests {
    private static func decode(_ text: String) -> Result<[DecodedPing], PingDecodingError> {
        var batch = PingBatch()
        do throws(PingDecodingError) {
            try TraccarPings.decode(Array(text.utf8).span, into: &batch, maximumPings: 1_000, assumedAccuracy: 20)
            return .success(batch.pings)
        } catch {
            #expect(batch.pings.isEmpty)
            return .failure(error)
        }
    }

    private static func ping(_ location: String) throws -> DecodedPing {
        try #require(try decode(#"{"location":{\#(location)},"device_id":"48241179"}"#).get().first)
    }

    @Test func `the record that version 9 sends becomes a ping`() throws {
        let found = try Self.ping(
            #""timestamp":"2026-03-02T08:15:30.125Z","coords":{"latitude":52.520008,"longitude":13.404954,"#
                + #""accuracy":8.2,"speed":10.1,"heading":271.4,"altitude":44.0},"is_moving":true,"odometer":15230,"#
                + #""event":"","battery":{"level":0.83,"is_charging":false},"activity":{"type":"in_vehicle"},"#
                + #""extras":{},"_":"&id=48241179&lat=1.0&lon=2.0&timestamp=2020-01-01T00:00:00Z&""#)
        #expect(found.defect == nil)
        #expect(found.ping.recordedAt == Timestamp.parse(ShortText("2026-03-02T08:15:30.125Z")!))
        #expect(found.ping.latitude == 525_200_080)
        #expect(found.ping.longitude == 134_049_540)
        #expect(found.ping.accuracy == 8.2)
        #expect(found.ping.speed == 10.1)
        #expect(found.ping.heading == 271.4)
        #expect(found.ping.altitude == 44)
        #expect(found.ping.battery == 0.83)
        #expect(!found.ping.isMock)
        #expect(found.driver == DriverID("48241179"))
    }

    @Test func `the library's whole record with -1 and null for the unknown becomes a ping`() throws {
        let found = try Self.ping(
            #""event":"motionchange","is_moving":false,"uuid":"4a5e","timestamp":"2026-03-02T08:15:30Z","age":12,"#
                + #""odometer":0,"coords":{"latitude":52,"longitude":13,"accuracy":5,"speed":-1,"speed_accuracy":-1,"#
                + #""heading":-1,"heading_accuracy":-1,"altitude":44,"ellipsoidal_altitude":88,"altitude_accuracy":-1,"#
                + #""floor":null},"activity":{"type":"still","confidence":100},"battery":{"is_charging":true,"level":-1},"#
                + #""mock":true,"extras":{"alarm":"sos"}"#)
        #expect(found.defect == nil)
        #expect(found.ping.latitude == 520_000_000)
        #expect(found.ping.speed == nil)
        #expect(found.ping.heading == nil)
        #expect(found.ping.altitude == 44)
        #expect(found.ping.battery == nil)
        #expect(found.ping.isMock)
    }

    @Test func `the place may stand flat in the record`() throws {
        let found = try Self.ping(
            #""timestamp":1760000000125,"latitude":52.5,"longitude":13.4,"speed":0,"heading":360,"accuracy":7"#)
        #expect(found.defect == nil)
        #expect(found.ping.recordedAt == 1_760_000_000_125_000)
        #expect(found.ping.latitude == 525_000_000)
        #expect(found.ping.speed == 0)
        #expect(found.ping.heading == 0)
        #expect(found.ping.accuracy == 7)
    }

    @Test(arguments: [
        #"{"location":{"event":"heartbeat","timestamp":"2026-03-02T08:15:30.125Z","battery":{"level":0.8}},"device_id":"1"}"#,
        #"{"location":{"coords":null},"device_id":"1"}"#, #"{"location":{}}"#, #"{"location":[]}"#,
        #"{"location":null}"#,
        #"{"location":{"sample":true,"timestamp":1,"coords":{"latitude":1,"longitude":2,"accuracy":3}}}"#,
    ])
    func `a heartbeat without coords, and an intermediate sample, is no position`(text: String) throws {
        #expect(try Self.decode(text).get().isEmpty)
    }

    @Test func `several records come in an array, with one id for all`() throws {
        let record = #"{"timestamp":1760000000,"coords":{"latitude":1,"longitude":2,"accuracy":3}}"#
        let found = try Self.decode(#"{"device_id":7,"location":[\#(record),\#(record)]}"#).get()
        #expect(found.map(\.driver) == [DriverID("7"), DriverID("7")])
    }

    @Test func `JSON without a location is none of Traccar's, coords within coords are nothing`() throws {
        for text in ["{}", "[]", "7", #"{"device_id":"1"}"#] {
            guard case .failure(.notPings) = Self.decode(text) else {
                Issue.record("\(text) was taken")
                continue
            }
        }
        let nested = #"{"location":{"timestamp":1,"coords":{"coords":{"latitude":1,"longitude":2}}}}"#
        #expect(try Self.decode(nested).get().isEmpty)
    }

    @Test func `what a browser's position looks like as JSON is read too`() throws {
        var scanner = JSONScanner()
        var record = CoordsRecord()
        let text = Array(
            (#"{"coords":{"accuracy":5.5,"latitude":52.5,"longitude":13.4,"altitude":null,"altitudeAccuracy":null,"#
                + #""heading":null,"speed":null},"timestamp":1760000000125}"#).utf8)
        try record.read(&scanner, text.span)
        #expect(record.fix.recordedAt == 1_760_000_000_125_000)
        #expect(record.fix.latitude == 525_000_000)
        #expect(record.fix.ping.accuracy == 5.5)
        #expect(record.fix.ping.speed == nil)
    }
}
