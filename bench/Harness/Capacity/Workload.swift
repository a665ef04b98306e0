/// What is asked of `drover-bench capacity`: how many drivers, how often, and who watches.

/// Viewers that watch equally many drivers each.
struct ViewerGroup: Equatable {
    var viewers: Double
    /// Drivers that each of them watches.
    var watched: Double

    /// A viewer of more than eight drivers gets several in a write, and at most four writes a second.
    var isWall: Bool { watched > 8 }
    /// The most updates of one driver that a viewer gets in a second: four writes, or one each live.tick_ms of 20 ms.
    var updatesPerSecond: Double { isWall ? 4 : 50 }
}

/// A load, and how it is planned for.
struct Workload: Equatable {
    var drivers = 0.0
    /// Pings a second of each driver.
    var hertz = 1.0
    var groups: [ViewerGroup] = []
    /// Bytes of a driver's id.
    var idBytes = 36.0
    var retentionDays = 30.0
    /// The part of a core, a Redis thread or a server that is planned to be used; the rest is for peaks, restarts and what
    /// a neighbour loses.
    var use = 0.5
    /// Cores of a machine, each for one process.
    var coresPerMachine = 8.0
    /// Terabytes of a Postgres server's disk.
    var diskTB = 10.0

    /// The worked examples of the documentation.
    static let examples: [(name: String, workload: Workload)] = [
        (
            "city",
            Workload(
                drivers: 5_000,
                groups: [ViewerGroup(viewers: 2_000, watched: 1), ViewerGroup(viewers: 20, watched: 500)])
        ),
        (
            "country",
            Workload(
                drivers: 200_000,
                groups: [ViewerGroup(viewers: 400_000, watched: 1), ViewerGroup(viewers: 500, watched: 500)])
        ),
        ("world", Workload(drivers: 5_000_000, groups: [ViewerGroup(viewers: 20_000_000, watched: 1)])),
    ]

    var pingsPerSecond: Double { drivers * hertz }
    var viewers: Double { groups.reduce(0) { $0 + $1.viewers } }
    /// Edges between viewers and drivers.
    var edges: Double { groups.reduce(0) { $0 + $1.viewers * min($1.watched, drivers) } }
    var sockets: Double { drivers + viewers }
    /// Positions of a driver that are published in a second: at most one each redis.write_interval_ms of 250 ms.
    var publishedHertz: Double { min(hertz, 4) }

    /// Updates a second that a group's viewers get.
    func updates(of group: ViewerGroup) -> Double {
        group.viewers * min(group.watched, drivers) * min(hertz, group.updatesPerSecond)
    }
}
