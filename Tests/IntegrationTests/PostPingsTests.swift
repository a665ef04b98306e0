// `POST /v1/pings` from outside: bodies, verdicts, refusals.

import DroverClient
import LocalServers
import Testing

extension Integration {
    @Suite("POST /v1/pings")
    struct PostPings {
        @Test func `a ping, an array and an envelope are taken and counted`() throws {
            let gateway = try RunningGateway()
            let key = try gateway.key()
            let start = now() - 60_000
            func send(_ body: String) throws -> JSON {
                let response = try gateway.http("POST", "/v1/pings", token: key, body: body)
                #expect(response.status == 200, "\(response.text)")
                #expect(response.header("Content-Type") == "application/json")
                return try JSON(parsing: response.text)
            }
            let one = try send(TestPing("van-1", at: start, latitude: 43.65, longitude: -79.38).json)
            #expect(one["accepted"].integer == 1)
            let drive = TestPing.drive("van-1", from: start + 1_000, count: 3)
            let array = try send(TestPing.array(drive))
            #expect(array["accepted"].integer == 3)
            // Two seen before, one between two of them, one with a speed that is cut.
            let more = [
                drive[0], drive[2], TestPing("van-1", at: start + 1_500, latitude: 43.65),
                TestPing("van-1", at: start + 5_000, latitude: 43.6503, longitude: -79.38, speed: 71),
            ]
            let envelope = try send("{\"pings\":\(TestPing.array(more))}")
            #expect(envelope["accepted"].integer == 1)
            #expect(envelope["late"].integer == 1)
            #expect(envelope["duplicate"].integer == 2)
            #expect(envelope["clamped"].integer == 1)
            #expect(envelope["rejected"].array.isEmpty)
            try gateway.awaitHistory()
            #expect(try gateway.rows(of: "van-1") == 6)
            let cut = "SELECT speed FROM driver_location_events WHERE flags & 1 = 1"
            #expect(try gateway.sql(cut) == ["70"])
            let metrics = try gateway.metrics()
            #expect(metrics["drover_pings_received_total"] == 8)
            #expect(metrics["drover_pings_total{verdict=\"accepted\"}"] == 5)
            #expect(metrics["drover_pings_total{verdict=\"late\"}"] == 1)
            #expect(metrics["drover_pings_total{verdict=\"duplicate\"}"] == 2)
            #expect(metrics["drover_pings_clamped_total"] == 1)
            try gateway.expectConservation()
        }

        @Test func `each refused ping is named by its index with a reason and a detail`() throws {
            let gateway = try RunningGateway(settings: ["judge.reject_mock": "true"])
            let key = try gateway.key()
            let at = now() - 60_000
            let good = TestPing("van-2", at: at)
            let bodies: [(ping: String, reason: String?)] = [
                (good.json, nil),
                ("7", "malformed"),
                ("{\"recorded_at\":\(at + 1),\"lat\":1,\"lng\":2,\"driver_id\":\"van-2\"}", "malformed"),
                (TestPing(nil, at: at + 1).json, "malformed"),
                (TestPing("van-2", at: at + 1, extra: ",\"lat\":1").json, "malformed"),
                (TestPing("van 2", at: at + 1).json, "malformed"),
                ("{\"recorded_at\":\"\(at)\",\"lat\":1,\"lng\":2,\"accuracy\":5,\"driver_id\":\"van-2\"}", "malformed"),
                (TestPing("van-2", at: at + 1, latitude: 90.0000001).json, "coordinates"),
                (TestPing("van-2", at: at + 1, longitude: -180.0000001).json, "coordinates"),
                (TestPing("van-2", at: at + 1, latitude: 0, longitude: 0).json, "zero_island"),
                (TestPing("van-2", at: at + 1, accuracy: 0).json, "accuracy"),
                (TestPing("van-2", at: at + 1, accuracy: -1).json, "accuracy"),
                (TestPing("van-2", at: at + 1, accuracy: 200).json, "accuracy"),
                (TestPing("van-2", at: now() + 60_000).json, "future"),
                (TestPing("van-2", at: now() - 31 * 86_400_000).json, "stale"),
                (TestPing("van-2", at: at + 1, extra: ",\"mock\":true").json, "mock"),
                (TestPing("van-2", at: at + 1_000, latitude: 43.7).json, "jump"),
                (TestPing("van-2", at: at + 1_000).json, nil),
            ]
            let body = "[" + bodies.map(\.ping).joined(separator: ",") + "]"
            let response = try gateway.http("POST", "/v1/pings", token: key, body: body)
            let reply = try JSON(parsing: response.text)
            #expect(reply["accepted"].integer == 2)
            let rejected = reply["rejected"].array
            let expected = bodies.enumerated().filter { $0.element.reason != nil }
            #expect(rejected.map { $0["index"].integer } == expected.map { Int64($0.offset) })
            #expect(rejected.map { $0["reason"].string } == expected.map(\.element.reason))
            for rejection in rejected { #expect(rejection["detail"].string?.isEmpty == false) }
            let metrics = try gateway.metrics()
            for (reason, group) in Dictionary(grouping: expected, by: { $0.element.reason ?? "" }) {
                #expect(metrics["drover_pings_rejected_total{reason=\"\(reason)\"}"] == Double(group.count))
            }
            try gateway.awaitHistory()
            #expect(try gateway.rows(of: "van-2") == 2)
            try gateway.expectConservation()
        }

        @Test func `a request that cannot be taken is refused as a whole, with a problem that says why`() throws {
            let gateway = try RunningGateway()
            let key = try gateway.key()
            let reader = try gateway.key("positions:read")
            let good = TestPing("van-3", at: now()).json
            func expect(
                _ status: Int, _ code: String, _ method: String = "POST", _ path: String = "/v1/pings",
                token: String?, headers: [(String, String)] = [], body: String?,
                sourceLocation: SourceLocation = #_sourceLocation
            ) throws -> HTTPResponse {
                let response = try gateway.http(method, path, token: token, headers: headers, body: body)
                #expect(response.status == status, "\(response.text)", sourceLocation: sourceLocation)
                #expect(
                    response.header("Content-Type") == "application/problem+json", sourceLocation: sourceLocation)
                let problem = try JSON(parsing: response.text)
                #expect(problem["code"].string == code, sourceLocation: sourceLocation)
                #expect(problem["status"].integer == Int64(status), sourceLocation: sourceLocation)
                for member in ["type", "title", "detail"] {
                    #expect(problem[member].string?.isEmpty == false, sourceLocation: sourceLocation)
                }
                return response
            }
            _ = try expect(400, "malformed_json", token: key, body: "[\(good),{\"recorded_at\":1,]")
            _ = try expect(400, "malformed_json", token: key, body: "")
            _ = try expect(400, "bad_request", token: key, body: "[]")
            _ = try expect(400, "bad_request", token: key, body: "{\"pings\":[]}")
            _ = try expect(400, "bad_request", token: key, body: "\"ping\"")
            let many = TestPing.array(TestPing.drive("van-3", from: now() - 2_000_000, count: 1_001))
            _ = try expect(413, "too_many_pings", token: key, body: many)
            let large = good + String(repeating: " ", count: 1 << 20)
            _ = try expect(413, "too_large", token: key, body: large)
            _ = try expect(415, "media_type", token: key, headers: [("Content-Type", "text/html")], body: good)
            _ = try expect(415, "media_type", token: key, headers: [("Content-Encoding", "gzip")], body: good)
            _ = try expect(411, "length_required", token: key, body: nil)
            _ = try expect(401, "unauthenticated", token: nil, body: good)
            _ = try expect(401, "unauthenticated", token: "drk_garbage", body: good)
            _ = try expect(401, "unauthenticated", token: String(repeating: "x", count: 4_000), body: good)
            _ = try expect(401, "unauthenticated", token: key, headers: [("X-Api-Key", reader)], body: good)
            _ = try expect(403, "forbidden", token: reader, body: good)
            let refused = try expect(405, "method_not_allowed", "GET", token: key, body: nil)
            #expect(refused.header("Allow") == "POST")
            _ = try expect(404, "not_found", "GET", "/v1/nowhere", token: key, body: nil)
            _ = try expect(404, "not_found", "GET", "/v1/drivers/a/b/position", token: key, body: nil)
            #expect(try gateway.metric("drover_pings_received_total") == 0)
            #expect(try gateway.metric("drover_journal_appended_lsn") == 0)
        }

        @Test func `the largest request is taken`() throws {
            let gateway = try RunningGateway()
            let key = try gateway.key()
            let pings = TestPing.drive("van-4", from: now() - 2_000_000, count: 1_000)
            let body = TestPing.array(pings)
            let padded = body + String(repeating: " ", count: (1 << 20) - body.utf8.count)
            let response = try gateway.http("POST", "/v1/pings", token: key, body: padded)
            #expect(try JSON(parsing: response.text)["accepted"].integer == 1_000)
            let again = try gateway.http("POST", "/v1/pings", token: key, body: body)
            // What the gateway remembers is a duplicate, what is older than that counts as late and adds no row.
            let reply = try JSON(parsing: again.text)
            #expect(reply["accepted"].integer == 0)
            #expect((reply["duplicate"].integer ?? 0) + (reply["late"].integer ?? 0) == 1_000)
            try gateway.awaitHistory()
            #expect(try gateway.rows(of: "van-4") == 1_000)
            try gateway.expectConservation()
        }

        @Test func `credentials are taken from every place that may carry them`() throws {
            let gateway = try RunningGateway()
            let key = try gateway.key()
            let basic = base64("label:" + key)
            let places: [(target: String, headers: [(String, String)])] = [
                ("/v1/pings", [("Authorization", "Bearer \(key)")]),
                ("/v1/pings", [("Authorization", "bearer \(key)")]),
                ("/v1/pings", [("Authorization", "Basic \(basic)")]),
                ("/v1/pings", [("X-Api-Key", key)]),
                ("/v1/pings?token=\(key)", []),
                ("/v1/pings?api_key=\(key)", []),
                ("/v1/pings?token=\(key)", [("X-Api-Key", key)]),
            ]
            for (index, place) in places.enumerated() {
                let body = TestPing("van-5", at: now() - 60_000 + Int64(index)).json
                let response = try gateway.http("POST", place.target, headers: place.headers, body: body)
                #expect(response.status == 200, "\(place.target) \(place.headers.map(\.0))")
            }
        }

        @Test func `a device speaks for its driver and for nobody else`() throws {
            let gateway = try RunningGateway()
            _ = try gateway.key()
            let token = try gateway.deviceToken(driver: "van-6")
            let at = now() - 10_000
            #expect(try gateway.post([TestPing(nil, at: at)], token: token)["accepted"].integer == 1)
            #expect(try gateway.post([TestPing("van-6", at: at + 1_000)], token: token)["accepted"].integer == 1)
            let pings = [TestPing(nil, at: at + 2_000), TestPing("van-7", at: at + 3_000)]
            let response = try gateway.http("POST", "/v1/pings", token: token, body: TestPing.array(pings))
            #expect(response.status == 403)
            #expect(try JSON(parsing: response.text)["code"].string == "driver_mismatch")
            #expect(try gateway.http("GET", "/v1/drivers?near=1,1", token: token).status == 403)
            try gateway.awaitHistory()
            #expect(try gateway.rows(of: "van-6") == 2)
            #expect(try gateway.rows(of: "van-7") == 0)
        }
    }
}
