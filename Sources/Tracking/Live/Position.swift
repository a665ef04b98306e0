/// A driver's newest position: what maps, hashes and the bus show.

/// An accepted ping that became its driver's newest.
public struct Position: Sendable, Equatable {
    /// The device's fix time.
    public var recordedAt: Microseconds
    /// The gateway's time of receipt.
    public var receivedAt: Microseconds
    /// Degrees north times 10⁷.
    public var latitude: Degrees7
    /// Degrees east times 10⁷.
    public var longitude: Degrees7
    /// Metres.
    public var accuracy: Float
    /// Metres a second; nil is unknown.
    public var speed: Float?
    /// Degrees in [0, 360); nil is unknown.
    public var heading: Float?

    /// A position from its parts.
    public init(
        recordedAt: Microseconds, receivedAt: Microseconds, latitude: Degrees7, longitude: Degrees7, accuracy: Float,
        speed: Float?, heading: Float?
    ) {
        self.recordedAt = recordedAt
        self.receivedAt = receivedAt
        self.latitude = latitude
        self.longitude = longitude
        self.accuracy = accuracy
        self.speed = speed
        self.heading = heading
    }

    /// The position of an accepted ping.
    public init(_ ping: Ping, receivedAt: Microseconds) {
        self.init(
            recordedAt: ping.recordedAt, receivedAt: receivedAt, latitude: ping.latitude, longitude: ping.longitude,
            accuracy: ping.accuracy, speed: ping.speed, heading: ping.heading)
    }

    /// The position of a journal record.
    public init(_ record: PingRecord) {
        self.init(
            recordedAt: record.recordedAt, receivedAt: record.receivedAt, latitude: record.latitude,
            longitude: record.longitude, accuracy: record.accuracy, speed: record.speed, heading: record.heading)
    }

    /// What the judge remembers of it.
    public var anchor: Anchor {
        Anchor(recordedAt: recordedAt, latitude: latitude, longitude: longitude, accuracy: accuracy)
    }

    /// Appends `"recorded_at":…,"lat":…,"lng":…,"speed":…,"heading":…,"accuracy":…`; what is unknown is left out.
    public func appendMembers(to writer: inout JSONWriter) {
        writer.raw("\"recorded_at\":")
        writer.integer(Timestamp.floorDivide(recordedAt, 1_000))
        writer.raw(",\"lat\":")
        writer.degrees(latitude)
        writer.raw(",\"lng\":")
        writer.degrees(longitude)
        if let speed {
            writer.raw(",\"speed\":")
            writer.thousandths(speed)
        }
        if let heading {
            writer.raw(",\"heading\":")
            // 359.9996° would print as 360, which is out of range: north is 0.
            writer.thousandths(heading >= 359.9995 ? 0 : heading)
        }
        writer.raw(",\"accuracy\":")
        writer.thousandths(accuracy)
    }
}

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
