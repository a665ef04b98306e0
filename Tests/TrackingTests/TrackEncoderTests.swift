// The texts of an export, to the letter.

import Testing

@testable import Tracking

@Suite struct TrackEncoderTests {
    private static let driver = DriverID("van:1")!
    private static let point = TrackPoint(
        recordedAt: 1_763_719_200_123_456, receivedAt: 1_763_719_201_000_000, latitude: 436_532_001,
        longitude: -793_832_000, accuracy: 4.5, speed: 8.333, heading: 271.25, altitude: -92.1, source: .gps,
        sessionID: ShortText("a,\"b\"")!, flags: [.clamped, .late])
    private static let bare = TrackPoint(
        recordedAt: 1_763_719_202_000_000, receivedAt: 1_763_719_202_000_000, latitude: 0, longitude: 1_800_000_000,
        accuracy: 0.00002)

    private static func text(_ format: TrackFormat, _ points: [TrackPoint], next: Microseconds? = nil) -> String {
        var writer = JSONWriter()
        var encoder = TrackEncoder(format, of: driver)
        encoder.begin(&writer)
        for point in points { encoder.append(point, &writer) }
        encoder.end(next: next, &writer)
        return String(decoding: writer.bytes, as: UTF8.self)
    }

    @Test func `CSV has the columns of an archive`() {
        #expect(
            Self.text(.csv, [Self.point, Self.bare]) == """
                driver_id,recorded_at,lat,lng,speed,heading,accuracy,altitude,source,session_id,flags,received_at
                van:1,2025-11-21T10:00:00.123456Z,43.6532001,-79.3832,8.333,271.25,4.5,-92.1,gps,"a,""b""\",3,\
                2025-11-21T10:00:01.000000Z
                van:1,2025-11-21T10:00:02.000000Z,0,180,,,0.00002,,,,0,2025-11-21T10:00:02.000000Z

                """)
    }

    @Test func `a line of JSON for each point`() {
        #expect(
            Self.text(.ndjson, [Self.point, Self.bare]) == """
                {"driver_id":"van:1","lat":43.6532001,"lng":-79.3832,"altitude":-92.1,\
                "recorded_at":"2025-11-21T10:00:00.123456Z","speed":8.333,"heading":271.25,"accuracy":4.5,\
                "source":"gps","session_id":"a,\\"b\\"","clamped":true,"late":true,\
                "received_at":"2025-11-21T10:00:01.000000Z"}
                {"driver_id":"van:1","lat":0,"lng":180,"recorded_at":"2025-11-21T10:00:02.000000Z",\
                "accuracy":0.00002,"received_at":"2025-11-21T10:00:02.000000Z"}

                """)
        #expect(Self.text(.ndjson, []).isEmpty)
    }

    @Test func `GeoJSON says where the next page begins`() {
        #expect(
            Self.text(.geojson, [Self.bare], next: Self.bare.recordedAt) == """
                {"type":"FeatureCollection","driver_id":"van:1","features":[
                {"type":"Feature","geometry":{"type":"Point","coordinates":[180,0]},"properties":{\
                "recorded_at":"2025-11-21T10:00:02.000000Z","accuracy":0.00002,\
                "received_at":"2025-11-21T10:00:02.000000Z"}}
                ],"next":"2025-11-21T10:00:02.000000Z"}

                """)
        #expect(
            Self.text(.geojson, []) == "{\"type\":\"FeatureCollection\",\"driver_id\":\"van:1\",\"features\":[\n]}\n")
    }

    @Test func `GPX begins another segment behind a silence`() {
        var later = Self.bare
        later.followsSilence = true
        let text = Self.text(.gpx, [Self.point, later])
        #expect(
            text.contains(
                """
                <trk><name>van:1</name><trkseg>
                <trkpt lat="43.6532001" lon="-79.3832"><ele>-92.1</ele><time>2025-11-21T10:00:00.123456Z</time>\
                <src>gps</src><extensions><gpxtpx:TrackPointExtension><gpxtpx:speed>8.333</gpxtpx:speed>\
                <gpxtpx:course>271.25</gpxtpx:course></gpxtpx:TrackPointExtension>\
                <drover:accuracy>4.5</drover:accuracy></extensions></trkpt>
                </trkseg><trkseg>
                <trkpt lat="0" lon="-180"><time>2025-11-21T10:00:02.000000Z</time>\
                <extensions><drover:accuracy>0.00002</drover:accuracy></extensions></trkpt>
                </trkseg></trk>
                </gpx>
                """))
        #expect(Self.text(.gpx, []).hasSuffix("<trk><name>van:1</name></trk>\n</gpx>\n"))
    }

    @Test(
        arguments: [
            (0, "0"), (5, "5"), (8.3, "8.3"), (0.1, "0.1"), (16_777_216, "16777216"), (1e-4, "0.0001"),
            (2e-5, "0.00002"), (-1.2345e-7, "-0.00000012345"),
            (-92.1, "-92.1"), (.infinity, "0"), (.nan, "0"), (3e9, "3000000000"), (359.99997, "359.99997"),
        ] as [(Float, String)]) func `a number is its shortest decimal without an exponent`(value: Float, text: String)
    {
        var writer = JSONWriter()
        writer.real(value)
        #expect(String(decoding: writer.bytes, as: UTF8.self) == text)
    }

    @Test(arguments: 1...200) func `a number is read back as it was`(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let value = Float.random(in: -1...1, using: &random) * (seed % 2 == 0 ? 1e-5 : 1e5)
        var writer = JSONWriter()
        writer.real(value)
        let text = String(decoding: writer.bytes, as: UTF8.self)
        #expect(Float(text) == value)
        #expect(!text.contains("e"))
    }

    @Test(
        arguments: [
            ("*/*", nil), ("text/html", nil), ("text/csv", .csv), ("application/gpx+xml, text/csv", .gpx),
            ("text/csv;q=0.5, application/geo+json; q=0.8", .geojson), ("TEXT/CSV ; q=1", .csv),
            ("text/csv;q=0", nil), ("application/x-ndjson", .ndjson), ("application/ndjson", .ndjson),
            ("application/json", .geojson), ("", nil), (";;,,q=", nil), ("text/csv;q=x", nil),
        ] as [(String, TrackFormat?)]) func `what Accept asks for`(header: String, format: TrackFormat?)
    {
        #expect(TrackFormat(accept: header) == format)
    }

    @Test func `a grid hides the altitude and what is finer than it`() {
        let coarse = Self.point.coarsened(to: 1_000)
        #expect(coarse.latitude != Self.point.latitude && coarse.altitude == nil && coarse.accuracy == 1_000)
        #expect(coarse.speed == Self.point.speed)
        #expect(Self.point.coarsened(to: 0) == Self.point)
    }
}
