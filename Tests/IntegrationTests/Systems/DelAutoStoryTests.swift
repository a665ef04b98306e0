// The story of a delivery at DelAuto: it is assigned, its agent sets out, a customer watches, another agent takes over, the
// first one is put out of service, the delivery ends. DelAuto's server is told each event once, though it fails at first.

import DroverClient
import Foundation
import LocalServers
import Testing

extension Integration {
    @Suite("DelAuto's story")
    struct DelAutoStory {
        private static let secret = "a secret between Drover and DelAuto"

        private func put(_ scene: DelAutoScene, _ path: String, _ body: String) throws -> JSON {
            let reply = try scene.gateway.http("PUT", path, token: scene.admin, body: body)
            try #require(reply.status == 200, "\(reply.text)")
            return try JSON(parsing: reply.text)
        }

        private func post(_ scene: DelAutoScene, _ agent: String, at: Int64, _ longitude: Double) throws -> JSON {
            let reply = try scene.gateway.http(
                "POST", "/v1/pings", token: scene.agent(agent), headers: DelAutoScene.geoJSON,
                body: DelAutoScene.feature(at: at, longitude, 40.7128))
            try #require(reply.status == 200, "\(reply.text)")
            return try JSON(parsing: reply.text)
        }

        @Test func `a delivery from its assignment to its end, each event told once to a server that fails first`()
            throws
        {
            let receiver = try EventReceiver(failing: [500, 503])
            let scene = try DelAutoScene(
                settings: ["webhook.url": receiver.url, "webhook.secret": Self.secret])
            let (gateway, order) = (scene.gateway, "order:\(DelAutoScene.delivery)")
            let (smith, jones) = (DelAutoScene.smith, DelAutoScene.jones)
            let carriers = "/v1/deliveries/\(DelAutoScene.delivery)/agents"
            var at = now() - 20_000

            // Assigned: DelAuto's server is down, then errs, then takes it; every attempt has the same id and a signature.
            #expect(try put(scene, carriers, #"{"drivers":["\#(smith)"]}"#)["drivers"][0].string == smith)
            let attempts = [try receiver.next(), try receiver.next(), try receiver.next()]
            for attempt in attempts {
                #expect(attempt.target == "/tracking-events")
                #expect(attempt.isSigned(Self.secret) && !attempt.isSigned("another secret"))
                #expect(attempt.headers["webhook-id"] == attempts[0].headers["webhook-id"])
            }
            let assigned = try JSON(parsing: attempts[2].text)
            #expect(assigned.names == ["agent_id", "delivery_id", "id", "status", "timestamp"])
            #expect(assigned["status"].string == "assigned" && assigned["agent_id"].string == smith)
            #expect(assigned["delivery_id"].string == DelAutoScene.delivery)
            #expect(assigned["id"].string == attempts[0].headers["webhook-id"])
            #expect(assigned["timestamp"].string?.wholeMatch(of: #/.{10}T.{12}Z/#) != nil)

            // A customer watches the delivery; the agent stands, then sets out.
            let session = try gateway.session(order, key: scene.admin, more: #""ttl_s":600"#)
            let viewer = try gateway.viewer(session.token)
            viewer.send(#"{"id":1,"subscribe":["\#(order)"]}"#)
            #expect(try viewer.json(with: "subscribed")["subscribed"][order]["positions"].array.isEmpty)
            #expect(try post(scene, smith, at: at, -74.006)["accepted"].integer == 1)
            let shown = try viewer.json(with: "positions")["positions"][0]
            #expect(shown["driver_id"].string == smith && shown["lng"].number == -74.006)
            #expect(shown["subjects"].array.map(\.string) == [order])
            // Some forty metres a second, until somebody has noticed.
            var longitude = -74.006
            let departed = try awaitValue("the agent's setting out", within: 60) { () -> LocalReceiver.Post? in
                at += 1_000
                longitude += 0.0005
                _ = try post(scene, smith, at: at, longitude)
                return receiver.isLeftAlone(for: 1) ? nil : try receiver.next()
            }
            let event = try JSON(parsing: departed.text)
            #expect(departed.isSigned(Self.secret))
            #expect(event["status"].string == "in_transit" && event["agent_id"].string == smith)
            #expect(event["location"]["type"].string == "Point")
            #expect(event["location"]["coordinates"][1].number == 40.7128)
            #expect(event["location"]["coordinates"][0].number.map { $0 > -74.006 && $0 <= longitude } == true)
            #expect(event["id"].string != assigned["id"].string)

            // Another agent takes over: the customer follows, and sees the first one no more.
            #expect(try put(scene, carriers, #"{"drivers":["\#(jones)"]}"#)["drivers"][0].string == jones)
            let handed = try JSON(parsing: try receiver.next().text)
            #expect(handed["status"].string == "assigned" && handed["agent_id"].string == jones)
            try eventually("the customer is told that the first agent left") {
                let left = try viewer.json(with: "left")["left"]
                return left.array.contains { $0["driver_id"].string == smith }
            }
            _ = try post(scene, jones, at: now() - 500, -74.01)
            try eventually("the customer sees the second agent") {
                try viewer.json(with: "positions")["positions"].array.contains { $0["driver_id"].string == jones }
            }

            // The first agent is put out of service: off shift, off the map, out of Redis.
            #expect(try put(scene, "/v1/agents/\(smith)", #"{"is_active":false}"#)["is_active"].flag == false)
            let redis = try gateway.redisProbe()
            try eventually("nothing of the agent is shown") {
                try gateway.http("GET", "/v1/agents/\(smith)/position", token: scene.admin).status == 404
                    && redis.hash("agent:\(smith):location").isEmpty
                    && redis.command("ZSCORE", "agents:geo", smith).text == nil
            }
            let refused = try post(scene, smith, at: now() + 1, -74.006)
            #expect(refused["rejected"][0]["reason"].string == "off_shift")

            // The delivery ends: nobody carries it, the customer is told, and the session is taken away.
            #expect(try put(scene, carriers, #"{"drivers":[]}"#)["drivers"].array.isEmpty)
            let ended = try JSON(parsing: try receiver.next().text)
            #expect(ended["status"].string == "ended" && ended["agent_id"].string == jones)
            let revoked = try gateway.http(
                "DELETE", "/v1/tracking-sessions/\(session.id)", token: scene.admin)
            #expect(revoked.status == 204)
            #expect(try viewer.closure().code == 4403)
            // One that ends by itself, named in DelAuto's words.
            let short = try gateway.session("delivery:\(DelAutoScene.delivery)", key: scene.admin, more: #""ttl_s":2"#)
            let last = try gateway.viewer(short.token)
            #expect(try last.closure().code == 4401)
            #expect(try gateway.http("GET", "/v1/agents?near=40.7,-74", token: short.token).status == 401)

            // Nobody was told anything twice, and a restart tells nothing again.
            #expect(receiver.isLeftAlone(for: 2))
            try gateway.restart()
            try gateway.awaitStores()
            #expect(receiver.isLeftAlone(for: 2))
            #expect(
                try gateway.sql(
                    "SELECT string_agg(type, ' ' ORDER BY id) FROM order_events WHERE delivered_at IS NOT NULL")
                    == ["assigned departed assigned ended"])
            #expect(try gateway.count("SELECT count(*) FROM order_events WHERE delivered_at IS NULL") == 0)
            try gateway.expectConservation()
        }
    }
}
