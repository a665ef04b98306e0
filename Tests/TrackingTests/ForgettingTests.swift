import Testing

@testable import Tracking

/// 2026-11-21T12:00:00Z.
private let start: Microseconds = 1_795_262_400_000_000
private let second: Microseconds = 1_000_000

/// What a viewer is told when a driver's telemetry is erased, and what is left of it.
@Suite struct `Forgetting a driver` {
    private struct Scene {
        var fanout = Fanout(limits: PresenceLimits(), epoch: 9, replayBytes: 1 << 20)
        var table = DriverTable(seed: 1)
        var now = start

        init(drivers: Int = 2) {
            for index in 0..<drivers {
                _ = table.add(DriverID("d\(index)")!)
                _ = fanout.addDriver()
            }
        }

        mutating func report(_ driver: DriverIndex) {
            now += 1_000
            let position = Position(
                recordedAt: now, receivedAt: now, latitude: 0, longitude: 0, accuracy: 5, speed: nil, heading: nil)
            fanout.update(driver, position, now: now)
        }

        mutating func topic(_ name: String, _ members: [DriverIndex] = []) -> TopicIndex {
            let topic = fanout.openTopic(Subject(name)!, now: now)
            if !name.hasPrefix("area") { _ = fanout.setMembers(members, of: topic, now: now) }
            return topic
        }

        mutating func flush(_ outcome: SendOutcome = .sent) throws -> [TopicPush] {
            var writes: [[UInt8]] = []
            _ = fanout.flush(table: table, monotonic: now, now: now) { _, bytes in
                writes.append(bytes.array)
                return outcome
            }
            return try writes.flatMap { try TopicPush.read($0) }
        }

        /// All that was received by now; nothing newer can be known.
        mutating func forget(_ driver: DriverIndex) {
            let hasNewer = fanout.forget(driver, receivedThrough: now, now: now)
            #expect(!hasNewer)
        }

        func cursor(_ viewer: ViewerIndex) -> Cursor {
            var writer = JSONWriter()
            fanout.appendCursor(of: viewer, to: &writer)
            return Cursor(String(decoding: writer.bytes, as: UTF8.self))!
        }
    }

    @Test func `its viewers are told offline with the reason, once, and what it sends later`() throws {
        var scene = Scene()
        let viewer = scene.fanout.openViewer(handle: 1)
        for driver in 0...1 { _ = scene.fanout.watch(driver, by: viewer) }
        scene.report(0)
        scene.report(1)
        _ = try scene.flush()
        scene.forget(0)
        #expect(scene.fanout.position(of: 0) == nil && scene.fanout.position(of: 1) != nil)
        let told = try scene.flush()
        #expect(told.flatMap(\.status).map { "\($0.driver) \($0.state) \($0.reason ?? "-")" } == ["d0 offline erased"])
        #expect(told.flatMap(\.positions).isEmpty)
        scene.forget(0)
        #expect(!scene.fanout.hasNews, "repeating it tells nothing")
        scene.now += second
        scene.fanout.sweep(now: scene.now)
        #expect(!scene.fanout.hasNews)
        scene.report(0)
        let later = try scene.flush()
        #expect(later.flatMap(\.status).map(\.state) == ["live"] && later.flatMap(\.positions).map(\.driver) == ["d0"])
    }

    @Test func `an order's viewers see it leave, and come back with its next position; an area's only see it leave`()
        throws
    {
        var scene = Scene()
        let viewer = scene.fanout.openViewer(handle: 1)
        let order = scene.topic("order:a", [0, 1])
        _ = scene.fanout.subscribe(viewer, to: order)
        let area = scene.topic("area:-1,-1,1,1")
        _ = scene.fanout.subscribe(viewer, to: area)
        scene.report(0)
        scene.report(1)
        _ = try scene.flush()
        scene.forget(0)
        let told = try scene.flush()
        #expect(Set(told.flatMap(\.left).map(\.subject)) == ["order:a", "area:-1,-1,1,1"])
        #expect(told.flatMap(\.left).allSatisfy { $0.driver == "d0" })
        #expect(told.flatMap(\.status).map { "\($0.driver) \($0.reason ?? "-")" } == ["d0 erased"])
        #expect(scene.fanout.isIn(0, order) && !scene.fanout.isIn(0, area))
        scene.report(0)
        let position = try #require(try scene.flush().flatMap(\.positions).first)
        #expect(position.driver == "d0" && Set(position.subjects) == ["order:a", "area:-1,-1,1,1"])
    }

    @Test func `who goes off shift is offline for that reason, leaves orders, and shows again with the next shift`()
        throws
    {
        var scene = Scene()
        let viewer = scene.fanout.openViewer(handle: 1)
        let order = scene.topic("order:1", [0, 1])
        _ = scene.fanout.subscribe(viewer, to: order)
        scene.report(0)
        scene.report(1)
        _ = try scene.flush()
        let wasShown = scene.fanout.leaveShift(0, now: scene.now)
        #expect(wasShown)
        #expect(scene.fanout.position(of: 0) == nil && scene.fanout.position(of: 1) != nil)
        let told = try scene.flush()
        #expect(told.flatMap(\.left).map { "\($0.driver) \($0.subject)" } == ["d0 order:1"])
        #expect(
            told.flatMap(\.status).map { "\($0.driver) \($0.state) \($0.reason ?? "-")" } == ["d0 offline off_shift"])
        #expect(told.flatMap(\.positions).isEmpty)
        let isShown = scene.fanout.leaveShift(0, now: scene.now)
        #expect(!isShown)
        #expect(!scene.fanout.hasNews, "repeating it tells nothing")

        scene.fanout.enterShift(0)
        let back = try scene.flush()
        #expect(back.flatMap(\.status).map { "\($0.driver) \($0.state) \($0.reason ?? "-")" } == ["d0 offline no_ping"])
        scene.report(0)
        #expect(try scene.flush().flatMap(\.positions).map(\.driver) == ["d0"])
    }

    @Test func `a returning viewer is not told again what was seen of a shift that is over`() throws {
        var scene = Scene(drivers: 1)
        let viewer = scene.fanout.openViewer(handle: 1)
        _ = scene.fanout.watch(0, by: viewer)
        scene.report(0)
        _ = try scene.flush()
        let cursor = scene.cursor(viewer)
        scene.report(0)
        _ = scene.fanout.leaveShift(0, now: scene.now)
        _ = try scene.flush()
        #expect(scene.fanout.replay(0, of: nil, from: cursor) == nil)
    }

    @Test func `a position that was not told yet is not told any more, and the viewer hears on`() throws {
        for outcome in [SendOutcome.busy, .sent] {
            var scene = Scene(drivers: 1)
            let viewer = scene.fanout.openViewer(handle: 1)
            _ = scene.fanout.watch(0, by: viewer)
            scene.report(0)
            // Pending on the edge where the socket is full, else in the driver's news.
            if outcome == .busy { _ = try scene.flush(.busy) }
            scene.forget(0)
            var writes: [[UInt8]] = []
            if outcome == .busy {
                scene.fanout.writable(viewer, table: scene.table, monotonic: scene.now, now: scene.now) { _, bytes in
                    writes.append(bytes.array)
                    return .sent
                }
            }
            let told = try writes.flatMap { try TopicPush.read($0) } + scene.flush()
            #expect(told.flatMap(\.positions).isEmpty && told.flatMap(\.status).last?.reason == "erased")
            scene.report(0)
            #expect(try scene.flush().flatMap(\.positions).count == 1)
        }
    }

    @Test func `a returning viewer is told nothing of it, and gets a snapshot`() throws {
        var scene = Scene(drivers: 1)
        let viewer = scene.fanout.openViewer(handle: 1)
        _ = scene.fanout.watch(0, by: viewer)
        scene.report(0)
        _ = try scene.flush()
        let cursor = scene.cursor(viewer)
        scene.report(0)
        scene.report(0)
        #expect(scene.fanout.replay(0, of: nil, from: cursor)?.count == 2)
        let last = scene.fanout.log.end
        scene.forget(0)
        #expect(scene.fanout.replay(0, of: nil, from: cursor) == nil)
        for number in 0..<last {
            #expect(scene.fanout.log.entry(number)?.position.recordedAt ?? 0 == 0, "entry \(number) is nobody's")
        }
    }

    @Test func `what was received later stays: position, replay and judge`() throws {
        var scene = Scene(drivers: 1)
        let viewer = scene.fanout.openViewer(handle: 1)
        _ = scene.fanout.watch(0, by: viewer)
        scene.report(0)
        _ = try scene.flush()
        let early = scene.cursor(viewer)
        let instant = scene.now
        scene.report(0)
        _ = try scene.flush()
        let late = scene.cursor(viewer)
        scene.report(0)
        let newest = scene.fanout.position(of: 0)
        let hasNewer = scene.fanout.forget(0, receivedThrough: instant, now: scene.now)
        #expect(hasNewer)
        #expect(scene.fanout.position(of: 0) == newest)
        #expect(scene.fanout.replay(0, of: nil, from: late)?.map(\.recordedAt) == [scene.now])
        #expect(scene.fanout.replay(0, of: nil, from: early)?.count ?? 2 == 2)
        #expect(try scene.flush().flatMap(\.positions).count == 1)
    }

    @Test func `the judge takes the driver for a new one, and remembers the others`() throws {
        var judge = Judge(rules: JudgeRules())
        for _ in 0..<3 { _ = judge.addDriver() }
        var ping = Ping()
        (ping.recordedAt, ping.latitude, ping.longitude, ping.accuracy) = (start, 1, 1, 5)
        let first = (0..<3).map { judge.judge(&ping, of: $0, now: start) }
        #expect(first == Array(repeating: .accepted(clamped: false), count: 3))
        judge.forget(1)
        #expect(judge.newest(of: 1) == nil)
        let again = (0..<3).map { judge.judge(&ping, of: $0, now: start) }
        #expect(again == [.duplicate, .accepted(clamped: false), .duplicate])
    }
}
