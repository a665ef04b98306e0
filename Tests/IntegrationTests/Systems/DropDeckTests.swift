// DropDeck (seed 000): deliveries that are tracked themselves, real-time only, by adapters and webhooks, for whoever ordered.

import DroverClient
import Foundation
import Synchronization
import Testing

extension Integration {
    @Suite("DropDeck") struct DropDeckTests {
        /// DropDeck on a day: its gateway with its file alone, an adapter's key, and its Redis.
        private final class Deck {
            let gateway: RunningGateway
            let redis: RedisProbe
            let key: String
            /// Fix times lie in the last minutes, so that a way of minutes is driven in seconds.
            let start = now() - 400_000
            private var events = 0

            init(_ settings: [String: String] = [:]) throws {
                gateway = try RunningGateway(
                    settings: settings, file: SystemFile.path("dropdeck"),
                    schema: try SystemFile.sql("dropdeck") + SystemFile.sql("dropdeck-day"))
                redis = try gateway.redisProbe()
                try gateway.awaitStores()
                key = try gateway.key("pings:write")
                for token in ["ann-session-3c1f", "ann-other-9d21", "bob-session-77aa"] {
                    LogBook.secrets.withLock { _ = $0.insert(token) }
                }
            }

            func time(_ second: Int64) -> String {
                let formatter = ISO8601DateFormatter()
                formatter.formatOptions = [.withInternetDateTime, .withFractionalSeconds]
                return formatter.string(from: Date(timeIntervalSince1970: Double(start + second * 1_000) / 1_000))
            }

            /// A platform's event: its order is so many metres south of the door, so many seconds after the start.
            func event(
                _ platform: String, _ order: String, metres: Double, at second: Int64, id: String? = nil
            ) throws -> (status: Int, reply: JSON) {
                events += 1
                let body = """
                    {"event_id":"\(id ?? "evt-\(events)")","platform":"\(platform)","type":"delivery.location","delivery":{
                    "external_order_id":"\(order)","status":"out_for_delivery","driver":{"name":"Sam","location":{
                    "lat":\(43.65 - metres / 111_195),"lng":-79.38,"heading":0,"speed":54,"timestamp":"\(time(second))"}}}}
                    """
                let response = try gateway.http("POST", "/v1/webhooks/deliveries", token: key, body: body)
                return (response.status, try JSON(parsing: response.text))
            }

            /// The same where it must be taken.
            func report(_ platform: String, _ order: String, metres: Double, at second: Int64) throws {
                let (status, reply) = try event(platform, order, metres: metres, at: second)
                try #require(status == 200 && reply["accepted"].integer == 1, "\(reply)")
            }

            func cache(_ delivery: String, _ expression: String) throws -> String? {
                try gateway.sql("SELECT \(expression) FROM delivery_cache WHERE id = $1", [delivery]).first ?? nil
            }

            func stage(_ delivery: String) throws -> String? {
                try gateway.sql(
                    "SELECT stage FROM drover.order_progress WHERE order_id = $1 AND ended_at IS NULL", [delivery]
                ).first ?? nil
            }
        }

        private func watch(_ deck: Deck, _ session: String, _ subjects: String...) throws -> (WebSocketProbe, JSON) {
            let viewer = try deck.gateway.viewer(session)
            let names = subjects.map { "\"\($0)\"" }.joined(separator: ",")
            viewer.send("{\"id\":1,\"subscribe\":[\(names)]}")
            while true {
                let frame = try viewer.json()
                if frame["id"].integer == 1 { return (viewer, frame) }
            }
        }

        @Test
        func `a delivery's position is DropDeck's hash for thirty seconds, its customer's to see, and nowhere else`()
            throws
        {
            let deck = try Deck()
            let (ann, answer) = try watch(
                deck, "ann-session-3c1f", "order:pizza", "order:wine", "order:nothing", "area:43,-80,44,-79")
            #expect(answer["subscribed"].names == ["order:pizza"])
            #expect(answer["refused"].names == ["area:43,-80,44,-79", "order:nothing", "order:wine"])

            try deck.report("doordash", "DD-1001", metres: 9_000, at: 0)
            let seen = try ann.json(with: "positions")["positions"][0]
            #expect(seen["driver_id"].string == "pizza")
            #expect(seen["subjects"][0].string == "order:pizza")
            #expect(seen["recorded_at"].integer == deck.start)
            #expect(abs(try #require(seen["speed"].number) - 15) < 0.001, "54 km/h")

            let hash = try awaitValue("the hash") {
                let hash = try deck.redis.hash("delivery:pizza:location")
                return hash.isEmpty ? nil : hash
            }
            #expect(hash.keys.sorted() == ["heading", "lat", "lng", "speed", "timestamp"])
            let latitude = try #require(hash["lat"].flatMap { Double($0) })
            let expected: Double = 43.65 - 9_000 / 111_195.0
            #expect(abs(latitude - expected) < 1e-6)
            #expect(hash["lng"] == "-79.38")
            #expect(hash["heading"] == "0")
            #expect(hash["speed"] == "54")
            #expect(hash["timestamp"].flatMap { ISO8601.milliseconds($0) } == deck.start)
            #expect(hash["timestamp"]?.hasSuffix("Z") == true)
            let life = try #require(try deck.redis.command("PTTL", "delivery:pizza:location").number)
            #expect((1...30_000).contains(life))
            #expect(try deck.redis.command("EXISTS", "driver:pizza:location").number == 0)
            #expect(try deck.redis.command("ZSCORE", "deliveries:geo", "pizza").text != nil)

            // Nothing of it is kept: no day is made, and Drover's tables stand apart from DropDeck's.
            try deck.gateway.awaitHistory()
            #expect(
                try deck.gateway.count(
                    "SELECT count(*) FROM pg_inherits WHERE inhparent = 'drover.driver_location_events'::regclass") == 0
            )
            #expect(
                try deck.gateway.count(
                    "SELECT count(*) FROM pg_tables WHERE schemaname = 'public' AND tablename LIKE 'driver%'") == 0)

            // Bob sees his own alone, whichever way he asks.
            #expect(try deck.gateway.http("GET", "/v1/drivers/pizza/position", token: "bob-session-77aa").status == 403)
            #expect(try deck.gateway.http("GET", "/v1/drivers?order=pizza", token: "bob-session-77aa").status == 403)
            #expect(try deck.gateway.http("GET", "/v1/drivers?order=pizza", token: "ann-session-3c1f").status == 200)
            #expect(try deck.gateway.http("GET", "/v1/drivers?order=pizza", token: "nobody-session").status == 401)
            #expect(
                try deck.gateway.http(
                    "PUT", "/v1/orders/pizza/drivers", token: deck.gateway.key("assignments:write"),
                    body: "{\"drivers\":[\"wine\"]}"
                ).status == 409)
        }

        @Test func `a webhook's event counts once, and its key lasts an hour`() throws {
            let deck = try Deck()
            let first = try deck.event("doordash", "DD-1001", metres: 5_000, at: 0, id: "evt-77")
            #expect(first.status == 200)
            #expect(first.reply["accepted"].integer == 1)
            #expect(try deck.redis.command("GET", "webhook:doordash:evt-77").text == "taken")
            let life = try #require(try deck.redis.command("TTL", "webhook:doordash:evt-77").number)
            #expect((3_590...3_600).contains(life))
            let before = try awaitValue("the hash") {
                try deck.redis.hash("delivery:pizza:location")["timestamp"]
            }
            // The replay carries another place: nothing of it is believed.
            let again = try deck.event("doordash", "DD-1001", metres: 4_000, at: 30, id: "evt-77")
            #expect(again.status == 200)
            #expect(again.reply["duplicate"].flag == true)
            // Another platform's event of that id is another event, of another delivery.
            let other = try deck.event("amazon", "AZ-55", metres: 4_000, at: 30, id: "evt-77")
            #expect(other.reply["accepted"].integer == 1)
            _ = try awaitValue("the other's hash") { try deck.redis.hash("delivery:books:location")["timestamp"] }
            #expect(try deck.redis.hash("delivery:pizza:location")["timestamp"] == before)
            #expect(try deck.gateway.metric("drover_pings_received_total") == 2)
            // An order that nobody has: 404, and the sender may come again with it.
            #expect(try deck.event("shipt", "DD-1001", metres: 1, at: 40, id: "evt-9").status == 404)
            #expect(try deck.redis.command("EXISTS", "webhook:shipt:evt-9").number == 0)
        }

        @Test func `Ann's deliveries come nearer: sorted by arrival, five minutes away, arriving, delivered`() throws {
            let deck = try Deck()
            // Who writes how often into delivery_cache is DropDeck's concern.
            try deck.gateway.sql(
                "CREATE TABLE location_writes (delivery text, at timestamptz DEFAULT clock_timestamp())")
            try deck.gateway.sql(
                """
                CREATE FUNCTION note_write() RETURNS trigger LANGUAGE plpgsql AS $$
                BEGIN INSERT INTO location_writes (delivery) VALUES (new.id); RETURN new; END $$
                """)
            try deck.gateway.sql(
                """
                CREATE TRIGGER note_write AFTER UPDATE OF driver_location ON delivery_cache FOR EACH ROW
                EXECUTE FUNCTION note_write()
                """)
            let (ann, _) = try watch(deck, "ann-session-3c1f", "order:pizza", "order:books")
            func times() throws -> [String] {
                try deck.redis.command("ZRANGE", "user:ann:deliveries", "0", "-1").list.compactMap(\.text)
            }
            func arrival(_ delivery: String) throws -> Double? {
                try deck.redis.command("ZSCORE", "user:ann:deliveries", delivery).text.flatMap(Double.init)
            }
            func event(_ type: String) throws -> JSON {
                while true {
                    let event = try ann.json(with: "events", within: 30)["events"][0]
                    if event["type"].string == type { return event }
                }
            }

            try deck.report("doordash", "DD-1001", metres: 9_000, at: 0)
            try deck.report("amazon", "AZ-55", metres: 12_000, at: 0)
            try eventually("both stand in the set, the nearer first") { try times() == ["pizza", "books"] }
            let first = try #require(try arrival("pizza"))
            #expect(first > Double(now()) + 600_000, "epoch milliseconds, a good while ahead")
            #expect(first < Double(now()) + 7_200_000)

            // At 33 m/s pizza is five minutes away.
            try deck.report("doordash", "DD-1001", metres: 7_000, at: 60)
            try eventually("pizza is on its way") { try deck.stage("pizza") == "1" }
            try eventually("the estimate follows") { try arrival("pizza").map { $0 < first - 300_000 } ?? false }
            try deck.report("doordash", "DD-1001", metres: 6_500, at: 75)
            #expect(try event("arriving_soon")["subject"].string == "order:pizza")
            try eventually("DropDeck has the minutes") {
                try deck.cache("pizza", "eta_minutes").flatMap { Int($0) }.map { (1...5).contains($0) } ?? false
            }
            #expect(try deck.cache("pizza", "status") == "out_for_delivery")

            try deck.report("doordash", "DD-1001", metres: 3_000, at: 180)
            try deck.report("doordash", "DD-1001", metres: 250, at: 270)
            #expect(try event("arriving")["subject"].string == "order:pizza")
            try eventually("DropDeck's status is arriving") { try deck.cache("pizza", "status") == "arriving" }
            #expect(try deck.cache("pizza", "delivery_data ->> 'status'") == "arriving")
            #expect(try deck.cache("pizza", "delivery_data #>> '{timestamps,arriving}'") != nil)
            #expect(try deck.cache("pizza", "delivery_data #>> '{timestamps,ordered}'") != nil, "what was there stays")
            #expect(try deck.cache("books", "status") == "out_for_delivery")

            // The last place is in the cache, in DropDeck's words and units, written at a bounded rate.
            try eventually("delivery_cache has the newest place") {
                try deck.cache("pizza", "driver_location ->> 'timestamp'").flatMap { ISO8601.milliseconds($0) }
                    == deck.start + 270_000
            }
            let place = try JSON(parsing: #require(try deck.cache("pizza", "driver_location")))
            #expect(place.names == ["accuracy", "heading", "lat", "lng", "speed", "timestamp"])
            #expect(place["speed"].number == 54)
            #expect(place["accuracy"].number == 25)
            let gaps = try deck.gateway.count(
                """
                SELECT count(*) FROM (
                    SELECT at - lag(at) OVER (ORDER BY at) AS gap FROM location_writes WHERE delivery = 'pizza') g
                WHERE gap < interval '4.5 seconds'
                """)
            #expect(gaps == 0, "at most one write in five seconds")

            // Delivered: out of sight, out of the set, and the last five stages were told once each.
            try deck.gateway.sql("UPDATE delivery_cache SET status = 'delivered' WHERE id = 'pizza'")
            #expect(try event("ended")["subject"].string == "order:pizza")
            try eventually("the set has the other alone") { try times() == ["books"] }
            let told = try deck.gateway.sql(
                "SELECT type FROM drover.order_events WHERE order_id = 'pizza' ORDER BY id")
            #expect(told == ["assigned", "departed", "arriving_soon", "arriving", "ended"])
            let later = try watch(deck, "ann-other-9d21", "order:pizza", "order:books").1
            #expect(later["subscribed"].names == ["order:books"])
            #expect(later["refused"].names == ["order:pizza"])
            #expect(try deck.event("doordash", "DD-1001", metres: 1, at: 300).status == 404, "it is over")
        }

        @Test func `a session opens as long as its row is there and not expired`() throws {
            let deck = try Deck()
            let (leaving, _) = try watch(deck, "ann-session-3c1f", "order:pizza")
            let (staying, _) = try watch(deck, "bob-session-77aa", "order:wine")
            let token = "ann-short-\(UInt64.random(in: 0 ... .max))"
            LogBook.secrets.withLock { _ = $0.insert(token) }
            try deck.gateway.sql(
                "INSERT INTO sessions VALUES ($1, 'ann', now() AT TIME ZONE 'UTC' + interval '3 seconds')", [token])
            let (short, answer) = try watch(deck, token, "order:pizza")
            #expect(answer["subscribed"].names == ["order:pizza"])
            #expect(try short.closure(within: 20).code == 4401)

            // Signing out deletes the row.
            try deck.gateway.sql("DELETE FROM sessions WHERE session_token = 'ann-session-3c1f'")
            #expect(try leaving.closure(within: 20).code == 4403)
            let again = try deck.gateway.webSocket(
                "/v1/track", token: "ann-session-3c1f", subprotocols: "drover.v1")
            #expect(try again.closure().code == 4401)

            // What becomes Bob's, Bob sees at once; what another orders, he does not.
            staying.send("{\"id\":2,\"subscribe\":[\"order:soup\"]}")
            #expect(try staying.json(with: "error")["error"]["code"].string == "forbidden")
            try deck.gateway.sql("UPDATE delivery_cache SET user_id = 'bob' WHERE id = 'soup'")
            try eventually("soup is Bob's now") {
                staying.send("{\"id\":3,\"subscribe\":[\"order:soup\"]}")
                while true {
                    let frame = try staying.json()
                    guard frame["id"].integer == 3 else { continue }
                    return frame["subscribed"].names == ["order:soup"]
                }
            }
            #expect(!deck.gateway.log.contains("session-77aa"), "no token reaches the log")
        }
    }
}
