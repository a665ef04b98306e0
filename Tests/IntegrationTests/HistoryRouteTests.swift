// A driver's past over HTTP: formats, ranges, pages, and who may ask.

import DroverClient
import Foundation
import LocalServers
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
                    extra: ",\"altitude\":92.1,\"source\":\"gps\",\"session_id\":\"a \\\"b\\\", c\"}".dropLast()
                        .description),
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
                    "van:1,\(Timestamps.fine(start)),43.6532001,-79.3832,8.333,271.25,4.5,92.1,gps,\"a \"\"b\"\", c\",0,"
                ))
            #expect(rows[2] == "van:1,\(second),-0.0000001,180,,,0.00002,,,,7,\(Timestamps.fine(start + 1_000))")
            #expect(rows.count == 5 && rows[4].isEmpty)

            let gpx = try get("gpx")
            #expect(gpx.header("Content-Type") == "application/gpx+xml")
            try GPXSchema.check(gpx.text)
            #expect(gpx.text.contains("<trkpt lat=\"43.6532001\" lon=\"-79.3832\"><ele>92.1</ele>"))
            // The schema's longitudes end before 180°.
            #expect(gpx.text.contains("<trkpt lat=\"-0.0000001\" lon=\"-180\">"))
        }

        @Test func `ranges, limits and pages`() throws {
            let (gateway, key) = try Self.world()
            let start = (now() / 1_000) * 1_000 - 3_600_000
            try gateway.post(TestPing.drive("p-1", from: start, count: 1_000), token: key)
            try gateway.post(TestPing.drive("p-2", from: start, count: 10), token: key)
            try gateway.awaitHistory()
            func seconds(_ query: String) throws -> [Int64] {
                let response = try gateway.http("GET", "/v1/drivers/p-1/history?format=ndjson&\(query)", token: key)
                try #require(response.status == 200, "\(response.text)")
                return try response.text.split(separator: "\n").map {
                    try Timestamps.milliseconds(JSON(parsing: String($0))["recorded_at"].string)
                }.map { ($0 - start) / 1_000 }
            }
            #expect(try seconds("") == Array(0..<1_000))
            #expect(try seconds("from=\(start + 10_000)&to=\(start + 20_000)") == Array(10..<20), "`to` is not in it")
            let from = Timestamps.fine(start + 995_000)
            #expect(try seconds("from=\(from)") == Array(995..<1_000))
            #expect(try seconds("from=\(from.dropLast())%2B00:00") == Array(995..<1_000))
            #expect(try seconds("from=\(from.dropLast())+00:00") == Array(995..<1_000), "an unescaped plus")
            #expect(try seconds("to=\(start + 1_000)") == [0], "a day before `to`")
            #expect(try seconds("from=\(start - 5_000)&to=\(start)").isEmpty)
            #expect(try seconds("limit=7") == Array(0..<7))
            #expect(try seconds("limit=1000").count == 1_000)
            #expect(try seconds("limit=3&after=\(Timestamps.fine(start + 4_000))") == [5, 6, 7])
            #expect(try seconds("after=\(start + 998_000)") == [999])
            #expect(try seconds("every_s=300") == [0, 300, 600, 900, 999])
            #expect(try seconds("every_s=300&limit=2") == [0, 300])
            #expect(try seconds("every_s=300&after=\(start + 300_000)") == [600, 900, 999])
            #expect(try seconds("simplify_m=5") == [0, 999], "it goes straight on")

            // Every page by its `next`, while pings are still coming in behind the range's beginning.
            var read: [Int64] = []
            var after = ""
            for page in 0..<20 {
                let response = try gateway.http(
                    "GET", "/v1/drivers/p-1/history?limit=100\(after)&from=\(start)", token: key)
                let collection = try JSON(parsing: response.text)
                try RFC7946.check(collection)
                read += try collection["features"].array.map {
                    try Timestamps.milliseconds($0["properties"]["recorded_at"].string)
                }
                if page == 3 {
                    try gateway.post(
                        Array(TestPing.drive("p-1", from: start, count: 1_055).suffix(55)), token: key)
                    try gateway.awaitHistory()
                }
                guard let next = collection["next"].string else { break }
                after = "&after=\(next)"
            }
            #expect(read == (0..<1_055).map { start + Int64($0) * 1_000 })
        }

        @Test func `a range of years has the few pings in it`() throws {
            let (gateway, key) = try Self.world()
            let day: Int64 = 86_400_000
            let times = [25, 12, 11, 1, 0].map { now() - $0 * day - 60_000 }
            // Newest first: the others are late, and go to the history alone.
            for at in times.reversed() { try gateway.post([TestPing("y-1", at: at)], token: key) }
            try gateway.awaitHistory()
            for format in ["ndjson", "csv"] {
                let text = try gateway.http(
                    "GET", "/v1/drivers/y-1/history?from=1950-01-01T00:00:00Z&to=2950-01-01T00:00:00Z&format=\(format)",
                    token: key
                ).text
                #expect(times.allSatisfy { text.contains(Timestamps.fine($0)) })
                #expect(text.split(separator: "\n").count == times.count + (format == "csv" ? 1 : 0))
            }
        }

        @Test func `Accept chooses the format, and format outdoes it`() throws {
            let shared = try SharedHistory.get()
            func type(_ query: String, _ accept: String?) throws -> String? {
                let headers = accept.map { [("Accept", $0)] } ?? []
                let response = try shared.gateway.http(
                    "GET", "/v1/drivers/none/history\(query)", token: shared.key, headers: headers)
                #expect(response.status == 200)
                #expect(response.headers.contains { $0.name.lowercased() == "vary" && $0.value == "Accept" })
                return response.header("Content-Type")
            }
            #expect(try type("", nil) == "application/geo+json")
            #expect(try type("", "*/*") == "application/geo+json")
            #expect(try type("", "application/gpx+xml") == "application/gpx+xml")
            #expect(try type("?format=ndjson", "text/csv") == "application/x-ndjson")
        }

        @Test func `a driver without a past has an empty one in every format`() throws {
            let shared = try SharedHistory.get()
            func text(_ format: String) throws -> String {
                try shared.gateway.http("GET", "/v1/drivers/none/history?format=\(format)", token: shared.key).text
            }
            let collection = try JSON(parsing: text("geojson"))
            try RFC7946.check(collection)
            #expect(collection["features"].array.isEmpty)
            try GPXSchema.check(text("gpx"))
            #expect(try text("csv").split(separator: "\n").count == 1)
            #expect(try text("ndjson").isEmpty)
        }

        @Test(arguments: [
            "format=xml", "from=yesterday", "from=2026-11-21", "from=2026-11-21T10:00:00", "to=1e3", "limit=0",
            "limit=1000001", "limit=x", "after=x", "every_s=0", "every_s=86401", "every_s=1.5", "simplify_m=0",
            "simplify_m=-1", "simplify_m=nan", "simplify_m=inf", "simplify_m=10001", "simplify_m=",
            "from=2000&to=1000", "from=1000&to=1000", "from=99999999999999999999", "from=-9223372036854775807",
            "to=0001-01-01T00:00:00Z", "to=253402300800000",
        ])
        func `a question that makes no sense is a 400`(query: String) throws {
            let shared = try SharedHistory.get()
            let response = try shared.gateway.http("GET", "/v1/drivers/d/history?\(query)", token: shared.key)
            #expect(response.status == 400, "\(response.text)")
            #expect(try JSON(parsing: response.text)["code"].string == "bad_request")
        }

        @Test func `who may not, who is not, and what is only looked at`() throws {
            let shared = try SharedHistory.get()
            let gateway = shared.gateway
            for path in ["history", "trips"] {
                func status(_ method: String, _ id: String, _ token: String?) throws -> Int {
                    try gateway.http(method, "/v1/drivers/\(id)/\(path)", token: token).status
                }
                #expect(try status("GET", "d", nil) == 401)
                #expect(try status("GET", "d", gateway.key("positions:read")) == 403)
                let limited = try gateway.key("history:read", subjects: "driver:m-*")
                #expect(try status("GET", "d", limited) == 403)
                #expect(try status("GET", "m-1", limited) == 200)
                #expect(try status("GET", "a%20b", shared.key) == 404)
                #expect(try status("POST", "d", shared.key) == 405 || status("POST", "d", shared.key) == 411)
                let head = try gateway.http("HEAD", "/v1/drivers/d/\(path)", token: shared.key)
                #expect(head.status == 200 && head.text.isEmpty)
            }
            #expect(try gateway.http("GET", "/v1/drivers/d/trips?date=2026-02-30", token: shared.key).status == 400)
            #expect(try gateway.http("GET", "/v1/drivers/d/trips?date=21.11.2026", token: shared.key).status == 400)
        }

        @Test func `a viewer's signed token opens the past of its subjects where it says so`() throws {
            let signed = SignedTokens()
            let gateway = try RunningGateway(starts: false)
            let keySet = gateway.directory.path + "/jwks.json"
            try signed.keySet.write(toFile: keySet, atomically: true, encoding: .utf8)
            gateway.set("access.jwks_file", keySet)
            try gateway.start()
            try gateway.awaitStores()
            let viewer = "\"role\":\"viewer\",\"sub\":\"c1\",\"subjects\":[\"driver:m-1\",\"order:o-1\"]"
            func status(_ driver: String, _ more: String) throws -> Int {
                try gateway.http("GET", "/v1/drivers/\(driver)/history", token: signed.token(viewer + more)).status
            }
            #expect(try status("m-1", ",\"permissions\":[\"history:read\"]") == 200)
            #expect(try status("m-2", ",\"permissions\":[\"history:read\"]") == 403)
            #expect(try status("m-1", "") == 403)
        }

        @Test func `a page's statement reads one partition by its key`() throws {
            let (gateway, key) = try Self.world()
            let day = now() / 86_400_000 * 86_400_000 - 86_400_000
            try gateway.post(TestPing.drive("e-1", from: day, count: 1_000), token: key)
            try gateway.post(TestPing.drive("e-1", from: now() - 60_000, count: 10), token: key)
            try gateway.awaitHistory()
            try gateway.sql("ANALYZE driver_location_events")
            let plan = try gateway.sql(
                """
                EXPLAIN (COSTS OFF) SELECT recorded_at, received_at, lat, lng, accuracy, speed, heading, altitude, source,
                    session_id, flags FROM driver_location_events
                WHERE driver_id = $1 AND recorded_at > $2 AND recorded_at < $3 ORDER BY recorded_at LIMIT $4
                """, ["e-1", Timestamps.fine(day + 3_600), Timestamps.fine(day + 86_400_000), "500"]
            ).compactMap(\.self).joined(separator: "\n")
            #expect(plan.contains("Index Scan using driver_location_events_"), "\(plan)")
            #expect(plan.components(separatedBy: " on driver_location_events").count == 2, "\(plan)")
            #expect(!plan.contains("Sort"))
        }
    }
}

/// A gateway for questions that need no pings of their own.
struct SharedHistory {
    let gateway: RunningGateway
    let key: String

    /// Sound as in `SharedGateway`.
    nonisolated(unsafe) private static let made = Result {
        let gateway = try RunningGateway()
        let key = try gateway.key("history:read")
        try gateway.awaitStores()
        return SharedHistory(gateway: gateway, key: key)
    }

    static func get() throws -> SharedHistory {
        try made.get()
    }
}

/// Instants as the export writes them, made and read by Foundation.
enum Timestamps {
    static func fine(_ milliseconds: Int64) -> String {
        let formatter = ISO8601DateFormatter()
        let seconds = formatter.string(from: Date(timeIntervalSince1970: Double(milliseconds / 1_000))).dropLast()
        return "\(seconds).\(String(format: "%03d", Int(milliseconds % 1_000)))000Z"
    }

    static func milliseconds(_ text: String?) throws -> Int64 {
        let text = try #require(text)
        let date = try #require(ISO8601DateFormatter().date(from: text.prefix(19) + "Z"))
        return Int64(date.timeIntervalSince1970) * 1_000 + (try #require(Int64(text.dropFirst(20).prefix(3))))
    }
}
