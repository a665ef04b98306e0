// `POST /locations`: every shape of the document and of the record comes to the same pings.

import Testing

@testable import Tracking

@Suite struct LocationsPingsTests {
    private static func decode(
        _ text: String, columns: String? = nil, limit: Int = 1_000
    ) throws(PingDecodingError) -> [DecodedPing] {
        var batch = PingBatch()
        let columns = columns.map { LocationsPings.Columns($0) } ?? .none
        try LocationsPings.decode(
            Array(text.utf8).span, into: &batch, columns: columns, maximumPings: limit, assumedAccuracy: 20)
        return batch.pings
    }

    /// As the library writes one by default.
    private static func record(
        at time: String = #""2025-10-09T08:53:20.125Z""#, place: String = #""latitude":43.6532,"longitude":-79.3832"#,
        more: String = ""
    ) -> String {
        #"{"event":"","is_moving":true,"uuid":"e7a3…","timestamp":\#(time),"recorded_at":"2025-10-09T08:53:29.000Z","#
            + #""age":4,"odometer":1234.5,"coords":{\#(place),"accuracy":5.5,"speed":8.3,"speed_accuracy":0.7,"#
            + #""heading":271,"heading_accuracy":2,"altitude":92.1,"ellipsoidal_altitude":56,"altitude_accuracy":3,"#
            + #""floor":null},"activity":{"type":"in_vehicle","confidence":100},"battery":{"level":0.83,"#
            + #""is_charging":false},"mock":false,"extras":{"lat":1,"lng":2}\#(more)}"#
    }

    private static func expectRecord(_ pings: [DecodedPing], count: Int = 1, _ which: Comment) {
        #expect(pings.count == count, which)
        for found in pings {
            let ping = found.ping
            #expect(found.defect == nil, which)
            #expect(ping.recordedAt == 1_760_000_000_125_000, which)
            #expect(ping.latitude == 436_532_000 && ping.longitude == -793_832_000, which)
            #expect(ping.accuracy == 5.5 && ping.speed == 8.3, which)
            #expect(ping.heading == 271 && ping.altitude == 92.1, which)
            #expect(ping.battery == 0.83, which)
            #expect(!ping.isMock && ping.source == nil, which)
        }
    }

    @Test func `the root is called as the app likes, or not at all, and holds one record or an array`() throws {
        let one = Self.record()
        for (document, count) in [
            (#"{"location":\#(one),"user_id":7}"#, 1), (#"{"location":[\#(one),\#(one)],"device_id":"phone"}"#, 2),
            (#"{"params":{"a":1},"points":[\#(one)]}"#, 1), (one, 1), ("[\(one),\(one),\(one)]", 3),
            (#"{"auth":["x"],"locations": [ \#(one) ] ,"tags":{"location":7}}"#, 1),
        ] {
            Self.expectRecord(try Self.decode(document), count: count, "\(document)")
        }
    }

    @Test func `times come as text, in milliseconds and in seconds`() throws {
        for time in [#""2025-10-09T10:53:20.125+02:00""#, "1760000000125", #""1760000000125""#, "1760000000.125"] {
            Self.expectRecord(try Self.decode(#"{"location":\#(Self.record(at: time))}"#), "\(time)")
        }
        let stored = try Self.decode(#"{"recorded_at":1760000000125,"coords":{"latitude":1,"longitude":2}}"#)
        #expect(
            stored.map(\.ping.recordedAt) == [1_760_000_000_125_000], "the time of storage, where it is all there is")
    }

    @Test func `flat records are read under the usual names`() throws {
        for record in [
            #"{"timestamp":1760000000125,"latitude":43.6532,"longitude":-79.3832,"accuracy":5.5,"speed":8.3,"heading":271,"altitude":92.1,"battery":0.83}"#,
            #"{"ts":1760000000125,"lat":"43.6532","lng":"-79.3832","acc":5.5,"speed":8.3,"bearing":271,"alt":92.1,"battery_level":83,"is_mock":false}"#,
            #"{"time":"2025-10-09T08:53:20.125Z","lat":43.6532,"lon":-79.3832,"accuracy":5.5,"speed":8.3,"course":271,"alt":92.1,"battery":{"level":0.83}}"#,
        ] {
            Self.expectRecord(try Self.decode(#"{"location":\#(record)}"#), "\(record)")
            Self.expectRecord(try Self.decode(record), "\(record)")
        }
    }

    @Test func `compact records are read by the columns that the address names`() throws {
        let columns = "timestamp,lat,lng,accuracy,odometer,speed,heading,altitude,battery"
        let row = #"["2025-10-09T08:53:20.125Z",43.6532,-79.3832,5.5,1234,8.3,271,92.1,0.83,"more"]"#
        for (document, count) in [
            (row, 1), ("[\(row),\(row)]", 2), (#"{"location":\#(row)}"#, 1), (#"{"location":[\#(row)],"id":"x"}"#, 1),
        ] {
            Self.expectRecord(try Self.decode(document, columns: columns), count: count, "\(document)")
            #expect(throws: PingDecodingError.notPings, "no columns") { try Self.decode(document) }
        }
    }

    @Test func `a browser's position is one as it stands`() throws {
        let position =
            #"{"coords":{"accuracy":5.5,"latitude":43.6532,"longitude":-79.3832,"altitude":null,"#
            + #""altitudeAccuracy":null,"heading":null,"speed":null},"timestamp":1760000000125}"#
        for (document, count) in [(position, 1), ("[\(position),\(position)]", 2)] {
            let pings = try Self.decode(document)
            #expect(pings.count == count)
            for found in pings {
                #expect(found.defect == nil && found.ping.recordedAt == 1_760_000_000_125_000)
                #expect(found.ping.latitude == 436_532_000 && found.ping.accuracy == 5.5)
                #expect(found.ping.speed == nil && found.ping.heading == nil && found.ping.altitude == nil)
            }
        }
    }

    @Test func `minus one is unknown, an accuracy of zero or none is the assumed one, a negative one is no fix`() throws
    {
        let coords = #""latitude":43.6532,"longitude":-79.3832,"speed":-1,"heading":-1,"altitude":-1"#
        for (accuracy, expected) in [(#","accuracy":0"#, 20), ("", 20), (#","accuracy":-1"#, -1)] as [(String, Float)] {
            let pings = try Self.decode(
                #"{"location":{"timestamp":1760000000125,"coords":{\#(coords)\#(accuracy)},"battery":{"level":-1}}}"#)
            #expect(pings.map(\.ping.accuracy) == [expected])
            #expect(pings.first?.ping.speed == nil && pings.first?.ping.heading == nil)
            #expect(pings.first?.ping.battery == nil && pings.first?.ping.altitude == -1, "below the sea is a place")
        }
    }

    @Test func `samples are left out, heartbeats and what tells of a geofence or the provider are fixes`() throws {
        let fence = #","geofence":{"identifier":"depot","action":"ENTER","latitude":1,"longitude":2}"#
        let documents = [
            Self.record(more: #","sample":true"#), Self.record(more: #","event":"heartbeat""#),
            Self.record(more: fence), Self.record(more: #","provider":{"gps":true}"#),
        ]
        Self.expectRecord(try Self.decode(#"{"location":[\#(documents.joined(separator: ","))]}"#), count: 3, "all")
        Self.expectRecord(try Self.decode(documents[2]), "a fence at the root")
        #expect(try Self.decode(#"{"location":\#(documents[0])}"#).isEmpty)
    }

    @Test func `a simulated position is flagged`() throws {
        for name in ["mock", "is_mock"] {
            let pings = try Self.decode(#"{"lat":1,"lng":2,"ts":1,"\#(name)":true}"#)
            #expect(pings.map(\.ping.isMock) == [true], "\(name)")
        }
    }

    @Test func `a name in the record goes before one beside the records, which names all others`() throws {
        let own = #"{"lat":1,"lng":2,"ts":1,"driver_id":"van-2"}"#
        let pings = try Self.decode(#"{"locations":[\#(own),\#(Self.record())],"device_id":"van-1"}"#)
        #expect(pings.map(\.driver) == [DriverID("van-2"), DriverID("van-1")])
        let root = try Self.decode(#"{"device_id":"van-3","driver_id":"van-4","lat":1,"lng":2,"ts":1}"#)
        #expect(root.map(\.driver) == [DriverID("van-4")])
        #expect(
            try Self.decode(#"{"location":\#(own),"device_id":"no driver's"}"#).map(\.driver) == [DriverID("van-2")])
    }

    @Test func `a place without a time is malformed, one without the other half too`() throws {
        let pings = try Self.decode(#"[{"lat":1,"lng":2},{"lat":1,"ts":1},{"lng":1,"ts":1}]"#)
        #expect(pings.map(\.defect) == [.missing(.recordedAt), .missing(.longitude), .missing(.latitude)])
    }

    @Test(arguments: [
        "{}", "7", "null", #""x""#, #"{"location":{}}"#, #"{"location":{"latitud":1,"longitud":2}}"#, #"[[1,2,3]]"#,
        #"{"location":7}"#, #"{"coords":{"latitude":null,"longitude":null},"timestamp":1}"#,
    ])
    func `a document without a place is refused, since the app would delete it after a success`(text: String) {
        #expect(throws: PingDecodingError.notPings) { try Self.decode(text) }
    }

    @Test func `an empty list is in order, and what is no JSON or too much is not`() throws {
        #expect(try Self.decode(#"{"location":[]}"#).isEmpty)
        #expect(try Self.decode("[]").isEmpty)
        let record = #"{"lat":1,"lng":2,"ts":1}"#
        #expect(throws: PingDecodingError.tooMany(limit: 1)) { try Self.decode("[\(record),\(record)]", limit: 1) }
        for text in ["", "{", "[\(record)", "[\(record)] x", #"{"location":{"lat":1,}}"#] {
            #expect(throws: PingDecodingError.self, "\(text)") { try Self.decode(text) }
        }
        let deep = String(repeating: "[", count: 40) + String(repeating: "]", count: 40)
        #expect(throws: PingDecodingError.self) { try Self.decode(#"{"extras":\#(deep),"lat":1,"lng":2,"ts":1}"#) }
    }
}
