// A driver's past over HTTP: formats, ranges, pages, and who may ask.

import DroverClient
import Foundation
import Testing

extension Integration {
    @Suite("GET /v1/drivers/{id}/history", .serialized)
    struct HistoryRoute {
        private static func world() throws -> (gateway: RunningGateway, key: String) {
            let gateway = try RunningGateway()
            let key = try gateway.key("pings:write,positions:read,history:read")
            try gateway.awaitStores()
            return (gateway, key)
        }

        @Test func `what came in comes out in every format`() throws {
            let (gateway, key) = try Self.world()
            let start = now() - 60_000
            let pings = [
                TestPing(
                    "van:1", at: start, latitude: 43.6532001, longitude: -79.3832, accuracy: 4.5, speed: 8.333,
                    heading: 271.25,
                    extra: ",\"altitude\":92.1,\"source\":\"gps\",\"session_id\":\"a \\\"b\\\", c\"}".dropLast().description),
                TestPing("van:1", at: start + 1_000, latitude: -0.0000001, longitude: 180, accuracy: 0.00002),
                TestPing("van:1", at: start + 30_000, latitude: 43.6533, longitude: -79.3832, speed: 0),
            ]
            // The second is a jump, so it is put where the judge does not look.
            try gateway.post([pings[0], pings[2]], token: key)
            try gateway.awaitHistory()
            try gateway.sql(
                """
                INSERT INTO driver_location_events (driver_id, recorded_at, lat, lng, accuracy, flags, received_at)
                VALUES ('van:1', to_timestamp($1::bigint / 1e3) + interval '456 microseconds', -0.0000001, 180, 0.00002,
                    7, to_timestamp($1::bigint / 1e3))
                """, [String(start + 1_000)])
            func get(_ format: String) throws -> HTTPResponse {
                let response = try gateway.http("GET", "/v1/drivers/van:1/history?format=\(format)", token: key)
                try #require(response.status == 200, "\(response.text)")
                #expect(response.header("Cache-Control") == "no-store")
                let name = try #require(response.header("Content-Disposition"))
                #expect(name.wholeMatch(of: #/attachment; filename="van-1_\d{8}T\d{6}Z_\d{8}T\d{6}Z\.[a-z]+"/#) != nil)
                return response
            }
            let second = Timestamps.fine(start + 1_000).replacing("000Z", with: "456Z")

            let lines = try get("ndjson")
            #expect(lines.header("Content-Type") == "application/x-ndjson")
            let objects = try lines.text.split(separator: "\n").map { try JSON(parsing: String($0)) }
            #expect(objects.count == 3)
            #expect(objects[0]["driver_id"].string == "van:1")
            #expect(objects[0]["recorded_at"].string == Timestamps.fine(start))
            #expect(objects[0]["lat"].number == 43.6532001)
            #expect(objects[0]["lng"].number == -79.3832)
            #expect(objects[0]["altitude"].number == 92.1)
            #expect(objects[0]["speed"].number == 8.333)
            #expect(objects[0]["heading"].number == 271.25)
            #expect(objects[0]["accuracy"].number == 4.5)
            #expect(objects[0]["source"].string == "gps")
            #expect(objects[0]["session_id"].string == "a \"b\", c")
            #expect(!objects[0].names.contains("late"))
            #expect(
                objects[1].names == [
                    "accuracy", "clamped", "driver_id", "lat", "late", "lng", "mock", "received_at", "recorded_at",
                ])
            #expect(objects[1]["recorded_at"].string == second)
            #expect(objects[1]["accuracy"].number == 0.00002)
            #expect(objects[2]["speed"].number == 0)

            let geojson = try get("geojson")
            #expect(geojson.header("Content-Type") == "application/geo+json")
            let collection = try JSON(parsing: geojson.text)
            try RFC7946.check(collection)
            #expect(collection["driver_id"].string == "van:1")
            #expect(collection["next"].isNull)
            let features = collection["features"].array
            #expect(features.count == 3)
            #expect(features[0]["geometry"]["coordinates"].array.map(\.number) == [-79.3832, 43.6532001, 92.1])
            #expect(features[1]["geometry"]["coordinates"].array.map(\.number) == [180, -0.0000001])
            #expect(features[0]["properties"]["recorded_at"].string == Timestamps.fine(start))
            #expect(features[1]["properties"]["late"].flag == true)

            let csv = try get("csv")
            #expect(csv.header("Content-Type") == "text/csv; charset=utf-8; header=present")
            let rows = csv.text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
            #expect(
                rows[0]
                    == "driver_id,recorded_at,lat,lng,speed,heading,accuracy,altitude,source,session_id,flags,received_at"
            )
            #expect(
                rows[1].hasPrefix(
                    "van:1,\(Timestamps.fine(start)),43.6532001,-79.3832,8.333,271.25,4.5,92.1,gps,\"a \"\"b\"\", c\",0,"))
            #expect(rows[2] == "van:1,\(second),-0.0000001,180,,,0.00002,,,,7,\(Timestamps.fine(start + 1_000))")
            #expect(rows.count == 5 && rows[4].isEmpty)

            let gpx = try get("gpx")
            #expect(gpx.header("Content-Type") == "application/gpx+xml")
            try GPXSchema.check(gpx.text)
            #expect(gpx.text.contains("<trkpt lat=\"43.6532001\" lon=\"-79.3832\"><ele>92.1</ele>"))
            // The schema's longitudes end before 180°.
            #expect(gpx.text.contains("<trkpt lat=\"-0.0000001\" lon=\"-180\">"))
        }
    }
}

/// Instants as the export writes them, made by Foundation.
enum Timestamps {
    static func fine(_ milliseconds: Int64) -> String {
        let formatter = ISO8601DateFormatter()
        let seconds = formatter.string(from: Date(timeIntervalSince1970: Double(milliseconds / 1_000))).dropLast()
        return "\(seconds).\(String(format: "%03d", Int(milliseconds % 1_000)))000Z"
    }
}
