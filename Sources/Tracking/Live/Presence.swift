/// How fresh a driver is.

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
