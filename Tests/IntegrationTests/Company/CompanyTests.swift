// Two gateways over the same stores: what one is told, the viewers of the other see.

import DroverClient
import Foundation
import LocalServers
import Testing

extension RunningGateway {
    /// Another gateway beside this one, once the two know of each other.
    func companion() throws -> RunningGateway {
        let other = try RunningGateway(beside: self)
        for gateway in [self, other] {
            try gateway.awaitStores()
            try eventually("it is not alone") { try gateway.metric("drover_gateways") == 2 }
        }
        return other
    }
}

extension Integration {
    @Suite("Several gateways")
    struct Company {
        @Test func `a viewer sees what is reported to another gateway, in order, and its cursor is good`() throws {
            let here = try RunningGateway()
            let there = try here.companion()
            let key = try here.masterKey()
            let vans = MovingDrivers(["van-1", "van-2"], of: there, key: key)
            let first = try vans.report()
            try here.assign("orders/9", ["van-2"], key: key)
            let viewer = try ScreenedViewer(here, key)
            let answer = try viewer.subscribe(["driver:van-1", "order:9"])
            #expect(answer[0]["subscribed"]["driver:van-1"]["recovered"].flag == false)
            try viewer.read("the first positions") { $0.newest("van-1") == first && $0.newest("van-2") == first }
            for _ in 0..<20 {
                let last = try vans.report()
                try viewer.read("they move") { $0.newest("van-1") == last && $0.newest("van-2") == last }
            }
            #expect(viewer.screen.positions.values.allSatisfy { zip($0, $0.dropFirst()).allSatisfy(<) })
            let last = try vans.report()
            let back = try ScreenedViewer(here, key)
            let resumed = try back.subscribe(["driver:van-1"], cursor: viewer.screen.cursor)
            #expect(resumed[0]["subscribed"]["driver:van-1"]["recovered"].flag == true)
            try back.read("the newest") { $0.newest("van-1") == last }
        }

        @Test func `a gateway listens to the drivers that its own viewers watch, and to nobody else`() throws {
            let here = try RunningGateway(settings: ["live.interest_linger_s": "1"])
            let there = try here.companion()
            let key = try here.masterKey()
            let vans = MovingDrivers((0..<100).map { "van-\($0)" }, of: there, key: key)
            try vans.report()
            let redis = try here.redisProbe()
            func listeners(_ driver: String) throws -> Int64 {
                try redis.command("PUBSUB", "NUMSUB", "driver:\(driver):location").list.last?.number ?? -1
            }
            let viewer = try ScreenedViewer(here, key)
            try viewer.subscribe(["driver:van-7"])
            try eventually("it is listened to") { try listeners("van-7") == 1 }
            let before = try here.metric("drover_bus_positions_total")
            for _ in 0..<10 {
                let last = try vans.report()
                try viewer.read("it moves") { $0.newest("van-7") == last }
            }
            // A hundredth of the drivers, a hundredth of the positions; the other process, which nobody watches through,
            // hears nothing.
            #expect(try here.metric("drover_bus_positions_total") - before == 10)
            #expect(try there.metric("drover_bus_positions_total") == 0)
            #expect(try listeners("van-8") == 0)
            #expect(try here.metric("drover_bus_drivers") == 1)
            viewer.socket.send("{\"id\":99,\"unsubscribe\":[\"driver:van-7\"]}")
            try eventually("nobody listens any more") {
                try listeners("van-7") == 0 && here.metric("drover_bus_drivers") == 0
            }
        }

        @Test func `a gateway that is alone listens to no driver, and begins when another comes`() throws {
            let here = try RunningGateway()
            let key = try here.masterKey()
            let vans = MovingDrivers(["van-1"], of: here, key: key)
            let viewer = try ScreenedViewer(here, key)
            try viewer.subscribe(["driver:van-1"])
            let last = try vans.report()
            try viewer.read("it moves") { $0.newest("van-1") == last }
            #expect(try here.metric("drover_bus_drivers") == 0)
            let there = try here.companion()
            try eventually("it is listened to") { try here.metric("drover_bus_drivers") == 1 }
            let elsewhere = MovingDrivers(["van-1"], of: there, key: key)
            let next = try elsewhere.report()
            try viewer.read("it reports to the other") { $0.newest("van-1") == next }
            #expect(there.stop()?.isSuccess == true)
            try eventually("alone again") { try here.metric("drover_bus_drivers") == 0 }
        }

        @Test func `a driver who alternates is in the hash and on maps as its newest, and is judged by it`() throws {
            let here = try RunningGateway(settings: ["redis.write_interval_ms": "50"])
            let there = try here.companion()
            let key = try here.masterKey()
            let redis = try here.redisProbe()
            func hash() throws -> Int64 {
                Int64(try redis.hash("driver:van-1:location")["recorded_at"] ?? "") ?? 0
            }
            let start = now() - 60_000
            try here.post([TestPing("van-1", at: start)], token: key)
            try there.post([TestPing("van-1", at: start + 1_000)], token: key)
            try eventually("the hash has the newer") { try hash() == start + 1_000 }
            // Perhaps accepted, by a gateway that does not know better yet; neither the hash nor a map goes back.
            let viewer = try ScreenedViewer(there, key)
            try viewer.subscribe(["driver:van-1"])
            let older = try here.post([TestPing("van-1", at: start + 500)], token: key)
            // Late where its own write was refused already, and it has looked.
            #expect((older["accepted"].integer ?? 0) + (older["late"].integer ?? 0) == 1, "\(older)")
            try eventually("the hash was left alone, and that was noticed") {
                try here.metric("drover_redis_newer_elsewhere_total") > 0
            }
            #expect(try hash() == start + 1_000)
            // Now it knows.
            let late = try here.post([TestPing("van-1", at: start + 600)], token: key)
            #expect(late["late"].integer == 1, "\(late)")
            for step in 2..<40 {
                let gateway = step % 2 == 0 ? here : there
                try gateway.post([TestPing("van-1", at: start + Int64(step) * 1_000)], token: key)
            }
            try viewer.read("the newest") { $0.newest("van-1") == start + 39_000 }
            let seen = viewer.screen.positions["van-1"] ?? []
            #expect(zip(seen, seen.dropFirst()).allSatisfy(<), "\(seen)")
            try eventually("the hash has the newest") { try hash() == start + 39_000 }
            for gateway in [here, there] { try gateway.awaitHistory() }
            #expect(try here.rows(of: "van-1") == 42)
        }

        @Test func `a driver who is new to a gateway is judged by what the others know`() throws {
            let here = try RunningGateway(settings: ["redis.write_interval_ms": "50"])
            let there = try here.companion()
            let key = try here.masterKey()
            let at = now()
            try here.post([TestPing("van-1", at: at)], token: key)
            let redis = try here.redisProbe()
            try eventually("the hash is written") { try !redis.hash("driver:van-1:location").isEmpty }
            let reply = try there.post(
                [TestPing("van-1", at: at), TestPing("van-1", at: at - 1_000)], token: key)
            // A repetition is late and not a duplicate: what others tell is no proof that they have kept it.
            #expect(reply["late"].integer == 2, "\(reply)")
            let far = try there.post([TestPing("van-1", at: at + 1_000, latitude: 44)], token: key)
            #expect(far["rejected"].array.first?["reason"].string == "jump")
        }

        @Test func `after the bus was away viewers are told that they may have missed something, and see the newest`()
            throws
        {
            let here = try RunningGateway(settings: ["redis.write_interval_ms": "50"])
            let there = try here.companion()
            let key = try here.masterKey()
            let vans = MovingDrivers(["van-1"], of: there, key: key)
            try vans.report()
            let viewer = try ScreenedViewer(here, key)
            try viewer.subscribe(["driver:van-1"])
            let before = try vans.report()
            try viewer.read("it moves") { $0.newest("van-1") == before }
            let cursor = viewer.screen.cursor
            let redis = try here.redisProbe()
            try redis.command("CLIENT", "KILL", "TYPE", "pubsub")
            let last = try vans.report()
            var wasTold = false
            while !wasTold {
                let frame = try viewer.socket.json(within: 20)
                wasTold = frame["recovered"].flag == false && frame["subjects"].array.first?.string == "driver:van-1"
                try viewer.screen.show(frame)
            }
            try viewer.read("the newest") { $0.newest("van-1") == last }
            let back = try ScreenedViewer(here, key)
            let answer = try back.subscribe(["driver:van-1"], cursor: cursor)
            #expect(answer[0]["subscribed"]["driver:van-1"]["recovered"].flag == false)
            #expect(back.screen.newest("van-1") == last)
            let next = try vans.report()
            try viewer.read("it moves on") { $0.newest("van-1") == next }
        }

        @Test
        func `a device whose gateway was killed is reconnecting for viewers of the other, once that one is missed`()
            throws
        {
            // Stale long after it was seen, and long before its gateway is missed.
            let here = try RunningGateway(settings: ["live.stale_s": "4"])
            let there = try here.companion()
            let key = try here.masterKey()
            let viewer = try ScreenedViewer(here, key)
            try viewer.subscribe(["driver:van-1"])
            let device = try there.ingest(try here.deviceToken(driver: "van-1"))
            let at = now()
            device.send(TestPing(nil, at: at).json)
            _ = try device.json(with: "ack")
            try viewer.read("it is there") { $0.newest("van-1") == at }
            there.kill()
            let deadline = Deadline(seconds: 40)
            var reasons: [String] = []
            while reasons.last != "reconnecting", !deadline.isOver {
                for status in try viewer.socket.json(within: 40)["status"].array where status["state"].string == "stale"
                {
                    reasons.append(status["reason"].string ?? "-")
                }
            }
            #expect(reasons == ["no_ping", "reconnecting"])
        }

        @Test func `a position whose message was lost is shown all the same, by the hash`() throws {
            let here = try RunningGateway(settings: ["redis.write_interval_ms": "50"])
            let there = try here.companion()
            let key = try here.masterKey()
            let vans = MovingDrivers(["van-1"], of: there, key: key)
            let viewer = try ScreenedViewer(here, key)
            try viewer.subscribe(["driver:van-1"])
            var last: Int64 = 0
            // Longer than the hash is read again after the subscription has come to stand.
            for _ in 0..<40 {
                last = try vans.report()
                try viewer.read("it moves") { $0.newest("van-1") == last }
            }
            let redis = try here.redisProbe()
            try eventually("the hash is written") {
                try redis.hash("driver:van-1:location")["recorded_at"] == "\(last)"
            }
            try redis.command("HSET", "driver:van-1:location", "recorded_at", "\(last + 1)", "lat", "43.7")
            try viewer.read("what was written and not published") { $0.newest("van-1") == last + 1 }
        }

        @Test func `a device is asked to report more often while it is watched through another gateway`() throws {
            let here = try RunningGateway(settings: ["rates.watched_ms": "3000", "rates.idle_ms": "30000"])
            let there = try here.companion()
            let key = try here.masterKey()
            let device = try here.ingest(try here.deviceToken(driver: "van-1"))
            #expect(try device.json(with: "rate")["rate"]["interval_ms"].integer == 30_000)
            device.send(TestPing(nil, at: now()).json)
            _ = try device.json(with: "ack")
            let viewer = try ScreenedViewer(there, key)
            try viewer.subscribe(["driver:van-1"])
            let told = try device.json(with: "rate", within: 20)["rate"]["interval_ms"].integer
            #expect(told == 3_000)
        }
    }
}
