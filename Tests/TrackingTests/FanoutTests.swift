import Foundation
import Testing

@testable import Tracking

/// 2026-11-21T12:00:00.123Z.
private let start: Microseconds = 1_795_262_400_123_000
private let second: Microseconds = 1_000_000

/// A fan-out with its table, a clock, and everything that was sent.
private struct Bench {
    var fanout = Fanout(limits: PresenceLimits(), epoch: 42, replayBytes: 1 << 20)
    var table = DriverTable(seed: 7)
    var now = start
    /// Handle and pushes of each write, in order.
    var writes: [(handle: Int, pushes: [Push], bytes: [UInt8])] = []
    var outcome = SendOutcome.sent

    init(drivers: Int = 1) {
        for index in 0..<drivers {
            _ = table.add(DriverID("van-\(index)")!)
            _ = fanout.addDriver()
        }
    }

    /// A position recorded now, `latitude` degrees north.
    mutating func update(_ driver: DriverIndex = 0, latitude: Degrees7 = 0, speed: Float? = nil, heading: Float? = nil)
    {
        let position = Position(
            recordedAt: now, receivedAt: now, latitude: latitude, longitude: 1, accuracy: 5, speed: speed,
            heading: heading)
        fanout.update(driver, position, now: now)
    }

    mutating func watcher(of drivers: Range<DriverIndex> = 0..<1, handle: Int = 1) -> ViewerIndex {
        let viewer = fanout.openViewer(handle: handle)
        for driver in drivers { _ = fanout.watch(driver, by: viewer) }
        return viewer
    }

    mutating func flush() throws -> Bool {
        var sent: [(Int, [UInt8])] = []
        let outcome = outcome
        let waits = fanout.flush(table: table, monotonic: now, now: now) { handle, bytes in
            sent.append((handle, bytes.array))
            return outcome
        }
        for (handle, bytes) in sent { writes.append((handle, try FrameReader.pushes(bytes), bytes)) }
        return waits
    }

    mutating func writable(_ viewer: ViewerIndex) throws {
        var sent: [(Int, [UInt8])] = []
        fanout.writable(viewer, table: table, monotonic: now, now: now) { handle, bytes in
            sent.append((handle, bytes.array))
            return .sent
        }
        for (handle, bytes) in sent { writes.append((handle, try FrameReader.pushes(bytes), bytes)) }
    }
}

@Suite struct FanoutTests {
    // MARK: Frames

    @Test func `a push is a text frame with the members of the interface's description`() throws {
        var bench = Bench()
        _ = bench.watcher()
        bench.update(latitude: 436_532_100, speed: 8.3, heading: 271)
        _ = try bench.flush()
        bench.now += second
        bench.writes = []
        bench.update(latitude: -436_532_100)
        #expect(try bench.flush() == false)
        let bytes = try #require(bench.writes.first?.bytes)
        let text = String(decoding: try #require(FrameReader.payloads(bytes).first), as: UTF8.self)
        #expect(
            text == """
                {"now":1795262401123,"positions":[{"driver_id":"van-0","subjects":["driver:van-0"],\
                "recorded_at":1795262401123,"lat":-43.65321,"lng":0.0000001,"accuracy":5}],"cursor":"42:3"}
                """)
    }

    @Test func `speed and heading are there where they are known, and 360 never is`() throws {
        for (heading, expected) in [(Float(271.0004), "271"), (359.9996, "0"), (359.9994, "359.999"), (0, "0")] {
            var writer = JSONWriter()
            Position(
                recordedAt: -1, receivedAt: 0, latitude: 0, longitude: 0, accuracy: 0.0004, speed: 8.3, heading: heading
            ).appendMembers(to: &writer)
            #expect(
                String(decoding: writer.bytes, as: UTF8.self)
                    == "\"recorded_at\":-1,\"lat\":0,\"lng\":0,\"speed\":8.3,\"heading\":\(expected),\"accuracy\":0")
        }
    }

    @Test func `viewers of one driver share the very bytes`() throws {
        var bench = Bench(drivers: 2)
        bench.update(0)
        bench.update(1)
        for handle in 1...3 { _ = bench.watcher(handle: handle) }
        _ = bench.watcher(of: 0..<2, handle: 4)
        bench.now += second
        bench.update(0, latitude: 5)
        _ = try bench.flush()
        #expect(Set(bench.writes.map(\.handle)) == [1, 2, 3, 4])
        #expect(Set(bench.writes.map(\.bytes)).count == 1)
        var latencies = 0
        bench.fanout.takeLatencies { _ in latencies += 1 }
        #expect(latencies == 1)
    }

    @Test(arguments: [0, 1, 125, 126, 127, 65_535, 65_536, 70_000])
    func `a frame has the shortest length form`(length: Int) throws {
        var bytes: [UInt8] = [9, 9, 9]
        let payload = WebSocketFrame.reserve(&bytes)
        bytes.append(contentsOf: repeatElement(UInt8(ascii: "x"), count: length))
        let start = WebSocketFrame.close(&bytes, payload: payload)
        let frame = Array(bytes[start...])
        #expect(frame.count - length == (length < 126 ? 2 : length < 65_536 ? 4 : 10))
        #expect(try FrameReader.payloads(frame) == [Array(repeating: UInt8(ascii: "x"), count: length)])
        #expect(bytes[..<3] == [9, 9, 9])
    }

    @Test(arguments: [1, 2, 9, 700])
    func `any number of drivers is one write of whole frames`(drivers: Int) throws {
        var bench = Bench(drivers: drivers)
        _ = bench.watcher(of: 0..<drivers)
        for driver in 0..<drivers { bench.update(driver, latitude: Degrees7(driver)) }
        _ = try bench.flush()
        #expect(bench.writes.count == 1)
        let pushes = bench.writes[0].pushes
        // Their first positions make them live, which is told first.
        #expect(pushes.count == 2)
        #expect(pushes[0].status.count == drivers && pushes[0].status.values.allSatisfy { $0 == "live" })
        #expect(Set(pushes[1].positions.map(\.driver)).count == drivers)
    }

    // MARK: Status

    @Test func `a driver grows stale at 30 s and offline at 120 s`() throws {
        var bench = Bench()
        bench.update()
        _ = bench.watcher()
        var told: [(Microseconds, String)] = []
        for step in 1...1_300 {
            bench.now = start + Microseconds(step) * 100_000
            bench.fanout.sweep(now: bench.now)
            bench.writes = []
            _ = try bench.flush()
            for push in bench.writes.flatMap(\.pushes) {
                #expect(push.positions.isEmpty)
                told.append((bench.now - start, try #require(push.status["van-0"])))
            }
        }
        #expect(told.map(\.0) == [30 * second, 120 * second])
        #expect(told.map(\.1) == ["stale", "offline"])
        bench.writes = []
        bench.update()
        _ = try bench.flush()
        #expect(bench.writes.flatMap(\.pushes).map(\.status) == [["van-0": "live"], [:]])
        // Just under each limit it is what it was.
        #expect(PresenceLimits().presence(age: 30 * second - 1) == .live)
        #expect(PresenceLimits().presence(age: 120 * second - 1) == .stale)
        #expect(PresenceLimits().presence(age: -30 * second) == .live)
    }

    @Test func `whoever begins to watch is told of a driver that is not live`() throws {
        var bench = Bench(drivers: 4)
        bench.update(0)
        bench.update(1)
        bench.now += 119 * second
        bench.update(2)
        bench.fanout.sweep(now: bench.now)
        bench.now += 2 * second
        bench.update(1)
        _ = bench.watcher(of: 0..<4)
        _ = try bench.flush()
        #expect(bench.writes.flatMap(\.pushes).map(\.status) == [["van-0": "stale", "van-3": "offline"]])
        bench.fanout.sweep(now: bench.now)
        _ = try bench.flush()
        #expect(bench.writes.last?.pushes.map(\.status) == [["van-0": "offline"]])
    }

    /// After a restart a position comes back from the stores; a viewer who asks before the next sweep must not hear
    /// that its driver is offline.
    @Test(arguments: [(5, "live"), (60, "stale"), (600, "offline")])
    func `a restored driver is told as it is at the next sweep, once`(age: Microseconds, expected: String) throws {
        var bench = Bench()
        bench.fanout.restore(
            0,
            Position(
                recordedAt: start - age * second, receivedAt: start, latitude: 1, longitude: 1, accuracy: 1, speed: nil,
                heading: nil))
        _ = bench.watcher()
        _ = try bench.flush()
        #expect(bench.writes.isEmpty)
        for _ in 0..<3 {
            bench.fanout.sweep(now: bench.now)
            _ = try bench.flush()
        }
        #expect(bench.writes.flatMap(\.pushes).map(\.status) == [["van-0": expected]])
    }

    @Test func `what is restored never replaces what is newer`() {
        var bench = Bench()
        bench.update(latitude: 5)
        let known = bench.fanout.position(of: 0)
        for delay in [0, second] {
            bench.fanout.restore(
                0,
                Position(
                    recordedAt: start - delay, receivedAt: start, latitude: 9, longitude: 9, accuracy: 1, speed: nil,
                    heading: nil))
        }
        #expect(bench.fanout.position(of: 0) == known)
    }

    // MARK: Rates and slow viewers

    /// Times of the writes that one viewer gets while all its drivers move every 20 ms for two seconds.
    private func times(drivers: Int, rate: Double?) throws -> [Microseconds] {
        var bench = Bench(drivers: drivers)
        for driver in 0..<drivers { bench.update(driver) }
        let viewer = bench.watcher(of: 0..<drivers)
        bench.fanout.setRate(rate, of: viewer)
        var times: [Microseconds] = []
        for _ in 0..<100 {
            bench.now += 20_000
            for driver in 0..<drivers { bench.update(driver) }
            bench.writes = []
            _ = try bench.flush()
            try bench.writable(viewer)
            #expect(bench.writes.count <= 1)
            if !bench.writes.isEmpty { times.append(bench.now - start) }
        }
        return times
    }

    @Test(
        arguments: [
            (8, nil, 20_000), (9, nil, 250_000), (1, 2, 500_000), (9, 50, 20_000), (1, 0.5, 2_000_000),
            (1, 1_000, 20_000),
        ] as [(Int, Double?, Microseconds)])
    func `a viewer of more than eight drivers hears four times a second, or as it asked`(
        drivers: Int, rate: Double?, interval: Microseconds
    ) throws {
        let times = try times(drivers: drivers, rate: rate)
        let ticks = (interval + 19_999) / 20_000 * 20_000
        #expect(times == Array(stride(from: 20_000, through: 2_000_000, by: Int(ticks))).map(Microseconds.init))
    }

    @Test func `a rate holds when a blocked socket has room again`() throws {
        var bench = Bench()
        bench.update()
        let viewer = bench.watcher()
        bench.fanout.setRate(2, of: viewer)
        bench.now += second
        bench.update()
        bench.outcome = .busy
        _ = try bench.flush()
        bench.writes = []
        try bench.writable(viewer)
        #expect(bench.writes.count == 1)
        // The socket is full again at the next turn; room comes long before the viewer's turn does.
        bench.now += 500_000
        bench.update()
        bench.outcome = .sent
        #expect(try bench.flush() == false)
        bench.now += 100_000
        bench.update()
        #expect(try bench.flush() == true)
        #expect(bench.writes.count == 2)
        bench.fanout.setRate(100, of: viewer)
        #expect(try bench.flush() == false)
        #expect(bench.writes.count == 3)
    }

    @Test func `after a busy write the first room comes no sooner than the rate allows`() throws {
        var bench = Bench()
        let viewer = bench.watcher()
        bench.update()
        _ = try bench.flush()
        #expect(bench.writes.count == 1)
        // Due after 20 ms, but the socket is busy; meanwhile the viewer asks for one write a second.
        bench.now += 20_000
        bench.update()
        bench.outcome = .busy
        _ = try bench.flush()
        bench.fanout.setRate(1, of: viewer)
        bench.writes = []
        bench.outcome = .sent
        try bench.writable(viewer)
        #expect(bench.writes.isEmpty && bench.fanout.hasNews)
        bench.now += 979_999
        #expect(try bench.flush() == true)
        bench.now += 1
        #expect(try bench.flush() == false)
        #expect(bench.writes.count == 1)
    }

    @Test func `a slow viewer is named until it reads again`() throws {
        var bench = Bench()
        bench.update()
        let viewer = bench.watcher(handle: 77)
        bench.now += second
        bench.update()
        bench.outcome = .busy
        _ = try bench.flush()
        func slow(_ deadline: Microseconds) -> [Int] {
            var handles: [Int] = []
            bench.fanout.forEachBlocked(since: deadline) { handles.append($0) }
            return handles
        }
        #expect(slow(bench.now - 1).isEmpty && slow(bench.now) == [77])
        try bench.writable(viewer)
        #expect(slow(.max).isEmpty)
    }
}
