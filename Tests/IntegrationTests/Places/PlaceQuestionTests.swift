// Questions by place at one gateway about drivers who report to another.

import DroverClient
import Foundation
import LocalServers
import Testing

extension Integration {
    @Suite("Places across gateways")
    struct PlaceQuestions {
        private static func drivers(_ gateway: RunningGateway, _ query: String, _ key: String) throws -> [JSON] {
            let response = try gateway.http("GET", "/v1/drivers?\(query)", token: key)
            try #require(response.status == 200, "\(response.text)")
            return try JSON(parsing: response.text)["drivers"].array
        }

        private static func ids(_ gateway: RunningGateway, _ query: String, _ key: String) throws -> [String] {
            try drivers(gateway, query, key).compactMap { $0["driver_id"].string }
        }

        /// Who is there, and how far away.
        private static func shown(_ gateway: RunningGateway, _ query: String, _ key: String) throws -> [String] {
            try drivers(gateway, query, key).map { driver in
                let id: String = driver["driver_id"].string ?? ""
                let distance: Double = driver["distance_m"].number ?? 0
                return "\(id) \(distance)"
            }
        }

        @Test func `who reports to one gateway is found through the other, where he is now`() throws {
            let first = try RunningGateway()
            try first.awaitStores()
            let second = try first.companion()
            let key = try first.key(RunningGateway.steering)
            let at = now() - 20_000
            try first.post(
                [
                    TestPing("a", at: at, latitude: 60.001, longitude: 20),
                    TestPing("b", at: at, latitude: 60.002, longitude: 20),
                    TestPing("c", at: at, latitude: 61, longitude: 20),
                ], token: key)
            try second.post([TestPing("own", at: at, latitude: 60.0005, longitude: 20)], token: key)
            for gateway in [first, second] {
                try eventually("all are near") {
                    try Self.ids(gateway, "near=60,20", key) == ["own", "a", "b"]
                }
                try eventually("all are inside") {
                    try Self.ids(gateway, "area=59,19,62,21", key) == ["a", "b", "c", "own"]
                }
                #expect(try Self.ids(gateway, "near=60,20&limit=2", key) == ["own", "a"])
                #expect(try Self.ids(gateway, "near=60,20&min_distance_m=100&max_distance_m=150", key) == ["a"])
                #expect(try Self.ids(gateway, "near=60,20&radius_m=200000", key) == ["own", "a", "b", "c"])
                #expect(try Self.ids(gateway, "near=-60,-160&radius_m=21000000", key).count == 4)
                #expect(try Self.ids(gateway, "area=59,19,62,21&limit=2", key) == ["a", "b"])
                #expect(try Self.ids(gateway, "area=-90,-180,90,180", key).count == 4)
                #expect(try Self.ids(gateway, "area=60,21,61,19", key).isEmpty, "around the globe")
                let distance = try Self.drivers(gateway, "near=60,20", key)[1]["distance_m"].number
                #expect(abs(try #require(distance) - 111.2) < 1)
            }
            // He moves: from then on he is there for both, and nowhere else.
            try first.post([TestPing("a", at: at + 10_000, latitude: 60.005, longitude: 20)], token: key)
            for gateway in [first, second] {
                try eventually("he has moved") {
                    try Self.ids(gateway, "near=60.005,20&radius_m=50", key) == ["a"]
                }
                #expect(try Self.ids(gateway, "near=60.001,20&radius_m=50", key).isEmpty)
                #expect(try Self.ids(gateway, "area=60.0009,19.9,60.0011,20.1", key).isEmpty)
            }
            let position = try second.http("GET", "/v1/drivers/a/position", token: key)
            #expect(try JSON(parsing: position.text)["recorded_at"].integer == at + 10_000)
            // Of an order, too.
            try first.assign("orders/9f2", ["a", "c"], key: key)
            try first.post([TestPing("c", at: at + 12_000, latitude: 61.0001, longitude: 20)], token: key)
            try eventually("the order's drivers are as they are now") {
                let found = try Self.drivers(second, "order=9f2", key)
                return Set(found.compactMap { $0["recorded_at"].integer }) == [at + 10_000, at + 12_000]
            }
        }

        @Test func `hundreds of drivers are sorted, cut off and limited alike at both gateways`() throws {
            let first = try RunningGateway()
            try first.awaitStores()
            let second = try first.companion()
            let key = try first.key()
            let at = now() - 10_000
            // On a spiral, so that each is a little farther away than the one before.
            let pings = (0..<900).map { step in
                let angle = Double(step) / 7
                let reach = Double(step) * 0.0001
                return TestPing(
                    "s-\(step)", at: at, latitude: 45 + reach * cos(angle), longitude: 9 + reach * sin(angle))
            }
            try first.post(Array(pings[..<450]), token: key)
            try second.post(Array(pings[450...]), token: key)
            let limited = try first.key("positions:read", subjects: "driver:s-1*")
            let coarse = try first.session("area:44,8,46,10", key: try first.masterKey(), more: "\"precision_m\":3000")
            try eventually("both know of all") {
                try Self.ids(second, "area=44,8,46,10&limit=10000", key).count == 900
                    && Self.ids(first, "area=44,8,46,10&limit=10000", key).count == 900
            }
            for query in [
                "near=45,9&radius_m=20000&limit=10000", "near=45,9&radius_m=20000&limit=7",
                "near=45.01,9.01&radius_m=1500", "near=45,9&min_distance_m=3000&max_distance_m=4000",
                "area=44.99,8.99,45.01,9.01&limit=10000", "area=44,8,46,10&limit=13",
            ] {
                for token in [key, limited, coarse.token] {
                    let answers = try [first, second].map { try Self.shown($0, query, token) }
                    #expect(answers[0] == answers[1], "\(query)")
                    #expect(!answers[0].isEmpty || token != key, "\(query)")
                }
            }
            let near = try Self.drivers(second, "near=45,9&radius_m=3000&limit=10000", key)
            let expected = pings.filter { ping in
                let north = (ping.latitude - 45) * 111_195
                let east = (ping.longitude - 9) * 111_195 * cos(45 * .pi / 180)
                return (north * north + east * east).squareRoot() < 3_000
            }
            #expect(abs(near.count - expected.count) <= 2, "\(near.count) of \(expected.count)")
            let distances = near.compactMap { $0["distance_m"].number }
            #expect(distances == distances.sorted())
        }

        @Test func `what a killed gateway has left in the set is not shown, and goes`() throws {
            let first = try RunningGateway(settings: [
                "redis.location_ttl_s": "5", "live.offline_s": "4", "live.stale_s": "2",
            ])
            try first.awaitStores()
            let second = try first.companion()
            let key = try first.key()
            let redis = try first.redisProbe()
            try first.post([TestPing("ghost", at: now(), latitude: 60, longitude: 20)], token: key)
            try eventually("he is found through the other") { try Self.ids(second, "near=60,20", key) == ["ghost"] }
            first.kill()
            try eventually("he is gone") { try Self.ids(second, "near=60,20", key).isEmpty }
            try eventually("the hash is gone") { try redis.hash("driver:ghost:location").isEmpty }
            try eventually("and so is his place") {
                #expect(try Self.ids(second, "near=60,20", key).isEmpty)
                return try redis.command("ZCARD", "drivers:geo").number == 0
            }
            // Alive again through the other one, he is not taken for dead.
            try second.post([TestPing("ghost", at: now(), latitude: 60.0001, longitude: 20)], token: key)
            #expect(try Self.ids(second, "near=60,20", key) == ["ghost"])
        }

        @Test func `who goes on to another gateway is not swept out by the one he has left`() throws {
            let first = try RunningGateway(settings: ["live.offline_s": "4", "live.stale_s": "2"])
            try first.awaitStores()
            let second = try first.companion()
            let key = try first.key()
            let redis = try first.redisProbe()
            try first.post([TestPing("both", at: now(), latitude: 60, longitude: 20)], token: key)
            try eventually("he is entered") { try redis.command("ZSCORE", "drivers:geo", "both").text != nil }
            try second.post([TestPing("both", at: now(), latitude: 60, longitude: 20)], token: key)
            let start = now()
            var latest = now()
            while now() < start + 8_000 {
                try eventually("a second later") { now() > latest + 1_000 }
                latest = now()
                try second.post([TestPing("both", at: latest, latitude: 60, longitude: 20)], token: key)
                #expect(try redis.command("ZSCORE", "drivers:geo", "both").text != nil)
                #expect(try Self.ids(first, "near=60,20", key) == ["both"])
            }
            try eventually("silent, he goes") { try redis.command("ZCARD", "drivers:geo").number == 0 }
            #expect(try Self.ids(first, "near=60,20", key).isEmpty)
        }

        @Test func `alone after a restart, a gateway finds by place who was there before`() throws {
            let gateway = try RunningGateway()
            try gateway.awaitStores()
            let key = try gateway.key()
            let at = now() - 5_000
            try gateway.post(
                [
                    TestPing("r-1", at: at, latitude: 60, longitude: 20),
                    TestPing("r-2", at: at, latitude: 60.001, longitude: 20),
                ], token: key)
            let redis = try gateway.redisProbe()
            try eventually("both are entered") { try redis.command("ZCARD", "drivers:geo").number == 2 }
            gateway.stop()
            try redis.command("GEOADD", "drivers:geo", "20", "60", "long-gone")
            // Without its journal it knows nobody.
            gateway.set("journal.directory", gateway.directory.path + "/fresh")
            try gateway.start()
            try gateway.awaitStores()
            #expect(try Self.ids(gateway, "near=60,20", key) == ["r-1", "r-2"])
            #expect(try Self.ids(gateway, "area=59,19,61,21", key) == ["r-1", "r-2"])
            try eventually("who has no hash is taken out") {
                try redis.command("ZCARD", "drivers:geo").number == 2
            }
        }

        @Test func `without Redis a gateway answers by what it knows itself`() throws {
            let first = try RunningGateway()
            try first.awaitStores()
            let second = try first.companion()
            let key = try first.key()
            try first.post([TestPing("one", at: now(), latitude: 60, longitude: 20)], token: key)
            try second.post([TestPing("two", at: now(), latitude: 60, longitude: 20)], token: key)
            try eventually("both are found") { try Self.ids(second, "near=60,20", key) == ["one", "two"] }
            first.redis.stop()
            try eventually("Redis is away") { try !second.readiness().body["degraded"]["redis"].isNull }
            #expect(try Self.ids(second, "near=60,20", key).contains("two"))
        }
    }
}
