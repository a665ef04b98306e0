// Driver Operations Platform (seed 002): drivers who count while they are on shift, managers who see the drivers of their
// warehouses and lose sight when they lose the warehouse, and days that are Toronto's.

import DroverClient
import LocalServers
import Testing

extension Integration {
    @Suite("Driver Operations Platform") struct DriverOperationsTests {
        @Test func `the file is well with the platform's tables, and drover check names what is missing in them`()
            throws
        {
            let depot = try Depot()
            let check = try depot.gateway.drover("check", "--config", SystemFile.path("driver-operations"))
            #expect(check.status?.isSuccess == true, "\(check.output)")
            try depot.gateway.sql("ALTER TABLE shifts RENAME COLUMN completed_at TO done_at")
            let broken = try depot.gateway.drover("check", "--config", SystemFile.path("driver-operations"))
            #expect(broken.status?.isSuccess == false)
            #expect(broken.output.contains("driver_shifts: column s.completed_at does not exist"), "\(broken.output)")
        }

        @Test func `a driver counts and is seen from the start of the shift to its end, and not before or after`()
            throws
        {
            let depot = try Depot()
            let gateway = depot.gateway
            let warehouse = Depot.warehouse(2)
            let driver = Depot.user(1)

            // Before it: neither kept nor shown.
            let early = try depot.report(1)
            #expect(early.reasons == ["off_shift"])
            #expect(early["rejected"][0]["detail"].string?.contains("off shift") == true)
            #expect(try depot.report(60).reasons == ["off_shift"])
            let manager = try depot.manager(902)
            let answer = try #require(
                try manager.subscribe(["warehouse:\(warehouse)", "warehouse:\(Depot.warehouse(3))"]).last)
            #expect(answer["subscribed"].names == ["warehouse:\(warehouse)"])
            #expect(answer["refused"]["warehouse:\(Depot.warehouse(3))"].string == "forbidden")
            #expect(manager.screen.positions.isEmpty)

            // During it.
            try depot.start(1)
            let started = now()
            let first = try depot.reportUntilAccepted(1)
            try manager.read("the driver of the warehouse") { $0.newest(driver) == first }
            let hash = try awaitValue("the hash") {
                let hash = try depot.hash(1)
                return hash.isEmpty ? nil : hash
            }
            #expect(hash["lat"].flatMap(Double.init) == 43.6426)
            #expect(hash["lng"].flatMap(Double.init) == -79.3871)
            #expect(hash["speed"].flatMap(Double.init) == 12.5)
            #expect(hash["heading"].flatMap(Double.init) == 90)
            #expect(hash["recorded_at"] == "\(first)")
            #expect(hash["timestamp"].flatMap { ISO8601.milliseconds($0) } == first)
            let life = try depot.redis.command("PTTL", "driver:\(driver):location").number ?? 0
            #expect((200_000...300_000).contains(life))
            try eventually("the driver is in the set of all") { try depot.isInGeoSet(1) }
            #expect(try depot.report(1, at: started - 3_600_000).reasons == ["off_shift"])
            #expect(try depot.position(1, depot.token(902, role: "manager")) == 200)
            #expect(try depot.position(1, depot.token(903, role: "manager")) == 403)
            let master = try gateway.key("positions:read,pings:write")
            #expect(try depot.position(1, master) == 200)

            // After it.
            try depot.complete(1)
            try manager.read("the driver leaves the warehouse") { screen in
                screen.events.contains { event in
                    if case .left(driver, let subject) = event { subject.hasSuffix(":\(warehouse)") } else { false }
                }
            }
            try eventually("the driver is gone from the map") { try depot.position(1, master) == 404 }
            try eventually("the driver is gone from Redis") { try depot.hash(1).isEmpty && !depot.isInGeoSet(1) }
            #expect(try depot.report(1).reasons == ["off_shift"])
            // What the phone kept of the shift still counts, for history alone.
            #expect(try depot.report(1, at: first + 1)["late"].integer == 1)
            #expect(try depot.report(1, at: first + 1)["duplicate"].integer == 1)
            #expect(try depot.report(1, at: first)["duplicate"].integer == 1)
            #expect(try depot.position(1, master) == 404)
            #expect(try depot.hash(1).isEmpty && !depot.isInGeoSet(1))
            try gateway.awaitHistory()
            #expect(try depot.rows(1) == 2)
            #expect(try depot.rows(60) == 0)
            #expect(manager.screen.positions[driver] == [first])
            try gateway.expectConservation()
        }

        @Test func `a manager who loses a warehouse loses sight at once, and the trail says who watched whom`() throws {
            let depot = try Depot()
            let gateway = depot.gateway
            // Drivers 13 and 17 are at work for warehouse 2, driver 12 for warehouse 1.
            let lost = Depot.warehouse(2)
            let manager = try depot.manager(901)
            let other = try depot.manager(902)
            let subjects = ["warehouse:\(Depot.warehouse(1))", "warehouse:\(lost)", "driver:\(Depot.user(13))"]
            let answer = try #require(try manager.subscribe(subjects).last)
            #expect(answer["subscribed"].names.count == 3, "\(answer)")
            try other.subscribe(["warehouse:\(lost)"])
            let (one, two) = (try depot.reportUntilAccepted(13), try depot.reportUntilAccepted(12))
            try manager.read("both drivers") {
                $0.newest(Depot.user(13)) == one && $0.newest(Depot.user(12)) == two
            }

            try gateway.sql(
                "DELETE FROM warehouse_managers WHERE warehouse_id = $1 AND user_id = $2", [lost, Depot.user(901)])
            try manager.read("the end of what the warehouse gave") { screen in
                let ended = screen.events.compactMap { event in
                    if case .event("ended", let subject) = event { subject } else { nil }
                }
                return ended.contains { $0.hasSuffix(lost) } && ended.contains { $0.hasSuffix(Depot.user(13)) }
            }
            let seen = manager.screen.positions[Depot.user(13)]
            let (three, four) = (try depot.reportUntilAccepted(13), try depot.reportUntilAccepted(12))
            try other.read("the driver, as seen by who still manages the warehouse") {
                $0.newest(Depot.user(13)) == three
            }
            try manager.read("the driver of the other warehouse") { $0.newest(Depot.user(12)) == four }
            #expect(manager.screen.positions[Depot.user(13)] == seen)
            #expect(try manager.subscribe(["warehouse:\(lost)"]).last?["error"]["code"].string == "forbidden")
            #expect(try depot.position(13, depot.token(901, role: "manager")) == 403)
            #expect(try depot.position(12, depot.token(901, role: "manager")) == 200)

            // audit_logs, as the platform's own code would write them.
            func trail(_ action: String, _ actor: Int) throws -> [String] {
                try gateway.sql(
                    """
                    SELECT entity_type || ' ' || entity_id || ' ' || actor_type FROM audit_logs
                    WHERE action = $1 AND actor_id = $2 AND changes ? 'before' AND changes ? 'after'
                        AND abs(extract(epoch FROM now() - created_at)) < 600
                    ORDER BY 1
                    """, [action, Depot.user(actor)]
                ).compactMap { $0 }
            }
            let begun = [
                "user \(Depot.user(13)) user", "warehouse \(Depot.warehouse(1)) user", "warehouse \(lost) user",
            ]
            try eventually("the beginnings are in the trail") {
                try trail("watch_started", 901) == begun
                    && trail("watch_started", 902) == ["warehouse \(lost) user"]
            }
            try eventually("the ends are in the trail") {
                try trail("watch_ended", 901) == ["user \(Depot.user(13)) user", "warehouse \(lost) user"]
            }
            #expect(try trail("watch_ended", 902).isEmpty)
            #expect(
                try gateway.count(
                    """
                    SELECT count(*) FROM audit_logs WHERE action = 'watch_started' AND actor_id = '\(Depot.user(902))'
                        AND changes->'after'->'drivers' ? '\(Depot.user(13))'
                        AND NOT changes->'after'->'drivers' ? '\(Depot.user(12))'
                    """) == 1)

            // And gets it back.
            try gateway.sql(
                "INSERT INTO warehouse_managers (warehouse_id, user_id) VALUES ($1, $2)", [lost, Depot.user(901)])
            try eventually("the warehouse is the manager's again") {
                try manager.subscribe(["warehouse:\(lost)"]).last?["subscribed"].names.isEmpty == false
            }
            #expect(manager.screen.newest(Depot.user(13)) == three)
        }

        @Test func `another role, another key and another token open nothing`() throws {
            let depot = try Depot()
            // The token says manager, the table says driver, and the other way round.
            #expect(try !depot.gateway.admits(depot.token(11, role: "manager")))
            #expect(try !depot.gateway.admits(depot.token(901, role: "driver")))
            #expect(try !depot.gateway.admits(depot.token(500, role: "driver")))
            #expect(try !depot.gateway.admits(depot.token(901, role: "admin")))
            #expect(try depot.gateway.admits(depot.token(901, role: "manager")))
            // A driver reports for himself and for nobody else.
            let ping = TestPing(Depot.user(12), at: now(), latitude: 43.64, longitude: -79.38)
            let foreign = try depot.gateway.http(
                "POST", "/v1/pings", token: depot.token(11, role: "driver"), body: TestPing.array([ping]))
            #expect(foreign.status == 403)
            // A driver who is flagged out of the role can no longer report.
            #expect(try depot.report(11)["accepted"].integer == 1)
            try depot.gateway.sql("UPDATE users SET role = 'manager' WHERE id = $1", [Depot.user(11)])
            try eventually("the token of old opens nothing") {
                try !depot.gateway.admits(depot.token(11, role: "driver"))
            }
        }

        @Test func `the days of history are Toronto's, also those of 23 and of 25 hours`() throws {
            // Far enough back for both of a year's changes of the clock.
            let depot = try Depot(settings: ["history.retention_days": "400"])
            let gateway = depot.gateway
            let changes = try gateway.sql(
                """
                SELECT to_char(day, 'YYYYMMDD') || ' ' || hours || ' ' || extract(epoch FROM begins)::bigint
                FROM generate_series(current_date - 390, current_date - 2, '1 day') d (at), LATERAL (
                    SELECT at::date AS day, at::date::timestamp AT TIME ZONE 'America/Toronto' AS begins,
                        (extract(epoch FROM (at::date + 1)::timestamp AT TIME ZONE 'America/Toronto'
                            - at::date::timestamp AT TIME ZONE 'America/Toronto') / 3600)::int AS hours) x
                WHERE hours <> 24 ORDER BY day
                """
            ).compactMap { $0?.split(separator: " ").map(String.init) }
            try #require(Set(changes.map { $0[1] }) == ["23", "25"])
            for (place, change) in changes.enumerated() {
                let (day, hours, begin) = (
                    change[0], try #require(Int(change[1])), try #require(Int64(change[2])) * 1_000
                )
                let end = begin + Int64(hours) * 3_600_000
                // Driver 60 worked that whole day.
                try gateway.run(
                    """
                    INSERT INTO assignments (id, route_id, user_id, warehouse_id, date, status)
                    VALUES ('\(Depot.assignment(1_000 + place))', id(3, 1), id(1, 60), id(2, 1), '\(day)', 'completed');
                    INSERT INTO shifts (assignment_id, started_at, completed_at) VALUES (
                        '\(Depot.assignment(1_000 + place))', to_timestamp(\(begin / 1_000)), to_timestamp(\(end / 1_000)))
                    """)
                try eventually("the shift is known") { try depot.report(60, at: begin)["rejected"].array.isEmpty }
                var kept = 1
                for hour in 1..<hours {
                    let reply = try depot.report(60, at: begin + Int64(hour) * 3_600_000)
                    kept += Int(reply["late"].integer ?? 0)
                }
                kept += Int(try depot.report(60, at: end - 1)["late"].integer ?? 0)
                #expect(kept == hours + 1)
                #expect(try depot.report(60, at: begin - 1).reasons == ["off_shift"])
                #expect(try depot.report(60, at: end).reasons == ["off_shift"])
                try gateway.awaitHistory()

                let partition = "drover.driver_location_events_\(day)"
                let rows = "FROM \(partition) WHERE driver_id = '\(Depot.user(60))'"
                #expect(try gateway.count("SELECT count(*) \(rows)") == hours + 1)
                #expect(
                    try gateway.sql(
                        """
                        SELECT (pg_get_expr(relpartbound, oid) = format('FOR VALUES FROM (%L) TO (%L)',
                            to_timestamp(\(begin / 1_000))::text, to_timestamp(\(end / 1_000))::text))::text
                        FROM pg_class WHERE oid = '\(partition)'::regclass
                        """) == ["true"], "\(day)")
                // The hour that comes twice is there twice, the one that is left out is not.
                #expect(
                    try gateway.count(
                        """
                        SELECT count(DISTINCT to_char(recorded_at AT TIME ZONE 'America/Toronto', 'HH24')) \(rows)
                        """) == min(hours, 24))
            }
            try gateway.expectConservation()
        }

        @Test func `a gateway beside it and one that starts again show who is on shift and nobody else`() throws {
            let depot = try Depot()
            let gateway = depot.gateway
            let key = try gateway.key("positions:read")
            let (stays, leaves) = (13, 17)
            for driver in [stays, leaves] { _ = try depot.reportUntilAccepted(driver) }
            try eventually("both are in Redis") { try !depot.hash(stays).isEmpty && !depot.hash(leaves).isEmpty }
            let other = try RunningGateway(beside: gateway)
            try other.awaitStores()
            for driver in [stays, leaves] {
                try eventually("the other gateway shows them") { try depot.position(driver, key, at: other) == 200 }
            }

            // The first one is down when the shift ends.
            gateway.kill()
            try depot.complete(leaves)
            try eventually("the other gateway shows him no more") { try depot.position(leaves, key, at: other) == 404 }
            try eventually("his hash is gone") { try depot.hash(leaves).isEmpty && !depot.isInGeoSet(leaves) }
            #expect(try depot.report(leaves, to: other).reasons == ["off_shift"])

            // Its journal, or the history, still has him; his hash too, if it was the only one who could remove it.
            try depot.redis.command(
                "HSET", "driver:\(Depot.user(leaves)):location", "lat", "43.6", "lng", "-79.3", "accuracy", "5",
                "recorded_at", "\(now() - 1_000)")
            try depot.redis.command("GEOADD", "drivers:geo", "-79.3", "43.6", Depot.user(leaves))
            try gateway.start()
            try gateway.awaitStores()
            try eventually("who is on shift is shown") { try depot.position(stays, key) == 200 }
            #expect(try depot.position(leaves, key) == 404)
            try eventually("what was left of him is removed") {
                try depot.hash(leaves).isEmpty && !depot.isInGeoSet(leaves)
            }
            #expect(try depot.report(leaves).reasons == ["off_shift"])
            #expect(try depot.report(stays)["accepted"].integer == 1)
            #expect(try !depot.hash(stays).isEmpty)
        }
    }
}
