// Credentials of a platform that was made up for these tests: logins in a table, sessions in Redis hashes, signed tokens
// with claims of its own. Answers count for five minutes here, so whatever happens at once happens because a table said so.

import DroverClient
import Foundation
import LocalServers
import PostgresClient
import Synchronization
import Testing

extension Integration {
    @Suite("Credentials of a platform") struct CredentialSourceTests {
        @Test func `a login reports, watches or steers as its row says, and no longer than the row is there`() throws {
            let courier = try Courier()
            let gateway = courier.gateway
            let van = try courier.logIn("van-1", kind: "'driver'", more: "van = 'van-1'")
            let ping = TestPing(nil, at: now())
            #expect(try gateway.post([ping], token: van)["accepted"].integer == 1)
            let phone = try gateway.ingest(van)

            let boss = try courier.logIn("boss", kind: "'office'", more: "may = ARRAY['look','send'], scope = NULL")
            #expect(try gateway.http("GET", "/v1/drivers/van-1/position", token: boss).status == 200)
            #expect(try gateway.http("GET", "/v1/orders/p1/drivers", token: boss).status == 200)
            #expect(try gateway.http("GET", "/v1/drivers/van-1/history", token: boss).status == 403)
            let screen = try gateway.viewer(boss)

            let guest = try courier.logIn("guest", kind: "'guest'", more: "scope = 'driver:van-1'")
            let seen = try ScreenedViewer(gateway, guest)
            #expect(try seen.subscribe(["driver:van-1", "driver:van-2"]).last?["subscribed"].names == ["driver:van-1"])

            // Neither a role without rights here, nor one that is not active, nor one that is over, nor nonsense.
            for (kind, more) in [
                ("'cleaner'", "van = 'van-1'"), ("NULL", "van = 'van-1'"), ("'driver'", "van = NULL"),
                ("'driver'", "van = 'no van'"), ("'driver'", "van = 'van-1', is_active = false"),
                ("'driver'", "van = 'van-1', is_active = NULL"),
                ("'driver'", "van = 'van-1', ends_at = now() - interval '1 second'"),
                ("'guest'", "scope = NULL"), ("'guest'", "scope = 'van-1'"), ("'office'", "may = NULL"),
                ("'driver'", "van = 'van-sold'"),
            ] {
                let token = try courier.logIn("nobody", kind: kind, more: more)
                #expect(try !gateway.admits(token), "\(kind), \(more)")
            }
            #expect(try !gateway.admits("nobody-at-all"))
            #expect(try !gateway.admits(String(repeating: "x", count: 600)))

            // The row changes: the office may look no more, the van is sold, the guest is thrown out.
            try gateway.sql("UPDATE logins SET may = ARRAY['send'] WHERE who = 'boss'")
            #expect(try screen.closure().code == 4403)
            try eventually("the office may not look any more") {
                try gateway.http("GET", "/v1/drivers/van-1/position", token: boss).status == 403
            }
            try gateway.sql("UPDATE vans SET is_sold = true WHERE van = 'van-1'")
            #expect(try phone.closure().code == 4403)
            #expect(try gateway.http("POST", "/v1/pings", token: van, body: ping.json).status == 401)
            try gateway.sql("DELETE FROM logins WHERE who = 'guest'")
            #expect(try seen.socket.closure().code == 4403)
            #expect(try !gateway.admits(guest))
        }

        @Test func `a login that was unknown is good as soon as its row is there`() throws {
            let courier = try Courier()
            let token = "token-of-\(UUID().uuidString)"
            #expect(try !courier.gateway.admits(token))
            _ = try courier.logIn("late", kind: "'office'", more: "may = ARRAY['look']", token: token)
            try eventually("it is known", within: 4) { try courier.gateway.admits(token) }
        }

        @Test func `its end is told, and closes what it has open`() throws {
            let courier = try Courier()
            let ends = "ends_at = date_trunc('second', now()) + interval '6 seconds'"
            let token = try courier.logIn("brief", kind: "'guest'", more: "scope = 'driver:van-1', " + ends)
            let socket = try courier.gateway.webSocket("/v1/track", token: token, subprotocols: "drover.v1")
            let hello = try socket.json(with: "hello")["hello"]
            let end = "SELECT (extract(epoch FROM ends_at) * 1000)::bigint FROM logins WHERE who = 'brief'"
            #expect(hello["expires_at"].integer == Int64(try courier.gateway.count(end)))
            #expect(hello["subjects"].array.compactMap(\.string) == ["driver:van-1"])
            #expect(try socket.closure(within: 20).code == 4401)
            #expect(try !courier.gateway.admits(token))
        }

        @Test func `a customer's subjects grow and shrink with the tables, on open sockets too`() throws {
            let courier = try Courier()
            let gateway = courier.gateway
            let ana = try ScreenedViewer(gateway, try courier.session("ana"))
            func terms() throws -> [String] {
                try ana.socket.json(with: "terms")["terms"]["subjects"].array.compactMap(\.string)
            }
            // Nothing yet: connected, and nothing to see.
            #expect(try ana.subscribe(["order:p1"]).last?["error"]["code"].string == "forbidden")
            try gateway.sql("UPDATE parcels SET customer = 'ana' WHERE parcel IN ('p1', 'p2')")
            #expect(try terms() == ["order:p1", "order:p2"])
            #expect(
                try ana.subscribe(["order:p1", "order:p2", "order:p3"]).last?["subscribed"].names == [
                    "order:p1", "order:p2",
                ])
            try gateway.sql("UPDATE parcels SET is_open = false WHERE parcel = 'p1'")
            try ana.read("the end of p1") { $0.events.contains(.event(type: "ended", subject: "order:p1")) }
            #expect(try terms() == ["order:p2"])
            #expect(!ana.screen.events.contains(.event(type: "ended", subject: "order:p2")))
            #expect(try ana.subscribe(["order:p1"]).last?["error"]["code"].string == "forbidden")
            // A change of other people's rows is none of hers.
            try gateway.sql("UPDATE parcels SET customer = 'ben' WHERE parcel = 'p3'")
            let ben = try ScreenedViewer(gateway, try courier.session("ben"))
            #expect(try ben.subscribe(["order:p2", "order:p3"]).last?["subscribed"].names == ["order:p3"])
            #expect(try ana.subscribe(["order:p2"]).last?["subscribed"].names == ["order:p2"])
        }

        @Test func `a session in Redis may be a hash, lives as long as its key, and ends with it`() throws {
            let courier = try Courier()
            let gateway = courier.gateway
            try gateway.sql("UPDATE parcels SET customer = 'ana' WHERE parcel = 'p1'")
            let endless = try courier.session("ana")
            let socket = try gateway.webSocket("/v1/track", token: endless, subprotocols: "drover.v1")
            #expect(try socket.json(with: "hello")["hello"]["expires_at"].isNull)
            let token = try courier.session("ana", milliseconds: 60_000)
            let brief = try gateway.webSocket("/v1/track", token: token, subprotocols: "drover.v1")
            let end = try #require(try brief.json(with: "hello")["hello"]["expires_at"].integer)
            #expect(abs(end - now() - 60_000) < 5_000)
            // The platform prolongs it, and the viewer is told.
            try courier.redis.command("PEXPIRE", "sess:\(token)", "600000")
            let longer = try #require(try brief.json(with: "terms")["terms"]["expires_at"].integer)
            #expect(abs(longer - now() - 600_000) < 5_000)
            try courier.redis.command("DEL", "sess:\(token)")
            #expect(try brief.closure().code == 4403)
            // Of two sessions of one user, only the one that is gone ends.
            socket.send("{\"id\":1,\"subscribe\":[\"order:p1\"]}")
            #expect(try socket.json(with: "subscribed")["subscribed"].names == ["order:p1"])
        }

        @Test func `a signed token's claims go by the platform's names alone`() throws {
            let courier = try Courier()
            let gateway = courier.gateway
            let tokens = courier.tokens
            let office = tokens.token("\"sub\":\"u7\",\"realm\":{\"role\":\"office\"},\"scope\":\"look send\"")
            #expect(try gateway.http("GET", "/v1/drivers", token: office).status == 400)
            let van = tokens.token("\"sub\":\"u8\",\"realm\":{\"role\":\"driver\"},\"vehicle\":\"van-2\"")
            #expect(try gateway.post([TestPing(nil, at: now())], token: van)["accepted"].integer == 1)
            let sold = tokens.token("\"sub\":\"u9\",\"realm\":{\"role\":\"driver\"},\"vehicle\":\"van-sold\"")
            #expect(try !gateway.admits(sold))
            let ours = tokens.token("\"sub\":\"u7\",\"role\":\"backend\",\"permissions\":[\"positions:read\"]")
            #expect(try !gateway.admits(ours))
            #expect(try !gateway.admits(String(office.dropLast(8)) + "AAAAAAAA"))
            #expect(
                try !gateway.admits(tokens.token(endingIn: -3_600, "\"sub\":\"u7\",\"realm\":{\"role\":\"office\"}")))
            let ending = tokens.token(
                endingIn: 4, "\"sub\":\"u7\",\"realm\":{\"role\":\"office\"},\"scope\":\"look\"")
            #expect(try gateway.viewer(ending).closure().code == 4401)
        }

        @Test
        func `with the platform's stores away known credentials work, across a restart too, and no other is refused`()
            throws
        {
            let courier = try Courier(ownPostgres: true)
            let gateway = courier.gateway
            let van = try courier.logIn("van-1", kind: "'driver'", more: "van = 'van-1'")
            let gone = try courier.logIn("gone", kind: "'driver'", more: "van = 'van-2'")
            let other = try courier.logIn("other", kind: "'driver'", more: "van = 'van-2'")
            let start = now() - 60_000
            #expect(try gateway.post([TestPing(nil, at: start)], token: van)["accepted"].integer == 1)
            #expect(try gateway.post([TestPing(nil, at: start)], token: gone)["accepted"].integer == 1)
            try gateway.awaitHistory()
            gateway.postgres.kill()
            try eventually("Postgres is missed") {
                try gateway.readiness().body["degraded"].names.contains("postgres")
            }
            func status(_ token: String, _ offset: Int64) throws -> Int {
                let ping = TestPing(nil, at: start + offset, latitude: 43.6532 + Double(offset) / 1e8)
                return try gateway.http("POST", "/v1/pings", token: token, body: ping.json).status
            }
            #expect(try status(van, 1_000) == 200)
            #expect(try status(other, 1_000) == 503)
            #expect(
                try gateway.webSocket("/v1/ingest", token: other, subprotocols: "drover.ingest.v1").closure().code
                    == 1013)
            try gateway.restart()
            #expect(try status(van, 2_000) == 200)
            #expect(try status(gone, 2_000) == 200)
            #expect(try status(other, 2_000) == 503)
            // Redis knows nothing of them; it may be asked, and still nobody can say that they are unknown.
            #expect(try status("nobody", 2_000) == 503)
            let phone = try gateway.ingest(gone)
            try gateway.postgres.start()
            try gateway.sql("DELETE FROM logins WHERE who = 'gone'")
            #expect(try phone.closure(within: 20).code == 4403)
            try eventually("the other is known again") { try status(other, 3_000) == 200 }
            #expect(try status(gone, 4_000) == 401)
            // No token stands in a file or in the log.
            for token in [van, gone, other] {
                #expect(try RunningGateway.fileTraces(of: token, in: gateway.directory.path).isEmpty)
            }
        }
    }
}
