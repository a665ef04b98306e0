/// The live fan-out: newest position a driver, who watches whom, and one coalesced write a viewer a tick.
///
/// Pure: `flush` asks its caller to send bytes and hears how that went. Viewers, drivers and edges (a viewer watching a
/// driver) are dense numbers in arrays; the lists between them are links inside the edges, so that nothing here
/// allocates once the arrays have grown. A viewer's backlog is one bit an edge: it cannot grow.

/// A viewer's dense number.
public typealias ViewerIndex = Int

/// What came of handing bytes to a viewer's socket.
public enum SendOutcome: Sendable {
    /// The kernel has them all.
    case sent
    /// The socket still holds earlier bytes; nothing was taken. Call `writable` when it is free again.
    case busy
    /// The socket is gone; its close is reported separately.
    case gone
}

/// See the file's head.
public struct Fanout: Sendable {
    var drivers: [FanoutDriver] = []
    var viewers: [FanoutViewer] = []
    var edges: [FanoutEdge] = []
    private var freeViewers: [ViewerIndex] = []
    private var freeEdge: Int32 = -1
    /// Drivers with news since the last flush.
    private var dirty: [DriverIndex] = []
    /// Viewers with something pending that are not blocked.
    var ready: [ViewerIndex] = []
    var composer: FrameComposer
    let limits: PresenceLimits
    /// What the fan-out has done.
    public internal(set) var counters = FanoutCounters()

    /// An empty fan-out. `epoch` marks cursors of this process.
    public init(limits: PresenceLimits, epoch: UInt64) {
        self.limits = limits
        composer = FrameComposer(epoch: epoch)
    }

    // MARK: Drivers

    /// Makes room for one more driver; indices run with the judge's.
    public mutating func addDriver() -> DriverIndex {
        drivers.append(FanoutDriver())
        return drivers.count - 1
    }

    /// The newest position of a driver, if any is known.
    public func position(of driver: DriverIndex) -> Position? {
        drivers[driver].position
    }

    /// The presence as of the last update or sweep.
    func presence(of driver: DriverIndex) -> Presence {
        drivers[driver].presence
    }

    /// How many drivers there are.
    public var driverCount: Int { drivers.count }

    /// Whether any viewer watches this driver.
    func isWatched(_ driver: DriverIndex) -> Bool {
        drivers[driver].firstEdge >= 0
    }

    /// A driver has a new newest position. Hot path.
    @inline(__always)
    public mutating func update(_ driver: DriverIndex, _ position: Position, now: Microseconds) {
        assert(drivers[driver].position?.recordedAt ?? .min < position.recordedAt, "positions only go forward in time")
        drivers[driver].position = position
        setPresence(limits.presence(age: now - position.recordedAt), of: driver)
        if drivers[driver].firstEdge >= 0 {
            drivers[driver].news |= FanoutEdge.position
            markDirty(driver)
        }
    }

    /// What was known before this process began: it becomes the newest where it is newer, without being news.
    public mutating func restore(_ driver: DriverIndex, _ position: Position) {
        guard drivers[driver].position?.recordedAt ?? .min < position.recordedAt else { return }
        drivers[driver].position = position
    }

    /// Moves drivers whose newest fix has aged to `stale` and `offline`. Call about once a second.
    public mutating func sweep(now: Microseconds) {
        for driver in drivers.indices {
            guard drivers[driver].presence != .offline, let position = drivers[driver].position else { continue }
            setPresence(limits.presence(age: now - position.recordedAt), of: driver)
        }
    }

    @inline(__always)
    private mutating func setPresence(_ presence: Presence, of driver: DriverIndex) {
        guard drivers[driver].presence != presence else { return }
        drivers[driver].presence = presence
        if drivers[driver].firstEdge >= 0 {
            drivers[driver].news |= FanoutEdge.status
            markDirty(driver)
        }
    }

    @inline(__always)
    private mutating func markDirty(_ driver: DriverIndex) {
        if !drivers[driver].isDirty {
            drivers[driver].isDirty = true
            dirty.append(driver)
        }
    }

    // MARK: Viewers and what they watch

    /// A viewer on the socket that the caller knows as `handle`.
    public mutating func openViewer(handle: Int) -> ViewerIndex {
        counters.viewers += 1
        if let free = freeViewers.popLast() {
            viewers[free].handle = Int32(handle)
            return free
        }
        viewers.append(FanoutViewer(handle: handle))
        return viewers.count - 1
    }

    /// The viewer is gone.
    public mutating func closeViewer(_ viewer: ViewerIndex) {
        clearPending(viewer)
        while viewers[viewer].firstEdge >= 0 { removeEdge(Int(viewers[viewer].firstEdge)) }
        // Its place in `ready` stays for whoever gets the number next: a search there would cost a crowd that leaves the
        // square of its size.
        let isReady = viewers[viewer].isReady
        viewers[viewer] = FanoutViewer(handle: -1)
        viewers[viewer].isReady = isReady
        freeViewers.append(viewer)
        counters.viewers -= 1
    }

    /// How many drivers the viewer watches.
    public func watchCount(of viewer: ViewerIndex) -> Int { Int(viewers[viewer].edgeCount) }

    /// The viewer watches the driver from now on; false where it did already. A driver that is not live is told next.
    public mutating func watch(_ driver: DriverIndex, by viewer: ViewerIndex) -> Bool {
        guard edge(from: viewer, to: driver) == nil else { return false }
        let edge = takeEdge()
        edges[edge] = FanoutEdge(viewer: Int32(viewer), driver: Int32(driver))
        edges[edge].nextOfDriver = drivers[driver].firstEdge
        if drivers[driver].firstEdge >= 0 { edges[Int(drivers[driver].firstEdge)].previousOfDriver = Int32(edge) }
        drivers[driver].firstEdge = Int32(edge)
        edges[edge].nextOfViewer = viewers[viewer].firstEdge
        if viewers[viewer].firstEdge >= 0 { edges[Int(viewers[viewer].firstEdge)].previousOfViewer = Int32(edge) }
        viewers[viewer].firstEdge = Int32(edge)
        viewers[viewer].edgeCount += 1
        drivers[driver].edgeCount += 1
        counters.subscriptions += 1
        switch drivers[driver].presence {
        case .live: break
        // Restored a moment ago: the next sweep says how fresh it is, instead of a false "offline" now.
        case .unknown where drivers[driver].position != nil: break
        case .unknown, .stale, .offline: mark(edge, FanoutEdge.status)
        }
        return true
    }

    /// The viewer no longer watches the driver; false where it did not.
    public mutating func unwatch(_ driver: DriverIndex, by viewer: ViewerIndex) -> Bool {
        guard let edge = edge(from: viewer, to: driver) else { return false }
        removeEdge(edge)
        return true
    }

    /// The fastest this viewer wants to hear, in writes a second; nil for the default (API.md: every tick, or four a
    /// second for a viewer of more than eight drivers).
    public mutating func setRate(_ hertz: Double?, of viewer: ViewerIndex) {
        viewers[viewer].requestedInterval = hertz.map { Int32(1_000_000 / max(0.01, min($0, 50))) } ?? -1
    }

    /// Walks the shorter of the two lists: a dispatcher watches thousands of drivers, and a star is watched by thousands.
    private func edge(from viewer: ViewerIndex, to driver: DriverIndex) -> Int? {
        if drivers[driver].edgeCount < viewers[viewer].edgeCount {
            var edge = drivers[driver].firstEdge
            while edge >= 0, edges[Int(edge)].viewer != Int32(viewer) { edge = edges[Int(edge)].nextOfDriver }
            return edge < 0 ? nil : Int(edge)
        }
        var edge = viewers[viewer].firstEdge
        while edge >= 0, edges[Int(edge)].driver != Int32(driver) { edge = edges[Int(edge)].nextOfViewer }
        return edge < 0 ? nil : Int(edge)
    }

    private mutating func takeEdge() -> Int {
        guard freeEdge >= 0 else {
            edges.append(FanoutEdge(viewer: -1, driver: -1))
            return edges.count - 1
        }
        let edge = Int(freeEdge)
        freeEdge = edges[edge].nextOfDriver
        return edge
    }

    private mutating func removeEdge(_ edge: Int) {
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
        counters.subscriptions -= 1
        edges[edge] = FanoutEdge(viewer: -1, driver: -1)
        edges[edge].nextOfDriver = freeEdge
        freeEdge = Int32(edge)
    }

    /// Takes an edge out of its viewer's pending list; rare, so a walk will do.
    private mutating func unlinkPending(_ edge: Int) {
        let viewer = Int(edges[edge].viewer)
        if viewers[viewer].firstPending == Int32(edge) {
            viewers[viewer].firstPending = edges[edge].nextPending
            return
        }
        var previous = viewers[viewer].firstPending
        while previous >= 0, edges[Int(previous)].nextPending != Int32(edge) {
            previous = edges[Int(previous)].nextPending
        }
        if previous >= 0 { edges[Int(previous)].nextPending = edges[edge].nextPending }
    }

    // MARK: Snapshots

    /// Appends the driver's element of `positions`; false where no position is known.
    public func appendPosition(of driver: DriverIndex, _ table: DriverTable, to writer: inout JSONWriter) -> Bool {
        guard let position = drivers[driver].position else { return false }
        FrameComposer.appendElement(table.id(of: driver), position, to: &writer)
        return true
    }

    /// Appends the cursor's text, `epoch:tick`.
    public func appendCursor(to writer: inout JSONWriter) {
        composer.appendCursor(to: &writer)
    }

    // MARK: News

    /// Whether a flush has anything to do.
    public var hasNews: Bool { !dirty.isEmpty || !ready.isEmpty }

    /// Hands the dirty drivers' news to the edges of their viewers.
    mutating func distribute() {
        for driver in dirty {
            drivers[driver].isDirty = false
            let news = drivers[driver].news
            drivers[driver].news = 0
            var edge = drivers[driver].firstEdge
            while edge >= 0 {
                mark(Int(edge), news)
                edge = edges[Int(edge)].nextOfDriver
            }
        }
        dirty.removeAll(keepingCapacity: true)
    }

    @inline(__always)
    private mutating func mark(_ edge: Int, _ news: UInt8) {
        if edges[edge].pending == 0 {
            let viewer = Int(edges[edge].viewer)
            edges[edge].nextPending = viewers[viewer].firstPending
            viewers[viewer].firstPending = Int32(edge)
            if !viewers[viewer].isReady, !viewers[viewer].isBlocked {
                viewers[viewer].isReady = true
                ready.append(viewer)
            }
        } else if edges[edge].pending & news & FanoutEdge.position != 0 {
            counters.conflated += 1
        }
        edges[edge].pending |= news
    }
}

/// What the fan-out has done, for metrics.
public struct FanoutCounters: Sendable {
    /// Viewers open now.
    public var viewers = 0
    /// Edges from viewers to drivers now.
    public var subscriptions = 0
    /// Writes handed to sockets.
    public var writes = 0
    /// Positions in them.
    public var deliveries = 0
    /// Positions that a newer one replaced before the viewer could be told.
    public var conflated = 0
}

/// What the fan-out keeps a driver.
struct FanoutDriver: Sendable {
    var position: Position?
    var firstEdge: Int32 = -1
    var edgeCount: Int32 = 0
    var presence = Presence.unknown
    /// Bits of `FanoutEdge` to hand to every edge.
    var news: UInt8 = 0
    var isDirty = false
}

/// What the fan-out keeps a viewer.
struct FanoutViewer: Sendable {
    var handle: Int32
    var firstEdge: Int32 = -1
    var firstPending: Int32 = -1
    var edgeCount: Int32 = 0
    /// Long ago where it never was written to.
    var lastWriteAt = Microseconds.min / 2
    /// When it last began to be blocked.
    var blockedAt: Microseconds = 0
    /// Microseconds; negative for the default.
    var requestedInterval: Int32 = -1
    var isReady = false
    /// The socket refused bytes and has not reported room since.
    var isBlocked = false

    init(handle: Int) {
        self.handle = Int32(handle)
    }

    /// The least time between two writes.
    var interval: Microseconds {
        requestedInterval >= 0 ? Microseconds(requestedInterval) : edgeCount > 8 ? 250_000 : 0
    }

    /// The earliest next write.
    var nextWriteAt: Microseconds { lastWriteAt + interval }
}

/// A viewer watching a driver.
struct FanoutEdge: Sendable {
    /// News bits.
    static let position: UInt8 = 1
    static let status: UInt8 = 2

    var viewer: Int32
    var driver: Int32
    var nextOfDriver: Int32 = -1
    var previousOfDriver: Int32 = -1
    var nextOfViewer: Int32 = -1
    var previousOfViewer: Int32 = -1
    var nextPending: Int32 = -1
    /// News bits that the viewer has not been told.
    var pending: UInt8 = 0

    init(viewer: Int32, driver: Int32) {
        self.viewer = viewer
        self.driver = driver
    }
}
