/// What a ping can become (API.md, "What a ping can become").

/// Why a ping was refused for good.
public enum RejectionReason: UInt8, Sendable, CaseIterable {
    /// Required members missing, wrong types, a member twice.
    case malformed
    /// A device named a driver other than its own.
    case driverMismatch
    /// Outside ±90° or ±180°.
    case coordinates
    /// Exactly 0,0.
    case zeroIsland
    /// Not in 0 < accuracy < limit.
    case accuracy
    /// Recorded too far ahead of the gateway's clock.
    case future
    /// Older than what history keeps.
    case stale
    /// Simulated, where configuration forbids it.
    case mock
    /// Outside its driver's shift.
    case offShift
    /// Farther from the newest position than anyone drives in that time.
    case jump

    /// The name on the wire and in metrics.
    public var name: StaticString {
        switch self {
        case .malformed: "malformed"
        case .driverMismatch: "driver_mismatch"
        case .coordinates: "coordinates"
        case .zeroIsland: "zero_island"
        case .accuracy: "accuracy"
        case .future: "future"
        case .stale: "stale"
        case .mock: "mock"
        case .offShift: "off_shift"
        case .jump: "jump"
        }
    }
}

/// The outcome of one ping.
public enum Verdict: Sendable, Equatable {
    /// It is its driver's newest position now; kept.
    case accepted(clamped: Bool)
    /// Older than the newest: kept, never shown.
    case late(clamped: Bool)
    /// The gateway has it already; nothing happens, it is acknowledged.
    case duplicate
    /// Not kept.
    case rejected(RejectionReason)
}
