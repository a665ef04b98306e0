/// Cursors, and what a viewer is told that returns with one.

/// Where a viewer stands in one process's stream.
public struct Cursor: Sendable, Equatable {
    let epoch: UInt32
    /// Entries of the replay log below this were told.
    let number: UInt64

    /// Nil where the text is no cursor of Drover's.
    public init?(_ text: String) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard text.utf8.count <= 40, parts.count == 2, let epoch = UInt32(parts[0]), let number = UInt64(parts[1])
        else { return nil }
        self.epoch = epoch
        self.number = number
    }
}

extension Fanout {
    /// A watched driver's position, for whoever returns. Hot path.
    @inline(__always)
    mutating func remember(_ position: Position, of driver: DriverIndex) {
        drivers[driver].lastEntry = log.append(position, previous: drivers[driver].lastEntry)
    }

    /// A number above every cursor that was handed out until now, and not above those handed out from the next
    /// distribution on: whether a cursor has seen what happens now is then never in doubt. Where nothing that is watched
    /// moves, the log's end alone would stand still for hours.
    mutating func fence() -> UInt64 {
        if log.end == distributedThrough { log.skip() }
        return log.end
    }

    /// From now on the driver's positions are kept for whoever returns: for as long as somebody watches it, and then for
    /// as long as he may come back.
    mutating func keepLog(of driver: DriverIndex, now: Microseconds) {
        guard drivers[driver].loggedSince == ReplayLog.none else { return }
        drivers[driver].loggedSince = fence()
        drivers[driver].unwatchedAt = now
    }

    /// The number of the driver's newest position in the log, where it is entered if it was not.
    mutating func newestEntry(of driver: DriverIndex, _ position: Position) -> UInt64 {
        let last = drivers[driver].lastEntry
        if last != ReplayLog.none, last >= drivers[driver].loggedSince,
            log.entry(last)?.position.recordedAt == position.recordedAt
        {
            return last
        }
        remember(position, of: driver)
        return drivers[driver].lastEntry
    }

    /// A position of a driver whose viewers are all gone: for as long as they may come back.
    mutating func rememberUnwatched(_ position: Position, of driver: DriverIndex, now: Microseconds) {
        if now - drivers[driver].unwatchedAt < ReplayLog.span {
            remember(position, of: driver)
        } else {
            drivers[driver].loggedSince = ReplayLog.none
        }
    }

    /// Whether the topic's viewers at `cursor` saw every driver that is no member any more leave it.
    public func canResume(_ topic: TopicIndex, from cursor: Cursor) -> Bool {
        isOfThisProcess(cursor) && topics[topic].loadedAt <= cursor.number && topics[topic].lastLossAt <= cursor.number
    }

    /// Every position of the driver from `cursor` on, oldest first, but none from before it joined `topic`. Nil where
    /// some of them are gone: a snapshot is due then. Where there is none it is the newest once more: a cursor does not
    /// say which drivers its viewer had been shown when it was cut off, perhaps in the midst of a long snapshot.
    public func replay(_ driver: DriverIndex, of topic: TopicIndex?, from cursor: Cursor) -> [Position]? {
        guard isOfThisProcess(cursor) else { return nil }
        var start = cursor.number
        if let topic, let link = membership(of: driver, in: topic), memberships[link].since > 0,
            memberships[link].since >= start
        {
            start = memberships[link].since
        }
        guard drivers[driver].loggedSince <= start else { return nil }
        var found: [Position] = []
        var number = drivers[driver].lastEntry
        while number != ReplayLog.none, number >= start {
            guard found.count < ReplayLog.positionsPerDriver, let entry = log.entry(number) else { return nil }
            found.append(entry.position)
            number = entry.previous
        }
        if found.isEmpty, let position = drivers[driver].position { return [position] }
        return found.reversed()
    }

    private func isOfThisProcess(_ cursor: Cursor) -> Bool {
        cursor.epoch == composer.epoch && cursor.number <= log.end
    }

    /// Appends a replayed position as this viewer sees it.
    public func appendReplayed(
        _ position: Position, of driver: DriverIndex, _ table: DriverTable, for viewer: ViewerIndex,
        to writer: inout JSONWriter
    ) {
        guard let edge = edge(from: viewer, to: driver) else { return }
        FrameComposer.appendElement(
            table.id(of: driver), position.coarsened(to: viewers[viewer].precision), edges[edge].set, composer.sets,
            to: &writer)
    }

    /// Appends the text of a cursor that promises no more than the viewer was told.
    public func appendCursor(of viewer: ViewerIndex, to writer: inout JSONWriter) {
        let number = viewers[viewer].isOwed ? viewers[viewer].toldThrough : distributedThrough
        FrameComposer.appendCursor(composer.epoch, number, to: &writer)
    }
}
