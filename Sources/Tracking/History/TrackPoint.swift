/// A ping of the past as it is read back from the history: what every export is made from.

/// A row of `driver_location_events`.
public struct TrackPoint: Sendable, Equatable {
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
    /// Metres above mean sea level, as the device gave it; nil is unknown.
    public var altitude: Float?
    /// Nil where the device did not say.
    public var source: PingSource?
    /// The device's session label; empty where it sent none.
    public var sessionID: ShortText
    /// What was noted about it.
    public var flags: PingFlags
    /// Whether nothing was heard for longer than `history.track_gap_s` before it, so that no line leads to it.
    public var followsSilence = false

    /// A point from its parts.
    public init(
        recordedAt: Microseconds, receivedAt: Microseconds, latitude: Degrees7, longitude: Degrees7, accuracy: Float,
        speed: Float? = nil, heading: Float? = nil, altitude: Float? = nil, source: PingSource? = nil,
        sessionID: ShortText = ShortText(), flags: PingFlags = []
    ) {
        self.recordedAt = recordedAt
        self.receivedAt = receivedAt
        self.latitude = latitude
        self.longitude = longitude
        self.accuracy = accuracy
        self.speed = speed
        self.heading = heading
        self.altitude = altitude
        self.source = source
        self.sessionID = sessionID
        self.flags = flags
    }

    /// The point on a grid of `metres`, as `Position.coarsened` puts it. Its altitude is unknown then, since among hills
    /// it would tell the place.
    public func coarsened(to metres: Int32) -> TrackPoint {
        guard metres > 0 else { return self }
        let position = Position(
            recordedAt: recordedAt, receivedAt: receivedAt, latitude: latitude, longitude: longitude,
            accuracy: accuracy, speed: nil, heading: nil
        ).coarsened(to: metres)
        var point = self
        point.latitude = position.latitude
        point.longitude = position.longitude
        point.accuracy = position.accuracy
        point.altitude = nil
        return point
    }
}
