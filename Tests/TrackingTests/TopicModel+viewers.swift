// The model's viewers: what they ask for, what their sockets take, and what they may be sent.

import Testing

@testable import Tracking

extension TopicModel {
    mutating func anyViewer() -> Int? {
        viewers.isEmpty ? nil : random.pick(viewers.keys.sorted())
    }

    @discardableResult
    mutating func openViewer(_ client: TopicClient? = nil) -> Int? {
        guard viewers.count < 8 else { return nil }
        let handle = nextHandle
        nextHandle += 1
        let precision = client?.precision ?? random.pick([0, 0, 100, 5_000])
        viewers[handle] = TopicViewer(
            index: fanout.openViewer(handle: handle, precision: precision), precision: precision,
            client: client ?? TopicClient(precision: precision))
        return handle
    }

    mutating func close(_ handle: Int? = nil) {
        guard let handle = handle ?? anyViewer(), let viewer = viewers.removeValue(forKey: handle) else { return }
        fanout.closeViewer(viewer.index, now: clock)
        for subject in viewer.topics { noteWatchers(subject) }
    }

    private mutating func noteWatchers(_ subject: Subject) {
        guard known[subject] != nil else { return }
        if viewers.values.contains(where: { $0.topics.contains(subject) }) {
            known[subject] = .some(nil)
        } else {
            known[subject] = .some(clock)
        }
    }

    mutating func subscribe() throws {
        // What is asked while an answer is being sent waits for its end.
        guard let handle = anyViewer(), !viewers[handle]!.isGone, viewers[handle]!.client.unsent == nil else { return }
        if random.oneIn(3) {
            try answer(handle, drivers: [random.int(0...table.count - 1)], subjects: [], cursor: nil)
        } else {
            try answer(handle, drivers: [], subjects: [random.pick(Self.assignable + Self.areas)], cursor: nil)
        }
    }

    /// Subscribes, as the gateway does: everything is opened first, then each subject is watched and read. The answer goes
    /// out in one piece, or, as a long one, in several between which other things happen.
    mutating func answer(_ handle: Int, drivers: [DriverIndex], subjects: [Subject], cursor: String?) throws {
        for subject in subjects { _ = open(subject) }
        let from = cursor.flatMap { Cursor($0) }
        var parts: [TopicAnswer.Part] = []
        for driver in drivers {
            distribute()
            let isNew = viewers[handle]!.drivers.insert(driver).inserted
            #expect(fanout.watch(driver, by: viewers[handle]!.index) == isNew, place)
            let replay = from.flatMap { fanout.replay(driver, of: nil, from: $0) }
            parts.append(.init(name: "driver:\(table.id(of: driver).string)", [driver], replay.map { [$0] }))
        }
        for subject in subjects {
            let topic = open(subject)
            distribute()
            let isNew = viewers[handle]!.topics.insert(subject).inserted
            #expect(fanout.subscribe(viewers[handle]!.index, to: topic) == isNew, place)
            noteWatchers(subject)
            let members = fanout.members(of: topic)
            var replays: [[Position]]?
            if let from, fanout.canResume(topic, from: from) {
                let found = members.compactMap { fanout.replay($0, of: topic, from: from) }
                if found.count == members.count { replays = found }
            }
            parts.append(.init(name: subject.name, members, replays))
        }
        let answer = TopicAnswer(parts: parts, isAfter: cursor != nil)
        if let cursor {
            try checkReplays(answer, viewers[handle]!, cursor)
            recovered += parts.count { $0.replays != nil }
            notRecovered += parts.count { $0.replays == nil }
        }
        viewers[handle]!.client.asked(parts.map(\.name))
        let isLong = random.oneIn(3) && parts.allSatisfy { $0.replays == nil }
        try send(answer, first: isLong ? 1 : .max, to: handle)
    }

    /// The rest of a long answer.
    mutating func answerFurther() throws {
        guard let handle = viewers.keys.sorted().first(where: { viewers[$0]!.client.unsent != nil }) else { return }
        let answer = viewers[handle]!.client.unsent!
        viewers[handle]!.client.unsent = nil
        try send(answer, first: .max, to: handle)
    }

    /// The frame with the first of the answer's drivers that were not sent yet.
    private mutating func send(_ answer: TopicAnswer, first count: Int, to handle: Int) throws {
        var answer = answer
        var room = count
        var frame = TopicAnswer.Frame()
        for index in answer.parts.indices where room > 0 {
            let part = answer.parts[index]
            frame.recovered[part.name] = part.replays != nil
            while room > 0, answer.parts[index].next < part.drivers.count {
                let next = answer.parts[index].next
                let driver = part.drivers[next]
                answer.parts[index].next += 1
                room -= 1
                // Who left since the first page, and may still be seen through another subject.
                let topic = Subject(part.name).flatMap { fanout.topic($0) }
                guard topic.map({ fanout.isIn(driver, $0) }) ?? true else { continue }
                for position in part.replays?[next].map(Optional.some) ?? [nil] {
                    guard let element = try element(driver, position, for: handle) else { continue }
                    frame.positions.append((part.name, driver, element))
                }
            }
        }
        let isComplete = answer.parts.allSatisfy { $0.next == $0.drivers.count }
        if isComplete {
            var cursor = JSONWriter()
            fanout.appendCursor(of: viewers[handle]!.index, to: &cursor)
            frame.cursor = String(decoding: cursor.bytes, as: UTF8.self)
        } else {
            viewers[handle]!.client.unsent = answer
        }
        // To a socket that is gone nothing can be sent, and whoever held it gets nothing.
        if !viewers[handle]!.isGone { viewers[handle]!.client.inFlight.append(.answer(frame)) }
    }

    /// A driver as an answer shows it: the newest, or a replayed position. Nil where the viewer does not see it any more.
    private mutating func element(_ driver: DriverIndex, _ replayed: Position?, for handle: Int) throws -> Int64? {
        var writer = JSONWriter()
        let viewer = viewers[handle]!
        if let replayed {
            fanout.appendReplayed(replayed, of: driver, table, for: viewer.index, to: &writer)
        } else {
            guard fanout.appendPosition(of: driver, table, for: viewer.index, to: &writer) else {
                try #require(subjects(viewer, driver).isEmpty || newest[driver] == nil, place)
                return nil
            }
        }
        let element = try TopicPush.Position(writer.bytes)
        try check(element, driver, replayed ?? newest[driver]!, viewer)
        viewers[handle]!.sent[driver] = max(viewer.sent[driver] ?? .min, element.recordedAt)
        return element.recordedAt
    }

    private func check(
        _ element: TopicPush.Position, _ driver: DriverIndex, _ position: Position, _ viewer: TopicViewer
    ) throws {
        let expected = subjects(viewer, driver)
        try #require(!expected.isEmpty, "\(place): nothing leads to \(element.driver)")
        try #require(Set(element.subjects) == expected, "\(place): \(element)")
        let shown = position.coarsened(to: viewer.precision)
        try #require(element.recordedAt == shown.recordedAt / 1_000, place)
        try #require((element.latitude, element.longitude) == (Int64(shown.latitude), Int64(shown.longitude)), place)
    }

    mutating func unsubscribe() {
        guard let handle = anyViewer() else { return }
        // A program knows by the answers' ids which of its questions they are about; here it reads up before it asks.
        let table = table
        while !viewers[handle]!.client.inFlight.isEmpty {
            viewers[handle]!.client.receive { table.id(of: $0).string }
        }
        let index = viewers[handle]!.index
        if random.oneIn(3) {
            let driver = random.int(0...table.count - 1)
            let had = viewers[handle]!.drivers.remove(driver) != nil
            #expect(fanout.unwatch(driver, by: index, now: clock) == had, place)
            viewers[handle]!.client.dropped("driver:" + table.id(of: driver).string)
        } else {
            let subject = random.pick(Self.assignable + Self.areas)
            guard let topic = fanout.topic(subject) else { return }
            let had = viewers[handle]!.topics.remove(subject) != nil
            #expect(fanout.unsubscribe(index, from: topic, now: clock) == had, place)
            guard had else { return }
            noteWatchers(subject)
            viewers[handle]!.departures = viewers[handle]!.departures.filter { !$0.key.hasSuffix(" " + subject.name) }
            viewers[handle]!.client.dropped(subject.name)
        }
        forgetInvisible(handle)
    }

    mutating func setRate() {
        guard let handle = anyViewer() else { return }
        viewers[handle]!.rate = random.pick([nil, 1, 10, 50])
        fanout.setRate(viewers[handle]!.rate, of: viewers[handle]!.index)
    }

    // MARK: Sending

    mutating func flush() throws {
        distribute()
        var writes: [(Int, [UInt8], SendOutcome)] = []
        var random = random
        let mayFail = sendsWhatItLikes
        _ = fanout.flush(table: table, monotonic: monotonic, now: clock) { handle, bytes in
            let outcome: SendOutcome = !mayFail ? .sent : random.oneIn(60) ? .gone : random.oneIn(4) ? .busy : .sent
            writes.append((handle, bytes.array, outcome))
            return outcome
        }
        self.random = random
        try #require(Set(writes.map(\.0)).count == writes.count, "\(place): one write a viewer")
        for write in writes { try received(write.0, write.1, write.2) }
    }

    mutating func writable(_ handle: Int? = nil) throws {
        let blocked = viewers.keys.sorted().filter { viewers[$0]!.isBlocked }
        guard let handle = handle ?? (blocked.isEmpty ? anyViewer() : random.pick(blocked)) else { return }
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
        let viewer = try #require(viewers[handle], place)
        // Its close is on the way.
        guard !viewer.isGone else { return }
        try #require(!viewer.isBlocked, "\(place): nothing is sent to a full socket")
        let interval: Microseconds =
            viewer.rate.map { Microseconds(1_000_000 / $0) } ?? (visible(viewer).count > 8 ? 250_000 : 0)
        try #require(viewer.lastWrite.map { $0 + interval <= monotonic } ?? true, "\(place): too soon")
        let pushes = try TopicPush.read(bytes)
        switch outcome {
        case .busy:
            viewers[handle]!.isBlocked = true
            return
        case .gone:
            viewers[handle]!.isGone = true
            return
        case .sent: break
        }
        viewers[handle]!.lastWrite = monotonic
        var told: [String: Int] = [:]
        for left in pushes.flatMap(\.left) { told[left.driver + " " + left.subject, default: 0] += 1 }
        try #require(told == viewer.departures, "\(place): each departure is told once, and at the first occasion")
        viewers[handle]!.departures = [:]
        for status in pushes.flatMap(\.status) {
            let driver = try #require(table.index(of: DriverID(status.driver)!))
            try #require(Set(status.subjects) == subjects(viewer, driver) && !status.subjects.isEmpty, place)
            viewers[handle]!.status[driver] = status.state
        }
        for position in pushes.flatMap(\.positions) {
            let driver = try #require(table.index(of: DriverID(position.driver)!))
            try check(position, driver, newest[driver]!, viewer)
            try #require(position.recordedAt >= viewer.sent[driver] ?? .min, "\(place): an older one after a newer")
            viewers[handle]!.sent[driver] = position.recordedAt
        }
        viewers[handle]!.client.inFlight += pushes.map { .push($0) }
    }

    // MARK: The end

    /// All sockets take everything, all turns come: then every screen is right.
    mutating func settle() throws {
        sendsWhatItLikes = false
        while !arriving.isEmpty { arrive() }
        sweep()
        for handle in viewers.keys.sorted() where viewers[handle]!.isGone { close(handle) }
        while viewers.values.contains(where: { $0.client.unsent != nil }) { try answerFurther() }
        for handle in viewers.keys.sorted() where viewers[handle]!.isBlocked { try writable(handle) }
        var turns = 0
        repeat {
            monotonic += 10_000_000
            try flush()
            turns += 1
            try #require(turns < 100, place)
        } while fanout.hasNews
        for (handle, viewer) in viewers {
            try #require(viewer.departures.isEmpty, "\(place): viewer \(handle) was not told who left")
            for driver in visible(viewer) {
                let expected = newest[driver].map { $0.recordedAt / 1_000 }
                try #require(viewer.sent[driver] == expected, "\(place): viewer \(handle), driver \(driver)")
                let presence = fanout.presence(of: driver)
                try #require(viewer.status[driver] ?? "live" == presence.name, "\(place): viewer \(handle)")
            }
        }
    }
}
