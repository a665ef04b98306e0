// Where an accepted ping is a second later: the row in Postgres, the hash, the GEO set and the channel in Redis.

import DroverClient
import LocalServers
import Testing

extension Integration {
    @Suite("A stored ping")
    struct StoredPing {
        /// Every character an id may have, 64 of them.
        private static let longestID = "ABCDEFGHIJKLMNOPQRSTUVWXYZ_.:-abcdefghijklmnopqrstuvwxyz01234567"

        @Test func `its row is in Postgres within a second with every field as it was sent`() throws {
            let gateway = try RunningGateway()
            let key = try gateway.key()
            try gateway.awaitStores()
            let fields = """
                concat_ws('|', (extract(epoch FROM recorded_at) * 1000)::bigint, lat, lng, speed, heading, accuracy,
                    altitude, source, session_id, flags,
                    received_at BETWEEN now() - interval '1 minute' AND now() + interval '1 minute')
                """
            var at: Int64 = 0
            try withinASecond("the row") { attempt in
                at = now() - 5_000 + Int64(attempt)
                let ping = TestPing(
                    Self.longestID, at: at, latitude: 43.6532171, longitude: -79.3832999, accuracy: 5.25, speed: 8.5,
                    heading: 271.5, extra: ",\"altitude\":92.125,\"source\":\"fused\",\"session_id\":\"7f “x” 路\"")
                let reply = try gateway.post([ping], token: key)
                #expect(reply["accepted"].integer == 1)
            } _: {
                let rows = try gateway.sql(
                    "SELECT \(fields) FROM driver_location_events WHERE driver_id = $1 "
                        + "AND recorded_at = to_timestamp($2::numeric / 1000)", [Self.longestID, "\(at)"])
                guard let row = rows.first else { return false }
                #expect(row == "\(at)|43.6532171|-79.3832999|8.5|271.5|5.25|92.125|fused|7f “x” 路|0|t")
                return true
            }
        }

        @Test func `what is unknown is null, and sentinels are unknown`() throws {
            let gateway = try RunningGateway()
            let key = try gateway.key()
            let at = now() - 5_000
            try gateway.post(
                [TestPing("bare", at: at), TestPing("sentinels", at: at, speed: -1, heading: -1)], token: key)
            try gateway.awaitHistory()
            let unknown = "SELECT count(*) FROM driver_location_events WHERE speed IS NULL AND heading IS NULL"
            #expect(try gateway.count(unknown) == 2)
            let redis = try gateway.redisProbe()
            let fields = try awaitValue("the hash") { () -> [String: String]? in
                let hash = try redis.hash("driver:sentinels:location")
                return hash.isEmpty ? nil : hash
            }
            #expect(fields.keys.sorted() == ["accuracy", "lat", "lng", "recorded_at", "timestamp"])
        }

        @Test func `an instant with a zone is the same instant`() throws {
            let gateway = try RunningGateway()
            let key = try gateway.key()
            let body = """
                {"driver_id":"zone","recorded_at":"\(try Self.text(of: now() - 5_000))","lat":1,"lng":2,"accuracy":3}
                """
            let response = try gateway.http("POST", "/v1/pings", token: key, body: body)
            #expect(try JSON(parsing: response.text)["accepted"].integer == 1, "\(response.text)")
            try gateway.awaitHistory()
            let age = "SELECT count(*) FROM driver_location_events WHERE recorded_at > now() - interval '1 minute'"
            #expect(try gateway.count(age) == 1)
        }

        /// In a zone three hours east.
        private static func text(of milliseconds: Int64) throws -> String {
            try SharedPostgres.server.get().psql(
                "SELECT to_char(to_timestamp(\(milliseconds) / 1000.0) AT TIME ZONE 'UTC' + interval '3 hours', "
                    + "'YYYY-MM-DD\"T\"HH24:MI:SS.MS') || '+03:00'")
        }

        @Test func `the hash has the newest position and lives from its receipt on`() throws {
            let gateway = try RunningGateway(settings: ["redis.location_ttl_s": "40"])
            let key = try gateway.key()
            try gateway.awaitStores()
            let redis = try gateway.redisProbe()
            let at = now() - 5_000
            try gateway.post(
                [
                    TestPing(
                        Self.longestID, at: at, latitude: 43.6532171, longitude: -79.3832, accuracy: 5.25, speed: 8.3,
                        heading: 271)
                ], token: key)
            let name = "driver:\(Self.longestID):location"
            let hash = try awaitValue("the hash") { () -> [String: String]? in
                let hash = try redis.hash(name)
                return hash.isEmpty ? nil : hash
            }
            #expect(hash["lat"] == "43.6532171")
            #expect(hash["lng"] == "-79.3832")
            #expect(hash["speed"] == "8.3")
            #expect(hash["heading"] == "271")
            #expect(hash["accuracy"] == "5.25")
            #expect(hash["recorded_at"] == "\(at)")
            let timestamp = try #require(hash["timestamp"])
            let parsed = try gateway.sql("SELECT (extract(epoch FROM $1::timestamptz) * 1000)::bigint", [timestamp])
            #expect(parsed == ["\(at)"])
            let lifetime = try #require(try redis.command("PTTL", name).number)
            #expect((1...40_000).contains(lifetime))
            let place = try redis.command("GEOPOS", "drivers:geo", Self.longestID).list.first?.list.compactMap(\.text)
            let coordinates = (place ?? []).compactMap { Double($0) }
            try #require(coordinates.count == 2)
            #expect(abs(coordinates[0] + 79.3832) < 0.0001)
            #expect(abs(coordinates[1] - 43.6532171) < 0.0001)
        }

        @Test func `every position is published as JSON`() throws {
            let gateway = try RunningGateway()
            let key = try gateway.key()
            try gateway.awaitStores()
            let listener = try gateway.redisProbe()
            try listener.command("SUBSCRIBE", "driver:van-1:location")
            let drive = TestPing.drive("van-1", from: now() - 60_000, count: 5)
            for ping in drive {
                try gateway.post([ping], token: key)
                let message = try listener.next().list.compactMap(\.text)
                #expect(message.prefix(2) == ["message", "driver:van-1:location"])
                let position = try JSON(parsing: try #require(message.last))
                #expect(position["driver_id"].string == "van-1")
                #expect(position["recorded_at"].integer == ping.recordedAt)
                #expect(position["lat"].number == ping.latitude)
                #expect(position["lng"].number == ping.longitude)
                #expect(position["speed"].number == 11)
                #expect(position["heading"].number == 0)
                #expect(position["accuracy"].number == 5)
            }
        }

        @Test func `a driver who reports often is published once a write interval, the newest last`() throws {
            let gateway = try RunningGateway(settings: ["redis.write_interval_ms": "1000"])
            let key = try gateway.key()
            try gateway.awaitStores()
            let listener = try gateway.redisProbe()
            try listener.command("SUBSCRIBE", "driver:van-5:location")
            let drive = TestPing.drive("van-5", from: now() - 120_000, count: 60)
            let start = now()
            for ping in drive { try gateway.post([ping], token: key) }
            var published: [Int64] = []
            while published.last != drive.last?.recordedAt {
                let message = try listener.next().list.compactMap(\.text)
                let position = try JSON(parsing: try #require(message.last))
                published.append(try #require(position["recorded_at"].integer))
            }
            #expect(published.first == drive.first?.recordedAt)
            #expect(published == published.sorted())
            // The first at once, then one a round of writing that has begun.
            #expect(published.count <= 2 + Int(now() - start) / 1_000)
        }

        @Test func `a hash ends when its driver has been silent as long as configured`() throws {
            let gateway = try RunningGateway(settings: ["redis.location_ttl_s": "30"])
            let key = try gateway.key()
            try gateway.awaitStores()
            let redis = try gateway.redisProbe()
            let name = "driver:van-6:location"
            let drive = TestPing.drive("van-6", from: now() - 400_000, count: 300)
            let first = now()
            var last = first
            // Two seconds of pings, within a tenth of the life: it is set once, at their beginning.
            for ping in drive where now() - first < 2_000 {
                last = now()
                try gateway.post([ping], token: key)
            }
            var lifetimes: [Int64] = []
            try eventually("the life counts from the last ping") {
                let lifetime = try #require(try redis.command("PTTL", name).number)
                lifetimes.append(lifetime)
                return abs(now() + lifetime - (last + 30_000)) < 500
            }
            #expect(lifetimes.allSatisfy { $0 <= 30_000 })
        }

        @Test func `the hash never goes back in time`() throws {
            let gateway = try RunningGateway()
            let key = try gateway.key()
            try gateway.awaitStores()
            let redis = try gateway.redisProbe()
            let at = now() - 60_000
            let name = "driver:van-2:location"
            try gateway.post([TestPing("van-2", at: at)], token: key)
            try eventually("the hash") { try redis.hash(name)["recorded_at"] == "\(at)" }
            let late = try gateway.post([TestPing("van-2", at: at - 5_000)], token: key)
            #expect(late["late"].integer == 1)
            // The next newer position is written after the late one would have been.
            try gateway.post([TestPing("van-2", at: at + 1_000)], token: key)
            var seen: Set<String> = []
            try eventually("the newer position") {
                let time = try redis.hash(name)["recorded_at"] ?? ""
                seen.insert(time)
                return time == "\(at + 1_000)"
            }
            #expect(seen.isSubset(of: ["\(at)", "\(at + 1_000)"]))
            let position = try gateway.http("GET", "/v1/drivers/van-2/position", token: key)
            #expect(try JSON(parsing: position.text)["recorded_at"].integer == at + 1_000)
            try gateway.awaitHistory()
            #expect(try gateway.rows(of: "van-2") == 3)
        }

        @Test func `pings of several days go to the partitions of their days`() throws {
            let gateway = try RunningGateway()
            let key = try gateway.key()
            let day: Int64 = 86_400_000
            let today = now() / day * day
            // Across a midnight, and far enough back that no partition was made ahead.
            let times = [today - 10 * day, today - day - 1, today - day, today - 1_000]
            try gateway.post(times.map { TestPing("van-3", at: $0) }, token: key)
            try gateway.awaitHistory()
            let partitions = try gateway.sql(
                "SELECT tableoid::regclass::text FROM driver_location_events ORDER BY recorded_at")
            let expected = try times.map { time in
                try #require(
                    try gateway.sql(
                        "SELECT 'driver_location_events_' || to_char(to_timestamp(\(time) / 1000.0) AT TIME ZONE 'UTC', "
                            + "'YYYYMMDD')"
                    ).first)
            }
            #expect(partitions == expected)
            try gateway.expectConservation()
        }
    }
}
