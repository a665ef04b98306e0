/// Why a driver is not fresher: what its devices did, and what was wrong with their pings.

/// What keeps a driver who does report off the map.
public enum Trouble: Sendable, Equatable {
    /// Its pings are refused as too inaccurate.
    case lowAccuracy
    /// Its pings are refused as of the future: the phone's clock is ahead by so much, in microseconds.
    case clock(ahead: Microseconds)
}

/// What is known of a driver's devices, beside their pings: by one gateway, or by several together.
public struct DeviceState: Sendable, Equatable {
    /// How the last connection ended.
    public enum End: UInt8, Sendable {
        /// There was none, as with phones that POST.
        case none
        /// Without a word: the network, or a crash.
        case dropped
        /// With a goodbye.
        case closed
    }

    /// Connections that are open now.
    public var connections: Int32 = 0
    /// How the last connection ended, and when.
    public var lastEnd = End.none
    /// Long ago where none has.
    public var endedAt = never
    /// What pings were last refused for, and when.
    public var trouble = Trouble.lowAccuracy
    /// Long ago where they never were.
    public var troubledAt = never
    /// Whether the newest position was erased. It says something only while there is no other.
    var isErased = false
    /// Whether the driver is known to be off shift.
    var isOffShift = false

    /// Long ago, in microseconds.
    public static let never = Microseconds.min / 2

    /// Devices of which nothing is known.
    public init() {}

    /// The same with what another gateway knows: connections add up, and of each end and trouble the latest counts.
    public func joined(with other: DeviceState) -> DeviceState {
        var both = self
        both.connections += other.connections
        if other.endedAt > endedAt { (both.lastEnd, both.endedAt) = (other.lastEnd, other.endedAt) }
        if other.troubledAt > troubledAt { (both.trouble, both.troubledAt) = (other.trouble, other.troubledAt) }
        return both
    }

    /// Why the driver is stale or offline, as on the wire. `heardAt` is when its newest position came.
    func reason(_ presence: Presence, heardAt: Microseconds, now: Microseconds, limits: PresenceLimits) -> String {
        // Whatever its devices do, none of it counts.
        if isOffShift { return "off_shift" }
        // Nothing was heard since: a position would have come.
        if isErased, heardAt == .min { return "erased" }
        if isTroubled(since: heardAt, now: now, limits: limits) {
            return trouble == .lowAccuracy ? "low_accuracy" : "clock"
        }
        if connections > 0 { return "no_ping" }
        switch lastEnd {
        case .none: return "no_ping"
        case .closed: return "ended"
        // It may come back any moment, until it has been away for long.
        case .dropped: return presence == .stale ? "reconnecting" : "disconnected"
        }
    }

    /// How far ahead the phone's clock is, where that is its trouble now.
    func clockAhead(heardAt: Microseconds, now: Microseconds, limits: PresenceLimits) -> Microseconds? {
        guard isTroubled(since: heardAt, now: now, limits: limits), case .clock(let ahead) = trouble else { return nil }
        return ahead
    }

    /// Pings were refused lately, and none was good since: one bad fix among good ones explains nothing.
    private func isTroubled(since heardAt: Microseconds, now: Microseconds, limits: PresenceLimits) -> Bool {
        troubledAt > heardAt && now - troubledAt < limits.offline
    }
}
