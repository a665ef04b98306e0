// DELETE /v1/drivers/{id}/telemetry and `drover erase`: afterwards nothing of ours names the driver.

import DroverClient
import EventLoop
import Foundation
import LocalServers
import Testing

extension Integration {
    @Suite("Erasing")
    struct Erasing {
        static let driver = "jane-doe-4711"
        static let permissions =
            "telemetry:erase,pings:write,positions:read,sessions:write,assignments:write,devices:write"

        @Test func `afterwards no row, key, file or log names the driver, and nobody else has lost anything`() throws {
            let gateway = try RunningGateway(settings: ["access.audit_key": "a secret", "history.rollup_s": "1"])
            let world = try ErasureWorld(gateway)
            #expect(try gateway.traces(of: Self.driver).count >= 12, "the test sees what is there")
            let before = try world.others()

            let response = try gateway.erase(Self.driver, key: world.key)
            let receipt = try JSON(parsing: response.text)
            let removed = receipt["removed"]
            #expect(receipt["state"].string == "done" && receipt["keeps_registration"].flag == false)
            #expect(removed["history_rows"].integer == 301 && removed["partitions"].integer == 2)
            #expect(removed["devices"].integer == 1 && removed["assignments"].integer == 2)
            #expect(removed["groups"].integer == 1 && removed["tracking_sessions"].integer == 2)
            #expect(removed["api_keys"].integer == 1 && removed["dead_letters"].integer == 2)
            #expect(removed["journals"].integer == 1 && removed["driver_states"].integer == 1)
            #expect(try #require(removed["hourly_rows"].integer) >= 1)
            #expect(try #require(removed["driver_sessions"].integer) >= 1)
            #expect(try #require(removed["redis_keys"].integer) >= 3)
            #expect(try #require(removed["audit_rows"].integer) >= 5)

            #expect(try gateway.traces(of: Self.driver) == [])
            #expect(try gateway.tableFileTraces(of: Self.driver) == [])
            #expect(try world.others() == before)
            #expect(try gateway.http("GET", "/v1/drivers/\(Self.driver)/position", token: world.key).status == 404)
            #expect(try gateway.http("GET", "/v1/drivers/neighbour/position", token: world.key).status == 200)

            // The trail keeps the hash, which whoever has the key can make.
            let hash = try #require(receipt["driver_hash"].string)
            #expect(hash == hmac(Self.driver, key: "a secret"))
            let name = "erased:\(hash.prefix(32))"
            #expect(
                try gateway.sql("SELECT action FROM api_audit_logs WHERE subject = $1", [name]) == ["telemetry.erase"])
            #expect(
                try gateway.count("SELECT count(*) FROM api_audit_logs WHERE strpos(detail::text, '\(name)') > 0") >= 5)
            let again = try gateway.http("GET", "/v1/erasures/\(try #require(receipt["id"].string))", token: world.key)
            #expect(again.status == 200 && again.text == response.text)

            // What comes later is somebody new.
            try gateway.post([TestPing(Self.driver, at: now())], token: world.key)
            try gateway.awaitHistory()
            #expect(try gateway.rows(of: Self.driver) == 1)
            try gateway.expectConservation()
        }

        @Test func `a kept registration goes on working, without a past`() throws {
            let gateway = try RunningGateway(settings: ["history.rollup_s": "1"])
            let world = try ErasureWorld(gateway)
            let device = try gateway.ingest(world.device)
            let response = try gateway.erase(Self.driver, key: world.key, query: "?registration=keep")
            let removed = try JSON(parsing: response.text)["removed"]
            #expect(removed["history_rows"].integer == 301 && removed["devices"].integer == 0)
            #expect(removed["assignments"].integer == 0 && removed["audit_rows"].integer == 0)
            #expect(try gateway.rows(of: Self.driver) == 0)
            #expect(try gateway.drivers("orders/o-1", key: world.key) == [Self.driver, "neighbour"])
            device.send(TestPing(nil, at: now()).json)
            #expect(try device.json(with: "ack")["ack"].integer == 1)
            try gateway.awaitHistory()
            #expect(try gateway.rows(of: Self.driver) == 1)
            #expect(try gateway.http("GET", "/v1/drivers/\(Self.driver)/position", token: world.key).status == 200)
        }

        @Test func `a driver that nobody knows is erased with a receipt of zeros, and bad requests are refused`() throws
        {
            let gateway = try RunningGateway()
            let key = try gateway.key(Self.permissions)
            try gateway.awaitStores()
            let response = try gateway.erase("nobody-at-all", key: key)
            let removed = try JSON(parsing: response.text)["removed"]
            for name in removed.names where name != "journals" { #expect(removed[name].integer == 0, "\(name)") }
            #expect(removed.names.count == 17)
            #expect(try gateway.traces(of: "nobody-at-all") == [])
            #expect(try gateway.http("DELETE", "/v1/drivers/a%20b/telemetry", token: key).status == 400)
            #expect(try gateway.http("DELETE", "/v1/drivers/x/telemetry?registration=no", token: key).status == 400)
            #expect(try gateway.http("GET", "/v1/drivers/x/telemetry", token: key).status == 405)
            #expect(try gateway.http("GET", "/v1/erasures/unknown", token: key).status == 404)
        }

        @Test func `a key that is limited to subjects erases only within them, and sees only its own requests`() throws
        {
            let gateway = try RunningGateway()
            let key = try gateway.key(Self.permissions)
            let east = try gateway.key("telemetry:erase", subjects: "driver:east-*")
            try gateway.awaitStores()
            #expect(try gateway.http("DELETE", "/v1/drivers/west-1/telemetry", token: east).status == 403)
            func request(_ driver: String, _ token: String) throws -> String {
                try #require(try JSON(parsing: gateway.erase(driver, key: token).text)["id"].string)
            }
            let own = try request("east-1", east)
            let other = try request("east-2", key)
            #expect(try gateway.http("GET", "/v1/erasures/\(own)", token: east).status == 200)
            #expect(try gateway.http("GET", "/v1/erasures/\(other)", token: east).status == 404)
            #expect(try gateway.http("GET", "/v1/erasures/\(own)", token: key).status == 200)
        }

        @Test func `viewers hear that it is gone, and see it again when it reports`() throws {
            let gateway = try RunningGateway()
            let key = try gateway.key(Self.permissions)
            try gateway.awaitStores()
            try gateway.assign("orders/o-1", ["van-1", "van-2"], key: key)
            let drivers = MovingDrivers(["van-1", "van-2"], of: gateway, key: key)
            try drivers.report()
            let viewer = try ScreenedViewer(gateway, key)
            try viewer.subscribe(["driver:van-1", "order:o-1", "area:43,-80,44,-79"])
            try gateway.erase("van-1", key: key, query: "?registration=keep")
            try viewer.read("the driver has left and is offline") { screen in
                screen.events.contains(.left(driver: "van-1", subject: "area:43,-80,44,-79"))
                    && screen.events.contains(.left(driver: "van-1", subject: "order:o-1"))
                    && screen.events.contains(.status(driver: "van-1", state: "offline"))
            }
            let shown = viewer.screen.positions["van-1"]?.count ?? 0
            let later = try drivers.report()
            try viewer.read("both report again") { $0.newest("van-1") == later && $0.newest("van-2") == later }
            #expect(viewer.screen.positions["van-1"]?.count == shown + 1)
        }

        @Test func `a gateway without a history erases what it has`() throws {
            let gateway = try RunningGateway(settings: ["history.retention_days": "0"])
            let key = try gateway.key(Self.permissions)
            try gateway.awaitStores()
            try gateway.post([TestPing(Self.driver, at: now())], token: key)
            try eventually("the hash and the member are there") { try gateway.redisTraces(of: Self.driver).count == 2 }
            let response = try gateway.erase(Self.driver, key: key)
            #expect(try JSON(parsing: response.text)["removed"]["redis_keys"].integer == 2, "\(response.text)")
            #expect(try gateway.traces(of: Self.driver) == [])
        }
    }
}

/// A driver with something everywhere, and a neighbour with as much.
struct ErasureWorld {
    let gateway: RunningGateway
    let key: String
    let device: String

    init(_ gateway: RunningGateway) throws {
        self.gateway = gateway
        let driver = Integration.Erasing.driver
        key = try gateway.key(Integration.Erasing.permissions)
        _ = try gateway.key("positions:read", subjects: "driver:\(driver),driver:neighbour")
        try gateway.awaitStores()
        // Across midnight UTC, the newest ten minutes ago or longer.
        let midnight = (now() - 600_000) / 86_400_000 * 86_400_000
        for name in [driver, "neighbour"] {
            try gateway.post(TestPing.drive(name, from: midnight - 150_000, count: 300), token: key)
            try gateway.assign("groups/east", (name == driver ? [] : [driver]) + [name], key: key)
        }
        try gateway.assign("orders/o-1", [driver, "neighbour"], key: key)
        try gateway.assign("orders/o-2", [driver], key: key)
        try gateway.assign("orders/o-2", ["neighbour"], key: key)
        _ = try gateway.session(["driver:\(driver)"], by: key)
        let shared = try gateway.session(["driver:\(driver)", "driver:neighbour"], by: key)
        let answer = try gateway.http(
            "POST", "/v1/drivers/\(driver)/devices", token: key, body: "{\"name\":\"phone of \(driver)\"}")
        device = try #require(try JSON(parsing: answer.text)["token"].string)
        // Credentials that the gateway has learned stand in its file. The ping is of the second of the two days, whenever
        // this runs, and where the drive has ended.
        let last = TestPing(nil, at: midnight + 200_000, latitude: 43.68, longitude: -79.38)
        try #require(try gateway.post([last], token: device)["accepted"].integer == 1)
        _ = try gateway.http("GET", "/v1/drivers/neighbour/position", token: shared.token)
        try gateway.awaitHistory()
        try gateway.sql(
            """
            INSERT INTO driver_location_hourly (driver_id, hour, pings, distance_m, moving_m, moving_s, idle_s, min_lat,
                min_lng, max_lat, max_lng, first_at, first_lat, first_lng, last_at, last_lat, last_lng)
            SELECT d, now() - interval '3 hours', 1, 0, 0, 0, 0, 0, 0, 0, 0, now(), 0, 0, now(), 0, 0
            FROM unnest(string_to_array($1, ',')) d
            """, ["\(driver),neighbour"])
        try gateway.sql(
            """
            INSERT INTO driver_sessions (driver_id, device_id, last_seen, node_id)
            SELECT d, 'x', now(), 'n' FROM unnest(string_to_array($1, ',')) d
            """, ["\(driver),neighbour"])
        try gateway.sql(
            """
            INSERT INTO driver_states (driver_id, is_active, changed_at, changed_by)
            SELECT d, true, now() - interval '40 days', 'x' FROM unnest(string_to_array($1, ',')) d
            """, ["\(driver),neighbour"])
        try gateway.sql(
            """
            INSERT INTO ingest_dead_letters (node_id, lsn, driver_id, record, sqlstate, reason)
            VALUES ('n', 1, $1, 'x', '22000', 'a test'),
                ('n', 2, NULL, convert_to('..' || $1 || '..', 'UTF8'), '22000', 'a test'),
                ('n', 3, NULL, 'neighbour', '22000', 'a test')
            """, [driver])
        try eventually("the roll-up is up to date") {
            try gateway.count("SELECT count(*) FROM driver_location_changes") == 0
        }
        try eventually("the hashes are there") { try gateway.redisProbe().hash("driver:\(driver):location").count > 4 }
    }

    /// All that is the neighbour's, and totals of what may not change.
    func others() throws -> [String?] {
        try gateway.sql(
            """
            SELECT string_agg(md5(t), ',' ORDER BY t) FROM (
                SELECT e::text FROM driver_location_events e WHERE driver_id = 'neighbour'
                UNION ALL SELECT h::text FROM driver_location_hourly h WHERE driver_id = 'neighbour'
                UNION ALL SELECT s::text FROM driver_sessions s WHERE driver_id = 'neighbour'
                UNION ALL SELECT a::text FROM driver_assignments a WHERE driver_id = 'neighbour'
                UNION ALL SELECT t::text FROM driver_states t WHERE driver_id = 'neighbour'
                UNION ALL SELECT g::text FROM driver_groups g WHERE driver_id = 'neighbour'
                UNION ALL SELECT l::text FROM ingest_dead_letters l WHERE driver_id IS NULL AND lsn = 3) x(t)
            """)
            + [try gateway.redisProbe().command("ZSCORE", "drivers:geo", "neighbour").text]
            + [try gateway.redisProbe().hash("driver:neighbour:location").sorted { $0.key < $1.key }.description]
    }
}
