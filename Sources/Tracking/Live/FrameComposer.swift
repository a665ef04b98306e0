/// The bytes of live pushes: each driver's position encoded once a tick, framed once, shared by all its viewers.

/// Composes the frames of one tick in memory that is reused by the next.
struct FrameComposer: Sendable {
    /// A piece of the arena.
    struct Slice: Sendable {
        var tick: UInt64 = 0
        var start: Int32 = 0
        var end: Int32 = 0
    }

    private let epoch: UInt64
    /// Counts ticks; with the epoch it is the cursor.
    private var tick: UInt64 = 0
    private var nowMilliseconds: Int64 = 0
    private var arena = JSONWriter()
    private var elements: [Slice] = []
    private var frames: [Slice] = []
    /// Frames for a viewer of several drivers.
    private var positions = JSONWriter()
    private var statuses = JSONWriter()
    /// From receipt to this tick, for each position that was encoded since they were last taken.
    var latencies: [Microseconds] = []
    private var now: Microseconds = 0

    init(epoch: UInt64) {
        self.epoch = epoch
    }

    /// Starts a tick.
    mutating func begin(now: Microseconds) {
        tick += 1
        self.now = now
        nowMilliseconds = now / 1_000
        arena.removeAll()
    }

    /// Appends the cursor's text, `epoch:tick`.
    func appendCursor(to writer: inout JSONWriter) {
        Self.appendCursor(epoch, tick, to: &writer)
    }

    private static func appendCursor(_ epoch: UInt64, _ tick: UInt64, to writer: inout JSONWriter) {
        writer.integer(Int64(truncatingIfNeeded: epoch >> 1))
        writer.raw(":")
        writer.integer(Int64(tick))
    }

    /// The whole frame that says nothing but this driver's position.
    mutating func sharedFrame(of driver: DriverIndex, _ table: DriverTable, _ position: Position) -> Slice {
        grow(to: driver)
        if frames[driver].tick == tick { return frames[driver] }
        latencies.append(now - position.receivedAt)
        let payload = WebSocketFrame.reserve(&arena.bytes)
        Self.openPositions(&arena, nowMilliseconds)
        Self.appendElement(table.id(of: driver), position, to: &arena)
        Self.closePositions(&arena, epoch, tick)
        let start = WebSocketFrame.close(&arena.bytes, payload: payload)
        frames[driver] = Slice(tick: tick, start: Int32(start), end: Int32(arena.bytes.count))
        return frames[driver]
    }

    /// Lends the bytes of a slice of this tick.
    func send(_ slice: Slice, _ body: (Span<UInt8>) -> SendOutcome) -> SendOutcome {
        body(arena.bytes.span.extracting(Int(slice.start)..<Int(slice.end)))
    }

    // MARK: Several drivers

    mutating func beginComposed() {
        positions.removeAll()
        statuses.removeAll()
    }

    mutating func addPosition(of driver: DriverIndex, _ table: DriverTable, _ position: Position) {
        grow(to: driver)
        if elements[driver].tick != tick {
            latencies.append(now - position.receivedAt)
            let start = arena.bytes.count
            Self.appendElement(table.id(of: driver), position, to: &arena)
            elements[driver] = Slice(tick: tick, start: Int32(start), end: Int32(arena.bytes.count))
        }
        if positions.bytes.isEmpty {
            _ = WebSocketFrame.reserve(&positions.bytes)
            Self.openPositions(&positions, nowMilliseconds)
        } else {
            positions.raw(",")
        }
        let slice = elements[driver]
        positions.bytes.append(contentsOf: arena.bytes[Int(slice.start)..<Int(slice.end)])
    }

    mutating func addStatus(_ id: DriverID, _ presence: Presence, _ position: Position?) {
        if statuses.bytes.isEmpty {
            _ = WebSocketFrame.reserve(&statuses.bytes)
            statuses.raw("{\"now\":")
            statuses.integer(nowMilliseconds)
            statuses.raw(",\"status\":[")
        } else {
            statuses.raw(",")
        }
        Self.appendStatus(id, presence, position, to: &statuses)
    }

    /// Lends the frames composed since `beginComposed`: positions, then statuses, where there are any.
    mutating func sendComposed(_ body: (Span<UInt8>) -> SendOutcome) -> SendOutcome {
        var start = 0
        if !positions.bytes.isEmpty {
            Self.closePositions(&positions, epoch, tick)
            start = WebSocketFrame.close(&positions.bytes, payload: WebSocketFrame.maximumHeaderBytes)
        }
        if !statuses.bytes.isEmpty {
            statuses.raw("]}")
            let statusStart = WebSocketFrame.close(&statuses.bytes, payload: WebSocketFrame.maximumHeaderBytes)
            positions.bytes.append(contentsOf: statuses.bytes[statusStart...])
        }
        return body(positions.bytes.span.extracting(start..<positions.bytes.count))
    }

    // MARK: Pieces

    // Static, since a method of `self` that is handed a part of `self` to write to would have all of it copied first.

    private static func openPositions(_ writer: inout JSONWriter, _ nowMilliseconds: Int64) {
        writer.raw("{\"now\":")
        writer.integer(nowMilliseconds)
        writer.raw(",\"positions\":[")
    }

    private static func closePositions(_ writer: inout JSONWriter, _ epoch: UInt64, _ tick: UInt64) {
        writer.raw("],\"cursor\":\"")
        appendCursor(epoch, tick, to: &writer)
        writer.raw("\"}")
    }

    /// One element of `positions`, as in API.md's push.
    static func appendElement(_ id: DriverID, _ position: Position, to writer: inout JSONWriter) {
        writer.raw("{\"driver_id\":")
        writer.id(id)
        appendSubject(id, to: &writer)
        writer.raw(",")
        position.appendMembers(to: &writer)
        writer.raw("}")
    }

    static func appendStatus(_ id: DriverID, _ presence: Presence, _ position: Position?, to writer: inout JSONWriter) {
        writer.raw("{\"driver_id\":")
        writer.id(id)
        appendSubject(id, to: &writer)
        writer.raw(",\"state\":\"")
        writer.raw(presence.name)
        writer.raw("\"")
        if let position {
            writer.raw(",\"last_recorded_at\":")
            writer.integer(Timestamp.floorDivide(position.recordedAt, 1_000))
        }
        if presence != .live { writer.raw(",\"reason\":\"no_ping\"") }
        writer.raw("}")
    }

    private static func appendSubject(_ id: DriverID, to writer: inout JSONWriter) {
        writer.raw(",\"subjects\":[\"driver:")
        writer.bytes.append(addingCapacity: id.text.count) { id.text.append(to: &$0) }
        writer.raw("\"]")
    }

    private mutating func grow(to driver: DriverIndex) {
        while elements.count <= driver {
            elements.append(Slice())
            frames.append(Slice())
        }
    }
}
