// Omade Cravings (seed 004): sessions in Redis, riders who are users, orders that lead to them through delivery schedules.

import DroverClient
import Foundation
import LocalServers
import Synchronization
import Testing

extension Integration {
    @Suite("Omade Cravings") struct OmadeCravingsTests {
        private static let ana = "00000000-0000-0000-0000-000000000041"
        private static let ben = "00000000-0000-0000-0000-000000000042"
        private static let riders = (101...104).map { "00000000-0000-0000-0000-000000000\($0)" }
        private static let staff = "00000000-0000-0000-0000-000000000201"
        private static let admin = "00000000-0000-0000-0000-000000000301"
        /// Ana's order on its way, Ana's in the oven, Ben's on its way.
        private static let onItsWay = "30000000-0000-0000-0000-000000000411"
        private static let inTheOven = "30000000-0000-0000-0000-000000000412"
        private static let bens = "30000000-0000-0000-0000-000000000421"

        /// The shop: its gateway, and its Redis as the shop itself uses it.
        private struct Shop {
            let gateway: RunningGateway
            let redis: RedisProbe

            init(settings: [String: String] = [:]) throws {
                gateway = try RunningGateway(
                    settings: settings, file: SystemFile.path("omade-cravings"),
                    schema: try SystemFile.sql("omade-cravings") + SystemFile.sql("omade-cravings-day"))
                redis = try gateway.redisProbe()
                try gateway.awaitStores()
            }

            /// A session as the shop writes it: a string of JSON that lives for 30 days.
            func session(_ user: String, role: String, milliseconds: Int = 2_592_000_000) throws -> String {
                let id = UUID().uuidString.lowercased()
                LogBook.secrets.withLock { _ = $0.insert(id) }
                let value = """
                    {"user_id":"\(user)","email":"user@example.com","role":"\(role)",\
                    "created_at":"2024-01-15T10:30:00Z","last_activity":"2024-01-15T12:45:00Z"}
                    """
                try redis.command("SET", "session:\(id)", value, "PX", "\(milliseconds)")
                return id
            }

            func set(_ column: String, _ value: String, of order: String) throws {
                try gateway.sql("UPDATE orders SET \(column) = $1 WHERE id = $2", [value, order])
            }
        }

        /// A rider's phone.
        private final class Phone {
            let socket: WebSocketProbe
            private var count: Int64 = 0

            init(_ shop: Shop, _ session: String) throws {
                socket = try shop.gateway.ingest(session)
            }

            /// Reports and waits for the acknowledgement; gives the fix time.
            @discardableResult
            func report(latitude: Double = 43.6532, at time: Int64 = now()) throws -> Int64 {
                count += 1
                socket.send(
                    TestPing(
                        nil, at: time, latitude: latitude, longitude: -79.3832, speed: 8.25, heading: 271,
                        sequence: count
                    ).json)
                let reply = try socket.json(with: "ack")
                #expect(reply["ack"].integer == count && reply["rejected"].array.isEmpty, "\(reply)")
                return time
            }
        }

        @Test func `the file is well against the shop's tables, and a column that is missing is named`() throws {
            let shop = try Shop()
            let file = SystemFile.path("omade-cravings")
            let check = try shop.gateway.drover("check", "--config", file)
            #expect(check.status?.isSuccess == true, "\(check.output)")
            try shop.gateway.sql("ALTER TABLE delivery_schedules RENAME COLUMN rider_id TO courier_id")
            let broken = try shop.gateway.drover("check", "--config", file)
            #expect(broken.status?.isSuccess == false)
            #expect(broken.output.contains("order_rider") && broken.output.contains("rider_id"), "\(broken.output)")
            #expect(broken.output.contains("day_riders"), "\(broken.output)")
        }

        @Test func `a customer follows the own order while it is on its way, through a hand-over, to the door`() throws
        {
            let shop = try Shop()
            let phones = try Self.riders[0...1].map { try Phone(shop, try shop.session($0, role: "rider")) }
            let listener = try shop.gateway.redisProbe()
            try listener.command("SUBSCRIBE", "rider:\(Self.riders[0]):location")
            let first = try phones[0].report()

            // What the shop finds in its Redis: the hash, the set of all riders, the channel.
            let hash = try awaitValue("the rider's hash") {
                let hash = try shop.redis.hash("rider:\(Self.riders[0]):location")
                return hash.isEmpty ? nil : hash
            }
            #expect(hash["lat"].flatMap(Double.init) == 43.6532)
            #expect(hash["lng"].flatMap(Double.init) == -79.3832)
            #expect(hash["speed"].flatMap(Double.init) == 8.25)
            #expect(hash["heading"].flatMap(Double.init) == 271)
            #expect(hash["recorded_at"] == "\(first)")
            let life = try shop.redis.command("PTTL", "rider:\(Self.riders[0]):location").number ?? 0
            #expect((1...300_000).contains(life))
            try eventually("the rider is in the set of all") {
                try shop.redis.command("ZSCORE", "riders:geo", Self.riders[0]).text != nil
            }
            let told = try JSON(parsing: try #require(try listener.next().list.last?.text))
            #expect(told["recorded_at"].integer == first)

            // Ana sees what is hers and on its way, and nothing else.
            let ana = try ScreenedViewer(shop.gateway, try shop.session(Self.ana, role: "customer"))
            let orders = [Self.onItsWay, Self.inTheOven, Self.bens].map { "order:\($0)" }
            let answer = try #require(
                try ana.subscribe(orders + ["rider:\(Self.riders[0])", "driver:\(Self.riders[0])"]).last)
            #expect(answer["subscribed"].names == [orders[0]])
            #expect(answer["refused"][orders[1]].string == "forbidden")
            #expect(answer["refused"][orders[2]].string == "forbidden")
            #expect(answer["refused"]["driver:\(Self.riders[0])"].string == "forbidden")
            #expect(ana.screen.newest(Self.riders[0]) == first)
            #expect(
                try shop.gateway.http(
                    "GET", "/v1/drivers/\(Self.riders[1])/position", token: try shop.session(Self.ana, role: "customer")
                ).status == 403)

            // The other order leaves the oven, and she may follow it too.
            try shop.set("status", "dispatched", of: Self.inTheOven)
            try eventually("the second order is open to her") {
                try ana.subscribe([orders[1]]).last?["subscribed"].names == [orders[1]]
            }
            try shop.set("status", "delivered", of: Self.inTheOven)
            try ana.read("the second order has ended") { $0.events.contains(.event(type: "ended", subject: orders[1])) }
            #expect(!ana.screen.events.contains(.event(type: "ended", subject: orders[0])))

            // Another rider takes the slot over.
            let second = try phones[1].report(latitude: 43.66)
            try shop.gateway.sql(
                "UPDATE delivery_schedules SET rider_id = $1 WHERE id = '20000000-0000-0000-0000-000000000041'",
                [Self.riders[1]])
            try ana.read("the hand-over") { screen in
                screen.events.contains(.left(driver: Self.riders[0], subject: orders[0]))
                    && screen.newest(Self.riders[1]) == second
            }
            #expect(ana.screen.events.contains(.event(type: "assigned", subject: orders[0])))
            let before = ana.screen.positions[Self.riders[0]]
            try phones[0].report()
            let third = try phones[1].report(latitude: 43.66001)
            try ana.read("the new rider's next position") { $0.newest(Self.riders[1]) == third }
            #expect(ana.screen.positions[Self.riders[0]] == before)

            // At the door.
            try shop.set("status", "delivered", of: Self.onItsWay)
            try ana.read("the order has ended") { $0.events.contains(.event(type: "ended", subject: orders[0])) }
            let refused = try #require(try ana.subscribe([orders[0]]).last)
            #expect(refused["error"]["code"].string == "forbidden")
            try phones[1].report(latitude: 43.66002)
            #expect(ana.screen.newest(Self.riders[1]) == third)

            try shop.gateway.awaitHistory()
            let kept = "SELECT count(*) FROM drover.driver_location_events WHERE driver_id = '\(Self.riders[1])'"
            #expect(try shop.gateway.count(kept) == 3)
            try shop.gateway.expectConservation()
        }

        @Test func `a session ends with its life, with its key, and with its user's role`() throws {
            let shop = try Shop()
            // Its own life.
            let short = try ScreenedViewer(
                shop.gateway, try shop.session(Self.ana, role: "customer", milliseconds: 4_000))
            #expect(try short.socket.closure().code == 4401)
            // The shop logs her out.
            let session = try shop.session(Self.ana, role: "customer")
            let ana = try ScreenedViewer(shop.gateway, session)
            try ana.subscribe(["order:\(Self.onItsWay)"])
            let rider = try shop.session(Self.riders[2], role: "rider")
            let phone = try Phone(shop, rider)
            try phone.report()
            try shop.redis.command("DEL", "session:\(session)", "session:\(rider)")
            #expect(try ana.socket.closure(within: 20).code == 4403)
            #expect(try phone.socket.closure(within: 20).code == 4403)
            #expect(
                try shop.gateway.http("POST", "/v1/pings", token: rider, body: TestPing(nil, at: now()).json).status
                    == 401)
            // A rider who is none any more, whatever his session says.
            let former = try shop.session(Self.riders[3], role: "rider")
            let last = try Phone(shop, former)
            try last.report()
            try shop.gateway.sql("UPDATE users SET role = 'customer' WHERE id = $1", [Self.riders[3]])
            #expect(try last.socket.closure().code == 4403)
            #expect(try !shop.gateway.admits(former))
        }

        @Test func `nobody gets in by a role that is not his, nor by what is no session`() throws {
            let shop = try Shop()
            let customer = try shop.session(Self.ana, role: "customer")
            #expect(
                try shop.gateway.http("POST", "/v1/pings", token: customer, body: TestPing(nil, at: now()).json).status
                    == 403)
            let socket = try shop.gateway.webSocket("/v1/ingest", token: customer, subprotocols: "drover.ingest.v1")
            #expect(try socket.closure().code == 4403)
            // A session that lies about its role, one of a role that does not exist, one without a user.
            for (user, role) in [(Self.ana, "admin"), (Self.ana, "owner"), ("", "customer"), ("'; --", "rider")] {
                #expect(try !shop.gateway.admits(try shop.session(user, role: role)), "\(user) as \(role)")
            }
            for value in ["", "[]", "{", "{\"role\":\"admin\"}", "7"] {
                let id = UUID().uuidString
                try shop.redis.command("SET", "session:\(id)", value)
                #expect(try !shop.gateway.admits(id), "\(value)")
            }
            #expect(try !shop.gateway.admits("nobody"))
            let rider = try shop.session(Self.riders[0], role: "rider")
            let named = TestPing(Self.riders[1], at: now())
            #expect(try shop.gateway.http("POST", "/v1/pings", token: rider, body: named.json).status == 403)
        }

        @Test func `the shop's people see all riders and days, and the tables say who rides`() throws {
            let shop = try Shop()
            let phone = try Phone(shop, try shop.session(Self.riders[0], role: "rider"))
            let time = try phone.report()
            let staff = try shop.session(Self.staff, role: "staff")
            let position = try shop.gateway.http("GET", "/v1/drivers/\(Self.riders[0])/position", token: staff)
            #expect(try JSON(parsing: position.text)["recorded_at"].integer == time)
            let today = try #require(try shop.gateway.sql("SELECT current_date::text").first ?? nil)
            let list = try shop.gateway.http("GET", "/v1/drivers?group=\(today)", token: staff)
            #expect(
                try JSON(parsing: list.text)["drivers"].array.compactMap { $0["driver_id"].string } == [Self.riders[0]])
            #expect(
                try shop.gateway.http("GET", "/v1/drivers?group=2026-02-31", token: staff).text.contains(
                    "\"drivers\":[]"))
            let admin = try shop.session(Self.admin, role: "admin")
            #expect(try shop.gateway.drivers("orders/\(Self.onItsWay)", key: admin) == [Self.riders[0]])
            #expect(try shop.gateway.drivers("orders/\(Self.inTheOven)", key: admin) == [])
            #expect(try shop.gateway.drivers("groups/\(today)", key: admin) == Self.riders)
            #expect(try shop.gateway.http("GET", "/v1/orders/\(Self.onItsWay)/drivers", token: staff).status == 403)
            for (method, path, body) in [
                ("PUT", "orders/\(Self.onItsWay)/drivers", "{\"drivers\":[\"\(Self.riders[1])\"]}"),
                ("PUT", "orders/\(Self.onItsWay)/drivers/\(Self.riders[1])", ""),
                ("DELETE", "groups/\(today)/drivers/\(Self.riders[1])", nil),
            ] {
                let reply = try shop.gateway.http(method, "/v1/\(path)", token: admin, body: body)
                #expect(reply.status == 409)
                #expect(try JSON(parsing: reply.text)["code"].string == "managed_elsewhere")
            }
            #expect(try shop.gateway.drivers("orders/\(Self.onItsWay)", key: admin) == [Self.riders[0]])
        }

        @Test func `requests are counted where the shop counts them, for a quarter of an hour`() throws {
            let shop = try Shop(settings: ["limits.exempt_addresses": "192.0.2.0/24"])
            let staff = try shop.session(Self.staff, role: "staff")
            for _ in 0..<3 { _ = try shop.gateway.http("GET", "/v1/drivers/nobody/position", token: staff) }
            let key = try awaitValue("the counter of this address") {
                try shop.redis.command("KEYS", "rate_limit:127.0.0.1:*").list.first?.text
            }
            try eventually("three requests are counted") {
                try shop.redis.command("GET", key).text.flatMap { Int($0) } ?? 0 >= 3
            }
            let life = try shop.redis.command("TTL", key).number ?? 0
            #expect((800...900).contains(life), "\(key) lives for \(life) s")
        }
    }
}
