/// How fresh a driver is, and why it is not fresher.

/// How fresh a driver is, from the age of the newest fix.
public enum Presence: UInt8, Sendable {
    /// Nothing is known of the driver.
    case unknown
    /// The newest fix is younger than the stale limit.
    case live
    /// Older than that, younger than the offline limit.
    case stale
    /// Older than that.
    case offline

    /// The name on the wire.
    public var name: String {
        switch self {
        case .unknown, .offline: "offline"
        case .live: "live"
        case .stale: "stale"
        }
    }
}

/// The ages at which a driver changes presence.
public struct PresenceLimits: Sendable {
    /// Microseconds; 30 s by default (API.md).
    public var stale: Microseconds = 30_000_000
    /// Microseconds; 120 s by default (API.md).
    public var offline: Microseconds = 120_000_000

    /// API.md's limits.
    public init() {}

    /// The presence at an age.
    @inline(__always)
    public func presence(age: Microseconds) -> Presence {
        age < stale ? .live : age < offline ? .stale : .offline
    }
}

/// What keeps a driver who does report off the map.
public enum Trouble: Sendable, Equatable {
    /// Its pings are refused as too inaccurate.
    case lowAccuracy
    /// Its pings are refused as of the future: the phone's clock is ahead by so much, in microseconds.
    case clock(ahead: Microseconds)
}

/// What is known of a driver's devices, beside their pings.
struct DeviceState: Sendable {
    /// How the last connection ended.
    enum End: UInt8 {
        /// There was none, as with phones that POST.
        case none
        /// Without a word: the network, or a crash.
        case dropped
        /// With a goodbye.
        case closed
    }

    /// Connections that are open now.
    var connections: Int32 = 0
    var lastEnd = End.none
    /// When pings were last refused for trouble; long ago where they never were.
    var troubledAt = Microseconds.min / 2
    var trouble = Trouble.lowAccuracy
    /// Whether the newest position was erased. It says something only while there is no other.
    var isErased = false
    /// Whether the driver is known to be off shift.
    var isOffShift = false

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
