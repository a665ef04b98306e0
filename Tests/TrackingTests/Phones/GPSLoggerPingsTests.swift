// GPSLogger's custom URL: `%ALL`, the app's first template, and zeros that say nothing.

import Testing

@testable import Tracking

@Suite struct GPSLoggerPingsTests {
    private static func decode(_ text: String) -> [DecodedPing] {
        var fields = QueryFields([])
        fields.add(form: Array(text.utf8).span)
        var batch = PingBatch()
        GPSLoggerPings.decode(fields, into: &batch, assumedAccuracy: 20)
        return batch.pings
    }

    private static func ping(_ text: String) throws -> DecodedPing {
        try #require(decode(text).first)
    }

    @Test func `all of ALL becomes a ping`() throws {
        let found = try Self.ping(
            "device=van-12&lat=52.520008&lon=13.404954&sat=11&desc=&alt=44.2&acc=8.5&dir=271.5&prov=gps&spd_kph=36.36"
                + "&spd=10.1&timestamp=1760000000&timeoffset=2025-10-09T10%3A53%3A20.125%2B02%3A00"
                + "&time=2025-10-09T08%3A53%3A20.125Z&starttimestamp=1759999000&date=2025-10-09&batt=83.0"
                + "&ischarging=false&aid=0123456789abcdef&ser=unknown&act=&filename=20251009&profile=Default+Profile"
                + "&hdop=0.9&vdop=1.1&pdop=1.4&dist=15230&")
        #expect(found.defect == nil)
        #expect(found.ping.recordedAt == 1_760_000_000_125_000)
        #expect(found.ping.latitude == 525_200_080)
        #expect(found.ping.longitude == 134_049_540)
        #expect(found.ping.accuracy == 8.5)
        #expect(found.ping.speed == 10.1)
        #expect(found.ping.heading == 271.5)
        #expect(found.ping.altitude == 44.2)
        #expect(found.ping.battery == 0.83)
        #expect(found.ping.source == .gps)
        #expect(found.ping.sessionID.string == "1759999000")
        #expect(found.driver == DriverID("van-12"))
    }

    @Test func `zeros and empty values are unknown`() throws {
        let found = try Self.ping(
            "lat=52.5&lon=13.4&sat=0&desc=&alt=0.0&acc=0.0&dir=0.0&prov=network&spd_kph=0.0&spd=0.0"
                + "&timestamp=1760000000&batt=&hdop=&vdop=&pdop=&")
        #expect(found.defect == nil)
        #expect(found.ping.recordedAt == 1_760_000_000_000_000)
        #expect(found.ping.accuracy == 20)
        #expect(found.ping.speed == nil)
        #expect(found.ping.heading == nil)
        #expect(found.ping.altitude == nil)
        #expect(found.ping.battery == nil)
        #expect(found.ping.source == .network)
        #expect(found.driver == nil)
    }

    @Test func `the app's first template is read`() throws {
        let found = try Self.ping("lat=52.5&longitude=13.4&time=2025-10-09T08%3A53%3A20.125Z&s=10.1")
        #expect(found.defect == nil)
        #expect(found.ping.longitude == 134_000_000)
        #expect(found.ping.recordedAt == 1_760_000_000_125_000)
        #expect(found.ping.speed == 10.1)
    }

    @Test func `a speed in kilometres an hour alone is one`() throws {
        #expect(try Self.ping("lat=52.5&lon=13.4&timestamp=1760000000&spd_kph=36").ping.speed == 10)
    }

    @Test func `without a place there is no position, without a time a malformed one`() throws {
        #expect(Self.decode("timestamp=1760000000&batt=83").isEmpty)
        #expect(try Self.ping("lat=52.5&lon=13.4").defect == .missing(.recordedAt))
    }
}
