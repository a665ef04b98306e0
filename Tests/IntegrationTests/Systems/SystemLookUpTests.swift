// Who carries an order and who belongs to a group where a platform's own tables say so, and its trail of who watched whom.

import DroverClient
import Foundation
import LocalServers
import PostgresClient
import Synchronization
import Testing

extension Integration {
    @Suite("Look-ups of a platform") struct SystemLookUpTests {
        private static let both = "{ order_drivers: carrier, group_drivers: fleet }"

        @Test func `a hand-over in the platform's tables is on every screen at once`() throws {
            let courier = try Courier(lookUps: Self.both)
            let gateway = courier.gateway
            let key = try gateway.key(RunningGateway.steering)
            let vans = MovingDrivers(["van-1", "van-2", "van-3"], of: gateway, key: key)
            let first = try vans.report()
            // Parcel p3 is van-1's, and the customer knows nothing of vans.
            let customer = try ScreenedViewer(gateway, try courier.session("customer-3"))
            try customer.subscribe(["order:p3"])
            #expect(customer.screen.newest("van-1") == first)
            let depot = try ScreenedViewer(gateway, key)
            try depot.subscribe(["group:east", "order:nothing"])
            #expect(depot.screen.newest("van-1") == first && depot.screen.newest("van-2") == first)
            #expect(depot.screen.newest("van-3") == 0)

            try gateway.sql("UPDATE parcels SET van = 'van-3' WHERE parcel = 'p3'")
            try customer.read("the hand-over") { screen in
                screen.events.contains(.left(driver: "van-1", subject: "order:p3"))
                    && screen.events.contains(.event(type: "assigned", subject: "order:p3"))
                    && screen.newest("van-3") == first
            }
            let second = try vans.report()
            try customer.read("the new van") { $0.newest("van-3") == second }
            #expect(customer.screen.positions["van-1"] == [first])

            try gateway.sql("UPDATE vans SET depot = 'east' WHERE van = 'van-3'")
            try depot.read("the new van of the depot") { $0.newest("van-3") == second }
            try gateway.sql("UPDATE vans SET is_sold = true WHERE van = 'van-1'")
            try depot.read("the sold van has left") {
                $0.events.contains(.left(driver: "van-1", subject: "group:east"))
            }
            try gateway.sql("UPDATE parcels SET is_open = false WHERE parcel = 'p3'")
            try customer.read("the parcel is there") { $0.events.contains(.event(type: "ended", subject: "order:p3")) }
        }

        @Test func `whoever the tables name is told, and nobody changes it here`() throws {
            let courier = try Courier(lookUps: "{ order_drivers: carrier }")
            let gateway = courier.gateway
            let key = try gateway.key(RunningGateway.steering)
            #expect(try gateway.drivers("orders/p1", key: key) == ["van-2"])
            #expect(try gateway.drivers("orders/none", key: key) == [])
            for (method, path, body) in [
                ("PUT", "p1/drivers", "{\"drivers\":[\"van-1\"]}"), ("PUT", "p1/drivers/van-1", ""),
                ("DELETE", "p1/drivers/van-2", nil),
            ] {
                let reply = try gateway.http(method, "/v1/orders/\(path)", token: key, body: body)
                #expect(reply.status == 409)
                let problem = try JSON(parsing: reply.text)
                #expect(problem["code"].string == "managed_elsewhere")
                #expect(problem["detail"].string?.contains("carrier") == true)
            }
            #expect(try gateway.drivers("orders/p1", key: key) == ["van-2"])
            // Groups have no statement here: they stay Drover's own.
            #expect(try gateway.assign("groups/night", ["van-1", "van-3"], key: key) == ["van-1", "van-3"])
            try MovingDrivers(["van-1", "van-2", "van-3"], of: gateway, key: key).report()
            for (question, expected) in [("order=p1", ["van-2"]), ("group=night", ["van-1", "van-3"])] {
                let list = try gateway.http("GET", "/v1/drivers?\(question)", token: key)
                let found = try JSON(parsing: list.text)["drivers"].array.compactMap { $0["driver_id"].string }
                #expect(found.sorted() == expected)
            }
        }

        @Test
        func `a key that is limited to orders and groups reaches whom the tables name, by name and not by prefix`()
            throws
        {
            let courier = try Courier(lookUps: Self.both)
            let gateway = courier.gateway
            let key = try gateway.key(RunningGateway.steering)
            try MovingDrivers(["van-1", "van-2", "van-3"], of: gateway, key: key).report()
            func reached(_ subjects: String) throws -> [String] {
                let limited = try gateway.key(subjects: subjects)
                return try ["van-1", "van-2", "van-3"].filter {
                    try gateway.http("GET", "/v1/drivers/\($0)/position", token: limited).status == 200
                }
            }
            #expect(try reached("group:east") == ["van-1", "van-2"])
            #expect(try reached("order:p2") == ["van-3"])
            #expect(try reached("order:p2,group:east") == ["van-1", "van-2", "van-3"])
            #expect(try reached("group:ea*,order:*") == [])
            let limited = try gateway.key(subjects: "group:east")
            let viewer = try ScreenedViewer(gateway, limited)
            #expect(
                try viewer.subscribe(["driver:van-1", "driver:van-3"]).last?["subscribed"].names == ["driver:van-1"])
            try gateway.sql("UPDATE vans SET depot = 'west' WHERE van = 'van-1'")
            try viewer.read("sight is lost") { $0.events.contains(.event(type: "ended", subject: "driver:van-1")) }
        }

        @Test func `with the platform's database away nothing is refused, and what is shown goes on`() throws {
            let courier = try Courier(ownPostgres: true, lookUps: Self.both)
            let gateway = courier.gateway
            let key = try gateway.key(RunningGateway.steering)
            let vans = MovingDrivers(["van-1", "van-2"], of: gateway, key: key)
            try vans.report()
            let viewer = try ScreenedViewer(gateway, key)
            try viewer.subscribe(["order:p1"])
            gateway.postgres.kill()
            try eventually("Postgres is missed") {
                try gateway.readiness().body["degraded"].names.contains("postgres")
            }
            let time = try vans.report()
            try viewer.read("the van still moves") { $0.newest("van-2") == time }
            #expect(try viewer.subscribe(["order:p4"]).last?["error"]["code"].string == "unavailable")
            #expect(try gateway.http("GET", "/v1/orders/p4/drivers", token: key).status == 503)
            try gateway.postgres.start()
            // A viewer who asked all the time until then would be over its rate.
            try gateway.awaitStores()
            #expect(try viewer.subscribe(["order:p4"]).last?["subscribed"].names == ["order:p4"])
        }

        // MARK: The trail

        @Test func `who began and ceased to watch what stands in the platform's trail, once and in order`() throws {
            let courier = try Courier(lookUps: Self.both, writes: "{ watched: { statement: tell } }")
            let gateway = courier.gateway
            try gateway.sql("UPDATE parcels SET customer = 'ana' WHERE parcel IN ('p1', 'p2', 'p3')")
            let ana = try ScreenedViewer(gateway, try courier.session("ana"))
            try ana.subscribe(["order:p1", "order:p2", "order:p1", "order:p99"])
            try ana.subscribe(["order:p1"])
            ana.socket.send("{\"id\":9,\"unsubscribe\":[\"order:p1\"]}")
            _ = try ana.socket.json(with: "unsubscribed")
            try ana.subscribe(["order:p3"])
            try gateway.sql("UPDATE parcels SET is_open = false WHERE parcel = 'p2'")
            try ana.read("the end of p2") { $0.events.contains(.event(type: "ended", subject: "order:p2")) }
            ana.socket.send([0x03, 0xE8], opcode: 8)
            // A key of Drover's own has no user, and leaves no trail there.
            try ScreenedViewer(gateway, try gateway.key()).subscribe(["order:p1"])
            let trail = """
                SELECT concat_ws(' ', who, kind, id, action,
                    CASE WHEN action = 'watch_started' THEN array_to_string(vans, ',') END)
                FROM trail ORDER BY at, id
                """
            try eventually("the trail is whole") { try gateway.sql(trail).count >= 6 }
            #expect(
                try gateway.sql(trail) == [
                    "ana order p1 watch_started van-2", "ana order p2 watch_started van-3",
                    "ana order p1 watch_ended", "ana order p3 watch_started van-1",
                    "ana order p2 watch_ended", "ana order p3 watch_ended",
                ])
            #expect(
                try gateway.count(
                    "SELECT count(*) FROM trail WHERE at NOT BETWEEN now() - interval '1 minute' AND now()") == 0)
        }

        @Test func `who watched until the gateway stopped has an end in the trail`() throws {
            let courier = try Courier(writes: "{ watched: { statement: tell } }")
            let ana = try ScreenedViewer(courier.gateway, try courier.session("customer-3"))
            try ana.subscribe(["order:p3"])
            #expect(courier.gateway.stop()?.isSuccess == true)
            let trail = try courier.gateway.sql("SELECT action FROM trail ORDER BY at")
            #expect(trail == ["watch_started", "watch_ended"])
        }

        @Test func `a trail waits for its database, and a row that it does not take holds up no other`() throws {
            let courier = try Courier(ownPostgres: true, writes: "{ watched: { statement: tell } }")
            let gateway = courier.gateway
            try gateway.sql(
                "UPDATE parcels SET customer = CASE WHEN parcel = 'p2' THEN 'mallory' ELSE 'ana' END WHERE parcel IN ('p1', 'p2')"
            )
            let ana = try ScreenedViewer(gateway, try courier.session("ana"))
            let mallory = try ScreenedViewer(gateway, try courier.session("mallory"))
            try ana.subscribe(["order:p1"])
            try mallory.subscribe(["order:p2"])
            try eventually("the first watch is told") { try gateway.count("SELECT count(*) FROM trail") == 1 }
            gateway.postgres.kill()
            try eventually("Postgres is missed") {
                try gateway.readiness().body["degraded"].names.contains("postgres")
            }
            for viewer in [mallory, ana] {
                viewer.socket.send("{\"id\":9,\"unsubscribe\":[\"order:p1\",\"order:p2\"]}")
                _ = try viewer.socket.json(with: "unsubscribed")
            }
            try gateway.postgres.start()
            try eventually("what waited is told") { try gateway.count("SELECT count(*) FROM trail") == 2 }
            #expect(try gateway.sql("SELECT action FROM trail ORDER BY at") == ["watch_started", "watch_ended"])
        }
    }
}
