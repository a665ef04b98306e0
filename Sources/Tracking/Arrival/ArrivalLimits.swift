/// Where the stages of an order's way begin, and what is assumed about roads and drivers when its time is estimated.

/// The distances and times at which stages begin.
public struct ArrivalLimits: Sendable, Equatable {
    /// How long before its estimated arrival an order arrives soon, in microseconds; 0 is never.
    public var soon: Microseconds = 300_000_000
    /// How near the destination its driver is arriving, in metres.
    public var arrivingRadius = 300.0
    /// How near it has arrived, in metres; not more than `arrivingRadius`.
    public var arrivedRadius = 50.0
    /// How far from where it was first seen with the order a driver has departed, in metres.
    public var departure = 150.0

    /// The defaults.
    public init() {}

    /// Roads are longer than the straight line by about this factor: Newell (1980) gives 1.2 for random points of a town,
    /// Giacomin and Levinson ("Road network circuity in metropolitan areas", 2015) more, and more still for short trips,
    /// which deliveries are.
    public static let detour = 1.3
    /// Nobody is taken to be slower than this in the long run, in m/s: a walk. It keeps an estimate finite while a driver
    /// stands.
    public static let slowestPace = 1.4
    /// The speed of a driver of whom nothing is known yet, in m/s: 22 km/h, a town's traffic with its stops.
    public static let assumedPace = 6.0
    /// What `DriverPace.seconds` is after some three minutes without a gap: it nears `DriverPace.memory`.
    static let steadySeconds = DriverPace.memory * 0.63
    /// How many estimates in a row must agree before something is said that an estimate alone could take back.
    static let confirmations: UInt8 = 2
}
