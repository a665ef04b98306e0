// The OsmAnd protocol's names and values, in the dialects of those who speak it.

import Testing

@testable import Tracking

@Suite struct OsmAndPingsTests {
    private static let now: Microseconds = 1_770_000_000_000_000

    /// The batch of a query, or of a form's body.
    private static func decode(_ text: String, form: Bool = false, unit: SpeedUnit? = nil) -> [DecodedPing] {
        var fields = QueryFields([])
        fields.add(form: Array(text.utf8).span)
        var batch = PingBatch()
        OsmAndPings.decode(
            fields, unit: unit, zerosAreUnknown: !form, into: &batch, assumedAccuracy: 20, now: now)
        return batch.pings
    }

    private static func ping(_ text: String, form: Bool = false, unit: SpeedUnit? = nil) throws -> DecodedPing {
        try #require(decode(text, form: form, unit: unit).first)
    }

    @Test func `version 8 of Traccar Client says knots, percent and seconds`() throws {
        let found = try Self.ping(
            "id=48241179&timestamp=1760000000&lat=52.520008&lon=13.404954&speed=19.44&bearing=271.0&altitude=44.0"
                + "&accuracy=8.0&batt=83.0&charge=true&mock=true")
        #expect(found.defect == nil)
        #expect(found.ping.recordedAt == 1_760_000_000_000_000)
        #expect(found.ping.latitude == 525_200_080)
        #expect(found.ping.longitude == 134_049_540)
        #expect(found.ping.speed == Float(19.44 * 1_852 / 3_600))
        #expect(found.ping.heading == 271)
        #expect(found.ping.altitude == 44)
        #expect(found.ping.accuracy == 8)
        #expect(found.ping.battery == 0.83)
        #expect(found.ping.isMock)
        #expect(found.driver == DriverID("48241179"))
    }

    @Test func `zeros of version 8 for Android are unknown`() throws {
        let found = try Self.ping(
            "id=1&timestamp=1760000000&lat=52.5&lon=13.4&speed=0.0&bearing=0.0&altitude=0.0&accuracy=0.0&batt=0.0")
        #expect(found.defect == nil)
        #expect(found.ping.speed == nil)
        #expect(found.ping.heading == nil)
        #expect(found.ping.altitude == nil)
        #expect(found.ping.accuracy == 20)
        #expect(found.ping.battery == 0)
    }

    @Test func `version 10 says zero where it is zero, and leaves out what it does not know`() throws {
        let found = try Self.ping(
            "id=48241179&lat=52.520008&lon=13.404954&timestamp=1760000000&accuracy=8.0&altitude=0.0&speed=0.00"
                + "&bearing=0.0&batt=83&charge=false", form: true)
        #expect(found.ping.speed == 0)
        #expect(found.ping.heading == 0)
        #expect(found.ping.altitude == 0)
        #expect(found.ping.battery == 0.83)
        let sparse = try Self.ping("id=1&lat=52.5&lon=13.4&timestamp=1760000000", form: true)
        #expect(sparse.defect == nil)
        #expect(sparse.ping.speed == nil)
        #expect(sparse.ping.heading == nil)
        #expect(sparse.ping.accuracy == 20)
    }

    @Test func `version 10's heartbeats have no place and are no position`() {
        #expect(Self.decode("id=1&timestamp=1760000000&batt=83&charge=true", form: true).isEmpty)
        #expect(Self.decode("").isEmpty)
    }

    @Test func `OsmAnd says metres a second, milliseconds, and its accuracy as hdop`() throws {
        let found = try Self.ping(
            "lat=52.52001&lon=13.404954&timestamp=1760000000125&hdop=8.5&altitude=44.2&speed=10.1&bearing=271.5")
        #expect(found.defect == nil)
        #expect(found.ping.recordedAt == 1_760_000_000_125_000)
        #expect(found.ping.speed == 10.1)
        #expect(found.ping.accuracy == 8.5)
        #expect(found.ping.heading == 271.5)
        #expect(found.driver == nil)
    }

    @Test func `a real hdop is no accuracy`() throws {
        let traccar = try Self.ping("timestamp=1760000000&lat=52.5&lon=13.4&hdop=0.9&speed=1")
        #expect(traccar.ping.accuracy == 20)
        #expect(traccar.ping.speed == Float(1_852.0 / 3_600))
        let both = try Self.ping("timestamp=1760000000125&lat=52.5&lon=13.4&hdop=0.9&accuracy=7&speed=1")
        #expect(both.ping.accuracy == 7)
        #expect(both.ping.speed == Float(1_852.0 / 3_600))
    }

    @Test(
        arguments: [(SpeedUnit.knots, 10 * 1_852 / 3_600), (.metresPerSecond, 10), (.kilometresPerHour, 10 / 3.6)]
            as [(SpeedUnit, Double)])
    func `the unit that the address names goes before the app's`(unit: SpeedUnit, speed: Double) throws {
        for text in ["timestamp=1760000000&accuracy=5", "timestamp=1760000000125&hdop=5"] {
            let found = try Self.ping(text + "&lat=52.5&lon=13.4&speed=10", unit: unit)
            #expect(found.ping.speed == Float(speed))
        }
    }

    @Test(
        arguments: [
            ("timestamp=1760000000", 1_760_000_000_000_000), ("timestamp=1760000000125", 1_760_000_000_125_000),
            ("timestamp=2025-10-09T08:53:20Z", 1_760_000_000_000_000),
            ("timestamp=2025-10-09T10%3A53%3A20.125%2B02%3A00", 1_760_000_000_125_000),
            ("timestamp=2025-10-09+08:53:20", 1_760_000_000_000_000),
            ("timestamp=2025-10-09%2008:53:20", 1_760_000_000_000_000), ("", now), ("timestamp=", now),
        ] as [(String, Microseconds)])
    func `times come in every form that Traccar's server reads; without one it is now`(
        text: String, instant: Microseconds
    ) throws {
        let found = try Self.ping("lat=52.5&lon=13.4&" + text)
        #expect(found.defect == nil)
        #expect(found.ping.recordedAt == instant)
    }

    @Test func `a time that is none is not taken for now`() throws {
        #expect(try Self.ping("lat=52.5&lon=13.4&timestamp=soon").defect == .missing(.recordedAt))
    }

    @Test func `the other names mean the same`() throws {
        let found = try Self.ping("deviceid=van-1&location=52.5,13.4&heading=90&timestamp=1760000000")
        #expect(found.ping.latitude == 525_000_000)
        #expect(found.ping.longitude == 134_000_000)
        #expect(found.ping.heading == 90)
        #expect(found.driver == DriverID("van-1"))
        #expect(Self.decode("location=nowhere").isEmpty)
        #expect(try Self.ping("location=52.5,&timestamp=1").defect == .missing(.longitude))
    }

    @Test func `a fix that is not valid is none`() {
        #expect(Self.decode("lat=52.5&lon=13.4&valid=false").isEmpty)
        #expect(Self.decode("lat=52.5&lon=13.4&valid=0").isEmpty)
        #expect(Self.decode("lat=52.5&lon=13.4&valid=1").count == 1)
        #expect(Self.decode("lat=52.5&lon=13.4&valid=true").count == 1)
    }

    @Test func `values that are no numbers are unknown, places that are none are malformed`() throws {
        let found = try Self.ping(
            "lat=52.5&lon=13.4&speed=NaN&bearing=-1&altitude=&accuracy=x&batt=-1&timestamp=1760000000&alarm=sos&cell=1,2,3,4"
        )
        #expect(found.defect == nil)
        #expect(found.ping.speed == nil)
        #expect(found.ping.heading == nil)
        #expect(found.ping.altitude == nil)
        #expect(found.ping.accuracy == 20)
        #expect(found.ping.battery == nil)
        #expect(try Self.ping("lat=NaN&lon=13.4").defect == .missing(.latitude))
    }

    @Test func `a form is read with its escapes, and the first of two names counts`() throws {
        var fields = QueryFields([("a", "query"), ("empty", "")])
        fields.add(form: Array("a=form&b=x+y%2Bz%c3%A9%&&=&c&d=1=2&empty=not".utf8).span)
        #expect(fields.text("a")?.string == "query")
        #expect(fields.text("b")?.string == "x y+zé%")
        #expect(fields.text("c") == nil)
        #expect(fields.text("d")?.string == "1=2")
        #expect(fields.text("empty")?.string == "not")
        #expect(fields.text("none", "d")?.string == "1=2")
    }

    @Test func `more fields than anybody sends are not looked at`() {
        var fields = QueryFields([])
        fields.add(form: Array(((0..<300).map { "f\($0)=1" }.joined(separator: "&") + "&lat=1").utf8).span)
        #expect(fields.text("f255") != nil)
        #expect(fields.text("f256") == nil)
        #expect(fields.text("lat") == nil)
    }
}
