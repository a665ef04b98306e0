/// Erasure and the end of a shift: what was received of a driver is forgotten here, and its viewers are told that it is
/// gone.

extension Fanout {
    /// Forgets what was received of the driver up to `instant`: its position, what returning viewers would be told again,
    /// its places in areas. Viewers of an area, order or group are told that it left; of an order or group it is still a
    /// member, without a position, and offline for the reason `erased`. Harmless where it is repeated. Returns whether a
    /// newer position is known, which stays.
    public mutating func forget(
        _ driver: DriverIndex, receivedThrough instant: Microseconds, now: Microseconds
    ) -> Bool {
        eraseLog(of: driver, receivedThrough: instant)
        guard let position = drivers[driver].position else { return false }
        guard position.receivedAt <= instant else { return true }
        drivers[driver].device.isErased = true
        remove(driver, now: now)
        return false
    }

    /// The driver is off shift from now on: its position and what returning viewers would be told again are forgotten, and
    /// it is offline for the reason `off_shift`. Viewers are told as of an erasure. Harmless where it is repeated. Returns
    /// whether it had a position.
    public mutating func leaveShift(_ driver: DriverIndex, now: Microseconds) -> Bool {
        eraseLog(of: driver, receivedThrough: .max)
        let wasOff = drivers[driver].device.isOffShift
        drivers[driver].device.isOffShift = true
        guard drivers[driver].position != nil else {
            if !wasOff { tellStatus(of: driver) }
            return false
        }
        remove(driver, now: now)
        return true
    }

    /// The driver is on shift from now on, and shows with its next position.
    public mutating func enterShift(_ driver: DriverIndex) {
        guard drivers[driver].device.isOffShift else { return }
        drivers[driver].device.isOffShift = false
        if drivers[driver].presence != .live { tellStatus(of: driver) }
    }

    /// Takes the driver's position away from all who see it.
    private mutating func remove(_ driver: DriverIndex, now: Microseconds) {
        drivers[driver].position = nil
        drivers[driver].presence = .offline
        drivers[driver].device.troubledAt = DeviceState.never
        devicesElsewhere[driver] = nil
        drivers[driver].news &= ~FanoutEdge.position
        var edge = Int(drivers[driver].firstEdge)
        while edge >= 0 {
            // In this order: an edge with nothing pending is on no list.
            mark(edge, FanoutEdge.status)
            edges[edge].pending &= ~FanoutEdge.position
            edge = Int(edges[edge].nextOfDriver)
        }
        for topic in topics(holding: driver) {
            leave(driver, topic, now: now)
            if topics[topic].box == nil { join(driver, topic, now: now) }
        }
    }

    private func topics(holding driver: DriverIndex) -> [TopicIndex] {
        var found: [TopicIndex] = []
        var link = drivers[driver].firstMembership
        while link >= 0 {
            found.append(Int(memberships[Int(link)].topic))
            link = memberships[Int(link)].nextOfOther
        }
        return found
    }

    /// Cursors of before are refused from now on, so that a viewer who returns gets a snapshot instead of a hole.
    private mutating func eraseLog(of driver: DriverIndex, receivedThrough instant: Microseconds) {
        var number = drivers[driver].lastEntry
        var oldestKept = ReplayLog.none
        var hasErased = false
        while number != ReplayLog.none, let entry = log.entry(number) {
            if entry.position.receivedAt > instant {
                oldestKept = number
            } else {
                log.erase(number)
                hasErased = true
            }
            number = entry.previous
        }
        guard hasErased else { return }
        let isLogged = drivers[driver].loggedSince != ReplayLog.none
        if oldestKept == ReplayLog.none {
            drivers[driver].lastEntry = ReplayLog.none
            if isLogged { drivers[driver].loggedSince = fence() }
        } else {
            log.cutBefore(oldestKept)
            if isLogged { drivers[driver].loggedSince = max(drivers[driver].loggedSince, oldestKept) }
        }
    }
}
