// Shifts as a whole: their end by the clock, a platform's database that is away, drivers who are out of service.

import DroverClient
import LocalServers
import Testing

extension Integration {
    @Suite("Shifts") struct ShiftTests {
        @Test func `a shift that ends at a time that is known beforehand ends by the clock`() throws {
            let depot = try Depot()
            let key = try depot.gateway.key("positions:read")
            let manager = try depot.manager(902)
            try manager.subscribe(["driver:\(Depot.user(13))"])
            _ = try depot.reportUntilAccepted(13)
            try eventually("the driver is in Redis") { try !depot.hash(13).isEmpty }
            // Only the time, not the status: nothing changes at the end itself.
            try depot.gateway.sql(
                "UPDATE shifts SET completed_at = clock_timestamp() + interval '3 seconds' WHERE assignment_id = $1",
                [Depot.assignment(13)])
            try eventually("the driver is gone") { try depot.position(13, key) == 404 }
            try eventually("and from Redis") { try depot.hash(13).isEmpty && !depot.isInGeoSet(13) }
            #expect(
                try depot.gateway.count(
                    "SELECT count(*) FROM shifts WHERE assignment_id = '\(Depot.assignment(13))' AND completed_at <= clock_timestamp()"
                )
                    == 1)
            #expect(try depot.report(13).reasons == ["off_shift"])
            #expect(try depot.gateway.metric("drover_shifts_ended_total") == 1)
        }

        @Test func `while the platform's database is away known drivers go on and pings of others can be sent again`()
            throws
        {
            let depot = try Depot(ownPostgres: true)
            let gateway = depot.gateway
            let key = try gateway.key("pings:write,positions:read")
            func post(_ driver: Int, _ time: Int64) throws -> HTTPAnswer {
                let response = try gateway.http(
                    "POST", "/v1/pings", token: key,
                    body: TestPing.array([TestPing(Depot.user(driver), at: time, latitude: 43.64, longitude: -79.38)]))
                return HTTPAnswer(status: response.status, hasRetryAfter: response.header("Retry-After") != nil)
            }
            #expect(try post(13, now()).status == 200)
            gateway.postgres.kill()
            try eventually("the gateway knows") { try !gateway.readiness().body["degraded"]["postgres"].isNull }
            let before = try gateway.metric("drover_pings_total{verdict=\"accepted\"}")
            #expect(try post(13, now()).status == 200)
            #expect(try gateway.metric("drover_pings_total{verdict=\"accepted\"}") == before + 1)
            let kept = now()
            let refused = try post(17, kept)
            #expect(refused.status == 503 && refused.hasRetryAfter)
            let socket = try gateway.ingest(key)
            socket.send(TestPing(Depot.user(17), at: kept, latitude: 43.64, longitude: -79.38).json)
            #expect(try socket.closure().code == 1013)
            #expect(
                try gateway.metric("drover_pings_rejected_total{reason=\"off_shift\"}") == 0, "nothing was judged")
            try gateway.postgres.start()
            try eventually("the same ping is taken") { try post(17, kept).status == 200 }
            try gateway.awaitHistory()
            #expect(try depot.rows(17) == 1)
            #expect(try depot.rows(13) == 2)
            try gateway.expectConservation()
        }

        private struct HTTPAnswer {
            let status: Int
            let hasRetryAfter: Bool
        }

        @Test func `a driver out of service is off shift and gone on every gateway, until put back`() throws {
            let gateway = try RunningGateway()
            let key = try gateway.key("pings:write,positions:read,assignments:write")
            try gateway.awaitStores()
            let other = try RunningGateway(beside: gateway)
            try other.awaitStores()
            let redis = try gateway.redisProbe()
            func report(_ gateway: RunningGateway, at time: Int64 = now()) throws -> JSON {
                try gateway.post([TestPing("van-7", at: time)], token: key)
            }
            func position(_ gateway: RunningGateway) throws -> Int {
                try gateway.http("GET", "/v1/drivers/van-7/position", token: key).status
            }
            func set(_ isActive: Bool) throws {
                let response = try gateway.http(
                    "PUT", "/v1/drivers/van-7", token: key, body: "{\"is_active\":\(isActive)}")
                try #require(response.status == 200, "\(response.text)")
            }
            #expect(try report(gateway)["accepted"].integer == 1)
            try eventually("the driver is in Redis") { try !redis.hash("driver:van-7:location").isEmpty }
            try eventually("the other gateway shows him") { try position(other) == 200 }

            try set(false)
            for each in [gateway, other] {
                try eventually("he is gone") { try position(each) == 404 }
                #expect(try report(each).reasons == ["off_shift"])
            }
            try eventually("he is gone from Redis") {
                try redis.hash("driver:van-7:location").isEmpty
                    && redis.command("ZSCORE", "drivers:geo", "van-7").text == nil
            }
            let away = now()
            #expect(try report(gateway, at: away).reasons == ["off_shift"])
            // One that starts meanwhile learns it from Postgres.
            try other.restart()
            try other.awaitStores()
            try eventually("he is not shown there") {
                try report(other).reasons == ["off_shift"] && position(other) == 404
            }

            try set(true)
            try eventually("he counts again") { try report(gateway)["accepted"].integer == 1 }
            #expect(try report(gateway, at: away).reasons == ["off_shift"], "what his phone kept of the time away")
            try eventually("he is back in Redis") { try !redis.hash("driver:van-7:location").isEmpty }
            #expect(try position(gateway) == 200)
        }
    }
}
