/// The bytes of live pushes: each driver's position encoded once a tick, framed once, shared by all its viewers.

/// Composes the frames of one tick in memory that is reused by the next.
struct FrameComposer: Sendable {
    /// A piece of the arena, as it looks to those who see the driver through one set of subjects on one grid.
    struct Slice: Sendable {
        var tick: UInt64 = 0
        var start: Int32 = 0
        var end: Int32 = 0
        var look = Look()
    }

    /// How a viewer sees a driver.
    struct Look: Sendable, Equatable {
        /// In `SubjectSets`.
        var set = SubjectSets.direct
        /// Metres.
        var precision: Int32 = 0
    }

    let epoch: UInt32
    /// Here, so that the usual subject, a driver itself, is written without touching the table of sets.
    var sets = SubjectSets()
    private let limits: PresenceLimits
    /// Counts ticks.
    private var tick: UInt64 = 0
    /// What cursors of this tick say.
    private var cursor: UInt64 = 0
    private var nowMilliseconds: Int64 = 0
    private var arena = JSONWriter()
    private var elements: [Slice] = []
    private var frames: [Slice] = []
    /// Frames for a viewer of several drivers.
    private var lefts = JSONWriter()
    private var statuses = JSONWriter()
    private var positions = JSONWriter()
    /// From receipt to this tick, for each position that was encoded since they were last taken.
    var latencies: [Microseconds] = []
    private var now: Microseconds = 0

    init(epoch: UInt32, limits: PresenceLimits) {
        self.epoch = epoch
        self.limits = limits
    }

    /// Starts a tick whose cursors say `cursor`.
    mutating func begin(now: Microseconds, cursor: UInt64) {
        tick += 1
        self.now = now
        self.cursor = cursor
        nowMilliseconds = now / 1_000
        arena.removeAll()
    }

    /// Appends a cursor's text, `epoch:number`.
    static func appendCursor(_ epoch: UInt32, _ number: UInt64, to writer: inout JSONWriter) {
        writer.integer(Int64(epoch))
        writer.raw(":")
        writer.integer(Int64(truncatingIfNeeded: number))
    }

    /// The whole frame that says nothing but this driver's position.
    mutating func sharedFrame(
        of driver: DriverIndex, _ table: DriverTable, _ position: Position, _ look: Look
    ) -> Slice {
        grow(to: driver)
        if frames[driver].tick == tick {
            if frames[driver].look == look { return frames[driver] }
        } else {
            latencies.append(now - position.receivedAt)
        }
        let payload = WebSocketFrame.reserve(&arena.bytes)
        Self.openPositions(&arena, nowMilliseconds)
        appendElement(table.id(of: driver), position, look)
        Self.closePositions(&arena, epoch, cursor)
        let start = WebSocketFrame.close(&arena.bytes, payload: payload)
        frames[driver] = Slice(tick: tick, start: Int32(start), end: Int32(arena.bytes.count), look: look)
        return frames[driver]
    }

    /// Lends the bytes of a slice of this tick.
    func send(_ slice: Slice, _ body: (Span<UInt8>) -> SendOutcome) -> SendOutcome {
        body(arena.bytes.span.extracting(Int(slice.start)..<Int(slice.end)))
    }

    // MARK: Several drivers

    mutating func beginComposed() {
        lefts.removeAll()
        statuses.removeAll()
        positions.removeAll()
    }

    mutating func addLeft(_ id: DriverID, _ topicName: [UInt8]) {
        if lefts.bytes.isEmpty {
            _ = WebSocketFrame.reserve(&lefts.bytes)
            lefts.raw("{\"left\":[")
        } else {
            lefts.raw(",")
        }
        lefts.raw("{\"driver_id\":")
        lefts.id(id)
        lefts.raw(",\"subject\":")
        lefts.bytes.append(contentsOf: topicName)
        lefts.raw("}")
    }

    mutating func addPosition(
        of driver: DriverIndex, _ table: DriverTable, _ position: Position, _ look: Look
    ) {
        grow(to: driver)
        if elements[driver].tick != tick || elements[driver].look != look {
            if elements[driver].tick != tick { latencies.append(now - position.receivedAt) }
            let start = arena.bytes.count
            appendElement(table.id(of: driver), position, look)
            elements[driver] = Slice(tick: tick, start: Int32(start), end: Int32(arena.bytes.count), look: look)
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

    mutating func addStatus(
        _ id: DriverID, _ presence: Presence, _ position: Position?, _ device: DeviceState, _ set: Int32
    ) {
        // Restored a moment ago: no sweep has seen it yet.
        let presence =
            presence == .unknown ? position.map { limits.presence(age: now - $0.recordedAt) } ?? presence : presence
        if statuses.bytes.isEmpty {
            _ = WebSocketFrame.reserve(&statuses.bytes)
            statuses.raw("{\"now\":")
            statuses.integer(nowMilliseconds)
            statuses.raw(",\"status\":[")
        } else {
            statuses.raw(",")
        }
        statuses.raw("{\"driver_id\":")
        statuses.id(id)
        sets.append(set, id, to: &statuses)
        statuses.raw(",\"state\":\"")
        statuses.raw(presence.name)
        statuses.raw("\"")
        if let position {
            statuses.raw(",\"last_recorded_at\":")
            statuses.integer(Timestamp.floorDivide(position.recordedAt, 1_000))
        }
        if presence != .live {
            statuses.raw(",\"reason\":\"")
            let heardAt = position?.receivedAt ?? .min
            statuses.raw(device.reason(presence, heardAt: heardAt, now: now, limits: limits))
            statuses.raw("\"")
            if let ahead = device.clockAhead(heardAt: heardAt, now: now, limits: limits) {
                statuses.raw(",\"clock_offset_ms\":")
                statuses.integer(ahead / 1_000)
            }
        }
        statuses.raw("}")
    }

    /// Lends the frames composed since `beginComposed`, where there are any: who left, then statuses, then positions,
    /// so that a driver is introduced before it is seen.
    mutating func sendComposed(_ body: (Span<UInt8>) -> SendOutcome) -> SendOutcome {
        let header = WebSocketFrame.maximumHeaderBytes
        var positionStart = 0
        if !positions.bytes.isEmpty {
            Self.closePositions(&positions, epoch, cursor)
            positionStart = WebSocketFrame.close(&positions.bytes, payload: header)
        }
        if lefts.bytes.isEmpty, statuses.bytes.isEmpty {
            return body(positions.bytes.span.extracting(positionStart..<positions.bytes.count))
        }
        var start = 0
        if !lefts.bytes.isEmpty {
            lefts.raw("]}")
            start = WebSocketFrame.close(&lefts.bytes, payload: header)
        }
        if !statuses.bytes.isEmpty {
            statuses.raw("]}")
            let statusStart = WebSocketFrame.close(&statuses.bytes, payload: header)
            lefts.bytes.append(contentsOf: statuses.bytes[statusStart...])
        }
        lefts.bytes.append(contentsOf: positions.bytes[positionStart...])
        return body(lefts.bytes.span.extracting(start..<lefts.bytes.count))
    }

    // MARK: Pieces

    private mutating func appendElement(_ id: DriverID, _ position: Position, _ look: Look) {
        arena.raw("{\"driver_id\":")
        arena.id(id)
        if look.set == SubjectSets.direct {
            arena.raw(",\"subjects\":[\"driver:")
            arena.bytes.append(addingCapacity: id.text.count) { id.text.append(to: &$0) }
            arena.raw("\"],")
        } else {
            sets.append(look.set, id, to: &arena)
            arena.raw(",")
        }
        if look.precision == 0 {
            position.appendMembers(to: &arena)
        } else {
            position.coarsened(to: look.precision).appendMembers(to: &arena)
        }
        arena.raw("}")
    }

    // Static, since a method of `self` that is handed a part of `self` to write to would have all of it copied first.

    private static func openPositions(_ writer: inout JSONWriter, _ nowMilliseconds: Int64) {
        writer.raw("{\"now\":")
        writer.integer(nowMilliseconds)
        writer.raw(",\"positions\":[")
    }

    private static func closePositions(_ writer: inout JSONWriter, _ epoch: UInt32, _ cursor: UInt64) {
        writer.raw("],\"cursor\":\"")
        appendCursor(epoch, cursor, to: &writer)
        writer.raw("\"}")
    }

    /// One element of `positions`, as in API.md's push.
    static func appendElement(
        _ id: DriverID, _ position: Position, _ set: Int32, _ sets: SubjectSets, to writer: inout JSONWriter
    ) {
        writer.raw("{\"driver_id\":")
        writer.id(id)
        sets.append(set, id, to: &writer)
        writer.raw(",")
        position.appendMembers(to: &writer)
        writer.raw("}")
    }

    private mutating func grow(to driver: DriverIndex) {
        while elements.count <= driver {
            elements.append(Slice())
            frames.append(Slice())
        }
    }
}
