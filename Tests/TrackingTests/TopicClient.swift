// The other end of a model's viewer: what has reached it, and how it comes back after its connection was cut.

import Testing

@testable import Tracking

/// An answer to a subscription that is being sent.
struct TopicAnswer {
    struct Part {
        let name: String
        let drivers: [DriverIndex]
        let replays: [[Position]]?
        var next = 0

        init(name: String, _ drivers: [DriverIndex], _ replays: [[Position]]?) {
            self.name = name
            self.drivers = drivers
            self.replays = replays
        }
    }

    /// A part of it, as it is on its way.
    struct Frame {
        var recovered: [String: Bool] = [:]
        var positions: [(subject: String, driver: DriverIndex, recordedAt: Int64)] = []
        var cursor: String?
    }

    var parts: [Part]
    /// Whether it was asked for with a cursor.
    let isAfter: Bool
}

/// A viewer's program.
struct TopicClient {
    enum Message {
        case push(TopicPush)
        case answer(TopicAnswer.Frame)
    }

    let precision: Int32
    /// Sent, but not received yet: lost where the connection is cut.
    var inFlight: [Message] = []
    /// An answer of which some was not sent yet.
    var unsent: TopicAnswer?
    /// What it watches, and whether an answer has said so.
    var wanted: [String: Bool] = [:]
    /// The newest fix that it has of each driver.
    var held: [String: Int64] = [:]
    /// Whom it believes to be in each subject.
    var believed: [String: Set<String>] = [:]
    var cursor: String?
    /// When it was cut off.
    var cutAt: Microseconds = 0

    init(precision: Int32) { self.precision = precision }

    mutating func asked(_ names: [String]) {
        for name in names where wanted[name] == nil { wanted[name] = false }
    }

    mutating func dropped(_ name: String) {
        wanted[name] = nil
        believed[name] = nil
        forget()
        for index in unsent?.parts.indices ?? 0..<0 where unsent!.parts[index].name == name {
            unsent!.parts[index].next = unsent!.parts[index].drivers.count
        }
    }

    /// What it had of drivers that nothing leads to any more is off its screen.
    private mutating func forget() {
        held = held.filter { driver, _ in
            wanted["driver:" + driver] != nil || believed.values.contains { $0.contains(driver) }
        }
    }

    /// The next message has come.
    mutating func receive(_ id: (DriverIndex) -> String) {
        guard !inFlight.isEmpty else { return }
        switch inFlight.removeFirst() {
        case .push(let push):
            for left in push.left { believed[left.subject]?.remove(left.driver) }
            forget()
            for status in push.status {
                for subject in status.subjects where wanted[subject] != nil {
                    believed[subject, default: []].insert(status.driver)
                }
            }
            for position in push.positions {
                held[position.driver] = max(held[position.driver] ?? .min, position.recordedAt)
                for subject in position.subjects where wanted[subject] != nil {
                    believed[subject, default: []].insert(position.driver)
                }
            }
            if let cursor = push.cursor { self.cursor = cursor }
        case .answer(let frame):
            for (subject, isRecovered) in frame.recovered where wanted[subject] != nil {
                // A snapshot says who is there, a page of it who else.
                if !isRecovered, wanted[subject] == false { believed[subject] = [] }
                wanted[subject] = true
            }
            forget()
            for position in frame.positions where wanted[position.subject] != nil {
                held[id(position.driver)] = max(held[id(position.driver)] ?? .min, position.recordedAt)
                believed[position.subject, default: []].insert(id(position.driver))
            }
            if let cursor = frame.cursor { self.cursor = cursor }
        }
    }
}

extension TopicModel {
    /// Some of what is on its way arrives.
    mutating func deliver() {
        guard let handle = anyViewer() else { return }
        let table = table
        for _ in 0..<random.int(1...4) { viewers[handle]!.client.receive { table.id(of: $0).string } }
    }

    /// A connection is cut: what is on its way is lost.
    mutating func cut() {
        guard let handle = anyViewer() else { return }
        let table = table
        while !viewers[handle]!.client.inFlight.isEmpty, !random.oneIn(3) {
            viewers[handle]!.client.receive { table.id(of: $0).string }
        }
        var client = viewers[handle]!.client
        client.inFlight = []
        client.unsent = nil
        client.cutAt = clock
        // It comes back with what it was told that it watches: a cursor says nothing of the rest.
        client.wanted = client.wanted.filter(\.value)
        close(handle)
        if !client.wanted.isEmpty { away.append(client) }
    }

    /// One that was cut off is back, with the last cursor that it received.
    mutating func comeBack() throws {
        guard !away.isEmpty, viewers.count < 8 else { return }
        var client = away.remove(at: random.int(0...away.count - 1))
        let names = client.wanted.keys.sorted()
        let cursor = client.cursor
        for name in names { client.wanted[name] = false }
        guard let handle = openViewer(client) else { return }
        var drivers: [DriverIndex] = []
        var subjects: [Subject] = []
        for subject in names.map({ Subject($0)! }) {
            if case .driver(let id) = subject { drivers.append(table.index(of: id)!) } else { subjects.append(subject) }
        }
        try answer(handle, drivers: drivers, subjects: subjects, cursor: cursor)
    }

    /// What a returning viewer is told must leave no hole that nobody admits to.
    func checkReplays(_ answer: TopicAnswer, _ viewer: TopicViewer, _ cursor: String) throws {
        for part in answer.parts {
            guard let replays = part.replays else { continue }
            let ids = part.drivers.map { table.id(of: $0).string }
            let believed = viewer.client.believed[part.name] ?? []
            try #require(
                believed.isSubset(of: ids), "\(place): \(part.name) at \(cursor): \(believed) are not all in \(ids)")
            for (driver, replay) in zip(part.drivers, replays) {
                let told = replay.map(\.recordedAt)
                try #require(replay.count <= 64 && zip(told, told.dropFirst()).allSatisfy(<), "\(place): in order")
                let all = history[driver] ?? []
                let came = Subject(part.name).flatMap { cameAt[$0]?[driver] } ?? 0
                let missed = all.dropFirst(came)
                // Alone, the newest may be from before the driver came: that is how a hand-over shows it.
                if replay != all.suffix(1) {
                    try #require(
                        replay.allSatisfy { missed.contains($0) }, "\(place): \(part.name), driver \(driver): too early"
                    )
                }
                try #require(replay.last == all.last, "\(place): \(part.name), driver \(driver): not up to now")
                guard let held = viewer.client.held[ids[part.drivers.firstIndex(of: driver)!]] else { continue }
                let due = missed.filter { $0.recordedAt / 1_000 > held }
                try #require(
                    due.allSatisfy { replay.contains($0) },
                    "\(place): \(part.name) at \(cursor), driver \(driver): a hole after \(held), \(told)")
            }
        }
    }
}
