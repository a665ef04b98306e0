import Testing

@testable import Tracking

/// The fan-out against a simple model of viewers, their sockets and what they may see.
@Suite struct FanoutModelTests {
    @Test(arguments: 1...12)
    func `every viewer ends on the newest of what it watches, and sees nothing else`(seed: Int) throws {
        var model = FanoutModel(seed: UInt64(seed))
        for _ in 0..<(isLongRun ? 60_000 : 3_000) { try model.step() }
        try model.settle()
    }
}

/// A viewer as its own screen shows it.
private struct ModelViewer {
    var index: ViewerIndex
    var watched: Set<DriverIndex> = []
    /// The newest fix time seen of each driver watched: from the snapshot, then from pushes.
    var seen: [DriverIndex: Int64] = [:]
    var status: [DriverIndex: String] = [:]
    var isBlocked = false
    var isGone = false
    var rate: Double?
    var lastWrite: Int64?
}

private struct FanoutModel {
    private let seed: UInt64
    private var random: SeededGenerator
    private var fanout: Fanout
    private var table = DriverTable(seed: 1)
    private var clock: Microseconds = 1_795_262_400_000_000
    private var monotonic: Microseconds = 0
    /// Open viewers by handle.
    private var viewers: [Int: ModelViewer] = [:]
    private var nextHandle = 1
    private var newest: [DriverIndex: Position] = [:]
    private var mostEdges = 0
    private var steps = 0
    private var sendsWhatItLikes = true

    init(seed: UInt64) {
        self.seed = seed
        random = SeededGenerator(seed: seed)
        fanout = Fanout(limits: PresenceLimits(), epoch: UInt32(truncatingIfNeeded: seed), replayBytes: 1 << 16)
        for index in 0..<random.int(1...25) {
            _ = table.add(DriverID("d\(index)")!)
            _ = fanout.addDriver()
        }
    }

    private var place: Comment { "seed \(seed), step \(steps)" }

    // MARK: Steps

    mutating func step() throws {
        steps += 1
        clock += Microseconds(random.int(0...40_000))
        monotonic += Microseconds(random.int(0...40_000))
        switch random.int(0...20) {
        case 0...6: update()
        case 7...9: try flush()
        case 10...12: watch()
        case 13: unwatch()
        case 14: open()
        case 15: if random.oneIn(3) { close() }
        case 16: setRate()
        case 17...18: try unblock()
        case 19: fanout.sweep(now: clock)
        default: if random.oneIn(10) { clock += 40_000_000 }
        }
        try checkBounds()
    }

    /// All sockets take everything, all turns come: then every screen is right.
    mutating func settle() throws {
        sendsWhatItLikes = false
        fanout.sweep(now: clock)
        for handle in viewers.keys.sorted() where viewers[handle]!.isGone { close(handle) }
        for handle in viewers.keys.sorted() where viewers[handle]!.isBlocked { try writable(handle) }
        var turns = 0
        while fanout.hasNews {
            monotonic += 10_000_000
            try flush()
            turns += 1
            try #require(turns < 100, place)
        }
        for (handle, viewer) in viewers {
            for driver in viewer.watched {
                try #require(viewer.seen[driver] == newest[driver]?.milliseconds, "\(place): viewer \(handle)")
                let presence = fanout.presence(of: driver)
                try #require(viewer.status[driver] ?? "live" == presence.name, "\(place): viewer \(handle)")
            }
        }
        for handle in viewers.keys.sorted() { close(handle) }
        try #require(fanout.counters.viewers == 0 && fanout.counters.subscriptions == 0 && !fanout.hasNews, place)
    }

    private mutating func update() {
        let driver = random.int(0...table.count - 1)
        let recordedAt = clock - Microseconds(random.int(0...20_000_000))
        guard recordedAt / 1_000 > newest[driver]?.milliseconds ?? .min else { return }
        let position = Position(
            recordedAt: recordedAt, receivedAt: clock, latitude: Degrees7(random.int(-900_000_000...900_000_000)),
            longitude: Degrees7(random.int(-1_800_000_000...1_800_000_000)), accuracy: 5, speed: nil, heading: nil)
        newest[driver] = position
        fanout.update(driver, position, now: clock)
    }

    private mutating func open() {
        guard viewers.count < 12 else { return }
        viewers[nextHandle] = ModelViewer(index: fanout.openViewer(handle: nextHandle))
        nextHandle += 1
    }

    private mutating func close(_ handle: Int? = nil) {
        guard let handle = handle ?? anyViewer() else { return }
        fanout.closeViewer(viewers[handle]!.index, now: clock)
        viewers[handle] = nil
    }

    private mutating func watch() {
        guard let handle = anyViewer() else { return }
        let driver = random.int(0...table.count - 1)
        let isNew = viewers[handle]!.watched.insert(driver).inserted
        #expect(fanout.watch(driver, by: viewers[handle]!.index) == isNew, place)
        guard isNew else { return }
        // The snapshot that answers a subscription.
        viewers[handle]!.seen[driver] = fanout.position(of: driver)?.milliseconds
    }

    private mutating func unwatch() {
        guard let handle = anyViewer() else { return }
        let driver = random.int(0...table.count - 1)
        let wasWatched = viewers[handle]!.watched.remove(driver) != nil
        #expect(fanout.unwatch(driver, by: viewers[handle]!.index, now: clock) == wasWatched, place)
        viewers[handle]!.seen[driver] = nil
        viewers[handle]!.status[driver] = nil
    }

    private mutating func setRate() {
        guard let handle = anyViewer() else { return }
        viewers[handle]!.rate = random.pick([nil, 1, 10, 50])
        fanout.setRate(viewers[handle]!.rate, of: viewers[handle]!.index)
    }

    private mutating func anyViewer() -> Int? {
        viewers.isEmpty ? nil : random.pick(viewers.keys.sorted())
    }

    // MARK: Sending

    private mutating func flush() throws {
        var writes: [(Int, [UInt8], SendOutcome)] = []
        var random = random
        let mayFail = sendsWhatItLikes
        let waits = fanout.flush(table: table, monotonic: monotonic, now: clock) { handle, bytes in
            let outcome: SendOutcome = !mayFail ? .sent : random.oneIn(30) ? .gone : random.oneIn(4) ? .busy : .sent
            writes.append((handle, bytes.array, outcome))
            return outcome
        }
        self.random = random
        try #require(Set(writes.map(\.0)).count == writes.count, "\(place): one write a viewer")
        for write in writes { try received(write.0, write.1, write.2) }
        try #require(waits == fanout.hasNews, place)
    }

    private mutating func unblock() throws {
        let blocked = viewers.keys.sorted().filter { viewers[$0]!.isBlocked }
        // Sometimes a socket reports room that nobody waits for.
        if let handle = blocked.isEmpty || random.oneIn(9) ? anyViewer() : random.pick(blocked) { try writable(handle) }
    }

    private mutating func writable(_ handle: Int) throws {
        let wasBlocked = viewers[handle]!.isBlocked
        viewers[handle]!.isBlocked = false
        var writes: [(Int, [UInt8], SendOutcome)] = []
        let outcome: SendOutcome = sendsWhatItLikes && random.oneIn(4) ? .busy : .sent
        fanout.writable(viewers[handle]!.index, table: table, monotonic: monotonic, now: clock) { handle, bytes in
            writes.append((handle, bytes.array, outcome))
            return outcome
        }
        try #require(writes.count <= (wasBlocked ? 1 : 0), place)
        for write in writes { try received(write.0, write.1, write.2) }
    }

    private mutating func received(_ handle: Int, _ bytes: [UInt8], _ outcome: SendOutcome) throws {
        var viewer = try #require(viewers[handle], place)
        try #require(!viewer.isBlocked, "\(place): nothing is sent to a full socket")
        let interval: Microseconds =
            viewer.rate.map { Microseconds(1_000_000 / $0) } ?? (viewer.watched.count > 8 ? 250_000 : 0)
        try #require(viewer.lastWrite.map { $0 + interval <= monotonic } ?? true, "\(place): too soon")
        let pushes = try FrameReader.pushes(bytes)
        try #require(!pushes.isEmpty && pushes.allSatisfy { $0.now == clock / 1_000 }, place)
        switch outcome {
        case .busy: viewer.isBlocked = true
        case .gone: viewer.isGone = true
        case .sent:
            viewer.lastWrite = monotonic
            for position in pushes.flatMap(\.positions) {
                let driver = try driver(position.driver, of: viewer)
                try #require(position.recordedAt >= viewer.seen[driver] ?? .min, "\(place): older after newer")
                let expected = try #require(newest[driver])
                try #require(position.recordedAt == expected.milliseconds, "\(place): not the newest")
                try #require((position.latitude * 1e7).rounded() == Double(expected.latitude), place)
                try #require((position.longitude * 1e7).rounded() == Double(expected.longitude), place)
                viewer.seen[driver] = position.recordedAt
            }
            for (name, state) in pushes.flatMap(\.status) { viewer.status[try driver(name, of: viewer)] = state }
        }
        viewers[handle] = viewer
    }

    private func driver(_ name: String, of viewer: ModelViewer) throws -> DriverIndex {
        let driver = try #require(DriverID(name).flatMap { table.index(of: $0) }, place)
        try #require(viewer.watched.contains(driver), "\(place): \(name) is not watched")
        return driver
    }

    // MARK: Bounds

    private mutating func checkBounds() throws {
        let subscriptions = viewers.values.reduce(0) { $0 + $1.watched.count }
        mostEdges = max(mostEdges, subscriptions)
        try #require(fanout.counters.viewers == viewers.count, place)
        try #require(fanout.counters.subscriptions == subscriptions, place)
        try #require(fanout.edges.count <= mostEdges, "\(place): edges are used again")
        try #require(fanout.viewers.count <= 12, "\(place): viewers are used again")
        try #require(Set(fanout.ready).count == fanout.ready.count, "\(place): a viewer is ready once")
        try #require(
            fanout.ready.allSatisfy { fanout.viewers[$0].isReady }, "\(place): who stands among the ready knows it")
        try #require(
            fanout.viewers.allSatisfy { $0.handle > 0 || ($0.firstPending < 0 && $0.firstEdge < 0) },
            "\(place): who is gone has nothing pending")
        for driver in 0..<table.count {
            try #require(fanout.isWatched(driver) == viewers.values.contains { $0.watched.contains(driver) }, place)
        }
    }
}

extension Position {
    /// As a push shows it.
    fileprivate var milliseconds: Int64 { Timestamp.floorDivide(recordedAt, 1_000) }
}
