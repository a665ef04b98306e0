// What the viewers of OwnTracks' Recorder get, to the letter.

import Testing

@testable import Tracking

@Suite struct OwnTracksTrackTests {
    private static let driver = DriverID("van-17")!
    private static let point = TrackPoint(
        recordedAt: 1_763_719_200_123_456, receivedAt: 1_763_719_201_900_000, latitude: 436_532_001,
        longitude: -793_832_000, accuracy: 4.5, speed: 8.333, heading: 359.75, altitude: -92.1)
    private static let bare = TrackPoint(
        recordedAt: 1_763_719_202_000_000, receivedAt: 1_763_719_202_000_000, latitude: 0, longitude: 1_800_000_000,
        accuracy: 0.2)

    private static func text(
        _ format: OwnTracksTrackFormat, _ points: [TrackPoint], fields: Set<String>? = nil
    ) -> String {
        var writer = JSONWriter()
        var encoder = OwnTracksTrackEncoder(format, of: driver, version: "v", fields: fields)
        encoder.begin(&writer)
        for point in points { encoder.append(point, &writer) }
        encoder.end(&writer)
        return String(decoding: writer.bytes, as: UTF8.self)
    }

    @Test func `JSON, which the Recorder's front end asks for`() {
        #expect(
            Self.text(.json, [Self.point, Self.bare]) == """
                {"data":[
                {"_type":"location","tid":"17","lat":43.6532001,"lon":-79.3832,"tst":1763719200,"acc":5,"alt":-92,\
                "vel":30,"cog":0,"topic":"owntracks/drover/van-17","username":"drover","device":"van-17",\
                "isotst":"2025-11-21T10:00:00Z","disptst":"2025-11-21 10:00:00","isorcv":"2025-11-21T10:00:01Z"},
                {"_type":"location","tid":"17","lat":0,"lon":180,"tst":1763719202,"acc":1,\
                "topic":"owntracks/drover/van-17","username":"drover","device":"van-17",\
                "isotst":"2025-11-21T10:00:02Z","disptst":"2025-11-21 10:00:02","isorcv":"2025-11-21T10:00:02Z"}
                ],"count":2,"status":200,"version":"v"}

                """)
        #expect(Self.text(.json, []) == "{\"data\":[\n],\"count\":0,\"status\":200,\"version\":\"v\"}\n")
    }

    @Test func `only the members that are wanted`() {
        let fields: Set = ["tst", "lat", "vel"]
        #expect(
            Self.text(.json, [Self.point, Self.bare], fields: fields) == """
                {"data":[
                {"lat":43.6532001,"tst":1763719200,"vel":30},
                {"lat":0,"tst":1763719202}
                ],"count":2,"status":200,"version":"v"}

                """)
        #expect(
            Self.text(.csv, [Self.point, Self.bare], fields: fields)
                == "tst,lat,vel\r\n1763719200,43.6532001,30\r\n1763719202,0,\r\n")
    }

    @Test func `CSV has a line of names`() {
        #expect(
            Self.text(.csv, [Self.bare]) == "tst,isotst,lat,lon,acc,alt,vel,cog,tid,topic,username,device\r\n"
                + "1763719202,2025-11-21T10:00:02Z,0,180,1,,,,17,owntracks/drover/van-17,drover,van-17\r\n")
    }

    @Test func `XML has a point each`() {
        #expect(
            Self.text(.xml, [Self.bare]) == """
                <?xml version="1.0" encoding="UTF-8"?>
                <owntracks>
                <point><tid>17</tid><lat>0</lat><lon>180</lon><tst>1763719202</tst><acc>1</acc>\
                <topic>owntracks/drover/van-17</topic><username>drover</username><device>van-17</device>\
                <isotst>2025-11-21T10:00:02Z</isotst><disptst>2025-11-21 10:00:02</disptst>\
                <isorcv>2025-11-21T10:00:02Z</isorcv></point>
                </owntracks>

                """)
    }

    @Test func `a line has two ends, or there is none`() {
        let foot = ",\"properties\":{\"tid\":\"17\",\"topic\":\"owntracks/drover/van-17\"}}\n"
        #expect(
            Self.text(.linestring, [Self.point, Self.bare])
                == "{\"type\":\"Feature\",\"geometry\":{\"type\":\"LineString\",\"coordinates\":[\n"
                + "[-79.3832,43.6532001],\n[180,0]]}" + foot)
        for points in [[], [Self.point]] {
            #expect(Self.text(.linestring, points) == "{\"type\":\"Feature\",\"geometry\":null" + foot)
        }
        #expect(
            Self.text(.linestring, [Self.point, Self.bare, Self.point]).contains("[180,0],\n[-79.3832,43.6532001]]}"))
    }

    @Test func `GeoJSON and GPX hold the same points`() {
        let geojson = Self.text(.geojson, [Self.bare], fields: ["tid", "tst"])
        #expect(
            geojson == """
                {"type":"FeatureCollection","features":[
                {"type":"Feature","geometry":{"type":"Point","coordinates":[180,0]},\
                "properties":{"tid":"17","tst":1763719202}}
                ]}

                """)
        let gpx = Self.text(.gpx, [Self.point])
        #expect(gpx.contains("<trkpt lat=\"43.6532001\" lon=\"-79.3832\">"))
        #expect(gpx.hasSuffix("</gpx>\n"))
    }

    @Test func `a friend has what the apps show of one`() {
        var writer = JSONWriter()
        let position = Position(
            recordedAt: 1_760_000_000_000_000, receivedAt: 0, latitude: 10_000_000, longitude: 20_000_000, accuracy: 12,
            speed: 10, heading: 90)
        OwnTracksLocation(position, of: Self.driver, trackerID: "x7").append(to: &writer, .friend)
        #expect(
            String(decoding: writer.bytes, as: UTF8.self)
                == #"{"_type":"location","tid":"x7","lat":1,"lon":2,"tst":1760000000,"acc":12,"vel":36,"cog":90,"#
                + #""topic":"owntracks/drover/van-17"}"#)
        #expect(OwnTracksLocation.trackerID(of: DriverID("7")!) == "7")
    }
}
