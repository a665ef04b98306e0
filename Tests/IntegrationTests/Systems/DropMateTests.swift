// DropMate (seed 001): the live view by a token of tracking_sessions, the current driver by an assignment's status, the
// history under DropMate's own names, and what the gateway keeps up to date in DropMate's tables.

import DroverClient
import Foundation
import LocalServers
import Synchronization
import Testing

extension Integration {
    @Suite("DropMate") struct DropMateTests {
        /// The platform: its gateway, started with its file after `drover migrate`, and its Redis.
        struct Platform {
            let gateway: RunningGateway
            let redis: RedisProbe
            let file = SystemFile.path("dropmate")

            init(settings: [String: String] = [:], migrates: Bool = true, gatewayStarts: Bool = true) throws {
                gateway = try RunningGateway(
                    settings: settings, file: file,
                    schema: try SystemFile.sql("dropmate") + SystemFile.sql("dropmate-day"), starts: false)
                LogBook.secrets.withLock { secrets in
                    for number in 1...20 { secrets.formUnion(["view-token-\(number)", "refresh-token-\(number)"]) }
                }
                if migrates {
                    let migrated = try gateway.drover("migrate", "--config", file)
                    try #require(migrated.status?.isSuccess == true, "\(migrated.output)")
                }
                redis = try gateway.redisProbe()
                guard gatewayStarts else { return }
                try gateway.start()
                try gateway.awaitStores()
            }

            /// Reports as a driver's phone does, over HTTP.
            @discardableResult
            func report(_ driver: Int, _ pings: [TestPing]) throws -> JSON {
                try gateway.post(pings, token: "refresh-token-\(driver)")
            }

            /// One fix now; gives its time.
            @discardableResult
            func report(_ driver: Int, latitude: Double = 43.6532) throws -> Int64 {
                let time = now()
                let ping = TestPing(nil, at: time, latitude: latitude, speed: 8.25, heading: 271)
                try #require(try report(driver, [ping])["accepted"].integer == 1)
                return time
            }

            func viewer(_ customer: Int) throws -> ScreenedViewer {
                try ScreenedViewer(gateway, "view-token-\(customer)")
            }

            func set(_ status: String, of shipment: Int) throws {
                try gateway.sql(
                    "UPDATE driver_assignments SET status = $1::assignment_status WHERE shipment_id = $2",
                    [status, "shipment-\(shipment)"])
            }
        }

        @Test func `the file is well against the tables, and a column that is missing is named`() throws {
            let platform = try Platform(gatewayStarts: false)
            let well = try platform.gateway.drover("check", "--config", platform.file)
            #expect(well.status?.isSuccess == true, "\(well.output)")
            #expect(well.output.contains("ok    statement tracking_session"))
            #expect(well.output.contains("ok    changes of driver_assignments"))
            let again = try platform.gateway.drover("migrate", "--config", platform.file)
            #expect(again.output == "nothing to do\n")

            try platform.gateway.run(
                """
                ALTER TABLE driver_assignments RENAME COLUMN status TO state;
                DROP TRIGGER drover_change ON tracking_sessions; DROP TABLE route_stops
                """)
            let broken = try platform.gateway.drover("check", "--config", platform.file)
            #expect(broken.status?.isSuccess == false)
            #expect(
                broken.output.contains("FAIL  statement order_driver: column a.status does not exist"),
                "\(broken.output)")
            #expect(
                broken.output.contains(
                    "FAIL  changes of driver_assignments: changes: table driver_assignments has no column status"))
            #expect(broken.output.contains("FAIL  changes of tracking_sessions: no trigger tells of them"))
            #expect(broken.output.contains("ok    statement erase_customer"))
        }

        @Test func `a customer follows the shipment's driver from acceptance over a hand-over to the door`() throws {
            let platform = try Platform()
            let gateway = platform.gateway
            let first = try platform.report(1)

            // Redis, as DropMate's other services find it.
            let hash = try awaitValue("the driver's hash") {
                let hash = try platform.redis.hash("driver:driver-1:location")
                return hash.isEmpty ? nil : hash
            }
            #expect(hash["lat"].flatMap(Double.init) == 43.6532 && hash["lng"].flatMap(Double.init) == -79.3832)
            #expect(hash["speed"].flatMap(Double.init) == 8.25 && hash["recorded_at"] == "\(first)")
            let life = try platform.redis.command("PTTL", "driver:driver-1:location").number ?? 0
            #expect((1...300_000).contains(life))

            // Customer 1 sees order 1, and nothing else.
            let viewer = try platform.viewer(1)
            let answer = try #require(
                try viewer.subscribe(["order:order-1", "order:order-2", "driver:driver-1"]).last)
            #expect(answer["subscribed"].names == ["order:order-1"])
            #expect(answer["refused"]["order:order-2"].string == "forbidden")
            #expect(answer["refused"]["driver:driver-1"].string == "forbidden")
            #expect(viewer.screen.newest("driver-1") == first)

            // The app's session, the snapshot, and the shipment that leads to it.
            try eventually("driver_sessions has been seen") {
                try gateway.count(
                    "SELECT count(*) FROM driver_sessions WHERE id = 'session-1' AND last_seen > now() - interval '1 minute'"
                ) == 1
            }
            #expect(
                try gateway.count("SELECT count(*) FROM driver_sessions WHERE last_seen > now() - interval '1 hour'")
                    == 1)
            try eventually("the shipment leads to the driver's snapshot") {
                try gateway.sql(
                    """
                    SELECT l.driver_id || ' ' || l.lat || ' ' || l.speed || ' ' || (l.recorded_at = to_timestamp($1::numeric / 1000))
                    FROM shipments s JOIN driver_location_snapshots l ON l.id = s.current_driver_location_id
                    WHERE s.id = 'shipment-1'
                    """, ["\(first)"]) == ["driver-1 43.6532 8.25 true"]
            }
            #expect(
                try gateway.count("SELECT count(*) FROM shipments WHERE current_driver_location_id IS NOT NULL") == 1)

            // On the way: a status change is an event of the shipment, with the position at that moment.
            try platform.set("en_route", of: 1)
            try eventually("the change of status has its position") {
                try gateway.sql(
                    """
                    SELECT lat || ' ' || lng || ' ' || (payload->'status') FROM shipment_events
                    WHERE shipment_id = 'shipment-1' AND event_type = 'assignment.en_route' AND lat IS NOT NULL
                    """) == ["43.6532 -79.3832 [\"accepted\", \"en_route\"]"]
            }

            // Hand-over: driver 2 brings it. Driver 1 is out of her sight at once.
            let second = try platform.report(2, latitude: 43.66)
            try platform.set("handed_off", of: 1)
            try viewer.read("the first driver has left") { screen in
                screen.events.contains(.left(driver: "driver-1", subject: "order:order-1"))
            }
            try gateway.sql(
                """
                UPDATE driver_assignments SET driver_id = 'driver-2', status = 'accepted', accepted_at = now()
                WHERE shipment_id = 'shipment-1'
                """)
            try viewer.read("the second driver") { $0.newest("driver-2") == second }
            let before = viewer.screen.positions["driver-1"]
            try platform.report(1)
            let third = try platform.report(2, latitude: 43.6601)
            try viewer.read("the second driver's next position") { $0.newest("driver-2") == third }
            #expect(viewer.screen.positions["driver-1"] == before)
            try eventually("the shipment leads to the second driver") {
                try gateway.sql(
                    """
                    SELECT l.driver_id FROM shipments s JOIN driver_location_snapshots l
                        ON l.id = s.current_driver_location_id WHERE s.id = 'shipment-1'
                    """) == ["driver-2"]
            }

            // At the door.
            try platform.set("arrived", of: 1)
            try platform.set("delivered", of: 1)
            try viewer.read("nobody carries it any more") { screen in
                screen.events.contains(.left(driver: "driver-2", subject: "order:order-1"))
            }
            try platform.report(2, latitude: 43.6602)
            let empty = try #require(try viewer.subscribe(["order:order-1"]).last)
            #expect(empty["subscribed"]["order:order-1"]["positions"].array.isEmpty)
            #expect(viewer.screen.newest("driver-2") == third)
            let statuses = """
                SELECT string_agg(event_type, ' ' ORDER BY occurred_at) FROM shipment_events
                WHERE shipment_id = 'shipment-1'
                """
            #expect(
                try gateway.sql(statuses) == [
                    "assignment.en_route assignment.handed_off assignment.accepted assignment.arrived assignment.delivered"
                ])
            try gateway.awaitHistory()
            try gateway.expectConservation()
        }

        @Test func `a gateway that finds the database as DropMate left it brings it to what the file needs`() throws {
            let platform = try Platform(migrates: false)
            let gateway = platform.gateway
            try eventually("every watched table has its trigger") {
                try gateway.drover("check", "--config", platform.file).status?.isSuccess == true
            }
            let time = try platform.report(1)
            let viewer = try platform.viewer(1)
            try viewer.subscribe(["order:order-1"])
            #expect(viewer.screen.newest("driver-1") == time)
            try platform.set("rejected", of: 1)
            try viewer.read("the driver has left") { screen in
                screen.events.contains(.left(driver: "driver-1", subject: "order:order-1"))
            }
            #expect(
                try gateway.count("SELECT count(*) FROM shipment_events WHERE event_type = 'assignment.rejected'") == 1)
        }

        @Test func `a run is a group under DropMate's word, on every path and on the pages`() throws {
            let platform = try Platform()
            let gateway = platform.gateway
            let admin = "refresh-token-admin"
            let west = (1...10).map { "driver-\($0)" }.sorted()
            #expect(try gateway.drivers("runs/run-west", key: admin).sorted() == west)
            #expect(try gateway.drivers("groups/run-west", key: admin).sorted() == west)
            let time = try platform.report(4)
            try platform.report(14)
            for query in ["run=run-west", "group=run-west"] {
                let found = try gateway.http("GET", "/v1/drivers?\(query)", token: admin)
                let drivers = try JSON(parsing: found.text)["drivers"].array.compactMap { $0["driver_id"].string }
                #expect(drivers == ["driver-4"], "\(found.text)")
            }
            let viewer = try ScreenedViewer(gateway, admin)
            let answer = try #require(try viewer.subscribe(["run:run-west", "runs:run-west"]).last)
            #expect(answer["subscribed"].names == ["run:run-west"])
            #expect(answer["refused"]["runs:run-west"].string == "bad_subject")
            #expect(viewer.screen.newest("driver-4") == time)
            let words = try JSON(parsing: try gateway.http("GET", "/assets/settings.json").text)["words"]
            #expect(words["group"]["one"].string == "run" && words["group"]["many"].string == "runs")
            #expect(words["driver"]["one"].string == "driver")
        }

        @Test(arguments: [
            ("pending", false), ("accepted", true), ("en_route", true), ("arrived", true), ("delivered", false),
            ("handed_off", false), ("rejected", false),
        ])
        func `an assignment's status decides who is an order's driver`(status: String, isCurrent: Bool) throws {
            let platform = try Platform()
            try platform.report(3)
            try platform.set(status, of: 3)
            let admin = "refresh-token-admin"
            try eventually("\(status) counts") {
                let drivers = try platform.gateway.drivers("orders/order-3", key: admin)
                return drivers == (isCurrent ? ["driver-3"] : [])
            }
            let viewer = try platform.viewer(3)
            let answer = try #require(try viewer.subscribe(["order:order-3"]).last)
            #expect(answer["subscribed"]["order:order-3"]["positions"].array.count == (isCurrent ? 1 : 0))
            let reply = try platform.gateway.http(
                "PUT", "/v1/orders/order-3/drivers/driver-4", token: admin, body: "")
            #expect(reply.status == 409)
        }

        @Test func `a live view ends when its row says so, when the row goes, and is none without one`() throws {
            let platform = try Platform()
            let gateway = platform.gateway
            try gateway.sql(
                "UPDATE tracking_sessions SET expires_at = now() + interval '2 seconds' WHERE id = 'tracking-5'")
            let short = try platform.viewer(5)
            try short.subscribe(["order:order-5"])
            #expect(try short.socket.closure().code == 4401)
            #expect(try !gateway.admits("view-token-5"))

            // DropMate's clean-up takes a row away before its time.
            let gone = try platform.viewer(6)
            try gone.subscribe(["order:order-6"])
            try gateway.sql("DELETE FROM tracking_sessions WHERE id = 'tracking-6'")
            #expect([4401, 4403].contains(try gone.socket.closure().code))
            for token in ["view-token-6", "view-token-41", "'; --", "tracking-7"] {
                #expect(try !gateway.admits(token), "\(token)")
            }
            // What a view's token does not open.
            let ping = TestPing(nil, at: now()).json
            #expect(try gateway.http("POST", "/v1/pings", token: "view-token-7", body: ping).status == 403)
            #expect(try gateway.http("GET", "/v1/drivers/driver-7/history", token: "view-token-7").status == 403)
            // A customer's own login is neither a device nor a view.
            #expect(try !gateway.admits("refresh-token-customer"))
        }

        @Test func `a driver reports by the own login as long as it, the account and the employment stand`() throws {
            let platform = try Platform()
            let gateway = platform.gateway
            let named = TestPing("driver-9", at: now()).json
            #expect(try gateway.http("POST", "/v1/pings", token: "refresh-token-8", body: named).status == 403)
            for (driver, change) in [
                (11, "UPDATE auth_sessions SET revoked_at = now() WHERE id = 'auth-11'"),
                (12, "UPDATE users SET deleted_at = now() WHERE id = 'user-driver-12'"),
                (13, "UPDATE drivers SET employment_status = 'left' WHERE id = 'driver-13'"),
                (14, "UPDATE users SET role = 'customer' WHERE id = 'user-driver-14'"),
                (15, "DELETE FROM auth_sessions WHERE id = 'auth-15'"),
            ] {
                try platform.report(driver)
                let socket = try gateway.ingest("refresh-token-\(driver)")
                try gateway.sql(change)
                let code = try socket.closure(within: 20).code
                #expect([4401, 4403].contains(code), "\(change): \(code)")
                let reply = try gateway.http(
                    "POST", "/v1/pings", token: "refresh-token-\(driver)", body: TestPing(nil, at: now()).json)
                #expect([401, 403].contains(reply.status), "\(change): \(reply.status)")
            }
        }

        @Test
        func `the history is DropMate's: by day, within the accuracy's bounds, with speeds cut, thirty days long`()
            throws
        {
            let platform = try Platform(settings: ["history.rollup_s": "1"])
            let gateway = platform.gateway
            let time = now()
            let day: Int64 = 86_400_000
            let reply = try platform.report(
                16,
                [
                    TestPing(nil, at: time - 31 * day), TestPing(nil, at: time - 29 * day),
                    TestPing(nil, at: time - day), TestPing(nil, at: time - 2_000, speed: 95),
                    TestPing(nil, at: time - 1_000, accuracy: 200), TestPing(nil, at: time, accuracy: 199.5),
                ])
            #expect(reply["accepted"].integer == 4 && reply["clamped"].integer == 1, "\(reply)")
            #expect(reply["rejected"].array.compactMap { $0["reason"].string } == ["stale", "accuracy"])
            try gateway.awaitHistory()
            let rows = """
                SELECT to_char(recorded_at AT TIME ZONE 'UTC', 'YYYYMMDD') || ' ' || tableoid::regclass::text
                FROM public.driver_location_events ORDER BY recorded_at
                """
            for row in try gateway.sql(rows).compactMap({ $0 }) {
                let words = row.split(separator: " ")
                #expect(words[1] == "driver_location_events_\(words[0])")
            }
            #expect(try gateway.sql("SELECT max(speed) FROM driver_location_events") == ["70"])
            #expect(throws: (any Error).self) {
                try gateway.sql(
                    """
                    INSERT INTO driver_location_events (driver_id, recorded_at, lat, lng, accuracy, received_at)
                    VALUES ('driver-1', now(), 1, 1, 200, now())
                    """)
            }
            #expect(
                try gateway.sql("SELECT lat::text FROM active_driver_locations WHERE driver_id = 'driver-16'")
                    == ["43.6532"])
            try eventually("the hours are rolled up", within: 90) {
                try gateway.count("SELECT coalesce(sum(pings), 0) FROM driver_location_hourly") == 4
            }
            #expect(
                try gateway.count(
                    """
                    SELECT count(*) FROM pg_class WHERE relnamespace = 'drover'::regnamespace
                        AND relname IN ('driver_location_events', 'driver_location_hourly', 'active_driver_locations')
                    """) == 0)
            let key = try gateway.key("history:read")
            let past = try gateway.http("GET", "/v1/drivers/driver-16/history?format=csv", token: key)
            #expect(past.status == 200 && past.text.contains("43.6532"), "\(past.text)")

            let maintained = try gateway.drover("partitions", "list", "--config", platform.file)
            #expect(maintained.output.contains("driver_location_events_"), "\(maintained.output)")
        }
    }
}
