/// The tick: news to viewers, each frame encoded once, one write a viewer.

extension Fanout {
    /// Tells every viewer that may hear now what is new to it. `monotonic` paces viewers, `now` is wall time for the
    /// frames; `send` gets a viewer's handle and whole WebSocket frames. Returns whether some viewers still wait for
    /// their turn, so that another tick is due.
    public mutating func flush(
        table: DriverTable, monotonic: Microseconds, now: Microseconds, send: (Int, Span<UInt8>) -> SendOutcome
    ) -> Bool {
        distribute()
        composer.begin(now: now, cursor: distributedThrough)
        var waiting = 0
        for index in ready.indices {
            let viewer = ready[index]
            if viewers[viewer].nextWriteAt > monotonic {
                ready[waiting] = viewer
                waiting += 1
            } else {
                viewers[viewer].isReady = false
                write(to: viewer, table: table, monotonic: monotonic, send: send)
            }
        }
        ready.removeLast(ready.count - waiting)
        return waiting > 0
    }

    /// Hands over how long each position took from receipt to the tick that showed it, since the last call.
    public mutating func takeLatencies(_ body: (Microseconds) -> Void) {
        for latency in composer.latencies { body(latency) }
        composer.latencies.removeAll(keepingCapacity: true)
    }

    /// The viewer's socket has room again: tells it the newest of what it missed, now or, where its rate forbids, at
    /// the first flush that may.
    public mutating func writable(
        _ viewer: ViewerIndex, table: DriverTable, monotonic: Microseconds, now: Microseconds,
        send: (Int, Span<UInt8>) -> SendOutcome
    ) {
        guard viewers[viewer].isBlocked else { return }
        viewers[viewer].isBlocked = false
        guard viewers[viewer].hasPending else { return }
        guard viewers[viewer].nextWriteAt <= monotonic else { return markReady(viewer) }
        composer.begin(now: now, cursor: distributedThrough)
        write(to: viewer, table: table, monotonic: monotonic, send: send)
    }

    /// The socket still holds earlier bytes: nothing more until `writable`.
    private mutating func block(_ viewer: ViewerIndex, monotonic: Microseconds) {
        guard !viewers[viewer].isBlocked else { return }
        viewers[viewer].isBlocked = true
        viewers[viewer].blockedAt = monotonic
    }

    /// Calls `body` with the handle of every viewer that has been blocked since before `deadline`.
    public func forEachBlocked(since deadline: Microseconds, _ body: (Int) -> Void) {
        for viewer in viewers where viewer.isBlocked && viewer.handle >= 0 && viewer.blockedAt <= deadline {
            body(Int(viewer.handle))
        }
    }

    private mutating func write(
        to viewer: ViewerIndex, table: DriverTable, monotonic: Microseconds, send: (Int, Span<UInt8>) -> SendOutcome
    ) {
        guard viewers[viewer].hasPending else { return }
        let first = Int(viewers[viewer].firstPending)
        let outcome: SendOutcome
        // Read before the composer lends its bytes: a closure that reads `self` meanwhile would copy the composer.
        let handle = Int(viewers[viewer].handle)
        if viewers[viewer].firstDeparture < 0, edges[first].nextPending < 0,
            edges[first].pending == FanoutEdge.position
        {
            // One driver moved: the same bytes for all who watch only that one.
            let driver = Int(edges[first].driver)
            guard let position = drivers[driver].position else { return }
            let look = FrameComposer.Look(set: edges[first].set, precision: viewers[viewer].precision)
            let frame = composer.sharedFrame(of: driver, table, position, look)
            outcome = composer.send(frame) { send(handle, $0) }
            if outcome == .sent { counters.deliveries += 1 }
        } else {
            let count = composeAll(of: viewer, table)
            outcome = composer.sendComposed { send(handle, $0) }
            if outcome == .sent { counters.deliveries += count }
        }
        switch outcome {
        case .sent:
            counters.writes += 1
            viewers[viewer].lastWriteAt = monotonic
            clearPending(viewer)
        case .busy: block(viewer, monotonic: monotonic)
        case .gone: clearPending(viewer)
        }
    }

    /// Frames for all that the viewer was not told; returns how many positions they hold.
    private mutating func composeAll(of viewer: ViewerIndex, _ table: DriverTable) -> Int {
        composer.beginComposed()
        var departure = viewers[viewer].firstDeparture
        while departure >= 0 {
            let left = departures[Int(departure)]
            composer.addLeft(table.id(of: Int(left.driver)), topics[Int(left.topic)].name)
            departure = left.next
        }
        let precision = viewers[viewer].precision
        var count = 0
        var edge = Int(viewers[viewer].firstPending)
        while edge >= 0 {
            let driver = Int(edges[edge].driver)
            if edges[edge].pending & FanoutEdge.status != 0 {
                composer.addStatus(
                    table.id(of: driver), drivers[driver].presence, drivers[driver].position, knownDevice(of: driver),
                    edges[edge].set)
            }
            if edges[edge].pending & FanoutEdge.position != 0, let position = drivers[driver].position {
                let look = FrameComposer.Look(set: edges[edge].set, precision: precision)
                composer.addPosition(of: driver, table, position, look)
                count += 1
            }
            edge = Int(edges[edge].nextPending)
        }
        return count
    }
}
