// A dispatcher at one gateway watches an area; the drivers report to another.

import DroverClient
import Foundation
import LocalServers
import Testing

extension Integration {
    @Suite("Areas across gateways")
    struct AreaViewers {
        private static let area = "area:59.9,19.9,60.1,20.1"

        @Test func `drivers who report elsewhere are there, come in, go on and leave`() throws {
            let first = try RunningGateway()
            try first.awaitStores()
            let second = try first.companion()
            let key = try first.key()
            let start = now() - 60_000
            func report(_ driver: String, _ longitude: Double, at time: Int64) throws {
                let reply = try first.post(
                    [TestPing(driver, at: time, latitude: 60, longitude: longitude)], token: key)
                #expect(reply["accepted"].integer == 1, "\(reply)")
            }
            try report("inside", 20, at: start)
            try report("outside", 20.1005, at: start)
            let redis = try first.redisProbe()
            try eventually("they are entered") { try redis.command("ZCARD", "drivers:geo").number == 2 }

            let viewer = try ScreenedViewer(second, key)
            let answer = try viewer.subscribe([Self.area])[0]["subscribed"][Self.area]
            #expect(answer["positions"].array.map(\.["driver_id"].string) == ["inside"])
            try report("inside", 20.0001, at: start + 1_000)
            try viewer.read("it goes on") { $0.newest("inside") == start + 1_000 }
            // In, a bit further, out, and out of sight.
            try report("outside", 20.0999, at: start + 2_000)
            try viewer.read("it comes in") { $0.newest("outside") == start + 2_000 }
            try report("outside", 20.0989, at: start + 4_000)
            try viewer.read("it goes on") { $0.newest("outside") == start + 4_000 }
            try report("outside", 20.1001, at: start + 6_000)
            try viewer.read("it leaves") { $0.events.contains(.left(driver: "outside", subject: Self.area)) }
            try report("outside", 20.1002, at: start + 7_000)
            // Somebody new, and the other one again.
            try report("new", 19.9001, at: start + 7_000)
            try viewer.read("a new one is there") { $0.newest("new") == start + 7_000 }
            try report("outside", 20.0999, at: start + 9_000)
            try viewer.read("it is back") { $0.newest("outside") == start + 9_000 }
            #expect(viewer.screen.positions["outside"] == [start + 2_000, start + 4_000, start + 9_000])
            #expect(viewer.screen.events.count { if case .left = $0 { true } else { false } } == 1)
        }

        @Test func `who drives along the border inside a cell is seen as soon as he crosses it`() throws {
            let first = try RunningGateway()
            try first.awaitStores()
            let second = try first.companion()
            let key = try first.key()
            let viewer = try ScreenedViewer(second, key)
            try viewer.subscribe([Self.area])
            let start = now() - 60_000
            func report(_ longitude: Double, at time: Int64) throws {
                try first.post([TestPing("edge", at: time, latitude: 60, longitude: longitude)], token: key)
            }
            // 28 m outside, then nearer: the crossing is no matter of cells, nor of seconds.
            let redis = try first.redisProbe()
            var time = start
            try eventually("the other gateway listens to him") {
                time += 10
                try report(20.1005, at: time)
                return try redis.command("PUBSUB", "NUMSUB", "driver:edge:location").list.last?.number == 1
            }
            try report(20.1002, at: time + 1_000)
            try report(20.0998, at: time + 2_000)
            try viewer.read("he is in", within: 3) { $0.newest("edge") == time + 2_000 }
            #expect(viewer.screen.positions["edge"] == [time + 2_000])
        }

        @Test func `nothing is published on cells while nobody listens`() throws {
            let first = try RunningGateway()
            try first.awaitStores()
            let second = try first.companion()
            let key = try first.key()
            let listener = try first.redisProbe()
            try listener.command("PSUBSCRIBE", "drover:cell:*", "driver:quiet:*")
            _ = try listener.next()
            let start = now() - 60_000
            func report(_ step: Int64) throws {
                try first.post(
                    [TestPing("quiet", at: start + step * 1_000, latitude: 60, longitude: 20 + Double(step) * 0.0005)],
                    token: key)
            }
            func next() throws -> (channel: String, recordedAt: Int64) {
                let message = try listener.next().list
                try #require(message.count == 4, "\(message)")
                let position = try JSON(parsing: message[3].text ?? "")
                return (message[2].text ?? "", position["recorded_at"].integer ?? 0)
            }
            for step in 0..<10 as Range<Int64> {
                try report(step)
                let (channel, recordedAt) = try next()
                #expect(channel == "driver:quiet:location" && recordedAt == start + step * 1_000)
            }
            let viewer = try ScreenedViewer(second, key)
            try viewer.subscribe([Self.area])
            let probe = try first.redisProbe()
            try eventually("cells are listened to") {
                try !probe.command("PUBSUB", "CHANNELS", "drover:cell:*").list.isEmpty
            }
            var channels: Set<String> = []
            var step: Int64 = 10
            try eventually("his cell is told of") {
                try report(step)
                step += 1
                channels.insert(try next().channel)
                return channels.contains { $0.hasPrefix("drover:cell:") }
            }
            // Nobody listens to cells that no area touches.
            let listened = Set(try probe.command("PUBSUB", "CHANNELS", "drover:cell:*").list.compactMap(\.text))
            #expect(channels.filter { $0.hasPrefix("drover:") }.isSubset(of: listened))
            #expect(listened.count <= 16)
        }

        @Test func `an area that was opened before the other gateway came is followed, too`() throws {
            let first = try RunningGateway()
            try first.awaitStores()
            let key = try first.key()
            let viewer = try ScreenedViewer(first, key)
            try viewer.subscribe([Self.area])
            let second = try first.companion()
            let at = now()
            try second.post([TestPing("late", at: at, latitude: 60, longitude: 20)], token: key)
            try viewer.read("he is seen") { $0.newest("late") == at }
            try second.post([TestPing("late", at: at + 1_000, latitude: 60, longitude: 20.0001)], token: key)
            try viewer.read("and followed") { $0.newest("late") == at + 1_000 }
        }
    }
}
