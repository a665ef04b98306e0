// Orders and groups from outside: who carries them changes under the eyes of those who watch.

import DroverClient
import Testing

extension Integration {
    @Suite("Hand-overs")
    struct LiveHandOver {
        @Test func `of a hundred viewers none sees the old driver after the hand-over`() throws {
            let gateway = try RunningGateway()
            let key = try gateway.masterKey()
            let vans = MovingDrivers(["van-a", "van-b"], of: gateway, key: key)
            try gateway.assign("orders/9f2", ["van-a"], key: key)
            try vans.report()
            let sessions = try (0..<5).map { _ in try gateway.session(["order:9f2"], by: key).token }
            let viewers = try (0..<100).map { try ScreenedViewer(gateway, sessions[$0 % 5]) }
            for viewer in viewers {
                let answer = try viewer.subscribe(["order:9f2"])
                #expect(answer[0]["subscribed"]["order:9f2"]["positions"][0]["driver_id"].string == "van-a")
            }
            for _ in 0..<10 { try vans.report() }
            try gateway.assign("orders/9f2", ["van-b"], key: key)
            let handedOver = now()
            // What is reported from here on is of after the answer, whatever the clock's grain.
            try eventually("the next millisecond") { now() > handedOver }
            for _ in 0..<10 { try vans.report() }
            let last = try vans.report()
            for viewer in viewers {
                try viewer.read("the new driver") { $0.newest("van-b") == last }
                let events = viewer.screen.events
                let left = Screen.Event.left(driver: "van-a", subject: "order:9f2")
                #expect(events.count { $0 == left } == 1)
                let leftAt = try #require(events.firstIndex(of: left))
                for (index, event) in events.enumerated() {
                    guard case .position(let position) = event else { continue }
                    #expect(position.subjects == ["order:9f2"])
                    if position.driver == "van-a" {
                        #expect(index < leftAt && position.recordedAt <= handedOver, "the old driver is shown no more")
                    } else {
                        #expect(index > leftAt)
                    }
                }
                let status = try #require(events.firstIndex(of: .status(driver: "van-b", state: "live")))
                let first = try #require(
                    events.firstIndex { if case .position(let shown) = $0 { shown.driver == "van-b" } else { false } })
                #expect(leftAt < status && status < first, "\(events)")
                #expect(events.contains(.event(type: "assigned", subject: "order:9f2")))
                let fixes = try #require(viewer.screen.positions["van-b"])
                #expect(zip(fixes, fixes.dropFirst()).allSatisfy(<=))
            }
        }

        @Test func `an order is watched before anybody carries it, then with several drivers, one of whom goes`() throws
        {
            let gateway = try RunningGateway()
            let key = try gateway.masterKey()
            let vans = MovingDrivers(["van-a", "van-b"], of: gateway, key: key)
            try vans.report()
            let viewer = try ScreenedViewer(gateway, try gateway.session(["order:7"], by: key).token)
            let answer = try viewer.subscribe(["order:7"])
            #expect(answer[0]["subscribed"].names == ["order:7"])
            #expect(answer[0]["subscribed"]["order:7"]["positions"].array.isEmpty)
            // Nothing of drivers who do not carry it.
            try vans.report()
            try gateway.assign("orders/7", ["van-a", "van-b"], key: key)
            try viewer.read("both drivers") { $0.positions.count == 2 }
            let start = viewer.screen.events.firstIndex { if case .position = $0 { true } else { false } }
            #expect(viewer.screen.events[..<(start ?? 0)].contains(.status(driver: "van-a", state: "live")))
            let both = try vans.report()
            try viewer.read("both move") { $0.newest("van-a") == both && $0.newest("van-b") == both }
            let response = try gateway.http("DELETE", "/v1/orders/7/drivers/van-a", token: key)
            #expect(response.status == 200, "\(response.text)")
            try viewer.read("one is gone") { $0.events.contains(.left(driver: "van-a", subject: "order:7")) }
            let alone = try vans.report()
            try viewer.read("the other goes on") { $0.newest("van-b") == alone }
            #expect(viewer.screen.newest("van-a") == both)
            // A driver of whom nobody has heard yet.
            try gateway.assign("orders/7", ["van-new"], key: key)
            try viewer.read("it is introduced") { $0.events.contains(.status(driver: "van-new", state: "offline")) }
            try gateway.post([TestPing("van-new", at: now())], token: key)
            try viewer.read("it moves") { $0.positions["van-new"] != nil }
        }

        @Test
        func
            `a hand-over at another gateway is heard here within a second, and found at the next look where it is not`()
            throws
        {
            let here = try RunningGateway()
            let there = try RunningGateway(beside: here)
            let key = try here.masterKey()
            try here.awaitStores()
            try there.awaitStores()
            let vans = MovingDrivers(["van-a", "van-b", "van-c", "van-d"], of: here, key: key)
            try vans.report()
            try here.assign("orders/9f2", ["van-a"], key: key)
            let viewer = try ScreenedViewer(here, try here.session(["order:9f2"], by: key).token)
            _ = try viewer.subscribe(["order:9f2"])
            // Each try hands it on to the next.
            var carrier = 0
            try withinASecond("the bus told it") { attempt in
                carrier = attempt + 1
                try there.assign("orders/9f2", [vans.names[carrier]], key: key)
            } _: {
                while viewer.socket.stream.hasInput { try viewer.screen.show(try viewer.socket.json()) }
                return viewer.screen.events.contains(.left(driver: vans.names[carrier - 1], subject: "order:9f2"))
                    && viewer.screen.newest(vans.names[carrier]) > 0
            }
            // A change that nobody tells of, as while the bus is away.
            try here.sql(
                "UPDATE driver_assignments SET driver_id = 'van-a' WHERE order_id = '9f2' AND released_at IS NULL")
            try viewer.read("the look found it", within: 6) {
                $0.events.contains(.left(driver: vans.names[carrier], subject: "order:9f2"))
            }
            let back = try vans.report()
            try viewer.read("the first driver again") { $0.newest("van-a") == back }
        }

        @Test
        func `a key that is limited to a group loses sight of a driver who leaves it, though nobody watches the group`()
            throws
        {
            let gateway = try RunningGateway()
            let key = try gateway.masterKey()
            let vans = MovingDrivers(["van-a", "van-b", "van-c"], of: gateway, key: key)
            try vans.report()
            try gateway.assign("groups/east", vans.names, key: key)
            let viewer = try ScreenedViewer(gateway, try gateway.key("positions:read", subjects: "group:east"))
            _ = try viewer.subscribe(vans.names.map { "driver:" + $0 })
            try gateway.assign("groups/east", ["van-b", "van-c"], key: key)
            try viewer.read("the first is lost at once", within: 2) {
                $0.events.contains(.event(type: "ended", subject: "driver:van-a"))
            }
            // What nobody tells of is found at the next look.
            try gateway.sql("DELETE FROM driver_groups WHERE driver_id = 'van-b'")
            try viewer.read("the second at the next look", within: 6) {
                $0.events.contains(.event(type: "ended", subject: "driver:van-b"))
            }
            let before = viewer.screen.events.count
            let last = try vans.report()
            try viewer.read("the third goes on") { $0.newest("van-c") == last }
            let seen = viewer.screen.events[before...].compactMap { event -> String? in
                if case .position(let position) = event { position.driver } else { nil }
            }
            #expect(Set(seen) == ["van-c"])
        }

        @Test func `a driver who is watched through two subjects stays when one of them ends`() throws {
            let gateway = try RunningGateway()
            let key = try gateway.masterKey()
            let vans = MovingDrivers(["van-a", "van-b"], of: gateway, key: key)
            try gateway.assign("orders/1", ["van-a"], key: key)
            try gateway.assign("groups/east", ["van-a", "van-b"], key: key)
            try vans.report()
            let viewer = try ScreenedViewer(gateway, key)
            try viewer.subscribe(["order:1", "group:east", "driver:van-a"])
            let subjects = { (screen: Screen) -> Set<String> in
                for case .position(let position) in screen.events.reversed() where position.driver == "van-a" {
                    return Set(position.subjects)
                }
                return []
            }
            #expect(subjects(viewer.screen) == ["order:1", "group:east", "driver:van-a"])
            try gateway.assign("groups/east", ["van-b"], key: key)
            try viewer.read("left the group") { $0.events.contains(.left(driver: "van-a", subject: "group:east")) }
            let moved = try vans.report()
            try viewer.read("it moves") { $0.newest("van-a") == moved }
            #expect(subjects(viewer.screen) == ["order:1", "driver:van-a"])
            try gateway.assign("orders/1", [], key: key)
            try viewer.read("left the order") { $0.events.contains(.left(driver: "van-a", subject: "order:1")) }
            let again = try vans.report()
            try viewer.read("it moves") { $0.newest("van-a") == again }
            #expect(subjects(viewer.screen) == ["driver:van-a"])
        }

        /// The driver of a hand-over is known to the stores alone: its first status must not be a false "offline".
        @Test func `a new driver who reported before a restart is shown as it is`() throws {
            let gateway = try RunningGateway(settings: ["history.retention_days": "0"])
            let key = try gateway.masterKey()
            try gateway.assign("orders/1", [], key: key)
            let vans = MovingDrivers(["van-a"], of: gateway, key: key)
            let last = try vans.report()
            let redis = try gateway.redisProbe()
            try eventually("the hash has it") {
                try redis.hash("driver:van-a:location")["recorded_at"] == String(last)
            }
            // So that the gateway does not read it by itself when it starts.
            try redis.command("DEL", "drivers:geo")
            try gateway.restart()
            try gateway.awaitStores()
            let viewer = try ScreenedViewer(gateway, key)
            try viewer.subscribe(["order:1"])
            try gateway.assign("orders/1", ["van-a"], key: key)
            try viewer.read("the driver") { $0.newest("van-a") == last }
            let statuses = viewer.screen.events.compactMap { event -> String? in
                if case .status(_, let state) = event { state } else { nil }
            }
            #expect(statuses.allSatisfy { $0 == "live" } && !statuses.isEmpty, "\(statuses)")
        }
    }
}
