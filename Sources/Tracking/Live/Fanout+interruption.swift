/// What is missed while other gateways cannot be heard: returning viewers must not be told that they missed nothing.

extension Fanout {
    /// Positions of the driver may have been missed: cursors of before are refused from now on, so that a viewer who returns
    /// gets a snapshot instead of a hole.
    public mutating func interrupt(_ driver: DriverIndex) {
        guard drivers[driver].loggedSince != ReplayLog.none else { return }
        drivers[driver].loggedSince = fence()
    }

    /// The driver is not listened to any more, and nobody watches it: who returns gets a snapshot.
    public mutating func endLog(of driver: DriverIndex) {
        guard drivers[driver].firstEdge < 0 else { return interrupt(driver) }
        drivers[driver].loggedSince = ReplayLog.none
    }

    /// Calls `body` with the handle of each viewer that sees the driver.
    public func forEachViewer(of driver: DriverIndex, _ body: (Int) -> Void) {
        var edge = drivers[driver].firstEdge
        while edge >= 0 {
            body(Int(viewers[Int(edges[Int(edge)].viewer)].handle))
            edge = edges[Int(edge)].nextOfDriver
        }
    }
}
