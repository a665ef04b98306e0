import DroverClient
import EventLoop
import LocalServers
import Testing

extension Integration {
    @Suite("Tracking sessions") struct SessionTests {
        @Test func `a session is made, looked at, listed and revoked, and its token is shown once`() throws {
            let gateway = try RunningGateway(settings: ["web.public_url": "https://track.example.com/"])
            let key = try gateway.key(RunningGateway.steering)
            try gateway.awaitStores()
            let made = try gateway.session(
                "order:9f2", "area:43.6,-79.5,43.7,-79.3", key: key,
                more: "\"customer_id\":\"Müller & Søn\",\"ttl_s\":600,\"precision_m\":250")
            #expect(made.token.hasPrefix("drt_") && made.token.count == 47)
            #expect(made.location == "/v1/tracking-sessions/\(made.id)")
            #expect(made.reply["map_url"].string == "https://track.example.com/map#token=\(made.token)")
            let expiry = try #require(made.reply["expires_at"].string)
            #expect(expiry.hasSuffix("Z"))
            let response = try gateway.http("GET", "/v1/tracking-sessions/\(made.id)", token: key)
            #expect(response.status == 200)
            #expect(!response.text.contains(made.token))
            let looked = try JSON(parsing: response.text)
            #expect(looked["subjects"].array.compactMap(\.string) == ["order:9f2", "area:43.6,-79.5,43.7,-79.3"])
            #expect(looked["customer_id"].string == "Müller & Søn")
            #expect(looked["precision_m"].integer == 250)
            #expect(looked["expires_at"].string == expiry)
            #expect(looked["active"].flag == true)
            #expect(looked["revoked_at"].isNull)
            let left = try gateway.count(
                "SELECT extract(epoch FROM expires_at - now())::int FROM tracking_sessions WHERE id = '\(made.id)'")
            #expect((590...600).contains(left))
            #expect(
                try gateway.count("SELECT count(*) FROM tracking_sessions s WHERE s::text LIKE '%\(made.token)%'") == 0)
            #expect(try gateway.admits(made.token))

            #expect(try gateway.http("DELETE", "/v1/tracking-sessions/\(made.id)", token: key).status == 204)
            #expect(try !gateway.admits(made.token))
            #expect(try gateway.viewerClosure(made.token) == 4401)
            #expect(try gateway.http("DELETE", "/v1/tracking-sessions/\(made.id)", token: key).status == 204)
            #expect(try gateway.http("DELETE", "/v1/tracking-sessions/ffff", token: key).status == 404)
            #expect(try gateway.http("GET", "/v1/tracking-sessions/ffff", token: key).status == 404)
            let after = try JSON(parsing: gateway.http("GET", "/v1/tracking-sessions/\(made.id)", token: key).text)
            #expect(after["active"].flag == false)
            #expect(after["revoked_at"].string != nil)
        }

        @Test func `without a public address the map is where the request was sent`() throws {
            let shared = try SharedGateway.get()
            let key = try shared.gateway.key(RunningGateway.steering)
            let made = try shared.gateway.session("driver:van-1", key: key)
            #expect(made.reply["map_url"].string == "\(shared.gateway.address)/map#token=\(made.token)")
        }

        @Test func `a session ends on time, in memory and in Redis`() throws {
            let gateway = try RunningGateway()
            let key = try gateway.key(RunningGateway.steering)
            try gateway.awaitStores()
            let redis = try gateway.redisProbe()
            let made = try gateway.session("driver:van-1", key: key, more: "\"ttl_s\":2")
            let copies = try awaitValue("its copy is there", within: 2) {
                let count = try redis.command("KEYS", "tracking_session:*").list.count
                return count > 0 ? count : nil
            }
            #expect(copies == 1)
            #expect(try gateway.admits(made.token))
            try eventually("it has ended", within: 5) { try !gateway.admits(made.token) }
            let ended = try #require(
                try gateway.sql("SELECT (now() >= expires_at)::text FROM tracking_sessions WHERE id = $1", [made.id])
                    .first)
            #expect(ended == "true")
            #expect(try gateway.viewerClosure(made.token) == 4401)
            try eventually("its copy is gone", within: 5) {
                try redis.command("KEYS", "tracking_session:*").list.isEmpty
            }
        }

        @Test func `a list has pages, the newest first, and filters`() throws {
            let gateway = try RunningGateway()
            let key = try gateway.key(RunningGateway.steering)
            try gateway.awaitStores()
            var ids: [String] = []
            for index in 0..<7 {
                let customer = index % 2 == 0 ? "even" : "odd"
                ids.append(try gateway.session("order:o\(index)", key: key, more: "\"customer_id\":\"\(customer)\"").id)
            }
            #expect(try gateway.http("DELETE", "/v1/tracking-sessions/\(ids[6])", token: key).status == 204)
            func list(_ query: String) throws -> (ids: [String], next: String?) {
                let response = try gateway.http("GET", "/v1/tracking-sessions?\(query)", token: key)
                try #require(response.status == 200, "\(response.text)")
                let reply = try JSON(parsing: response.text)
                return (reply["sessions"].array.compactMap { $0["id"].string }, reply["next"].string)
            }
            let newest = Array(ids.reversed())
            #expect(try list("").ids == newest)
            var walked: [String] = []
            var after = ""
            while true {
                let page = try list("limit=3" + after)
                walked += page.ids
                guard let next = page.next else { break }
                after = "&after=\(next)"
            }
            #expect(walked == newest)
            #expect(try list("customer_id=even").ids == [6, 4, 2, 0].map { ids[$0] })
            #expect(try list("customer_id=even&active=true").ids == [4, 2, 0].map { ids[$0] })
            #expect(try list("active=false").ids == [ids[6]])
            for query in ["limit=0", "limit=1001", "limit=many", "active=perhaps"] {
                let response = try gateway.http("GET", "/v1/tracking-sessions?\(query)", token: key)
                #expect(response.status == 400, "\(query)")
                #expect(try JSON(parsing: response.text)["code"].string == "bad_request", "\(query)")
            }
        }

        @Test func `what makes no session is refused with what is wrong, and nothing is stored`() throws {
            let gateway = try RunningGateway(settings: ["live.subjects_per_session": "3"])
            let key = try gateway.key(RunningGateway.steering)
            try gateway.awaitStores()
            let good = "\"subjects\":[\"driver:a\"]"
            let cases: [(body: String, status: Int, code: String)] = [
                ("", 400, "malformed_json"), ("{", 400, "malformed_json"), ("[]", 400, "bad_request"),
                ("{\(good),\(good)}", 400, "malformed_json"), ("{}", 400, "bad_request"),
                ("{\"subjects\":[]}", 400, "bad_request"), ("{\"subjects\":\"driver:a\"}", 400, "bad_request"),
                ("{\"subjects\":[1]}", 400, "bad_request"), ("{\"subjects\":[\"van-1\"]}", 400, "bad_subject"),
                ("{\"subjects\":[\"driver:\"]}", 400, "bad_subject"),
                ("{\"subjects\":[\"driver:a b\"]}", 400, "bad_subject"),
                ("{\"subjects\":[\"order:east-*\"]}", 400, "bad_subject"),
                ("{\"subjects\":[\"area:91,0,92,1\"]}", 400, "bad_subject"),
                ("{\"subjects\":[\"driver:a\",\"driver:b\",\"driver:c\",\"driver:d\"]}", 400, "bad_request"),
                ("{\(good),\"ttl_s\":0}", 400, "bad_request"), ("{\(good),\"ttl_s\":604801}", 400, "bad_request"),
                ("{\(good),\"ttl_s\":1.5}", 400, "bad_request"), ("{\(good),\"ttl_s\":true}", 400, "bad_request"),
                ("{\(good),\"ttl_s\":1e999}", 400, "bad_request"), ("{\(good),\"ttl_s\":\"60\"}", 400, "bad_request"),
                ("{\(good),\"precision_m\":-1}", 400, "bad_request"),
                ("{\(good),\"precision_m\":100001}", 400, "bad_request"),
                ("{\(good),\"customer_id\":\"\"}", 400, "bad_request"),
                ("{\(good),\"customer_id\":\"a\\u0000b\"}", 400, "bad_request"),
                ("{\(good),\"customer_id\":7}", 400, "bad_request"),
            ]
            for (body, status, code) in cases {
                let response = try gateway.http("POST", "/v1/tracking-sessions", token: key, body: body)
                #expect(response.status == status, "\(body): \(response.text)")
                #expect(try JSON(parsing: response.text)["code"].string == code, "\(body)")
            }
            let form = try gateway.http(
                "POST", "/v1/tracking-sessions", token: key,
                headers: [("Content-Type", "application/x-www-form-urlencoded")], body: "{\(good)}")
            #expect(form.status == 415)
            #expect(try gateway.count("SELECT count(*) FROM tracking_sessions") == 0)
            #expect(try gateway.count("SELECT count(*) FROM api_audit_logs WHERE action LIKE 'tracking%'") == 0)
            // Null is absent, a repetition counts once, and what is unknown is passed over.
            let made = try gateway.session(
                "driver:a", "driver:a", "driver:b", "driver:c", key: key, more: "\"ttl_s\":null,\"colour\":\"red\"")
            #expect(try gateway.count("SELECT cardinality(subjects) FROM tracking_sessions") == 3)
            let left = try gateway.count("SELECT extract(epoch FROM expires_at - now())::int FROM tracking_sessions")
            #expect((3_590...3_600).contains(left))
            #expect(!made.token.isEmpty)
        }

        @Test func `who may not steer is refused, and another method is told what is allowed`() throws {
            let gateway = try RunningGateway()
            let key = try gateway.key(RunningGateway.steering)
            let plain = try gateway.key()
            try gateway.awaitStores()
            let device = try gateway.deviceToken(driver: "van-1")
            let session = try gateway.session("driver:van-1", key: key)
            let routes: [(method: String, path: String)] = [
                ("GET", "/v1/tracking-sessions"), ("POST", "/v1/tracking-sessions"),
                ("GET", "/v1/tracking-sessions/\(session.id)"), ("DELETE", "/v1/tracking-sessions/\(session.id)"),
                ("GET", "/v1/orders/a/drivers"), ("PUT", "/v1/orders/a/drivers"), ("PUT", "/v1/orders/a/drivers/b"),
                ("DELETE", "/v1/orders/a/drivers/b"), ("GET", "/v1/groups/a/drivers"), ("PUT", "/v1/groups/a/drivers"),
                ("PUT", "/v1/groups/a/drivers/b"), ("DELETE", "/v1/groups/a/drivers/b"),
                ("GET", "/v1/drivers/van-1/devices"), ("POST", "/v1/drivers/van-1/devices"),
                ("DELETE", "/v1/drivers/van-1/devices/device-van-1"),
            ]
            for (method, path) in routes {
                func status(_ token: String?) throws -> Int {
                    let body = method == "PUT" || method == "POST" ? "{}" : nil
                    return try gateway.http(method, path, token: token, body: body).status
                }
                #expect(try status(nil) == 401, "\(method) \(path)")
                #expect(try status("drk_garbage") == 401, "\(method) \(path)")
                for token in [plain, device, session.token] { #expect(try status(token) == 403, "\(method) \(path)") }
            }
            let refused = try gateway.http("PATCH", "/v1/orders/a/drivers", token: key, body: "{}")
            #expect(refused.status == 405)
            #expect(refused.header("Allow") == "GET, PUT")
            #expect(try gateway.http("GET", "/v1/orders/a/riders", token: key).status == 404)
            #expect(try gateway.http("GET", "/v1/groups//drivers", token: key).status == 404)
        }

        @Test func `sessions work from their copies without Postgres, and known ones across a restart without both`()
            throws
        {
            let gateway = try RunningGateway(ownPostgres: true)
            let key = try gateway.key(RunningGateway.steering)
            try gateway.awaitStores()
            let fresh = try gateway.session("driver:van-1", key: key)
            let revoked = try gateway.session("driver:van-1", key: key)
            #expect(try gateway.admits(revoked.token))
            #expect(try gateway.http("DELETE", "/v1/tracking-sessions/\(revoked.id)", token: key).status == 204)
            let short = try gateway.session("driver:van-1", key: key, more: "\"ttl_s\":3")
            #expect(try gateway.admits(short.token))
            gateway.postgres.stop()
            #expect(try gateway.admits(fresh.token))
            let created = try gateway.http(
                "POST", "/v1/tracking-sessions", token: key, body: "{\"subjects\":[\"driver:van-1\"]}")
            #expect(created.status == 503)
            #expect(created.header("Retry-After") != nil)
            gateway.stop()
            gateway.redis.stop()
            try gateway.start()
            _ = try gateway.viewer(fresh.token)
            try eventually("the short one has ended", within: 5) {
                [401, 503].contains(try gateway.http("GET", "/v1/drivers/nobody/position", token: short.token).status)
            }
            // Nobody can be asked about it, and it is not among those that are known.
            #expect(try gateway.http("GET", "/v1/drivers/nobody/position", token: revoked.token).status == 503)
            #expect(try gateway.viewerClosure(revoked.token) == 1013)
        }

        @Test func `a revoked session's sockets close within a second on every gateway, and no others`() throws {
            let one = try RunningGateway()
            let key = try one.key(RunningGateway.steering)
            let two = try RunningGateway(beside: one)
            try one.awaitStores()
            try two.awaitStores()
            let other = try one.session("driver:van-1", key: key)
            let bystanders = try [one.viewer(other.token), two.viewer(other.token)]
            var sockets: [WebSocketProbe] = []
            try withinASecond("all sockets of the session are closed with 4403") { _ in
                let session = try one.session("driver:van-1", key: key)
                sockets = try [one.viewer(session.token), two.viewer(session.token), two.viewer(session.token)]
                #expect(try one.http("DELETE", "/v1/tracking-sessions/\(session.id)", token: key).status == 204)
            } _: {
                sockets.allSatisfy { (try? $0.closure(within: 1).code) == 4403 }
            }
            for socket in bystanders {
                socket.send("{\"id\":7,\"unsubscribe\":[]}")
                _ = try socket.json(with: "id")
            }
        }

        @Test func `a session that was revoked while the bus was away is closed within six seconds`() throws {
            let one = try RunningGateway()
            let key = try one.key(RunningGateway.steering)
            let two = try RunningGateway(beside: one)
            try one.awaitStores()
            try two.awaitStores()
            let session = try one.session("driver:van-1", key: key)
            let socket = try two.viewer(session.token)
            one.redis.stop()
            let deadline = Deadline(seconds: 6)
            #expect(try one.http("DELETE", "/v1/tracking-sessions/\(session.id)", token: key).status == 204)
            #expect(try socket.closure(within: 6).code == 4403)
            #expect(!deadline.isOver)
            #expect(try !two.admits(session.token))
        }

        @Test func `a copy that outlived its session is taken away by whoever finds out`() throws {
            let one = try RunningGateway(settings: ["access.refresh_s": "1"])
            let key = try one.key(RunningGateway.steering)
            try one.awaitStores()
            let session = try one.session("driver:van-1", key: key)
            let redis = try one.redisProbe()
            try eventually("its copy is there") { try redis.command("KEYS", "tracking_session:*").list.count == 1 }
            // As after a revocation by a gateway that died before it could tell.
            try one.sql("UPDATE tracking_sessions SET revoked_at = now() WHERE id = $1", [session.id])
            let socket = try one.viewer(session.token)
            #expect(try socket.closure(within: 6).code == 4403)
            try eventually("the copy is gone", within: 6) {
                try redis.command("KEYS", "tracking_session:*").list.isEmpty
            }
            #expect(try !one.admits(session.token))
        }

        @Test func `a key that is revoked at the command line closes its sockets within a second`() throws {
            let gateway = try RunningGateway()
            try gateway.awaitStores()
            var socket: WebSocketProbe?
            var status: LocalServers.ExitStatus?
            try withinASecond("the key's socket is closed") { _ in
                let key = try gateway.key()
                socket = try gateway.viewer(key)
                let id = try #require(
                    try gateway.sql("SELECT id FROM api_keys ORDER BY created_at DESC LIMIT 1").first.flatMap { $0 })
                let result = try gateway.drover("key", "revoke", id)
                status = result.status
                #expect(result.output.contains("were told"))
            } _: {
                try socket?.closure(within: 1).code == 4403
            }
            #expect(status == .exited(0))
            gateway.redis.stop()
            _ = try gateway.key()
            let id = try #require(
                try gateway.sql("SELECT id FROM api_keys ORDER BY created_at DESC LIMIT 1").first.flatMap { $0 })
            let result = try gateway.drover("key", "revoke", id)
            #expect(result.status == .exited(0))
            #expect(result.output.contains("within 5 s"), "\(result.output)")
        }
    }
}

extension RunningGateway {
    /// The code with which a viewer with this token is closed.
    func viewerClosure(_ token: String) throws -> UInt16 {
        try webSocket("/v1/track", token: token, subprotocols: "drover.v1").closure().code
    }
}
