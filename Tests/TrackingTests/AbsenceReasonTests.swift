import Testing

@testable import Tracking

/// 2026-11-21T12:00:00Z.
private let start: Microseconds = 1_795_262_400_000_000
private let second: Microseconds = 1_000_000

/// Why a driver is stale or offline, at the borders where that changes.
@Suite struct AbsenceReasonTests {
    /// A driver with one position at `start`, a viewer, and what it is told.
    private struct Scene {
        var fanout = Fanout(limits: PresenceLimits(), epoch: 1, replayBytes: 0)
        var table = DriverTable(seed: 1)
        var now = start

        init(isKnown: Bool = true) {
            _ = table.add(DriverID("van")!)
            _ = fanout.addDriver()
            _ = fanout.watch(0, by: fanout.openViewer(handle: 1))
            if isKnown { report() }
        }

        mutating func report() {
            let position = Position(
                recordedAt: now, receivedAt: now, latitude: 0, longitude: 0, accuracy: 5, speed: nil, heading: nil)
            fanout.update(0, position, now: now)
        }

        /// The statuses that are told `seconds` after the start.
        mutating func statuses(at seconds: Double) throws -> [String] {
            now = start + Microseconds(seconds * 1e6)
            fanout.sweep(now: now)
            return try flush()
        }

        mutating func flush() throws -> [String] {
            var bytes: [[UInt8]] = []
            _ = fanout.flush(table: table, monotonic: now, now: now) { _, frames in
                bytes.append(frames.array)
                return .sent
            }
            return try bytes.flatMap { try TopicPush.read($0) }.flatMap(\.status).map {
                $0.state + " " + ($0.reason ?? "-")
            }
        }
    }

    @Test func `a phone that posts and stops gives no ping, also while its socket is open`() throws {
        for hasSocket in [false, true] {
            var scene = Scene()
            if hasSocket { scene.fanout.deviceConnected(0) }
            #expect(try scene.statuses(at: 0) == ["live -"])
            #expect(try scene.statuses(at: 29.999999) == [])
            #expect(try scene.statuses(at: 30) == ["stale no_ping"])
            #expect(try scene.statuses(at: 119.999999) == [])
            #expect(try scene.statuses(at: 120) == ["offline no_ping"])
            #expect(try scene.statuses(at: 4_000) == [])
        }
    }

    @Test func `a connection that breaks is reconnecting until it has been away for long, then disconnected`() throws {
        var scene = Scene()
        scene.fanout.deviceConnected(0)
        _ = try scene.statuses(at: 0)
        scene.fanout.deviceDisconnected(0, saidGoodbye: false, now: scene.now)
        #expect(try scene.statuses(at: 10) == [], "live is live")
        #expect(try scene.statuses(at: 30) == ["stale reconnecting"])
        #expect(try scene.statuses(at: 120) == ["offline disconnected"])
        scene.fanout.deviceConnected(0)
        #expect(try scene.flush() == ["offline no_ping"])
        scene.report()
        #expect(try scene.flush() == ["live -"])
    }

    @Test func `a goodbye is the end, and another device of the driver is none`() throws {
        var scene = Scene()
        _ = try scene.statuses(at: 30)
        scene.fanout.deviceConnected(0)
        scene.fanout.deviceConnected(0)
        scene.fanout.deviceDisconnected(0, saidGoodbye: true, now: scene.now)
        #expect(try scene.flush() == ["stale no_ping"], "one is there still")
        scene.fanout.deviceDisconnected(0, saidGoodbye: true, now: scene.now)
        #expect(try scene.flush() == ["stale ended"])
        #expect(try scene.statuses(at: 120) == ["offline ended"])
    }

    @Test func `fixes that are refused explain an absence for as long as an offline driver has been away`() throws {
        for (trouble, reason) in [(Trouble.lowAccuracy, "low_accuracy"), (.clock(ahead: 3_600 * second), "clock")] {
            var scene = Scene()
            scene.now = start + second
            scene.fanout.refused(0, trouble, now: scene.now)
            #expect(try scene.statuses(at: 2) == ["live -"])
            #expect(try scene.statuses(at: 30) == ["stale \(reason)"])
            scene.fanout.refused(0, trouble, now: start + 31 * second)
            #expect(try scene.statuses(at: 31) == ["stale \(reason)"], "it goes on")
            for seconds in 32...59 { scene.fanout.refused(0, trouble, now: start + Microseconds(seconds) * second) }
            #expect(try scene.statuses(at: 60) == [], "and is not told each time")
            #expect(try scene.statuses(at: 120) == ["offline \(reason)"])
            // From two minutes after the last of them on it says nothing any more.
            scene.now = start + (59 + 120) * second - 1
            scene.fanout.deviceConnected(0)
            #expect(try scene.flush() == ["offline \(reason)"])
            scene.now += 1
            scene.fanout.deviceDisconnected(0, saidGoodbye: false, now: scene.now)
            #expect(try scene.flush() == ["offline disconnected"])
        }
    }

    @Test func `what other gateways know of its devices counts as what is known here`() throws {
        var scene = Scene()
        scene.fanout.deviceConnected(0)
        scene.now = start + second
        scene.fanout.deviceDisconnected(0, saidGoodbye: true, now: scene.now)
        #expect(try scene.statuses(at: 30) == ["stale ended"])
        var elsewhere = DeviceState()
        elsewhere.connections = 1
        scene.fanout.learn(elsewhere, of: 0, now: scene.now)
        #expect(try scene.flush() == ["stale no_ping"], "it is connected elsewhere")
        scene.fanout.learn(elsewhere, of: 0, now: scene.now)
        #expect(try scene.flush() == [], "no news")
        elsewhere.connections = 0
        elsewhere.lastEnd = .dropped
        elsewhere.endedAt = start
        scene.fanout.learn(elsewhere, of: 0, now: scene.now)
        #expect(try scene.flush() == ["stale ended"], "the later end counts")
        elsewhere.endedAt = start + 2 * second
        scene.fanout.learn(elsewhere, of: 0, now: scene.now)
        #expect(try scene.flush() == ["stale reconnecting"])
        elsewhere.trouble = .clock(ahead: second)
        elsewhere.troubledAt = start + 20 * second
        scene.fanout.learn(elsewhere, of: 0, now: scene.now)
        #expect(try scene.flush() == ["stale clock"])
        scene.fanout.learn(nil, of: 0, now: scene.now)
        #expect(try scene.flush() == ["stale ended"])
    }

    @Test func `one bad fix among good ones explains nothing`() throws {
        var scene = Scene()
        scene.fanout.deviceConnected(0)
        scene.now = start + second
        scene.fanout.refused(0, .lowAccuracy, now: scene.now)
        scene.now = start + 2 * second
        scene.report()
        scene.fanout.deviceDisconnected(0, saidGoodbye: false, now: scene.now)
        _ = try scene.flush()
        #expect(try scene.statuses(at: 32) == ["stale reconnecting"])
    }

    @Test func `whose pings are all in the future is offline for its clock, with the offset`() throws {
        var scene = Scene(isKnown: false)
        #expect(try scene.flush() == ["offline no_ping"])
        scene.fanout.refused(0, .clock(ahead: 3_600 * second + 499), now: start)
        var text = ""
        _ = scene.fanout.flush(table: scene.table, monotonic: start, now: start) { _, frames in
            text = String(decoding: frames.array, as: UTF8.self)
            return .sent
        }
        #expect(text.contains("\"state\":\"offline\",\"reason\":\"clock\",\"clock_offset_ms\":3600000"), "\(text)")
        #expect(!text.contains("last_recorded_at"))
        scene.fanout.refused(0, .lowAccuracy, now: start + second)
        #expect(try scene.flush() == ["offline low_accuracy"], "another trouble is told at once")
    }
}
