// Erasing while everything else goes on, and while things go wrong: two gateways, kill -9, Postgres away, the command.

import DroverClient
import EventLoop
import Foundation
import LocalServers
import Synchronization
import Testing

/// A request that is answered while the test does something else.
private final class PendingReply: Sendable {
    private let reply = Mutex<(status: Int, text: String)?>(nil)

    init(_ method: String, _ url: String, token: String) {
        let body: @Sendable () -> Void = { [self] in
            let response = try? HTTPClient.request(method, url, headers: [("Authorization", "Bearer \(token)")])
            reply.withLock { $0 = response.map { ($0.status, $0.text) } ?? (0, "") }
        }
        Thread.detachNewThread(body)
    }

    var value: (status: Int, text: String)? { reply.withLock { $0 } }
}

extension Integration.Erasing {
    @Test func `in the middle of ingest no row of before remains, and every later one is there once`() throws {
        let gateway = try RunningGateway(settings: ["history.rollup_s": "1"])
        let key = try gateway.key(Self.permissions)
        try gateway.awaitStores()
        let drivers = [Self.driver] + (0..<5).map { "other-\($0)" }
        let drives = drivers.map { TestPing.drive($0, from: now() - 7_200_000, count: 3_000) }
        let socket = try gateway.ingest(key)
        var sent = 0
        /// Ten pings of each driver in a frame, acknowledged.
        func send() throws {
            let pings = (sent..<(sent + 10)).flatMap { place in drives.map { $0[place] } }
            socket.send(TestPing.array(pings))
            sent += 10
            while try socket.json(with: "ack")["ack"].integer != Int64(sent * drivers.count) {}
        }
        for _ in 0..<60 { try send() }
        let before = sent
        let pending = PendingReply(
            "DELETE", "\(gateway.address)/v1/drivers/\(Self.driver)/telemetry", token: key)
        while pending.value == nil, sent < 2_000 { try send() }
        let reply = try awaitValue("the reply") { pending.value }
        try #require([200, 202].contains(reply.status), "\(reply.text)")
        let after = sent
        for _ in 0..<60 { try send() }
        let id = try #require(try JSON(parsing: reply.text)["id"].string)
        _ = try gateway.awaitErasure(id, key: key)
        try gateway.awaitHistory()

        let rows = try gateway.sql(
            "SELECT (extract(epoch FROM recorded_at) * 1000)::bigint FROM driver_location_events WHERE driver_id = $1",
            [Self.driver]
        ).compactMap { $0.flatMap { Int64($0) } }
        #expect(Set(rows).count == rows.count)
        let erased = Set(drives[0][..<before].map(\.recordedAt))
        #expect(erased.isDisjoint(with: rows), "what was acknowledged before the request is gone")
        let kept = Set(drives[0][after..<sent].map(\.recordedAt))
        #expect(kept.isSubset(of: rows), "what was sent after the receipt is there")
        #expect(Set(rows).subtracting(kept).isSubset(of: drives[0][before..<after].map(\.recordedAt)))
        let early = try gateway.count(
            """
            SELECT count(*) FROM driver_location_events e JOIN erasures r ON e.received_at <= r.reaches_to
            WHERE e.driver_id = '\(Self.driver)'
            """)
        #expect(early == 0)
        for driver in drivers.dropFirst() { #expect(try gateway.rows(of: driver) == sent, "\(driver)") }
        #expect(try gateway.http("GET", "/v1/drivers/\(Self.driver)/position", token: key).status == 200)
        try eventually("the hash is the newest again") {
            try gateway.redisProbe().hash("driver:\(Self.driver):location")["recorded_at"]
                == String(drives[0][sent - 1].recordedAt)
        }
        try eventually("the roll-up has what remains") {
            try gateway.sql(
                """
                SELECT string_agg(driver_id || sum, ',' ORDER BY driver_id) FROM (
                    SELECT driver_id, sum(pings)::text FROM driver_location_hourly GROUP BY 1) h(driver_id, sum)
                """)
                == gateway.sql(
                    """
                    SELECT string_agg(driver_id || count, ',' ORDER BY driver_id) FROM (
                        SELECT driver_id, count(*)::text FROM driver_location_events GROUP BY 1) e(driver_id, count)
                    """)
        }
        try gateway.expectConservation()
    }

    @Test func `every gateway has its part, and one that is stopped is waited for`() throws {
        let gateway = try RunningGateway()
        let second = try RunningGateway(beside: gateway)
        let key = try gateway.key(Self.permissions)
        try gateway.awaitStores()
        try second.awaitStores()
        func report() throws {
            try gateway.post([TestPing(Self.driver, at: now() - 2_000)], token: key)
            try second.post([TestPing(Self.driver, at: now())], token: key)
            try gateway.awaitHistory()
            try second.awaitHistory()
        }
        try report()
        let response = try gateway.erase(Self.driver, key: key)
        let removed = try JSON(parsing: response.text)["removed"]
        #expect(removed["journals"].integer == 2 && removed["history_rows"].integer == 2)
        for one in [gateway, second] {
            #expect(try one.http("GET", "/v1/drivers/\(Self.driver)/position", token: key).status == 404)
        }
        #expect(try gateway.traces(of: Self.driver, beside: [second]) == [])

        try report()
        second.stop()
        let waiting = try gateway.http("DELETE", "/v1/drivers/\(Self.driver)/telemetry", token: key)
        try #require(waiting.status == 202, "\(waiting.text)")
        let document = try JSON(parsing: waiting.text)
        let id = try #require(document["id"].string)
        #expect(waiting.header("Location") == "/v1/erasures/\(id)")
        #expect(document["state"].string == "journals" && document["awaiting"].array.count == 1)
        #expect(try gateway.rows(of: Self.driver) == 2, "nothing is deleted that could come back")
        try second.start()
        _ = try gateway.awaitErasure(id, key: key)
        #expect(try gateway.traces(of: Self.driver, beside: [second]) == [])
    }

    /// A step waits for a lock on its table, as it would for a long statement, and its process is killed meanwhile.
    @Test(arguments: ["dead_letters": "ingest_dead_letters", "rollup": "driver_location_hourly", "audit": "api_keys"])
    func `killed in the midst of it, another process goes on`(step: String, table: String) throws {
        let gateway = try RunningGateway(settings: ["history.rollup_s": "1"])
        let world = try ErasureWorld(gateway)
        try gateway.sql("BEGIN")
        try gateway.sql("LOCK TABLE \(table) IN SHARE MODE")
        let pending = PendingReply(
            "DELETE", "\(gateway.address)/v1/drivers/\(Self.driver)/telemetry", token: world.key)
        // The registration's last statement is about keys: it is the step before the audit's.
        let expected = step == "audit" ? "registration" : step
        try eventually("the step is reached") { try gateway.sql("SELECT step FROM erasures") == [expected] }
        gateway.kill()
        try gateway.sql("ROLLBACK")
        try gateway.start()
        try gateway.awaitStores()
        let id = try #require(try gateway.sql("SELECT id FROM erasures").first.flatMap { $0 })
        let receipt = try gateway.awaitErasure(id, key: world.key)
        #expect(receipt["removed"]["history_rows"].integer == 301, "each row is counted once")
        #expect(receipt["removed"]["devices"].integer == 1 && receipt["removed"]["dead_letters"].integer == 2)
        #expect(try gateway.traces(of: Self.driver) == [])
        #expect(pending.value?.status != 200, "the process that was asked did not live to tell")
    }

    @Test func `without Postgres a request is refused, and one under way goes on when it returns`() throws {
        let gateway = try RunningGateway(ownPostgres: true, settings: ["history.rollup_s": "1"])
        let world = try ErasureWorld(gateway)
        try gateway.sql("BEGIN")
        try gateway.sql("LOCK TABLE ingest_dead_letters IN ACCESS EXCLUSIVE MODE")
        let response = try gateway.http("DELETE", "/v1/drivers/\(Self.driver)/telemetry", token: world.key)
        try #require(response.status == 202, "\(response.text)")
        let document = try JSON(parsing: response.text)
        #expect(
            document["state"].string == "dead_letters" && document["progress"]["removed"]["history_rows"].integer == 301
        )
        gateway.postgres.kill()
        try eventually("Postgres is missed") {
            try gateway.http("DELETE", "/v1/drivers/\(Self.driver)/telemetry", token: world.key).status == 503
        }
        try gateway.postgres.start()
        let receipt = try gateway.awaitErasure(try #require(document["id"].string), key: world.key)
        #expect(receipt["removed"]["history_rows"].integer == 301 && receipt["removed"]["devices"].integer == 1)
        #expect(try gateway.traces(of: Self.driver) == [])
    }

    @Test func `the command erases with a gateway and without, and says who is waited for`() throws {
        let gateway = try RunningGateway(settings: ["history.rollup_s": "1"])
        let world = try ErasureWorld(gateway)
        let unasked = try gateway.drover("erase", Self.driver)
        #expect(unasked.status?.isSuccess == false && unasked.output.contains("--yes"))
        #expect(try gateway.rows(of: Self.driver) == 301)
        let done = try gateway.drover("erase", Self.driver, "--yes")
        try #require(done.status?.isSuccess == true, "\(done.output)")
        #expect(try JSON(parsing: done.output)["removed"]["history_rows"].integer == 301)
        #expect(try JSON(parsing: done.output)["requested_by"].string == "cli")
        #expect(try gateway.traces(of: Self.driver) == [])

        try gateway.post([TestPing(Self.driver, at: now())], token: world.key)
        try gateway.awaitHistory()
        gateway.stop()
        let refused = try gateway.drover("erase", Self.driver, "--yes", "--wait", "0")
        #expect(refused.status?.isSuccess == false && refused.output.contains("waits for the journals of"))
        #expect(try gateway.rows(of: Self.driver) == 1)
        let node = try #require(try gateway.sql("SELECT node_id FROM ingest_checkpoints").first.flatMap { $0 })
        #expect(refused.output.contains(node))
        // The machine is gone for good, and its journal with it.
        let forgotten = try gateway.drover("erase", "--forget-node", node)
        try #require(forgotten.status?.isSuccess == true, "\(forgotten.output)")
        let resumed = try gateway.drover("erase", Self.driver, "--yes")
        try #require(resumed.status?.isSuccess == true, "\(resumed.output)")
        #expect(resumed.output.contains("going on with erasure"))
        #expect(try gateway.rowTraces(of: Self.driver) == [] && gateway.redisTraces(of: Self.driver) == [])
    }
}
