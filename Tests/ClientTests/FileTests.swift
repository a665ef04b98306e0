/// Recorded pings: CSV and GPX, and what is said about files that are wrong.
import DroverClient
import Testing

@Suite struct CSVTests {
    func read(_ text: String) throws -> PingFile { try PingFile("drive.csv", Array(text.utf8), isTrack: false) }

    @Test func `a phone's recording, whose -1 is unknown`() throws {
        let file = try read(
            """
            elapsed_ms,lat,lng,altitude_m,speed_mps,bearing_deg,accuracy_m,speed_accuracy_mps,bearing_accuracy_deg
            0,43.6420983,-79.4698302,58.0,15.97,306.7,15.8,3.29,6.5
            1000,43.6421790,-79.4699813,-10.0,-1,-1,-1,-1,-1

            """)
        #expect(file.name == "drive" && file.hasElapsedTimes && file.drivers.isEmpty && !file.lacksAccuracy)
        #expect(
            file.rows == [
                PingFile.Row(
                    driver: 0, time: 0, latitude: 43.6420983, longitude: -79.4698302, accuracy: 15.8, speed: 15.97,
                    heading: 306.7, altitude: 58),
                PingFile.Row(
                    driver: 0, time: 1000, latitude: 43.6421790, longitude: -79.4699813, accuracy: -1, speed: nil,
                    heading: nil, altitude: -10),
            ])
    }

    @Test func `several drivers without accuracy, put in the order of time`() throws {
        let file = try read(
            "agent,elapsed_ms,lat,lng,activity\r\nb,0,1,2,x\r\nb,5000,1,2,x\r\na,100,3,4,\"a \"\"b\"\"\"")
        #expect(file.drivers == ["b", "a"] && file.lacksAccuracy)
        #expect(file.rows.map(\.driver) == [0, 1, 0] && file.rows.map(\.time) == [0, 100, 5000])
    }

    @Test func `an exported history, with quotes, empty fields and every kind of time`() throws {
        let file = try read(
            """
            driver_id,recorded_at,lat,lng,speed,heading,accuracy,altitude,source
            "7f0c",2026-11-20T05:30:00.250Z,1e0,-2.5,,,4.5,,gps
            7f0c,2026-11-20 05:30:01+00,1,-2.5,1,2,3,4,"fu,sed"
            7f0c,2026-11-20T00:30:02-05:00,1,-2.5,1,2,3,4,gps
            7f0c,1795152603000,1,-2.5,1,2,3,4,gps
            """)
        #expect(!file.hasElapsedTimes && file.drivers == ["7f0c"])
        #expect(file.rows.map(\.time) == [1_795_152_600_250, 1_795_152_601_000, 1_795_152_602_000, 1_795_152_603_000])
        #expect(file.rows[0].speed == nil && file.rows[0].latitude == 1)
    }

    @Test(arguments: [
        ("", 1, 0, "the file is empty"),
        ("a,b\n1,2\n", 1, 1, "no columns `lat` and `lng`"),
        ("lat,lng\n1,2\n", 1, 1, "no column `elapsed_ms` or `recorded_at`"),
        ("elapsed_ms,lat,lng,lat\n", 1, 20, "`lat` is there twice"),
        ("elapsed_ms,lat,lng\n0,1,2\n5,1,abc\n", 3, 5, "`abc` in lng is not a number"),
        ("elapsed_ms,lat,lng\n0,1,2\n5,1\n", 3, 3, "2 fields where the first line names 3"),
        ("elapsed_ms,lat,lng\n0,,2\n", 2, 3, "`` in lat is not a number"),
        ("recorded_at,lat,lng\nyesterday,1,2\n", 2, 1, "neither RFC 3339"),
        ("recorded_at,lat,lng\n2026-02-29T00:00:00Z,1,2\n", 2, 1, "neither RFC 3339"),
        ("recorded_at,lat,lng\n2026-02-28T00:00:00,1,2\n", 2, 1, "neither RFC 3339"),
        ("elapsed_ms,lat,lng\n0,\"1,2\n", 2, 3, "never closed"),
        ("elapsed_ms,lat,lng\n0,\"1\"x,2\n", 2, 3, "text after a closing quote"),
        ("driver_id,elapsed_ms,lat,lng\nmy van,0,1,2\n", 2, 1, "not a driver's id"),
        ("elapsed_ms,lat,lng\n0,inf,2\n", 2, 3, "not a number"),
        ("elapsed_ms,lat,lng\n0,0x1p3,2\n", 2, 3, "not a number"),
        ("elapsed_ms,lat,lng\n", 1, 0, "holds no pings"),
    ])
    func `what is wrong is named with line and column`(text: String, line: Int, column: Int, words: String) throws {
        let error = try #require(throws: DroverClientError.self) { try read(text) }
        guard case .badFile("drive.csv", line, column, let problem) = error else {
            Issue.record("\(error)")
            return
        }
        #expect(problem.contains(words))
    }

    @Test func `a file that is not there says so`() {
        #expect(throws: DroverClientError.cannotRead("/nowhere.csv", reason: "No such file or directory")) {
            try PingFile(path: "/nowhere.csv")
        }
        #expect(throws: DroverClientError.cannotRead("/", reason: "it is a directory")) { try PingFile(path: "/") }
    }
}

@Suite struct GPXTests {
    func read(_ text: String) throws -> PingFile { try PingFile("walk.gpx", Array(text.utf8), isTrack: true) }

    @Test func `track points with what they know`() throws {
        let file = try read(
            """
            <?xml version="1.0" encoding="UTF-8"?>
            <!-- a walk > here -->
            <gpx version="1.1" xmlns="http://www.topografix.com/GPX/1/1" xmlns:g='urn:x'>
              <metadata><name>A &amp; B &#x41;</name><time>2020-01-01T00:00:00Z</time></metadata>
              <trk><trkseg>
                <trkpt lat="43.5" lon="-79.25"><ele> 92.5 </ele><time>2026-11-20T05:30:01Z</time></trkpt>
                <trkpt lon='-79.5' lat='43.75'>
                  <time>2026-11-20T05:30:00.5Z</time>
                  <extensions><g:speed>8.5</g:speed><g:course>271</g:course><g:accuracy>4</g:accuracy></extensions>
                </trkpt>
              </trkseg></trk>
            </gpx>
            """)
        #expect(file.lacksAccuracy && !file.hasElapsedTimes)
        #expect(
            file.rows == [
                PingFile.Row(
                    driver: 0, time: 1_795_152_600_500, latitude: 43.75, longitude: -79.5, accuracy: 4, speed: 8.5,
                    heading: 271, altitude: nil),
                PingFile.Row(
                    driver: 0, time: 1_795_152_601_000, latitude: 43.5, longitude: -79.25, accuracy: nil, speed: nil,
                    heading: nil, altitude: 92.5),
            ])
    }

    @Test(arguments: [
        ("<kml></kml>", 1, 1, "<kml> where <gpx> should begin"),
        ("<gpx>\n <trkpt lat='1'/></gpx>", 2, 2, "a track point without `lon`"),
        ("<gpx>\n <trkpt lat='1' lon='x'/></gpx>", 2, 2, "`x` in lon is not a number"),
        ("<gpx>\n<trkpt lat='1' lon='2'></trkpt></gpx>", 2, 24, "a track point without a time"),
        ("<gpx><trk></gpx>", 1, 11, "</gpx> closes what is not open"),
        ("<gpx><trk>", 1, 11, "the file ends inside <trk>"),
        ("<!DOCTYPE gpx><gpx/>", 1, 1, "a document type"), ("<gpx><!-- ", 1, 6, "never ends"),
        ("<gpx>\n<trkpt lat='1' lon='2'><time>noon</time></trkpt></gpx>", 2, 34, "`noon` is not RFC 3339"),
        ("<gpx></gpx>", 1, 0, "holds no pings"),
    ])
    func `what is wrong is named with line and column`(text: String, line: Int, column: Int, words: String) throws {
        let error = try #require(throws: DroverClientError.self) { try read(text) }
        guard case .badFile("walk.gpx", line, column, let problem) = error else {
            Issue.record("\(error)")
            return
        }
        #expect(problem.contains(words))
    }
}

@Suite struct TimestampTests {
    @Test(
        arguments: [
            ("1970-01-01T00:00:00Z", 0), ("2000-02-29T23:59:59.999Z", 951_868_799_999), ("1969-12-31T23:59:59Z", -1000),
            ("2026-11-21t07:50:21z", 1_795_247_421_000), ("2026-11-21", 1_795_219_200_000),
            ("1795247421000", 1_795_247_421_000),
            ("2026-11-21T07:50:21.1234567+05:30", 1_795_227_621_123),
        ] as [(String, Int64)])
    func `times are read`(text: String, milliseconds: Int64) {
        #expect(Timestamp.milliseconds(text) == milliseconds)
        #expect(Timestamp.milliseconds(Timestamp.text(milliseconds)) == milliseconds)
    }

    @Test(arguments: [
        "", "now", "2026-13-01", "2026-11-31", "2026-11-21T24:00:00Z", "2026-11-21T07:50:21", "2026-11-21T07:50:21.Z",
    ])
    func `what is no time is nil`(text: String) { #expect(Timestamp.milliseconds(text) == nil) }
}
