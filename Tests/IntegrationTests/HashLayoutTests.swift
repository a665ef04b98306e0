// A hash of a platform's own making: its names, units and keys, read back after a restart, gone after an erasure.

import DroverClient
import Foundation
import LocalServers
import Testing

extension Integration {
    @Suite("Hash layout")
    struct HashLayouts {
        private static let settings = [
            "redis.location_key": "delivery:{id}:location", "redis.location_channel": "live.{id}",
            "redis.geo_key": "deliveries:geo", "redis.location_ttl_s": "120",
            "redis.location_fields":
                "current_location=point:geojson, latitude=lat, kmh=speed:kmh, bearing=heading, "
                + "timestamp=recorded_at:iso, fix=recorded_at:s, agent=driver, source='drover'",
        ]

        @Test func `the hash has the platform's names and units, and a restart knows the driver from it`() throws {
            // Nothing is kept, so the hash alone remembers.
            let gateway = try RunningGateway(
                settings: Self.settings.merging(["history.retention_days": "0"]) { $1 })
            let key = try gateway.key()
            try gateway.awaitStores()
            let redis = try gateway.redisProbe()
            let at = now() - 5_000
            try gateway.post(
                [TestPing("d-1", at: at, latitude: 40.7128, longitude: -74.006, speed: 10, heading: 271.5)], token: key)
            let hash = try awaitValue("the hash") {
                let hash = try redis.hash("delivery:d-1:location")
                return hash.isEmpty ? nil : hash
            }
            let iso = try #require(hash["timestamp"])
            #expect(iso.wholeMatch(of: #/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/#) != nil)
            #expect(
                hash == [
                    "current_location": #"{"type":"Point","coordinates":[-74.006,40.7128]}"#, "latitude": "40.7128",
                    "kmh": "36", "bearing": "271.5", "timestamp": iso, "fix": hash["fix"] ?? "", "agent": "d-1",
                    "source": "drover",
                ])
            #expect(hash["fix"].flatMap { Double($0) } == Double(at) / 1_000)
            #expect((110_000...120_000).contains(try redis.command("PTTL", "delivery:d-1:location").number ?? 0))
            #expect(try redis.command("ZSCORE", "deliveries:geo", "d-1").text != nil)
            #expect(try redis.command("EXISTS", "driver:d-1:location", "drivers:geo").number == 0)

            gateway.kill()
            try gateway.start()
            try gateway.awaitStores()
            let position = try JSON(parsing: try gateway.http("GET", "/v1/drivers/d-1/position", token: key).text)
            #expect(position["lat"].number == 40.7128 && position["lng"].number == -74.006)
            #expect(position["speed"].number == 10 && position["heading"].number == 271.5)
            #expect(position["recorded_at"].integer.map { $0 / 1_000 } == at / 1_000)
            // The layout holds no accuracy: the worst that the judge lets pass.
            #expect(position["accuracy"].number == 200)
            let again = try gateway.post(
                [
                    TestPing("d-1", at: at, latitude: 40.7128, longitude: -74.006),
                    TestPing("d-1", at: at - 5_000, latitude: 40.7128, longitude: -74.006),
                    TestPing("d-1", at: at + 2_000, latitude: 40.7129, longitude: -74.006),
                ], token: key)
            #expect(again["duplicate"].integer == 1 && again["late"].integer == 1 && again["accepted"].integer == 1)
            try eventually("what became unknown is gone from the hash") {
                let hash = try redis.hash("delivery:d-1:location")
                return hash["latitude"] == "40.7129" && hash["kmh"] == nil && hash["bearing"] == nil
            }
        }

        @Test func `an erasure finds the hash, the place and the counters by the platform's keys`() throws {
            let signed = SignedTokens()
            let gateway = try RunningGateway(
                settings: Self.settings.merging(["limits.counter_key": "limit/{endpoint}/{client}"]) { $1 },
                starts: false)
            let keySet = gateway.directory.path + "/jwks.json"
            try signed.keySet.write(toFile: keySet, atomically: true, encoding: .utf8)
            gateway.set("access.jwks_file", keySet)
            try gateway.start()
            let key = try gateway.key("pings:write,telemetry:erase")
            try gateway.awaitStores()
            let redis = try gateway.redisProbe()
            let device = signed.token(#""role":"device","sub":"d-2""#)
            try gateway.post([TestPing(nil, at: now() - 5_000)], token: device)
            try eventually("everything of the driver is in Redis") {
                try redis.command("EXISTS", "delivery:d-2:location", "limit/pings/jwt:d-2").number == 2
                    && redis.command("ZSCORE", "deliveries:geo", "d-2").text != nil
            }
            let reply = try gateway.http("DELETE", "/v1/drivers/d-2/telemetry", token: key)
            #expect([200, 202].contains(reply.status), "\(reply.text)")
            try eventually("nothing of the driver is in Redis") {
                try redis.command("EXISTS", "delivery:d-2:location", "limit/pings/jwt:d-2").number == 0
                    && redis.command("ZSCORE", "deliveries:geo", "d-2").text == nil
            }
        }
    }
}
