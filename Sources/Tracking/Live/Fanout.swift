/// The live fan-out: newest position a driver, who watches whom and why, and one coalesced write a viewer a tick.
///
/// Pure: `flush` asks its caller to send bytes and hears how that went. Viewers, drivers, edges (a viewer seeing a
/// driver) and topics (orders, groups, areas) are dense numbers in arrays; the lists between them are links inside the
/// records, so that nothing here allocates a ping once the arrays have grown. A viewer's backlog is one bit an edge: it
/// cannot grow. This file has the drivers; `Fanout+viewers` who watches, `Fanout+topics` and `Fanout+areas` what leads
/// viewers to drivers, `Fanout+flush` the tick, `Fanout+replay` what a returning viewer is told again.

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
    var freeViewers: [ViewerIndex] = []
    var freeEdge: Int32 = -1
    /// Drivers with news since the last flush.
    private var dirty: [DriverIndex] = []
    /// Viewers with something pending that are not blocked.
    var ready: [ViewerIndex] = []
    var composer: FrameComposer
    let limits: PresenceLimits

    var topics: [FanoutTopic] = []
    var topicNumbers: [Subject: TopicIndex] = [:]
    var freeTopics: [TopicIndex] = []
    /// Which drivers are in which topics, and which viewers watch which.
    var memberships = TopicLinks()
    var topicSubscriptions = TopicLinks()
    var departures: [Departure] = []
    var freeDeparture: Int32 = -1
    /// Drivers whose first viewer came or whose last one went, since somebody asked.
    var watchChanges: [DriverIndex] = []
    /// Drivers whose devices did something since somebody asked.
    var deviceChanges: [DriverIndex] = []
    /// What other gateways know of the devices of drivers who are watched here.
    var devicesElsewhere: [DriverIndex: DeviceState] = [:]
    /// Viewers that missed more departures than are kept: their sockets are to be closed.
    var overrun: [ViewerIndex] = []
    var areas = AreaIndex()
    var areaCandidates: [Int32] = []
    var log: ReplayLog
    /// The end of the log when dirty drivers' news was last handed to their edges: what a cursor of now says.
    var distributedThrough: UInt64 = 0

    /// What the fan-out has done.
    public internal(set) var counters = FanoutCounters()

    /// An empty fan-out. `epoch` marks cursors of this process; `replayBytes` is the most memory that positions take
    /// which returning viewers may be told again.
    public init(limits: PresenceLimits, epoch: UInt32, replayBytes: Int) {
        self.limits = limits
        composer = FrameComposer(epoch: epoch, limits: limits)
        log = ReplayLog(bytes: replayBytes)
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

    /// A driver has a new newest position. Hot path.
    @inline(__always)
    public mutating func update(_ driver: DriverIndex, _ position: Position, now: Microseconds) {
        assert(drivers[driver].position?.recordedAt ?? .min < position.recordedAt, "positions only go forward in time")
        drivers[driver].position = position
        setPresence(limits.presence(age: now - position.recordedAt), of: driver)
        if drivers[driver].firstEdge >= 0 {
            drivers[driver].news |= FanoutEdge.position
            markDirty(driver)
            remember(position, of: driver)
        } else {
            if !areas.isEmpty { markDirty(driver) }
            if drivers[driver].loggedSince != ReplayLog.none { rememberUnwatched(position, of: driver, now: now) }
        }
    }

    /// What was known before this process began: it becomes the newest where it is newer, without being news to any but
    /// the viewers of an area that it is in.
    public mutating func restore(_ driver: DriverIndex, _ position: Position) {
        guard drivers[driver].position?.recordedAt ?? .min < position.recordedAt else { return }
        drivers[driver].position = position
        if !areas.isEmpty { markDirty(driver) }
    }

    /// Moves drivers whose newest fix has aged to `stale` and `offline`, and forgets topics that nobody watches any
    /// more. Call about once a second.
    public mutating func sweep(now: Microseconds) {
        for driver in drivers.indices {
            guard drivers[driver].presence != .offline, let position = drivers[driver].position else { continue }
            setPresence(limits.presence(age: now - position.recordedAt), of: driver)
        }
        forgetTopics(now: now)
    }

    @inline(__always)
    private mutating func setPresence(_ presence: Presence, of driver: DriverIndex) {
        guard drivers[driver].presence != presence else { return }
        drivers[driver].presence = presence
        tellStatus(of: driver)
    }

    mutating func tellStatus(of driver: DriverIndex) {
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

    // MARK: News

    /// Whether a flush has anything to do.
    public var hasNews: Bool { !dirty.isEmpty || !ready.isEmpty }

    /// Hands the dirty drivers' news to the edges of their viewers.
    mutating func distribute() {
        for driver in dirty {
            if !areas.isEmpty { findAreas(of: driver) }
            drivers[driver].isDirty = false
            let news = drivers[driver].news
            drivers[driver].news = 0
            guard news != 0 else { continue }
            var edge = drivers[driver].firstEdge
            while edge >= 0 {
                mark(Int(edge), news)
                edge = edges[Int(edge)].nextOfDriver
            }
        }
        dirty.removeAll(keepingCapacity: true)
        distributedThrough = log.end
    }

    @inline(__always)
    mutating func mark(_ edge: Int, _ news: UInt8) {
        if edges[edge].pending == 0 {
            let viewer = Int(edges[edge].viewer)
            edges[edge].nextPending = viewers[viewer].firstPending
            viewers[viewer].firstPending = Int32(edge)
            markReady(viewer)
        } else if edges[edge].pending & news & FanoutEdge.position != 0 {
            counters.conflated += 1
        }
        if news & ~edges[edge].pending & FanoutEdge.position != 0 { owe(Int(edges[edge].viewer)) }
        edges[edge].pending |= news
    }

    /// The viewer is to be told something that a cursor answers for: until then its cursors stay where they are.
    @inline(__always)
    mutating func owe(_ viewer: ViewerIndex) {
        guard !viewers[viewer].isOwed else { return }
        viewers[viewer].isOwed = true
        viewers[viewer].toldThrough = distributedThrough
    }

    @inline(__always)
    mutating func markReady(_ viewer: ViewerIndex) {
        if !viewers[viewer].isReady, !viewers[viewer].isBlocked {
            viewers[viewer].isReady = true
            ready.append(viewer)
        }
    }
}
