/// Whether somebody watches a driver: by name, through an order or a group, or inside an area. Its devices report more often
/// then.

extension Fanout {
    /// Whether any viewer watches this driver.
    public func isWatched(_ driver: DriverIndex) -> Bool {
        drivers[driver].firstEdge >= 0
    }

    /// When the driver's last viewer went, on the wall clock that viewers come and go by; long ago where none was. Of no
    /// meaning while somebody watches.
    public func watchedUntil(_ driver: DriverIndex) -> Microseconds {
        drivers[driver].watchedUntil
    }

    /// The drivers whose first viewer came or whose last one went since the last call, each once; some may be as they
    /// were.
    public mutating func takeWatchChanges() -> [DriverIndex] {
        guard !watchChanges.isEmpty else { return [] }
        for driver in watchChanges { drivers[driver].isWatchChanged = false }
        defer { watchChanges.removeAll(keepingCapacity: true) }
        return watchChanges
    }

    /// At most one entry a driver, however often viewers come and go before somebody asks.
    mutating func noteWatchChange(of driver: DriverIndex) {
        guard !drivers[driver].isWatchChanged else { return }
        drivers[driver].isWatchChanged = true
        watchChanges.append(driver)
    }
}
