import Crypto
import DroverClient
import Foundation
import LocalServers
import Testing

extension Integration {
    /// Events of orders as a webhook's receiver gets them: a real server on a socket that fails when it is told to.
    @Suite struct OutboxTests {
        private static let secret = "whsec_" + Data("a key of thirty-two bytes, exact".utf8).base64EncodedString()

        private func gateway(_ receiver: LocalReceiver, _ settings: [String: String] = [:]) throws -> RunningGateway {
            let all = ["webhook.url": receiver.url + "/events", "webhook.secret": Self.secret]
            let gateway = try RunningGateway(settings: all.merging(settings) { $1 })
            try gateway.awaitStores()
            return gateway
        }

        /// What the receiver of Standard Webhooks computes.
        private func signature(_ post: LocalReceiver.Post) throws -> String {
            let id = try #require(post.headers["webhook-id"])
            let time = try #require(post.headers["webhook-timestamp"])
            let key = try #require(Data(base64Encoded: String(Self.secret.dropFirst(6))))
            let signed = Data("\(id).\(time).".utf8) + Data(post.body)
            return "v1,"
                + Data(HMAC<SHA256>.authenticationCode(for: signed, using: SymmetricKey(data: key)))
                .base64EncodedString()
        }

        private func body(_ post: LocalReceiver.Post) throws -> JSON {
            try JSON(parsing: String(decoding: post.body, as: UTF8.self))
        }

        @Test func `an order's events come once each, signed and in order, though the receiver fails at first`() throws
        {
            // The first two requests fail in two ways; what it took is what it answered with 2xx.
            let receiver = try LocalReceiver { _, number in
                switch number {
                case 0: .hangUp
                case 1: .status(503, body: "not today")
                default: .status(200)
                }
            }
            defer { receiver.stop() }
            let gateway = try gateway(
                receiver,
                [
                    "webhook.statuses": "assigned=agent_found, ended=done",
                    "webhook.fields":
                        "event_id=id, type, status, order, agent=driver, at=at:iso",
                ])
            let key = try gateway.key("assignments:write")
            try gateway.assign("orders/o-1", ["d-1"], key: key)
            try gateway.assign("orders/o-1", ["d-2"], key: key)
            try gateway.assign("orders/o-1", [], key: key)
            try eventually("all three are delivered") {
                try gateway.count("SELECT count(*) FROM order_events WHERE delivered_at IS NOT NULL") == 3
            }
            let taken = Array(receiver.posts.dropFirst(2))
            let bodies = try taken.map(body)
            #expect(bodies.map { $0["type"].string } == ["assigned", "assigned", "ended"])
            #expect(bodies.map { $0["status"].string } == ["agent_found", "agent_found", "done"])
            #expect(bodies.map { $0["agent"].string } == ["d-1", "d-2", "d-2"])
            #expect(bodies.allSatisfy { $0["order"].string == "o-1" && $0.names.count == 6 })
            #expect(Set(bodies.map { $0["event_id"].string }).count == 3)
            for (post, body) in zip(taken, bodies) {
                #expect(post.target == "/events")
                #expect(post.headers["content-type"] == "application/json")
                #expect(post.headers["webhook-id"] == body["event_id"].string)
                #expect(post.headers["webhook-signature"] == (try signature(post)))
                let sent = try #require(post.headers["webhook-timestamp"].flatMap { Int64($0) })
                #expect(abs(sent - now() / 1_000) < 60, "the time of sending, in seconds")
                let at = try #require(body["at"].string.flatMap { ISO8601.milliseconds($0) })
                #expect(abs(at - now()) < 60_000)
            }
            // The repetitions of the first were the same event.
            #expect(Set(receiver.posts.prefix(3).map { $0.headers["webhook-id"] }).count == 1)
            #expect(try gateway.metric("drover_webhook_delivered_total") == 3)
            #expect(try gateway.metric("drover_webhook_failures_total") == 2)
            try eventually("nothing is degraded any more") {
                try gateway.readiness().body["degraded"]["webhook"].isNull
            }
        }

        @Test func `readyz names a receiver that refuses, and one order's trouble holds back no other's`() throws {
            let receiver = try LocalReceiver { post, _ in
                String(decoding: post.body, as: UTF8.self).contains("o-bad")
                    ? .status(422, body: "no such order") : .status(204)
            }
            defer { receiver.stop() }
            let gateway = try gateway(receiver)
            let key = try gateway.key("assignments:write")
            try gateway.assign("orders/o-bad", ["d-1"], key: key)
            try eventually("the refusal shows") {
                try gateway.readiness().body["degraded"]["webhook"].string == "the receiver answered 422: no such order"
            }
            #expect(try gateway.readiness().status == 200, "pings can be acknowledged all the same")
            try gateway.assign("orders/o-bad", ["d-2"], key: key)
            try gateway.assign("orders/o-good", ["d-1"], key: key)
            try eventually("the other order's is delivered") {
                try gateway.count(
                    "SELECT count(*) FROM order_events WHERE order_id = 'o-good' AND delivered_at IS NOT NULL") == 1
            }
            // Only the first of the bad order's was ever tried.
            let tried = "SELECT count(*) FROM order_events WHERE order_id = 'o-bad' AND attempts > 0"
            #expect(try gateway.count(tried) == 1)
            #expect(
                try gateway.sql("SELECT last_error FROM order_events WHERE attempts > 0 AND order_id = 'o-bad'")
                    == ["the receiver answered 422: no such order"])
        }

        @Test func `events outlive a gateway that is killed, and a receiver that is away`() throws {
            let receiver = try LocalReceiver { _, _ in .status(200) }
            defer { receiver.stop() }
            let away = try LocalReceiver { _, _ in .hangUp }
            let gateway = try RunningGateway(settings: ["webhook.url": away.url])
            try gateway.awaitStores()
            let key = try gateway.key("assignments:write")
            for number in 0..<20 { try gateway.assign("orders/o-\(number)", ["d-1"], key: key) }
            try eventually("it was tried") { !away.posts.isEmpty }
            gateway.kill()
            away.stop()
            #expect(try gateway.count("SELECT count(*) FROM order_events WHERE delivered_at IS NULL") == 20)
            gateway.set("webhook.url", receiver.url)
            try gateway.start()
            try eventually("all are delivered", within: 60) {
                try gateway.count("SELECT count(*) FROM order_events WHERE delivered_at IS NULL") == 0
            }
            #expect(Set(receiver.posts.compactMap { $0.headers["webhook-id"] }).count == 20)
        }

        @Test func `two gateways post each event once, an order's in order`() throws {
            let receiver = try LocalReceiver { _, _ in .status(200) }
            defer { receiver.stop() }
            let one = try gateway(receiver, ["webhook.fields": "id, type, order, driver"])
            let other = try RunningGateway(beside: one)
            try other.awaitStores()
            let key = try one.key("assignments:write")
            for number in 0..<40 {
                let gateway = number % 2 == 0 ? one : other
                for driver in ["d-1", "d-2", "d-3"] {
                    try gateway.assign("orders/o-\(number)", [driver], key: key)
                }
            }
            try eventually("all are delivered", within: 60) {
                try one.count("SELECT count(*) FROM order_events WHERE delivered_at IS NOT NULL") == 120
            }
            let bodies = try receiver.posts.map(body)
            #expect(bodies.count == 120)
            #expect(Set(bodies.map { $0["id"].string }).count == 120)
            for number in 0..<40 {
                let drivers = bodies.filter { $0["order"].string == "o-\(number)" }.map { $0["driver"].string }
                #expect(drivers == ["d-1", "d-2", "d-3"], "o-\(number)")
            }
        }

        @Test func `only the wanted types are posted, and what was delivered long ago goes`() throws {
            let receiver = try LocalReceiver { _, _ in .status(200) }
            defer { receiver.stop() }
            let gateway = try gateway(
                receiver, ["webhook.events": "ended", "webhook.retain_days": "2", "webhook.secret": ""])
            let key = try gateway.key("assignments:write")
            try gateway.assign("orders/o-1", ["d-1"], key: key)
            try gateway.assign("orders/o-1", [], key: key)
            try eventually("the end is delivered") { receiver.posts.count == 1 }
            let post = try #require(receiver.posts.first)
            #expect(try body(post)["type"].string == "ended")
            #expect(post.headers["webhook-signature"] == nil)
            try gateway.sql("UPDATE order_events SET at = at - interval '3 days'")
            try gateway.sql("UPDATE order_progress SET ended_at = ended_at - interval '3 days'")
            try gateway.restart()
            try eventually("they are gone") {
                try gateway.count("SELECT count(*) FROM order_events") == 0
                    && gateway.count("SELECT count(*) FROM order_progress") == 0
            }
        }

        @Test(arguments: [
            ("webhook.url", "ftp://x/", "webhook.url begins with http:// or https://"),
            ("webhook.events", "arived", "webhook.events: there is no arived"),
            ("webhook.statuses", "departed", "webhook.statuses holds pairs such as departed=in_transit"),
            ("webhook.secret", "whsec_###", "webhook.secret is whsec_ and a key in Base64"),
            ("webhook.fields", "id, colour", "webhook.fields: colour: there is no value colour here"),
        ]) func `a setting that cannot be is refused at the start`(
            name: String, value: String, words: String
        ) throws {
            let gateway = try RunningGateway(settings: ["webhook.url": "http://127.0.0.1:1"], starts: false)
            gateway.set(name, value)
            let result = try gateway.drover("serve")
            #expect(result.status?.isSuccess == false)
            #expect(result.output.contains(words), "\(result.output)")
            #expect(!result.output.contains("###"), "no secret reaches the log")
            let check = try gateway.drover("check")
            #expect(check.status?.isSuccess == false)
            #expect(check.output.contains(words), "\(check.output)")
        }
    }
}
