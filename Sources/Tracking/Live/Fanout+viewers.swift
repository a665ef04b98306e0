/// Viewers and the edges from them to the drivers they see.

extension Fanout {
    /// A viewer on the socket that the caller knows as `handle`, who sees positions on a grid of `precision` metres.
    public mutating func openViewer(handle: Int, precision: Int32 = 0) -> ViewerIndex {
        counters.viewers += 1
        let viewer: ViewerIndex
        if let free = freeViewers.popLast() {
            viewer = free
            viewers[free].handle = Int32(handle)
        } else {
            viewers.append(FanoutViewer(handle: handle))
            viewer = viewers.count - 1
        }
        viewers[viewer].precision = precision
        return viewer
    }

    /// The viewer is gone; `now` is wall time.
    public mutating func closeViewer(_ viewer: ViewerIndex, now: Microseconds) {
        clearPending(viewer)
        // The number is given to somebody else, who missed nothing.
        overrun.removeAll { $0 == viewer }
        while viewers[viewer].firstEdge >= 0 { removeEdge(Int(viewers[viewer].firstEdge), now: now) }
        while viewers[viewer].firstSubscription >= 0 {
            removeSubscription(Int(viewers[viewer].firstSubscription), now: now)
        }
        // Its place in `ready` stays for whoever gets the number next: a search there would cost a crowd that leaves the
        // square of its size.
        let isReady = viewers[viewer].isReady
        viewers[viewer] = FanoutViewer(handle: -1)
        viewers[viewer].isReady = isReady
        freeViewers.append(viewer)
        counters.viewers -= 1
    }

    /// How many subjects the viewer watches.
    public func subjectCount(of viewer: ViewerIndex) -> Int { Int(viewers[viewer].subjectCount) }

    /// The viewer sees positions on another grid from now on.
    public mutating func setPrecision(_ metres: Int32, of viewer: ViewerIndex) {
        viewers[viewer].precision = metres
    }

    /// The viewer watches the driver from now on; false where it did already. A driver that is not live is told next.
    public mutating func watch(_ driver: DriverIndex, by viewer: ViewerIndex) -> Bool {
        // The snapshot has what is not distributed yet, and the cursor that goes with it is to cover that.
        distribute()
        let isNew = lead(viewer, to: driver, through: SubjectSets.directTopic, isNews: false)
        if isNew { viewers[viewer].subjectCount += 1 }
        distributedThrough = log.end
        return isNew
    }

    /// The viewer no longer watches the driver itself; false where it did not.
    public mutating func unwatch(_ driver: DriverIndex, by viewer: ViewerIndex, now: Microseconds) -> Bool {
        guard let edge = edge(from: viewer, to: driver),
            composer.sets.contains(SubjectSets.directTopic, in: edges[edge].set)
        else { return false }
        part(edge, from: SubjectSets.directTopic, now: now)
        viewers[viewer].subjectCount -= 1
        return true
    }

    /// The fastest this viewer wants to hear, in writes a second; nil for the default (API.md: every tick, or four a
    /// second for a viewer of more than eight drivers).
    public mutating func setRate(_ hertz: Double?, of viewer: ViewerIndex) {
        viewers[viewer].requestedInterval = hertz.map { Int32(1_000_000 / max(0.01, min($0, 50))) } ?? -1
    }

    // MARK: Why a viewer sees a driver

    /// One more subject leads the viewer to the driver; false where it did already. `isNews`: the viewer has no
    /// snapshot of it and is told all.
    mutating func lead(_ viewer: ViewerIndex, to driver: DriverIndex, through topic: Int32, isNews: Bool) -> Bool {
        let known = edge(from: viewer, to: driver)
        if let known, composer.sets.contains(topic, in: edges[known].set) { return false }
        let edge = known ?? addEdge(from: viewer, to: driver)
        edges[edge].set = composer.sets.adding(topic, to: edges[edge].set, of: topics)
        if isNews {
            mark(edge, drivers[driver].position == nil ? FanoutEdge.status : FanoutEdge.position | FanoutEdge.status)
            return true
        }
        switch drivers[driver].presence {
        case .live: break
        // Restored a moment ago: the next sweep says how fresh it is, instead of a false "offline" now.
        case .unknown where drivers[driver].position != nil: break
        case .unknown, .stale, .offline: mark(edge, FanoutEdge.status)
        }
        return true
    }

    /// One subject fewer leads along the edge; where none is left the edge goes, with all that was pending on it.
    mutating func part(_ edge: Int, from topic: Int32, now: Microseconds) {
        edges[edge].set = composer.sets.removing(topic, from: edges[edge].set, of: topics)
        if edges[edge].set == SubjectSets.none { removeEdge(edge, now: now) }
    }

    /// Walks the shorter of the two lists: a dispatcher watches thousands of drivers, and a star is watched by thousands.
    func edge(from viewer: ViewerIndex, to driver: DriverIndex) -> Int? {
        if drivers[driver].edgeCount < viewers[viewer].edgeCount {
            var edge = drivers[driver].firstEdge
            while edge >= 0, edges[Int(edge)].viewer != Int32(viewer) { edge = edges[Int(edge)].nextOfDriver }
            return edge < 0 ? nil : Int(edge)
        }
        var edge = viewers[viewer].firstEdge
        while edge >= 0, edges[Int(edge)].driver != Int32(driver) { edge = edges[Int(edge)].nextOfViewer }
        return edge < 0 ? nil : Int(edge)
    }

    private mutating func addEdge(from viewer: ViewerIndex, to driver: DriverIndex) -> Int {
        let edge: Int
        if freeEdge >= 0 {
            edge = Int(freeEdge)
            freeEdge = edges[edge].nextOfDriver
            edges[edge] = FanoutEdge(viewer: Int32(viewer), driver: Int32(driver))
        } else {
            edges.append(FanoutEdge(viewer: Int32(viewer), driver: Int32(driver)))
            edge = edges.count - 1
        }
        if drivers[driver].firstEdge < 0 { noteWatchChange(of: driver) }
        edges[edge].nextOfDriver = drivers[driver].firstEdge
        if drivers[driver].firstEdge >= 0 { edges[Int(drivers[driver].firstEdge)].previousOfDriver = Int32(edge) }
        drivers[driver].firstEdge = Int32(edge)
        edges[edge].nextOfViewer = viewers[viewer].firstEdge
        if viewers[viewer].firstEdge >= 0 { edges[Int(viewers[viewer].firstEdge)].previousOfViewer = Int32(edge) }
        viewers[viewer].firstEdge = Int32(edge)
        viewers[viewer].edgeCount += 1
        drivers[driver].edgeCount += 1
        if drivers[driver].loggedSince == ReplayLog.none { drivers[driver].loggedSince = fence() }
        counters.subscriptions += 1
        return edge
    }

    private mutating func removeEdge(_ edge: Int, now: Microseconds) {
        let removed = edges[edge]
        if removed.pending != 0 { unlinkPending(edge) }
        if removed.previousOfDriver >= 0 {
            edges[Int(removed.previousOfDriver)].nextOfDriver = removed.nextOfDriver
        } else {
            drivers[Int(removed.driver)].firstEdge = removed.nextOfDriver
        }
        if removed.nextOfDriver >= 0 { edges[Int(removed.nextOfDriver)].previousOfDriver = removed.previousOfDriver }
        if removed.previousOfViewer >= 0 {
            edges[Int(removed.previousOfViewer)].nextOfViewer = removed.nextOfViewer
        } else {
            viewers[Int(removed.viewer)].firstEdge = removed.nextOfViewer
        }
        if removed.nextOfViewer >= 0 { edges[Int(removed.nextOfViewer)].previousOfViewer = removed.previousOfViewer }
        viewers[Int(removed.viewer)].edgeCount -= 1
        drivers[Int(removed.driver)].edgeCount -= 1
        if drivers[Int(removed.driver)].firstEdge < 0 {
            drivers[Int(removed.driver)].unwatchedAt = now
            drivers[Int(removed.driver)].watchedUntil = now
            noteWatchChange(of: Int(removed.driver))
        }
        counters.subscriptions -= 1
        composer.sets.release(removed.set)
        edges[edge] = FanoutEdge(viewer: -1, driver: -1)
        edges[edge].nextOfDriver = freeEdge
        freeEdge = Int32(edge)
    }

    // MARK: What is pending

    /// Takes an edge out of its viewer's pending list; rare, so a walk will do.
    private mutating func unlinkPending(_ edge: Int) {
        let viewer = Int(edges[edge].viewer)
        if viewers[viewer].firstPending == Int32(edge) {
            viewers[viewer].firstPending = edges[edge].nextPending
            if !viewers[viewer].hasPending { viewers[viewer].isOwed = false }
            return
        }
        var previous = viewers[viewer].firstPending
        while previous >= 0, edges[Int(previous)].nextPending != Int32(edge) {
            previous = edges[Int(previous)].nextPending
        }
        if previous >= 0 { edges[Int(previous)].nextPending = edges[edge].nextPending }
    }

    mutating func clearPending(_ viewer: ViewerIndex) {
        var edge = viewers[viewer].firstPending
        while edge >= 0 {
            edges[Int(edge)].pending = 0
            edge = edges[Int(edge)].nextPending
        }
        viewers[viewer].firstPending = -1
        clearDepartures(viewer)
        viewers[viewer].isOwed = false
    }

    // MARK: Snapshots

    /// Appends the driver's element of `positions` as this viewer sees it; false where no position is known.
    public func appendPosition(
        of driver: DriverIndex, _ table: DriverTable, for viewer: ViewerIndex, to writer: inout JSONWriter
    ) -> Bool {
        guard let position = drivers[driver].position, let edge = edge(from: viewer, to: driver) else { return false }
        FrameComposer.appendElement(
            table.id(of: driver), position.coarsened(to: viewers[viewer].precision), edges[edge].set, composer.sets,
            to: &writer)
        return true
    }

    /// Appends the driver's position as whoever asks for it by its id sees it; false where none is known.
    public func appendPosition(
        of driver: DriverIndex, _ table: DriverTable, precision: Int32, to writer: inout JSONWriter
    ) -> Bool {
        guard let position = drivers[driver].position else { return false }
        FrameComposer.appendElement(
            table.id(of: driver), position.coarsened(to: precision), SubjectSets.direct, composer.sets, to: &writer)
        return true
    }
}
