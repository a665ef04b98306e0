/// One position report in Drover's own units: what every wire format is decoded into and every rule judges.

/// Degrees times 10⁷, the precision in which coordinates are judged, kept and shown (about 1.1 cm).
public typealias Degrees7 = Int32

/// Microseconds since 1970-01-01T00:00:00Z.
public typealias Microseconds = Int64

/// Where a position came from, as the device says.
public enum PingSource: UInt8, Sendable, CaseIterable {
    /// A satellite fix.
    case gps = 1
    /// Cell towers or Wi-Fi.
    case network = 2
    /// The platform's blend of the above.
    case fused = 3
    /// Set by hand.
    case manual = 4

    /// The name on the wire and in Postgres.
    public var name: StaticString {
        switch self {
        case .gps: "gps"
        case .network: "network"
        case .fused: "fused"
        case .manual: "manual"
        }
    }
}

/// A position report as received, before it is judged. Values are already rounded to the precision they are stored in.
public struct Ping: Sendable {
    /// The device's fix time.
    public var recordedAt: Microseconds = 0
    /// Degrees north, times 10⁷. Out of range values survive decoding so that the judge can name them.
    public var latitude: Degrees7 = 0
    /// Degrees east, times 10⁷.
    public var longitude: Degrees7 = 0
    /// The platform's horizontal radius in metres; as sent, zero and negatives included.
    public var accuracy: Float = 0
    /// Metres a second; nil is unknown.
    public var speed: Float?
    /// Degrees clockwise from true north in [0, 360); nil is unknown.
    public var heading: Float?
    /// Metres above mean sea level; nil is unknown.
    public var altitude: Float?
    /// Charge in [0, 1]; nil is unknown.
    public var battery: Float?
    /// The device's label for this ping on its connection; nil where it sends none.
    public var sequence: Int64?
    /// Nil where the device does not say.
    public var source: PingSource?
    /// True where the platform says that the position is simulated.
    public var isMock = false
    /// The device's session label; empty where it sends none.
    public var sessionID = ShortText()

    /// A ping with every optional value unknown.
    public init() {}
}

/// What is noted about a kept ping. The raw value is the `flags` column of `driver_location_events`.
public struct PingFlags: OptionSet, Sendable {
    /// The union of the bits below.
    public let rawValue: UInt8
    /// From the journal or the table.
    public init(rawValue: UInt8) { self.rawValue = rawValue }
    /// The reported speed was above the limit and was cut to it.
    public static let clamped = PingFlags(rawValue: 1)
    /// Older than the driver's newest position when it came: history only.
    public static let late = PingFlags(rawValue: 2)
    /// The device said that the position is simulated.
    public static let mock = PingFlags(rawValue: 4)
}
