// The feeds are the same at every gateway, whoever reports where.

import DroverClient
import Foundation
import LocalServers
import Testing

extension Integration {
    @Suite("Feeds across gateways")
    struct FeedAgreement {
        private static let feeds = ["/fleet.geojson", "/gtfs-rt/vehicle-positions.pb", "/mds/vehicles/status"]

        @Test func `two gateways give the same feeds under the same tags`() throws {
            let first = try RunningGateway(settings: [
                "mds.provider_id": "0d5b3a90-9f1c-4c54-9d27-4f6c3e0a9b11", "live.offline_s": "5", "live.stale_s": "2",
            ])
            try first.awaitStores()
            let second = try first.companion()
            let key = try first.key()
            let at = now() - 3_000
            try first.post(
                [
                    TestPing("z", at: at, latitude: 60, longitude: 20, speed: 8.333333, heading: 271.123456),
                    TestPing("m", at: at + 1, latitude: 60.1, longitude: 20.1234567, accuracy: 4.5678),
                ], token: key)
            try second.post([TestPing("a", at: at + 2, latitude: 60.2, longitude: 20.2)], token: key)
            let limited = try first.session(
                "area:59,19,60.15,21", key: try first.masterKey(), more: "\"precision_m\":500")
            func tags(_ token: String) throws -> [[String?]] {
                try Self.feeds.map { feed in
                    try [first, second].map { try $0.http("GET", feed, token: token).header("ETag") }
                }
            }
            func agree() throws {
                for token in [key, limited.token] {
                    try eventually("the tags are the same") {
                        try tags(token).allSatisfy { $0[0] != nil && $0[0] == $0[1] }
                    }
                }
            }
            func ids(_ gateway: RunningGateway) throws -> [String] {
                try JSON(parsing: try gateway.http("GET", "/fleet.geojson", token: key).text)["features"].array
                    .compactMap { $0["id"].string }
            }
            for gateway in [first, second] { try eventually("all are known") { try ids(gateway) == ["a", "m", "z"] } }
            try agree()
            // What one of them gave is known to the other one.
            for feed in Self.feeds {
                let tag = try #require(try first.http("GET", feed, token: key).header("ETag"))
                try eventually("it is as it was") {
                    try second.http("GET", feed, token: key, headers: [("If-None-Match", tag)]).status == 304
                        || first.http("GET", feed, token: key).header("ETag") != tag
                }
            }
            // Offline, they stay in the feeds of both, and of one that has just begun.
            let redis = try first.redisProbe()
            try eventually("they have gone offline") { try redis.command("ZCARD", "drivers:geo").number == 0 }
            for gateway in [first, second] { #expect(try ids(gateway) == ["a", "m", "z"]) }
            try agree()
            second.stop()
            second.set("journal.directory", second.directory.path + "/fresh")
            try second.start()
            try second.awaitStores()
            try eventually("it has them all") { try ids(second) == ["a", "m", "z"] }
            try agree()
        }

        @Test func `the Recorder's viewers and phones' friends see who reports elsewhere`() throws {
            let first = try RunningGateway()
            try first.awaitStores()
            let second = try first.companion()
            let key = try first.masterKey()
            let at = now() / 1_000 * 1_000 - 30_000
            try first.post([TestPing("kim-17", at: at, latitude: 52.5163, longitude: 13.3777)], token: key)
            try second.post([TestPing("van-1", at: at, latitude: 52.5, longitude: 13.4)], token: key)
            func get(_ target: String) throws -> JSON {
                let response = try second.http("GET", target, token: key)
                try #require(response.status == 200, "\(response.text)")
                return try JSON(parsing: response.text)
            }
            try eventually("both are listed") {
                try get("/api/0/list?user=drover")["results"].array.compactMap(\.string) == ["kim-17", "van-1"]
            }
            #expect(try get("/api/0/last").array.compactMap { $0["device"].string } == ["kim-17", "van-1"])
            let socket = try second.webSocket("/ws/last?token=\(key)", token: nil)
            socket.send("LAST")
            #expect(Set(try [socket.json(), socket.json()].map { $0["device"].string }) == ["kim-17", "van-1"])
            guard case .text("LAST") = try socket.next() else {
                Issue.record("the word does not come back")
                return
            }
            try first.post([TestPing("kim-17", at: at + 5_000, latitude: 52.5164, longitude: 13.3777)], token: key)
            try eventually("he moves on the viewer's map") {
                let update = try socket.json(within: 20)
                return update["device"].string == "kim-17" && update["tst"].integer == at / 1_000 + 5
            }
            try eventually("and by name") {
                try get("/api/0/last?user=drover&device=kim-17").array.first?["tst"].integer == at / 1_000 + 5
            }

            try first.assign("groups/east", ["jane", "kim-17"], key: key)
            let phone = OwnTracksPhone(
                gateway: second, system: .iOS, token: try second.deviceToken(driver: "jane"))
            let seconds = at / 1_000 + 10
            try first.post([TestPing("kim-17", at: at + 10_000, latitude: 52.5165, longitude: 13.3777)], token: key)
            try eventually("the friend is where he is now") {
                try phone.publish("").contains("\"tst\":\(seconds)")
            }
        }
    }
}
