/// What the fan-out keeps: dense records that link to each other by number.

/// A viewer's dense number.
public typealias ViewerIndex = Int

/// An order's, a group's or an area's dense number.
public typealias TopicIndex = Int

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
    /// The newest entry in the replay log.
    var lastEntry = ReplayLog.none
    /// The log holds every position of the driver from this number on; `ReplayLog.none` where it holds none.
    var loggedSince = ReplayLog.none
    /// When the last edge to the driver went; long ago where none was.
    var unwatchedAt = Microseconds.min / 2
    /// Orders, groups and areas that the driver is in.
    var firstMembership: Int32 = -1
    /// When the last viewer went, on the wall clock; long ago where none was.
    var watchedUntil = Microseconds.min / 2
    /// Whether it is in `watchChanges`.
    var isWatchChanged = false
    /// What this gateway knows of its devices.
    var device = DeviceState()
    /// Whether it is in `deviceChanges`.
    var isDeviceChanged = false
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
    /// Orders, groups and areas that it watches.
    var firstSubscription: Int32 = -1
    /// All subjects that it watches.
    var subjectCount: Int32 = 0
    /// The side of the grid that it sees positions on, in metres.
    var precision: Int32 = 0
    /// Drivers that left since it was last told.
    var firstDeparture: Int32 = -1
    var departureCount: Int32 = 0
    /// Whether it was not told of a position or a departure, and up to where in the replay log it was told all.
    var isOwed = false
    var toldThrough: UInt64 = 0
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

    /// Whether it has not been told everything.
    var hasPending: Bool { firstPending >= 0 || firstDeparture >= 0 }
}

/// A viewer seeing a driver.
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
    /// The subjects that lead the viewer to the driver, in `SubjectSets`.
    var set = SubjectSets.none
    /// News bits that the viewer has not been told.
    var pending: UInt8 = 0

    init(viewer: Int32, driver: Int32) {
        self.viewer = viewer
        self.driver = driver
    }
}

/// An order, a group or an area that somebody watches, or did a moment ago.
struct FanoutTopic: Sendable {
    let subject: Subject
    /// The subject's name as JSON.
    let name: [UInt8]
    /// An area's box.
    let box: Box?
    var firstMember: Int32 = -1
    var memberCount: Int32 = 0
    var firstWatcher: Int32 = -1
    var watcherCount: Int32 = 0
    /// Whether its members are known.
    var isLoaded = false
    /// Cursors from these numbers on know of its first members, and of the last one that left.
    var loadedAt = ReplayLog.none
    var lastLossAt: UInt64 = 0
    /// When its last watcher went; the far future while it has one.
    var unwatchedAt: Microseconds
}

/// A driver that left a topic, to be told to a viewer.
struct Departure: Sendable {
    var topic: Int32
    var driver: Int32
    var next: Int32
}
