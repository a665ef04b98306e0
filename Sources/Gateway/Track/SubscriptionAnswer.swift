/// The answer to a subscription: positions by subject, in frames of a few hundred, each made when the socket takes it.
import EventLoop
import Tracking

/// An answer that is being sent. A class, so that viewers who wait for none have no room for one.
final class SubscriptionAnswer {
    /// Positions in one frame; longer answers go on with `"more":true`.
    private static let page = 500

    /// What one subject shows.
    struct Part {
        let name: String
        /// Nil for a single driver.
        let topic: TopicIndex?
        let drivers: [DriverIndex]
        /// By driver, what the viewer missed; nil where a snapshot is due.
        let replays: [[Position]]?

        init(_ name: String, _ topic: TopicIndex?, _ drivers: [DriverIndex], replays: [[Position]]?) {
            self.name = name
            self.topic = topic
            self.drivers = drivers
            self.replays = replays
        }
    }

    private let id: Int64?
    private let parts: [Part]
    private let refused: [(name: String, code: String)]
    /// The next part, and its next driver.
    private var part = 0
    private var driver = 0
    private var isFirst = true
    private(set) var isComplete = false
    /// Whether it tells missed positions, which must all go out before newer ones.
    let isReplay: Bool

    init(id: Int64?, parts: [Part], refused: [(name: String, code: String)]) {
        self.id = id
        self.parts = parts
        self.refused = refused
        isReplay = parts.contains { $0.replays?.contains { !$0.isEmpty } == true }
    }

    /// The next frame's JSON.
    func nextFrame(for viewer: ViewerIndex, _ fanout: Fanout, _ table: DriverTable) -> [UInt8] {
        guard id != nil else { return nextEvent(for: viewer, fanout, table) }
        var writer = JSONWriter()
        writer.raw("{")
        if let id { writer.raw("\"id\":\(id),") }
        writer.raw("\"subscribed\":{")
        var room = Self.page
        var isFirstPart = true
        while part < parts.count, room > 0 {
            if !isFirstPart { writer.raw(",") }
            isFirstPart = false
            appendPart(viewer, fanout, table, &room, to: &writer)
            if driver == parts[part].drivers.count {
                part += 1
                driver = 0
            }
        }
        isComplete = part == parts.count
        appendRefused(to: &writer)
        writer.raw(",\"now\":\(SystemClock.wallMicroseconds() / 1_000)")
        if !isComplete { writer.raw(",\"more\":true") }
        endFrame(viewer, fanout, to: &writer)
        return writer.bytes
    }

    /// On an event stream: what is watched first, then the positions as pushes.
    private func nextEvent(for viewer: ViewerIndex, _ fanout: Fanout, _ table: DriverTable) -> [UInt8] {
        var writer = JSONWriter()
        if isFirst {
            writer.raw("{\"subscribed\":{")
            for (offset, part) in parts.enumerated() {
                if offset > 0 { writer.raw(",") }
                writer.string(part.name)
                writer.raw(":{\"recovered\":\(part.replays != nil)}")
            }
            appendRefused(to: &writer)
            writer.raw("}")
            isComplete = parts.allSatisfy { $0.drivers.isEmpty }
            return writer.bytes
        }
        writer.raw("{\"now\":\(SystemClock.wallMicroseconds() / 1_000),\"positions\":[")
        let start = writer.bytes.count
        var room = Self.page
        while part < parts.count, room > 0 {
            appendPositions(viewer, fanout, table, &room, from: start, to: &writer)
            if driver == parts[part].drivers.count {
                part += 1
                driver = 0
            }
        }
        isComplete = part == parts.count
        writer.raw("]")
        endFrame(viewer, fanout, to: &writer)
        return writer.bytes
    }

    /// Ends `subscribed` and lists what was refused, once.
    private func appendRefused(to writer: inout JSONWriter) {
        writer.raw("},\"refused\":{")
        for (offset, entry) in refused.enumerated() where isFirst {
            if offset > 0 { writer.raw(",") }
            writer.string(entry.name)
            writer.raw(":\"\(entry.code)\"")
        }
        isFirst = false
        writer.raw("}")
    }

    /// The cursor stands last, where an event stream looks for it. Only the last frame has one: who is cut off before has
    /// not been told all that it stands for.
    private func endFrame(_ viewer: ViewerIndex, _ fanout: Fanout, to writer: inout JSONWriter) {
        guard isComplete else { return writer.raw("}") }
        writer.raw(",\"cursor\":\"")
        fanout.appendCursor(of: viewer, to: &writer)
        writer.raw("\"}")
    }

    /// Appends a subject with as many of its drivers as there is room for.
    private func appendPart(
        _ viewer: ViewerIndex, _ fanout: Fanout, _ table: DriverTable, _ room: inout Int, to writer: inout JSONWriter
    ) {
        writer.string(parts[part].name)
        writer.raw(":{\"recovered\":\(parts[part].replays != nil),\"positions\":[")
        appendPositions(viewer, fanout, table, &room, from: writer.bytes.count, to: &writer)
        writer.raw("]}")
    }

    private func appendPositions(
        _ viewer: ViewerIndex, _ fanout: Fanout, _ table: DriverTable, _ room: inout Int, from start: Int,
        to writer: inout JSONWriter
    ) {
        let current = parts[part]
        let roomBefore = room
        while driver < current.drivers.count, room > 0 {
            if let replays = current.replays {
                for position in replays[driver] {
                    if writer.bytes.count > start { writer.raw(",") }
                    fanout.appendReplayed(position, of: current.drivers[driver], table, for: viewer, to: &writer)
                    room -= 1
                }
            } else if current.topic.map({ fanout.isIn(current.drivers[driver], $0) }) ?? true {
                // Who left since the first page was told to have left, and may still be seen through another subject.
                let before = writer.bytes.count
                if before > start { writer.raw(",") }
                if fanout.appendPosition(of: current.drivers[driver], table, for: viewer, to: &writer) {
                    room -= 1
                } else {
                    writer.bytes.removeLast(writer.bytes.count - before)
                }
            }
            driver += 1
        }
        // An empty subject takes room too, so that thousands of them do not make one frame.
        if room == roomBefore { room -= 1 }
    }
}
