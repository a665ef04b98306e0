import Testing

@testable import Tracking

/// 2026-11-21T12:00:00Z.
private let start: Microseconds = 1_795_262_400_000_000
private let second: Microseconds = 1_000_000

/// Orders, groups and areas, and returning viewers: the cases that a model meets too rarely to be relied on.
@Suite struct TopicTests {
    private struct Scene {
        var fanout = Fanout(limits: PresenceLimits(), epoch: 9, replayBytes: 1 << 20)
        var table = DriverTable(seed: 1)
        var now = start

        init(drivers: Int) {
            for index in 0..<drivers {
                _ = table.add(DriverID("d\(index)")!)
                _ = fanout.addDriver()
            }
        }

        func position(_ degrees: Degrees7 = 0) -> Position {
            Position(
                recordedAt: now, receivedAt: now, latitude: degrees * 10_000_000, longitude: 0, accuracy: 5, speed: nil,
                heading: nil)
        }

        mutating func report(_ driver: DriverIndex, at degrees: Degrees7 = 0) {
            now += 1_000
            fanout.update(driver, position(degrees), now: now)
        }

        mutating func topic(_ name: String, _ members: [DriverIndex] = []) -> TopicIndex {
            let subject = Subject(name)!
            let topic = fanout.openTopic(subject, now: now)
            if case .area = subject { return topic }
            _ = fanout.setMembers(members, of: topic, now: now)
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

        func cursor(_ viewer: ViewerIndex) -> Cursor {
            var writer = JSONWriter()
            fanout.appendCursor(of: viewer, to: &writer)
            return Cursor(String(decoding: writer.bytes, as: UTF8.self))!
        }
    }

    /// Nothing that is watched moves for minutes, so the log stands still; what an unwatched driver did is not in it.
    @Test func `a cursor of before a driver went unwatched for long is refused, though nothing was logged since`()
        throws
    {
        var scene = Scene(drivers: 1)
        let first = scene.fanout.openViewer(handle: 1)
        _ = scene.fanout.watch(0, by: first)
        scene.report(0)
        _ = try scene.flush()
        let cursor = scene.cursor(first)
        scene.fanout.closeViewer(first, now: scene.now)
        scene.now += 61 * second
        scene.report(0)
        _ = scene.fanout.watch(0, by: scene.fanout.openViewer(handle: 2))
        #expect(scene.fanout.replay(0, of: nil, from: cursor) == nil)
    }

    @Test func `a cursor of before a topic was let go says nothing of the topic that was opened anew`() throws {
        for name in ["order:a", "area:-1,-1,1,1"] {
            var scene = Scene(drivers: 1)
            scene.report(0)
            let viewer = scene.fanout.openViewer(handle: 1)
            _ = scene.fanout.subscribe(viewer, to: scene.topic(name, [0]))
            let cursor = scene.cursor(viewer)
            #expect(scene.fanout.canResume(scene.topic(name), from: cursor))
            scene.fanout.closeViewer(viewer, now: scene.now)
            scene.now += 60 * second
            scene.fanout.sweep(now: scene.now)
            let again = scene.topic(name)
            #expect(!scene.fanout.canResume(again, from: cursor), "\(name)")
        }
    }

    @Test func `the cursor of an answer resumes, whatever was undistributed, stale or unwatched when it was made`()
        throws
    {
        var scene = Scene(drivers: 3)
        let other = scene.fanout.openViewer(handle: 1)
        _ = scene.fanout.watch(0, by: other)
        scene.report(1)
        scene.now += 40 * second
        scene.fanout.sweep(now: scene.now)
        // One is watched and has news, one is stale, one is unknown.
        scene.report(0)
        let viewer = scene.fanout.openViewer(handle: 2)
        for driver in 0...2 { _ = scene.fanout.watch(driver, by: viewer) }
        let cursor = scene.cursor(viewer)
        scene.fanout.closeViewer(viewer, now: scene.now)
        _ = try scene.flush()
        scene.report(0)
        scene.report(1)
        let replays = (0...2).map { scene.fanout.replay($0, of: nil, from: cursor) }
        #expect(replays.map { $0?.count } == [1, 1, 0])
    }

    @Test func `a viewer that was told who left resumes at once`() throws {
        var scene = Scene(drivers: 2)
        let viewer = scene.fanout.openViewer(handle: 1)
        let order = scene.topic("order:a", [0, 1])
        _ = scene.fanout.subscribe(viewer, to: order)
        scene.report(0)
        scene.report(1)
        _ = try scene.flush()
        let before = scene.cursor(viewer)
        _ = scene.fanout.setMembers([1], of: order, now: scene.now)
        #expect(scene.cursor(viewer) == before, "it was not told yet")
        #expect(try scene.flush(.busy).first?.left.count == 1)
        #expect(scene.cursor(viewer) == before, "nor now")
        scene.fanout.writable(viewer, table: scene.table, monotonic: scene.now, now: scene.now) { _, _ in .sent }
        #expect(!scene.fanout.canResume(order, from: before))
        #expect(scene.fanout.canResume(order, from: scene.cursor(viewer)))
    }

    @Test func `an area's replay begins with the position that led into it`() throws {
        var scene = Scene(drivers: 2)
        let viewer = scene.fanout.openViewer(handle: 1)
        let area = scene.topic("area:-1,-1,1,1")
        scene.report(0)
        scene.report(1, at: 5)
        _ = scene.fanout.subscribe(viewer, to: area)
        let cursor = scene.cursor(viewer)
        scene.fanout.closeViewer(viewer, now: scene.now)
        for degrees in [4, 1, 0, 1] as [Degrees7] {
            scene.report(1, at: degrees)
            _ = try scene.flush()
        }
        #expect(scene.fanout.canResume(area, from: cursor))
        let replay = scene.fanout.replay(1, of: area, from: cursor)
        #expect(replay?.map(\.latitude) == [10_000_000, 0, 10_000_000])
    }

    @Test func `a driver that comes from the stores is in the areas around it, and is as fresh as it is`() throws {
        var scene = Scene(drivers: 2)
        let viewer = scene.fanout.openViewer(handle: 1)
        _ = scene.fanout.subscribe(viewer, to: scene.topic("area:-1,-1,1,1"))
        scene.fanout.restore(0, scene.position())
        scene.now += 31 * second
        scene.fanout.restore(1, scene.position(5))
        let pushes = try scene.flush()
        #expect(pushes.flatMap(\.status).map { "\($0.driver) \($0.state)" } == ["d0 stale"])
        #expect(pushes.flatMap(\.positions).map(\.driver) == ["d0"])
    }

    @Test func `a viewer that missed too many departures is named, and whoever gets its number is not`() throws {
        var scene = Scene(drivers: 1)
        let viewer = scene.fanout.openViewer(handle: 77)
        let group = scene.topic("group:g")
        _ = scene.fanout.subscribe(viewer, to: group)
        for _ in 0...Fanout.maximumDepartures {
            _ = scene.fanout.setMembers([0], of: group, now: scene.now)
            _ = scene.fanout.setMembers([], of: group, now: scene.now)
        }
        #expect(scene.fanout.departures.count == Int(Fanout.maximumDepartures), "no more are kept")
        var copy = scene.fanout
        #expect(copy.takeOverrun() == [77] && copy.takeOverrun().isEmpty)
        scene.fanout.closeViewer(viewer, now: scene.now)
        #expect(scene.fanout.openViewer(handle: 78) == viewer)
        #expect(scene.fanout.takeOverrun().isEmpty)
    }

    @Test func `who leaves, comes back and leaves between two ticks is told to have left, and is not shown`() throws {
        var scene = Scene(drivers: 1)
        let order = scene.topic("order:a", [0])
        _ = scene.fanout.subscribe(scene.fanout.openViewer(handle: 1), to: order)
        scene.report(0)
        for members in [[], [0], []] { _ = scene.fanout.setMembers(members, of: order, now: scene.now) }
        scene.report(0)
        let pushes = try scene.flush()
        #expect(pushes.flatMap(\.left).map(\.driver) == ["d0", "d0"])
        #expect(pushes.flatMap(\.positions).isEmpty && pushes.flatMap(\.status).isEmpty)
    }
}
