// A simple model of orders, groups and areas, of who is in them and who watches them, against which the fan-out is run.

import Testing

@testable import Tracking

/// A viewer as its own screen shows it, and what the network has not brought it yet.
struct TopicViewer {
    var index: ViewerIndex
    var drivers: Set<DriverIndex> = []
    var topics: Set<Subject> = []
    var precision: Int32
    /// The newest fix time that was sent of each driver that it sees.
    var sent: [DriverIndex: Int64] = [:]
    var status: [DriverIndex: String] = [:]
    /// Departures that it must be told next, each once.
    var departures: [String: Int] = [:]
    var isBlocked = false
    var isGone = false
    var rate: Double?
    /// The last write that paces the next; nil where something urgent came since.
    var lastWrite: Int64?
    /// Who watches from the other end.
    var client: TopicClient
}

/// The fan-out, and what should be true of it.
struct TopicModel {
    let seed: UInt64
    var random: SeededGenerator
    var fanout: Fanout
    var table = DriverTable(seed: 1)
    var clock: Microseconds = 1_795_262_400_000_000
    var monotonic: Microseconds = 0
    var steps = 0
    var viewers: [Int: TopicViewer] = [:]
    var nextHandle = 1
    var newest: [DriverIndex: Position] = [:]
    /// Every position of each driver, in order.
    var history: [DriverIndex: [Position]] = [:]
    /// Orders, groups and areas that the fan-out knows: when the last watcher went, nil while there is one.
    var known: [Subject: Microseconds?] = [:]
    var members: [Subject: Set<DriverIndex>] = [:]
    /// How many positions of the driver there were when it came to the subject; 0 for its first members.
    var cameAt: [Subject: [DriverIndex: Int]] = [:]
    /// The second halves of hand-overs: who comes, once the stores have said what they know of him.
    var arriving: [Subject: [DriverIndex]] = [:]
    /// Drivers whose areas are looked for at the next distribution.
    var dirty: Set<DriverIndex> = []
    var sendsWhatItLikes = true
    /// Clients that were cut off, and what came of those that returned.
    var away: [TopicClient] = []
    var recovered = 0
    var notRecovered = 0

    static let assignable: [Subject] = ["order:a", "order:b", "order:c", "group:g", "group:h"].map { Subject($0)! }
    static let areas: [Subject] = [
        "0,0,10,10", "5,5,15,15", "-5,170,5,-170", "-90,-180,90,180", "0,0,0.01,0.01",
    ].map { Subject("area:\($0)")! }

    init(seed: UInt64, replayBytes: Int = 1 << 20) {
        self.seed = seed
        random = SeededGenerator(seed: seed)
        fanout = Fanout(limits: PresenceLimits(), epoch: UInt32(truncatingIfNeeded: seed), replayBytes: replayBytes)
        for index in 0..<random.int(2...12) {
            _ = table.add(DriverID("d\(index)")!)
            _ = fanout.addDriver()
        }
    }

    var place: Comment { "seed \(seed), step \(steps)" }

    // MARK: What should be

    /// The subjects that lead the viewer to the driver.
    func subjects(_ viewer: TopicViewer, _ driver: DriverIndex) -> Set<String> {
        var names = Set(viewer.topics.filter { members[$0]?.contains(driver) == true }.map(\.name))
        if viewer.drivers.contains(driver) { names.insert("driver:" + table.id(of: driver).string) }
        return names
    }

    func visible(_ viewer: TopicViewer) -> [DriverIndex] {
        (0..<table.count).filter { !subjects(viewer, $0).isEmpty }
    }

    func isWatched(_ driver: DriverIndex) -> Bool {
        viewers.values.contains { !subjects($0, driver).isEmpty }
    }

    private func isInside(_ driver: DriverIndex, _ subject: Subject) -> Bool {
        guard case .area(let area) = subject, let position = newest[driver] else { return false }
        return area.box.contains(latitude: position.latitude, longitude: position.longitude)
    }

    // MARK: What happens

    mutating func move() {
        let driver = random.int(0...table.count - 1)
        let recordedAt = clock - Microseconds(random.oneIn(20) ? random.int(0...200_000_000) : random.int(0...900_000))
        guard recordedAt / 1_000 > newest[driver].map({ $0.recordedAt / 1_000 }) ?? .min else { return }
        let isEast = random.oneIn(3)
        let position = Position(
            recordedAt: recordedAt, receivedAt: clock, latitude: Degrees7(random.int(-200_000_000...200_000_000)),
            longitude: Degrees7(
                isEast
                    ? random.pick([-1, 1]) * random.int(1_600_000_000...1_800_000_000)
                    : random.int(-200_000_000...200_000_000)), accuracy: 5, speed: nil, heading: nil)
        let isFirst = newest[driver] == nil
        newest[driver] = position
        history[driver, default: []].append(position)
        if known.keys.contains(where: Self.areas.contains) || isWatched(driver) { dirty.insert(driver) }
        if isFirst, !isWatched(driver), random.oneIn(2) {
            // A driver that is new to the process comes with what the stores know of it.
            fanout.restore(driver, position)
        } else {
            fanout.update(driver, position, now: clock)
        }
    }

    mutating func sweep() {
        let before = (0..<table.count).map { fanout.presence(of: $0) }
        fanout.sweep(now: clock)
        for driver in 0..<table.count where fanout.presence(of: driver) != before[driver] && isWatched(driver) {
            dirty.insert(driver)
        }
        for (subject, unwatchedAt) in known {
            guard let unwatchedAt, clock - unwatchedAt >= 60_000_000 else { continue }
            known[subject] = nil
            members[subject] = nil
            cameAt[subject] = nil
            arriving[subject] = nil
        }
    }

    /// What the fan-out does with moved drivers, at each tick and before each snapshot.
    mutating func distribute() {
        for driver in dirty.sorted() where newest[driver] != nil {
            for subject in Self.areas where known[subject] != nil {
                let isMember = members[subject]?.contains(driver) == true
                if isMember, !isInside(driver, subject) { leave(driver, subject) }
                if !isMember, isInside(driver, subject) { join(driver, subject, at: history[driver]!.count - 1) }
            }
        }
        dirty = []
    }

    /// `at`: how many positions there were before the first one that belongs to the subject.
    private mutating func join(_ driver: DriverIndex, _ subject: Subject, at position: Int) {
        members[subject, default: []].insert(driver)
        cameAt[subject, default: [:]][driver] = position
        hurry(subject)
    }

    private mutating func leave(_ driver: DriverIndex, _ subject: Subject) {
        members[subject]?.remove(driver)
        for handle in viewers.keys where viewers[handle]!.topics.contains(subject) {
            let departure = table.id(of: driver).string + " " + subject.name
            viewers[handle]!.departures[departure, default: 0] += 1
            forgetInvisible(handle)
        }
        hurry(subject)
    }

    /// Orders and groups do not wait for a viewer's turn.
    private mutating func hurry(_ subject: Subject) {
        guard !Self.areas.contains(subject) else { return }
        for handle in viewers.keys where viewers[handle]!.topics.contains(subject) { viewers[handle]!.lastWrite = nil }
    }

    func forgotten(_ viewer: TopicViewer) -> TopicViewer {
        var viewer = viewer
        let visible = Set(visible(viewer))
        viewer.sent = viewer.sent.filter { visible.contains($0.key) }
        viewer.status = viewer.status.filter { visible.contains($0.key) }
        return viewer
    }

    mutating func forgetInvisible(_ handle: Int) { viewers[handle] = forgotten(viewers[handle]!) }

    /// An order or group gets other drivers: the old ones go at once, the new ones come now or a little later.
    mutating func handOver() {
        let subject = random.pick(Self.assignable)
        guard known[subject] != nil, let topic = fanout.topic(subject) else { return }
        let next = anyDrivers()
        let gone = (members[subject] ?? []).subtracting(next)
        #expect(fanout.keepMembers(next, of: topic, now: clock) == !gone.isEmpty, place)
        for driver in gone.sorted() { leave(driver, subject) }
        arriving[subject] = next
        if random.oneIn(2) { arrive(subject) }
    }

    mutating func arrive(_ subject: Subject? = nil) {
        guard let subject = subject ?? arriving.keys.sorted(by: { $0.name < $1.name }).first,
            let next = arriving.removeValue(forKey: subject), let topic = fanout.topic(subject)
        else { return }
        let come = Set(next).subtracting(members[subject] ?? [])
        #expect(fanout.setMembers(next, of: topic, now: clock) == !come.isEmpty, place)
        for driver in come.sorted() { join(driver, subject, at: history[driver]?.count ?? 0) }
    }

    func isMember(_ driver: DriverIndex, _ subject: Subject) -> Bool { members[subject]?.contains(driver) == true }

    private mutating func anyDrivers() -> [DriverIndex] {
        (0..<table.count).filter { _ in random.oneIn(3) }
    }

    /// Brings a subject into the fan-out as a first viewer does, and gives its number.
    mutating func open(_ subject: Subject) -> TopicIndex {
        let isNew = known[subject] == nil
        #expect((fanout.topic(subject) == nil) == isNew, place)
        let topic = fanout.openTopic(subject, now: clock)
        guard isNew else { return topic }
        known[subject] = .some(clock)
        if case .area = subject {
            members[subject] = Set(
                (0..<table.count).filter {
                    isInside($0, subject) && clock - newest[$0]!.recordedAt < PresenceLimits().offline
                })
        } else {
            let first = anyDrivers()
            #expect(!fanout.isLoaded(topic) && !fanout.setMembers(first, of: topic, now: clock), place)
            members[subject] = Set(first)
        }
        cameAt[subject] = Dictionary(uniqueKeysWithValues: members[subject]!.map { ($0, 0) })
        return topic
    }

    // MARK: Bounds

    func checkBounds() throws {
        try #require(fanout.counters.viewers == viewers.count, place)
        let edges = viewers.values.reduce(0) { $0 + visible($1).count }
        try #require(fanout.counters.subscriptions == edges, "\(place): an edge for each driver seen")
        for (subject, unwatchedAt) in known {
            let topic = try #require(fanout.topic(subject), "\(place): \(subject.name) is known")
            try #require(Set(fanout.members(of: topic)) == members[subject] ?? [], "\(place): \(subject.name)")
            let watchers = viewers.filter { $0.value.topics.contains(subject) }.map(\.key)
            try #require(Set(fanout.watchers(of: topic)) == Set(watchers), "\(place): \(subject.name)")
            try #require((unwatchedAt == nil) == !watchers.isEmpty, place)
        }
        try #require(fanout.topicNumbers.count == known.count, "\(place): a topic goes a minute after its last viewer")
        for viewer in viewers.values {
            try #require(Set(fanout.topics(of: viewer.index)) == viewer.topics, place)
            try #require(Set(fanout.driversNamed(by: viewer.index)) == viewer.drivers, place)
            try #require(fanout.subjectCount(of: viewer.index) == viewer.topics.count + viewer.drivers.count, place)
        }
        try #require(Set(fanout.ready).count == fanout.ready.count, "\(place): a viewer is ready once")
    }

    /// Everybody has gone: so has everything that was kept for them.
    mutating func checkThatNothingIsLeft() throws {
        for handle in viewers.keys.sorted() { close(handle) }
        try checkBounds()
        clock += 60_000_000
        sweep()
        try #require(known.isEmpty && fanout.topicNumbers.isEmpty && fanout.areas.isEmpty, place)
        try #require(
            fanout.counters.subscriptions == 0 && fanout.composer.sets.count == 1, "\(place): one set, the empty one")
        func free(_ first: Int32, _ next: (Int) -> Int32) -> Int {
            var count = 0
            var link = first
            while link >= 0 {
                count += 1
                link = next(Int(link))
            }
            return count
        }
        let fanout = fanout
        try #require(free(fanout.freeEdge) { fanout.edges[$0].nextOfDriver } == fanout.edges.count, place)
        try #require(fanout.memberships.count == 0 && fanout.topicSubscriptions.count == 0, place)
        try #require(free(fanout.freeDeparture) { fanout.departures[$0].next } == fanout.departures.count, place)
        try #require(fanout.freeTopics.count == fanout.topics.count, place)
        try #require(fanout.drivers.allSatisfy { $0.firstMembership < 0 && $0.edgeCount == 0 }, place)
        // Numbers are used again: there were never more than could be in use at one time.
        try #require(fanout.viewers.count <= 8 && fanout.topics.count <= 10, place)
        try #require(fanout.memberships.capacity <= 10 * table.count, place)
        try #require(fanout.topicSubscriptions.capacity <= 8 * 10, place)
        try #require(fanout.edges.count <= 8 * table.count, place)
    }
}
