// DelAuto (seed 003): agents with JWTs, keys with permissions and limits, places as GeoJSON, metrics for its
// system_metrics. `DelAutoStoryTests` has the story of a delivery, with the events for its tracking_events.

import DroverClient
import Foundation
import LocalServers
import Testing

extension Integration {
    @Suite("DelAuto")
    struct DelAuto {
        @Test func `keys have permissions in DelAuto's words and a rate_limit of requests in a period`() throws {
            let scene = try DelAutoScene()
            let gateway = scene.gateway
            let reader = try scene.key("deliveries:read", limit: "1000/900000ms")
            let writer = try scene.key("deliveries:read,deliveries:write,locations:write")
            func status(_ method: String, _ path: String, _ key: String, _ body: String? = nil) throws -> Int {
                try gateway.http(method, path, token: key, body: body).status
            }
            let near = "/v1/drivers?near=40.7128,-74.006"
            let carriers = "/v1/orders/\(DelAutoScene.delivery)/drivers"
            #expect(try status("GET", near, reader) == 200)
            #expect(try status("GET", carriers, reader) == 403)
            #expect(try status("POST", "/v1/pings", reader, "[]") == 403)
            #expect(try status("GET", near, writer) == 200)
            #expect(try status("GET", carriers, writer) == 200)
            #expect(try status("GET", "/v1/drivers/\(DelAutoScene.smith)/devices", writer) == 403)
            #expect(
                try gateway.sql("SELECT array_to_string(permissions, ' ') FROM api_keys ORDER BY created_at")
                    == [
                        "positions:read history:read",
                        "pings:write positions:read history:read sessions:write assignments:write",
                    ])
            let wrong = try gateway.drover(
                "key", "create", "--name", "x", "--permissions", "deliveries:delete", "--config",
                SystemFile.path("delauto"))
            #expect(wrong.status?.isSuccess == false)
            #expect(wrong.output.contains("no permission is called deliveries:delete"), "\(wrong.output)")
            #expect(wrong.output.contains("deliveries:write"))

            let limited = try gateway.http("GET", near, token: reader)
            #expect(limited.header("RateLimit-Policy") == "\"default\";q=1000;w=900")
            #expect(limited.header("RateLimit")?.hasPrefix("\"default\";r=9") == true)
            let usual = try gateway.http("GET", near, token: writer)
            #expect(usual.header("RateLimit-Policy") == "\"default\";q=1000;w=1000")
            let redis = try gateway.redisProbe()
            let ids = try gateway.sql("SELECT id FROM api_keys ORDER BY created_at").compactMap { $0 }
            try #require(ids.count == 2)
            try eventually("the counters have their 900 s") {
                try [("rate_limit:\(ids[0]):all"), ("rate_limit:\(ids[1]):drivers")].allSatisfy {
                    (840_000...900_000).contains(try redis.command("PTTL", $0).number ?? 0)
                }
            }
            let few = try scene.key("deliveries:read", limit: "3/900s")
            for _ in 0..<3 { #expect(try status("GET", near, few) == 200) }
            let refused = try gateway.http("GET", near, token: few)
            #expect(refused.status == 429)
            #expect((840...900).contains(refused.header("Retry-After").flatMap { Int($0) } ?? 0))
        }

        @Test func `drover check finds nothing wrong with the file, and names what is`() throws {
            let gateway = try DelAutoScene().gateway
            let good = try gateway.drover("check", "--config", SystemFile.path("delauto"))
            #expect(good.status?.isSuccess == true, "\(good.output)")
            try gateway.sql("ALTER TABLE driver_assignments RENAME COLUMN released_at TO given_up_at")
            let wrong = try gateway.drover("check", "--config", SystemFile.path("delauto"))
            #expect(wrong.status?.isSuccess == false)
            #expect(
                wrong.output.contains("agents_deliveries") && wrong.output.contains("released_at"), "\(wrong.output)")
        }

        @Test func `agents report and admins steer by their JWTs; an inactive one is nobody`() throws {
            let scene = try DelAutoScene()
            let gateway = scene.gateway
            let at = now() - 60_000
            func post(_ token: String, _ at: Int64) throws -> HTTPResponse {
                try gateway.http(
                    "POST", "/v1/pings", token: token, headers: DelAutoScene.geoJSON,
                    body: DelAutoScene.feature(at: at, -74.006, 40.7128))
            }
            let reply = try post(scene.agent(DelAutoScene.smith), at)
            #expect(try JSON(parsing: reply.text)["accepted"].integer == 1, "\(reply.text)")
            // A device reads nothing and steers nothing.
            let own = scene.agent(DelAutoScene.smith)
            #expect(try gateway.http("GET", "/v1/drivers/\(DelAutoScene.smith)/position", token: own).status == 403)
            #expect(try gateway.http("GET", "/v1/orders/x/drivers", token: own).status == 403)
            let position = try gateway.http("GET", "/v1/drivers/\(DelAutoScene.smith)/position", token: scene.admin)
            #expect(position.status == 200)
            for claims in [
                #""sub":"\#(DelAutoScene.smith)","role":"agent","is_active":false"#,
                #""sub":"\#(DelAutoScene.smith)","role":"agent""#,
                #""sub":"\#(DelAutoScene.smith)","is_active":true"#,
                #""sub":"\#(DelAutoScene.smith)","role":"customer","is_active":true"#,
                #""sub":"\#(DelAutoScene.smith)","role":"device","is_active":true"#,
                #""role":"agent","is_active":true"#,
                #""sub":"\#(DelAutoScene.smith)","role":"agent","is_active":true,"aud":"somebody"#,
                #""sub":"a b","role":"agent","is_active":true"#,
                #""sub":"x","role":"admin","is_active":false"#,
            ] {
                #expect(try post(scene.signed.token(claims), at + 1_000).status == 401, "\(claims)")
            }
            let ended = scene.signed.token(
                endingIn: -120, #""sub":"\#(DelAutoScene.smith)","role":"agent","is_active":true"#)
            #expect(try post(ended, at + 1_000).status == 401)
            #expect(try post(SignedTokens().token(#""sub":"x","role":"agent","is_active":true"#), at).status == 401)
            #expect(
                try post(
                    scene.signed.token(
                        #""sub":"\#(DelAutoScene.smith)","role":"agent","is_active":true,"aud":"delauto""#), at
                )
                .status == 200)
            // A token's own limit.
            let limited = scene.agent(DelAutoScene.jones, more: #","rate_limit":{"requests":2,"period":900000}"#)
            for step in 0..<2 {
                let reply = try post(limited, at + Int64(step) * 1_000)
                #expect(reply.status == 200)
                #expect(reply.header("RateLimit-Policy") == "\"default\";q=2;w=900")
            }
            #expect(try post(limited, at + 5_000).status == 429)
            try gateway.awaitHistory()
            try gateway.expectConservation()
        }

        @Test func `a day of agents: places as GeoJSON in the hash and in answers, near from min to max`() throws {
            let scene = try DelAutoScene()
            let gateway = scene.gateway
            let admin = scene.admin
            let at = now()
            // Twelve agents, a round of an hour each with a fix every minute, on streets that run north.
            var sent = 0
            for number in 0..<12 {
                let id = "64f1a2b3c4d5e6f7a8b9c0\(10 + number)"
                let day = (0..<60).map { minute in
                    DelAutoScene.feature(
                        at: at - Int64(60 - minute) * 60_000, -74.0 - Double(number) * 0.01,
                        40.7 + Double(minute) * 0.001, driver: id)
                }
                let reply = try gateway.http(
                    "POST", "/v1/pings", token: admin, headers: DelAutoScene.geoJSON,
                    body: #"{"type":"FeatureCollection","features":[\#(day.joined(separator: ","))]}"#)
                #expect(try JSON(parsing: reply.text)["accepted"].integer == 60, "\(reply.text)")
                sent += 60
            }
            let fix = at - 1_000
            _ = try gateway.http(
                "POST", "/v1/pings", token: scene.agent(DelAutoScene.smith), headers: DelAutoScene.geoJSON,
                body: DelAutoScene.feature(at: fix, -74.006, 40.7128))
            let redis = try gateway.redisProbe()
            let hash = try awaitValue("the hash") {
                let hash = try redis.hash("agent:\(DelAutoScene.smith):location")
                return hash.isEmpty ? nil : hash
            }
            #expect(hash.keys.sorted() == ["accuracy", "current_location", "recorded_at", "speed", "timestamp"])
            #expect(hash["current_location"] == #"{"type":"Point","coordinates":[-74.006,40.7128]}"#)
            #expect(hash["accuracy"] == "6" && hash["speed"] == "9.5" && hash["recorded_at"] == "\(fix)")
            #expect(hash["timestamp"]?.wholeMatch(of: #/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/#) != nil)
            #expect(
                (250_000...300_000).contains(
                    try redis.command("PTTL", "agent:\(DelAutoScene.smith):location").number ?? 0))
            #expect(try redis.command("ZCARD", "agents:geo").number == 13)
            #expect(try redis.command("EXISTS", "drivers:geo", "driver:\(DelAutoScene.smith):location").number == 0)

            func near(_ query: String) throws -> [JSON] {
                let response = try gateway.http(
                    "GET", "/v1/agents?near=40.759,-74.0&\(query)", token: admin,
                    headers: [("Accept", "application/geo+json")])
                #expect(response.header("Content-Type") == "application/geo+json")
                return try JSON(parsing: response.text)["features"].array
            }
            // A hundredth of a degree of longitude is some 843 m there; the day's last fixes lie on 40.759.
            let some = try near("min_distance_m=800&max_distance_m=2600")
            #expect(some.map { $0["id"].string?.suffix(2) } == ["11", "12", "13"])
            for (step, found) in some.enumerated() {
                #expect(found["geometry"]["type"].string == "Point")
                let place = found["geometry"]["coordinates"].array.compactMap(\.number)
                try #require(place.count == 2)
                let longitude = -74.0 - Double(step + 1) * 0.01
                #expect(abs(place[0] - longitude) < 1e-6 && place[1] == 40.759)
                let metres = try #require(found["properties"]["distance_m"].number)
                #expect(abs(metres - 842.5 * Double(step + 1)) < 15, "\(metres)")
            }
            #expect(try near("max_distance_m=100").count == 1)
            #expect(try near("min_distance_m=100&max_distance_m=200").isEmpty)
            try gateway.awaitHistory()
            #expect(try gateway.count("SELECT count(*) FROM driver_location_events") == sent + 1)
            try gateway.expectConservation()
        }

        @Test func `metrics come as documents of system_metrics`() throws {
            let scene = try DelAutoScene()
            let gateway = scene.gateway
            _ = try gateway.http(
                "POST", "/v1/pings", token: scene.agent(DelAutoScene.smith), headers: DelAutoScene.geoJSON,
                body: DelAutoScene.feature(at: now() - 1_000, -74.006, 40.7128))
            // Who begins to do the maintenance has more to tell from then on.
            try eventually("the gateway does the maintenance") { try gateway.metric("drover_maintenance_leader") == 1 }
            let response = try gateway.http("GET", "/metrics?format=ndjson", token: scene.admin)
            #expect(response.status == 200 && response.header("Content-Type") == "application/x-ndjson")
            let lines = response.text.split(separator: "\n")
            let documents = try lines.map { try JSON(parsing: String($0)) }
            #expect(documents.count > 50)
            let keys = ["metric_type", "source", "tags", "timestamp", "unit", "value"]
            for document in documents {
                #expect(document.names == keys)
                #expect(document["timestamp"].string?.hasSuffix("Z") == true)
                #expect(document["value"].number != nil && document["source"].string == "drover")
                #expect(["s", "bytes", "count"].contains(document["unit"].string))
            }
            let accepted = documents.filter {
                $0["metric_type"].string == "drover_pings_total" && $0["tags"]["verdict"].string == "accepted"
            }
            #expect(accepted.map { $0["value"].integer } == [1])
            // The same samples as Prometheus gets, each once.
            let text = try gateway.http("GET", "/metrics").text.split(separator: "\n").filter { !$0.hasPrefix("#") }
            #expect(abs(text.count - documents.count) <= 2)
            #expect(
                try gateway.http("GET", "/metrics", headers: [("Accept", "application/x-ndjson")]).text.hasPrefix("{"))
            #expect(try gateway.http("GET", "/metrics?format=xml").status == 400)
        }
    }
}
