// Positions in and out as GeoJSON, and drivers from one distance to another.

import DroverClient
import Testing

extension Integration {
    @Suite("GeoJSON")
    struct GeoJSONPoints {
        private static let type = [("Content-Type", "application/geo+json")]

        private func feature(
            _ driver: String, at: Int64, _ coordinates: String, accuracy: Double = 5, more: String = ""
        ) -> String {
            #"{"type":"Feature","id":"\#(driver)","geometry":{"type":"Point","coordinates":\#(coordinates)},"#
                + #""properties":{"recorded_at":\#(at),"accuracy":\#(accuracy)\#(more)}}"#
        }

        @Test func `Features are judged, kept and shown as native pings are`() throws {
            let gateway = try RunningGateway()
            let key = try gateway.key("pings:write,positions:read,history:read")
            try gateway.awaitStores()
            let at = now() - 60_000
            let body =
                #"{"type":"FeatureCollection","features":["#
                + [
                    feature("a-1", at: at, "[-74.006,40.7128,12.5]", more: #","speed":8.5,"heading":271"#),
                    feature("a-1", at: at, "[-74.006,40.7128]"),
                    feature("a-1", at: at + 1_000, "[0,0]"),
                    feature("a-1", at: at + 2_000, "[-200,40.7]"),
                    feature("a-1", at: at + 3_000, "[-74.006,40.7129]", accuracy: 250),
                    #"{"type":"Feature","geometry":null,"properties":{"recorded_at":1,"accuracy":5}}"#,
                    "7",
                ].joined(separator: ",") + "]}"
            let response = try gateway.http("POST", "/v1/pings", token: key, headers: Self.type, body: body)
            #expect(response.status == 200, "\(response.text)")
            let reply = try JSON(parsing: response.text)
            #expect(reply["accepted"].integer == 1)
            #expect(reply["duplicate"].integer == 1)
            let rejected = reply["rejected"].array
            #expect(rejected.map { $0["index"].integer } == [2, 3, 4, 5, 6])
            #expect(
                rejected.map { $0["reason"].string }
                    == ["zero_island", "coordinates", "accuracy", "malformed", "malformed"])
            #expect(rejected[3]["detail"].string?.hasPrefix("geometry: expected a Point") == true)

            let position = try JSON(
                parsing: try gateway.http("GET", "/v1/drivers/a-1/position", token: key).text)
            #expect(position["lat"].number == 40.7128 && position["lng"].number == -74.006)
            try gateway.awaitHistory()
            #expect(
                try gateway.sql(
                    "SELECT concat_ws(' ', lat, lng, altitude, speed, heading) FROM driver_location_events")
                    == ["40.7128 -74.006 12.5 8.5 271"])
            try gateway.expectConservation()
        }

        @Test func `a device's Features need no driver; what is no GeoJSON is refused as a whole`() throws {
            let gateway = try RunningGateway()
            try gateway.awaitStores()
            let device = try gateway.deviceToken(driver: "a-2")
            let at = now() - 60_000
            // Its id is a label, as a phone app's: the credential says who it is.
            let own = feature("a-2", at: at, "[13.4,52.5]")
            let reply = try gateway.http("POST", "/v1/pings", token: device, headers: Self.type, body: "[\(own)]")
            #expect(try JSON(parsing: reply.text)["accepted"].integer == 1, "\(reply.text)")
            let foreign = feature("a-3", at: at + 1_000, "[13.4,52.5]", more: #","driver_id":"a-3""#)
            #expect(
                try gateway.http("POST", "/v1/pings", token: device, headers: Self.type, body: foreign).status == 403)
            for (body, code) in [
                ("{", "malformed_json"), ("{}", "bad_request"), ("[]", "bad_request"),
                (TestPing("a-2", at: at).json, "bad_request"),
            ] {
                let refused = try gateway.http("POST", "/v1/pings", token: device, headers: Self.type, body: body)
                #expect(refused.status == 400)
                #expect(try JSON(parsing: refused.text)["code"].string == code, "\(body)")
            }
            // A Feature as plain JSON is a native ping without its members.
            let plain = try gateway.http("POST", "/v1/pings", token: device, body: own)
            #expect(try JSON(parsing: plain.text)["rejected"][0]["reason"].string == "malformed")
            #expect(try gateway.metric("drover_pings_total{verdict=\"accepted\"}") == 1)
        }

        @Test func `positions come as Features where format or Accept asks for them`() throws {
            let gateway = try RunningGateway()
            let key = try gateway.key()
            let at = now() - 5_000
            try gateway.post(
                [
                    TestPing("g-1", at: at, latitude: 60.001, longitude: 20, speed: 3.25, heading: 90),
                    TestPing("g-2", at: at, latitude: 60.002, longitude: 20),
                ], token: key)
            let accept = [("Accept", "application/geo+json, application/json;q=0.5")]
            for response in [
                try gateway.http("GET", "/v1/drivers/g-1/position?format=geojson", token: key),
                try gateway.http("GET", "/v1/drivers/g-1/position", token: key, headers: accept),
            ] {
                #expect(response.header("Content-Type") == "application/geo+json")
                #expect(response.header("Cache-Control") == "no-store")
                let feature = try JSON(parsing: response.text)
                #expect(feature["type"].string == "Feature" && feature["id"].string == "g-1")
                #expect(feature["geometry"]["type"].string == "Point")
                // Longitude stands first (RFC 7946, section 3.1.1).
                #expect(feature["geometry"]["coordinates"].array.map(\.number) == [20, 60.001])
                #expect(
                    feature["properties"].names == ["accuracy", "driver_id", "heading", "recorded_at", "speed"])
                #expect(feature["properties"]["recorded_at"].integer == at)
            }
            let list = try gateway.http("GET", "/v1/drivers?near=60,20&format=geojson", token: key)
            let collection = try JSON(parsing: list.text)
            #expect(collection["type"].string == "FeatureCollection")
            #expect(collection["now"].integer.map { abs($0 - now()) < 60_000 } == true)
            #expect(collection["features"].array.map { $0["id"].string } == ["g-1", "g-2"])
            #expect(collection["features"][0]["properties"]["distance_m"].number.map { abs($0 - 111.2) < 1 } == true)
            // What was shown can be sent: it is the same fix.
            let again = try gateway.http("POST", "/v1/pings", token: key, headers: Self.type, body: list.text)
            #expect(try JSON(parsing: again.text)["duplicate"].integer == 2, "\(again.text)")

            let native = try gateway.http("GET", "/v1/drivers?near=60,20&format=json", token: key, headers: accept)
            #expect(native.header("Content-Type") == "application/json")
            #expect(try JSON(parsing: native.text)["drivers"].array.count == 2)
            for path in ["/v1/drivers?near=60,20&format=gpx", "/v1/drivers/g-1/position?format=wkt"] {
                #expect(try gateway.http("GET", path, token: key).status == 400)
            }
            #expect(
                try gateway.http("GET", "/v1/drivers/nobody/position?format=geojson", token: key).status == 404)
        }

        @Test func `near is from min_distance_m to max_distance_m`() throws {
            let gateway = try RunningGateway()
            let key = try gateway.key()
            let at = now() - 5_000
            try gateway.post(
                (1...5).map { TestPing("r-\($0)", at: at, latitude: 60 + Double($0) * 0.001, longitude: 20) },
                token: key)
            func ask(_ query: String) throws -> [String?] {
                let response = try gateway.http("GET", "/v1/drivers?near=60,20&\(query)", token: key)
                #expect(response.status == 200, "\(response.text)")
                return try JSON(parsing: response.text)["drivers"].array.map { $0["driver_id"].string }
            }
            #expect(try ask("min_distance_m=300&max_distance_m=500") == ["r-3", "r-4"])
            #expect(try ask("min_distance_m=300") == ["r-3", "r-4", "r-5"])
            #expect(try ask("max_distance_m=250") == ["r-1", "r-2"])
            #expect(try ask("min_distance_m=300&radius_m=400") == ["r-3"])
            #expect(try ask("min_distance_m=0&max_distance_m=120") == ["r-1"])
            for query in [
                "min_distance_m=-1", "min_distance_m=x", "min_distance_m=500&max_distance_m=400", "max_distance_m=0",
                "max_distance_m=nan", "radius_m=5&max_distance_m=5", "min_distance_m=nan", "min_distance_m=3000",
            ] {
                let response = try gateway.http("GET", "/v1/drivers?near=60,20&\(query)", token: key)
                #expect(response.status == 400, "\(query)")
            }
        }
    }
}
