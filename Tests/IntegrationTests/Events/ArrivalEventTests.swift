import DroverClient
import EventLoop
import Foundation
import LocalServers
import Testing

/// A made-up platform whose jobs know where they go.
private final class CourierPlatform {
    static let schema = """
        CREATE TABLE jobs (
            id text PRIMARY KEY, courier text, customer text NOT NULL, state text NOT NULL DEFAULT 'open',
            lat double precision, lng double precision
        );
        CREATE TABLE diary (event_id text PRIMARY KEY, job text NOT NULL, word text NOT NULL, lat double precision);
        """
    static let file = """
        redis:
          eta_key: "customer:{user}:jobs"
        arrivals:
          interval_s: 1
        system:
          name: couriers
          statements:
            job_couriers:
              sql: SELECT id AS order_id, courier AS driver_id FROM jobs WHERE id = ANY ({orders}) AND state = 'open'
              changes: [jobs]
            ways:
              sql: >
                SELECT courier AS driver_id, id AS order_id, lat, lng, customer AS user_id FROM jobs
                WHERE courier = ANY ({drivers}) AND state = 'open'
              changes: [jobs]
              cache_s: 2
            diary:
              sql: >
                INSERT INTO diary (event_id, job, word, lat)
                SELECT r.id, r.job, r.status, r.lat
                FROM jsonb_to_recordset({rows}) AS r(id text, job text, status text, lat double precision)
          look_ups: { order_drivers: job_couriers, destinations: ways }
          writes:
            events: { statement: diary, row: "id, job=order, status, lat" }
        """

    let directory: TemporaryDirectory
    let gateway: RunningGateway
    let key: String
    private(set) var start: Int64

    init(_ settings: [String: String] = [:]) throws {
        directory = try TemporaryDirectory(prefix: "dc")
        let path = directory.path + "/couriers.yaml"
        try Self.file.write(toFile: path, atomically: true, encoding: .utf8)
        gateway = try RunningGateway(settings: settings, file: path, schema: Self.schema)
        try gateway.awaitStores()
        key = try gateway.masterKey()
        start = now() - 400_000
    }

    deinit {
        directory.remove()
    }

    /// The courier is so far south of 43.65,-79.38, so many seconds after the start.
    func report(_ courier: String, metres: Double, at second: Int64) throws {
        let ping = TestPing(courier, at: start + second * 1_000, latitude: 43.65 - metres / 111_195, longitude: -79.38)
        let reply = try gateway.post([ping], token: key)
        try #require(reply["accepted"].integer == 1, "\(reply)")
    }

    /// Waits until the gateway has looked at a courier's position of that second: the time of arrival moves with it.
    func awaitStage(_ job: String, _ stage: Int) throws {
        try eventually("\(job) has reached stage \(stage)") {
            try gateway.sql("SELECT stage FROM order_progress WHERE order_id = $1 AND ended_at IS NULL", [job])
                == ["\(stage)"]
        }
    }

    func events(_ job: String) throws -> [String?] {
        try gateway.sql("SELECT type FROM order_events WHERE order_id = $1 ORDER BY id", [job])
    }
}

extension Integration {
    /// Orders on their way, on a platform of a test's own: what its customers, its tables and its Redis are told, and once.
    @Suite struct ArrivalEventTests {
        @Test func `an order tells each stage of its way once, to viewers, tables and Redis`() throws {
            let courier = try CourierPlatform()
            let gateway = courier.gateway
            let second = try RunningGateway(beside: gateway)
            try second.awaitStores()
            try gateway.sql("INSERT INTO jobs VALUES ('j-1', 'c-1', 'ann', 'open', 43.65, -79.38)")
            let session = try gateway.session("order:j-1", key: courier.key)
            let near = try gateway.viewer(session.token)
            let far = try second.viewer(session.token)
            for viewer in [near, far] {
                viewer.send("{\"id\":1,\"subscribe\":[\"order:j-1\"]}")
                #expect(try viewer.json(with: "subscribed")["subscribed"].names == ["order:j-1"])
            }
            let redis = try gateway.redisProbe()
            func arrival() throws -> Double? {
                try redis.command("ZSCORE", "customer:ann:jobs", "j-1").text.flatMap(Double.init)
            }

            try courier.report("c-1", metres: 9_000, at: 0)
            try courier.awaitStage("j-1", 0)
            let first = try awaitValue("a time of arrival") { try arrival() }
            // At 6 m/s, of which nothing is known yet, and roads' detour.
            let ahead: Double = first - Double(now())
            let expected: Double = 9_000 * 1.3 / 6 * 1_000
            #expect(abs(ahead - expected) < 30_000)

            try courier.report("c-1", metres: 7_000, at: 60)
            try courier.awaitStage("j-1", 1)
            // 33 m/s: four and a half minutes, which a second estimate confirms.
            try eventually("the estimate follows the courier") {
                let time = try arrival() ?? first
                return time < first - 600_000
            }
            try courier.report("c-1", metres: 6_500, at: 75)
            try courier.awaitStage("j-1", 2)
            try courier.report("c-1", metres: 3_000, at: 180)
            try courier.report("c-1", metres: 250, at: 270)
            try courier.awaitStage("j-1", 3)
            // A wobble around the radius says nothing new.
            try courier.report("c-1", metres: 400, at: 280)
            try courier.report("c-1", metres: 200, at: 290)
            try courier.report("c-1", metres: 20, at: 310)
            try courier.awaitStage("j-1", 4)

            let words = ["departed", "arriving_soon", "arriving", "arrived"]
            #expect(try courier.events("j-1") == ["assigned"] + words)
            for viewer in [near, far] {
                for word in words {
                    let event = try viewer.json(with: "events")["events"][0]
                    #expect(event["type"].string == word)
                    #expect(event["subject"].string == "order:j-1")
                    let at = try #require(event["at"].integer)
                    #expect(abs(at - now()) < 60_000)
                }
            }
            try eventually("the platform's own table has them") {
                try gateway.sql("SELECT word FROM diary WHERE job = 'j-1' ORDER BY event_id").count == 5
            }
            #expect(
                try gateway.count("SELECT count(*) FROM diary WHERE lat IS NULL") == 1, "only `assigned` has no place")
            let life = try #require(try redis.command("PTTL", "customer:ann:jobs").number)
            #expect((3_500_000...3_600_000).contains(life))

            // Handed over, it does not end; delivered, it does.
            try gateway.sql("UPDATE jobs SET courier = 'c-2' WHERE id = 'j-1'")
            try eventually("the first courier's turn is over") {
                try gateway.count("SELECT count(*) FROM order_progress WHERE driver_id = 'c-1' AND ended_at IS NULL")
                    == 0
            }
            try courier.report("c-2", metres: 5_000, at: 320)
            try courier.awaitStage("j-1", 0)
            #expect(try !courier.events("j-1").contains("ended"))
            try gateway.sql("UPDATE jobs SET state = 'done' WHERE id = 'j-1'")
            for viewer in [near, far] {
                var event = try viewer.json(with: "events")["events"][0]
                while event["type"].string == "assigned" { event = try viewer.json(with: "events")["events"][0] }
                #expect(event["type"].string == "ended")
            }
            try eventually("it is out of the customer's set") { try arrival() == nil }
            #expect(try courier.events("j-1") == ["assigned"] + words + ["assigned", "ended"])
        }

        @Test func `a restart repeats nothing, goes on where the order was, and ends what ended meanwhile`() throws {
            let courier = try CourierPlatform()
            let gateway = courier.gateway
            try gateway.sql("INSERT INTO jobs VALUES ('j-1', 'c-1', 'ann', 'open', 43.65, -79.38)")
            try gateway.sql("INSERT INTO jobs VALUES ('j-2', 'c-2', 'bob', 'open', 43.65, -79.38)")
            for (name, job) in [("c-1", "j-1"), ("c-2", "j-2")] {
                try courier.report(name, metres: 280, at: 0)
                try courier.awaitStage(job, 3)
            }
            gateway.kill()
            try gateway.sql("UPDATE jobs SET state = 'done' WHERE id = 'j-2'")
            try gateway.start()
            try gateway.awaitStores()
            // Nobody hears of the second courier again.
            try eventually("the second job has ended") { try courier.events("j-2").last == "ended" }
            try courier.report("c-1", metres: 270, at: 30)
            try courier.report("c-1", metres: 30, at: 60)
            try courier.awaitStage("j-1", 4)
            #expect(try courier.events("j-1") == ["assigned", "arriving", "arrived"])
            #expect(try courier.events("j-2") == ["assigned", "arriving", "ended"])
        }

        @Test func `an erased driver's places go out of events, and with the registration the events`() throws {
            let courier = try CourierPlatform()
            let gateway = courier.gateway
            for (number, name) in ["c-1", "c-2"].enumerated() {
                let values = "('j-\(number + 1)', '\(name)', 'ann', 'open', 43.65, -79.38)"
                try gateway.sql("INSERT INTO jobs VALUES \(values)")
                try courier.report(name, metres: 250, at: 0)
                try courier.awaitStage("j-\(number + 1)", 3)
            }
            let key = try gateway.key("telemetry:erase")
            func erase(_ driver: String, _ query: String) throws {
                let response = try gateway.http("DELETE", "/v1/drivers/\(driver)/telemetry\(query)", token: key)
                #expect([200, 202].contains(response.status), "\(response.text)")
                try eventually("\(driver)'s erasure is done") {
                    try gateway.count("SELECT count(*) FROM erasures WHERE finished_at IS NULL") == 0
                }
            }
            try erase("c-1", "?registration=keep")
            #expect(try courier.events("j-1") == ["assigned", "arriving"])
            #expect(
                try gateway.sql("SELECT detail - 'user' FROM order_events WHERE order_id = 'j-1'") == ["{}", "{}"])
            try gateway.sql("UPDATE jobs SET state = 'done' WHERE courier = 'c-2'")
            try eventually("the second job has ended") { try courier.events("j-2").last == "ended" }
            try erase("c-2", "")
            let left =
                "SELECT (SELECT count(*) FROM order_events WHERE driver_id = 'c-2') "
                + "+ (SELECT count(*) FROM order_progress WHERE driver_id = 'c-2')"
            #expect(try gateway.count(left) == 0)
        }

        @Test func `what the platform's table does not take waits, without holding back others`() throws {
            let courier = try CourierPlatform()
            let gateway = courier.gateway
            try gateway.sql("ALTER TABLE diary ADD CHECK (job <> 'j-bad')")
            try gateway.sql("INSERT INTO jobs VALUES ('j-bad', 'c-1', 'ann', 'open', 43.65, -79.38)")
            try gateway.sql("INSERT INTO jobs VALUES ('j-good', 'c-2', 'bob', 'open', 43.65, -79.38)")
            for name in ["c-1", "c-2"] { try courier.report(name, metres: 4_000, at: 0) }
            try eventually("the good one's is written") {
                try gateway.count("SELECT count(*) FROM diary WHERE job = 'j-good'") == 1
            }
            try eventually("the failure shows") {
                try gateway.readiness().body["degraded"]["events"].string == "statement diary: SQLSTATE 23514"
            }
            try gateway.sql("ALTER TABLE diary DROP CONSTRAINT diary_job_check")
            try eventually("the other follows") {
                try gateway.count("SELECT count(*) FROM diary WHERE job = 'j-bad'") == 1
            }
            try eventually("nothing is degraded any more") { try gateway.readiness().body["degraded"]["events"].isNull }
        }
    }
}
