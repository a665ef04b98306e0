// Drover behind the load balancers of config/: what passes, what does not, and whose address the gateway sees.

import DroverClient
import Foundation
import LocalServers
import Testing

extension Integration {
    @Suite("Behind a load balancer")
    struct BehindAProxy {
        @Test(arguments: ProxyKind.allCases)
        func `pings come in by WebSocket and POST, and viewers see them`(_ kind: ProxyKind) throws {
            let scene = try ProxyScene(kind)
            let viewers = try scene.viewerOfEach("driver:van-1", "driver:van-2")
            let device = try scene.proxy.webSocket("/v1/ingest", token: scene.key, subprotocol: "drover.ingest.v1")
            for step in 0..<5 {
                let at = now()
                device.send(TestPing("van-1", at: at).json)
                #expect(try device.json()["ack"].integer == Int64(step + 1))
                #expect(try scene.post(TestPing("van-2", at: at)) == 200)
                try eventually("both are shown") {
                    let one = try viewers.map { try $0.hasSeen("van-1", at) }
                    let two = try viewers.map { try $0.hasSeen("van-2", at) }
                    return one.contains(true) && two.contains(true)
                }
            }
            for gateway in scene.gateways { try gateway.awaitHistory() }
            #expect(try scene.first.rows(of: "van-1") == 5)
            #expect(try scene.first.rows(of: "van-2") == 5)
        }

        @Test(arguments: ProxyKind.allCases)
        func `an event stream is passed on event by event`(_ kind: ProxyKind) throws {
            let scene = try ProxyScene(kind)
            let stream = try ByteStream(port: scene.proxy.port)
            stream.send(
                "GET /v1/track/events?subject=driver:van-1 HTTP/1.1\r\nHost: a\r\n"
                    + "Authorization: Bearer \(scene.key)\r\n\r\n")
            func next(_ text: String) throws {
                while let line = try stream.takeLine() { if line.contains(text) { return } }
                throw StreamEnded(description: "the stream ended before \(text)")
            }
            try next("event: subscribed")
            for _ in 0..<5 {
                let at = now()
                try scene.report(TestPing("van-1", at: at))
                try next("\"recorded_at\":\(at)")
            }
        }

        @Test(arguments: ProxyKind.allCases)
        func `the gateway sees the client's own address, whatever the client claims`(_ kind: ProxyKind) throws {
            let scene = try ProxyScene(
                kind, settings: ["limits.address_requests_per_s": "1", "limits.address_burst": "5"])
            let credential = ["Authorization: Bearer \(scene.key)", "Content-Type: application/json"]
            for claim in [[], ["X-Forwarded-For: 6.6.6.6"], ["X-Forwarded-For: 6.6.6.6", "X-Forwarded-For: 7.7.7.7"]] {
                let reply = try scene.proxy.raw(
                    "POST /v1/tracking-sessions", headers: credential + claim,
                    body: "{\"subjects\":[\"driver:van-1\"]}",
                    from: UInt8(20 + claim.count))
                #expect(reply.status == 201, "\(reply)")
            }
            let addresses = try scene.first.sql(
                "SELECT address FROM api_audit_logs WHERE action = 'tracking_session.create' ORDER BY address")
            #expect(addresses == ["127.0.0.20", "127.0.0.21", "127.0.0.22"])
            // One address is limited, another is not: for each gateway they are two clients.
            let ask = "GET /v1/drivers?near=1,1"
            try eventually("its rate is used up") {
                try scene.proxy.raw(ask, headers: credential, from: 30).status == 429
            }
            #expect(try scene.proxy.raw(ask, headers: credential, from: 31).status == 200)
        }

        @Test(arguments: ProxyKind.allCases)
        func `only WebSockets are upgraded, and metrics are not for the outside`(_ kind: ProxyKind) throws {
            let scene = try ProxyScene(kind)
            for name in ["foo", "h2c", "websocket, foo", "TLS/1.0"] {
                let reply = try scene.proxy.raw(
                    "GET /v1/track", headers: ["Upgrade: \(name)", "Connection: Upgrade"], from: 40)
                #expect([400, 426].contains(reply.status), "\(name): \(reply)")
            }
            for path in ["/metrics", "/metrics?format=ndjson", "/%6Detrics"] {
                for source in [UInt8(1), 40] {
                    #expect(try scene.proxy.raw("GET \(path)", from: source).status == 403, "\(path)")
                }
            }
            for path in ["//metrics", "/./metrics", "/v1/../metrics", "/metrics/"] {
                let reply = try scene.proxy.raw("GET \(path)", from: 40)
                #expect([400, 401, 403, 404].contains(reply.status), "\(path): \(reply)")
            }
            #expect(try scene.proxy.raw("GET /healthz").status == 200)
        }

        @Test(arguments: ProxyKind.allCases)
        func `the largest request and the longest token pass, and no token is in a log`(_ kind: ProxyKind) throws {
            let scene = try ProxyScene(kind)
            // 1,000 pings with all that a ping can have are the most that a request may hold.
            let pings = TestPing.drive("van-1", from: now() - 2_000_000, count: 1_000).map { ping in
                var ping = ping
                ping.extra = ",\"session_id\":\"a session of van-1\",\"note\":\"\(String(repeating: "x", count: 800))\""
                return ping
            }
            let body = TestPing.array(pings)
            #expect(body.utf8.count > 900_000 && body.utf8.count < 1 << 20)
            let reply = try scene.proxy.http("POST", "/v1/pings", token: scene.key, body: body)
            #expect(reply.status == 200, "\(reply.text)")
            #expect(
                try scene.proxy.http("POST", "/v1/pings", token: scene.key, body: body + body).status == 413)
            // Eight kilobytes, as a JWT may have, are judged by the gateway.
            let long = "eyJhbGciOiJFUzI1NiJ9." + String(repeating: "A", count: 8_100) + ".AAAA"
            let header = try scene.proxy.http("GET", "/v1/drivers/van-1/position", token: long)
            let query = try scene.proxy.http("GET", "/v1/drivers/van-1/position?token=\(long)")
            for reply in [header, query] {
                #expect(reply.status == 401)
                #expect(try JSON(parsing: reply.text)["code"].string == "unauthenticated")
            }
            // Let in, by whichever gateway; the one that did not get the pings may not have looked for them yet.
            let known = try scene.proxy.http("GET", "/v1/drivers/van-1/position?token=\(scene.key)").status
            #expect([200, 404].contains(known))
            // A gateway that is gone is what makes servers write the request into their log.
            for gateway in scene.gateways { gateway.kill() }
            let lost = try scene.proxy.http("GET", "/v1/drivers/van-2/position?token=\(scene.key)").status
            #expect([502, 503, 504].contains(lost))
            let logs = try awaitValue("the last request in the log") {
                scene.proxy.logs.contains("/v1/drivers/van-2/position") ? scene.proxy.logs : nil
            }
            #expect(!logs.contains(scene.key))
            #expect(!logs.contains("AAAAAAAA"))
            #expect(!logs.contains("?"))
        }

        @Test func `a silent WebSocket is the gateway's to end, not the load balancer's`() throws {
            let settings = try ConfigFile.text("config/drover.yaml")
            let heartbeat = try #require(settings.firstMatch(of: /heartbeat_s: (\d+)/).flatMap { Int($0.1) })
            let nginx = try ConfigFile.text("config/nginx/drover.conf")
            let haproxy = try ConfigFile.text("config/haproxy/drover.cfg")
            for (text, pattern) in [
                (nginx, /proxy_read_timeout (\d+)s/), (nginx, /proxy_send_timeout (\d+)s/),
                (haproxy, /timeout tunnel (\d+)s/), (haproxy, /timeout server (\d+)s/),
                (haproxy, /timeout client (\d+)s/),
            ] {
                let seconds = try #require(text.firstMatch(of: pattern).flatMap { Int($0.1) })
                #expect(seconds > 2 * heartbeat + 5)
            }
        }
    }
}
