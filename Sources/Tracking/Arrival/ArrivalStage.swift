/// The stages of an order's way, which follow one another and never go back.

/// How far an order has come with its driver. The raw value is `order_progress.stage`.
public enum ArrivalStage: UInt8, Sendable, Comparable, CaseIterable {
    /// Assigned, not on its way yet.
    case assigned = 0
    /// The driver has begun to move.
    case departed = 1
    /// Its estimated arrival is near.
    case arrivingSoon = 2
    /// The driver is near the destination.
    case arriving = 3
    /// The driver is there.
    case arrived = 4

    /// The name on the wire, in Postgres and in webhooks.
    public var name: String {
        switch self {
        case .assigned: "assigned"
        case .departed: "departed"
        case .arrivingSoon: "arriving_soon"
        case .arriving: "arriving"
        case .arrived: "arrived"
        }
    }

    /// By raw value.
    public static func < (one: ArrivalStage, other: ArrivalStage) -> Bool { one.rawValue < other.rawValue }
}
