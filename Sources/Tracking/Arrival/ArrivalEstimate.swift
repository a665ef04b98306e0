/// When an order will be there: the remaining way, as roads go, by the driver's pace of late.
import RealModule

/// An estimate and how much it is worth.
public struct ArrivalEstimate: Sendable, Equatable {
    /// How much an estimate is worth.
    public enum Confidence: String, Sendable {
        /// Three minutes of movement stand behind it.
        case high
        /// Half a minute does.
        case medium
        /// Hardly anything is known, or the driver stands.
        case low
    }

    /// When the order arrives.
    public let arrivesAt: Microseconds
    /// The straight line from driver to destination, in metres.
    public let straightMetres: Double
    /// See there.
    public let confidence: Confidence

    /// The estimate for a driver at `position` with `pace`. `now` is the moment it is made at: what a driver who is not
    /// heard may have gone on by is not added, so that while he is silent or stands the arrival moves away with the clock.
    public init(
        from position: Position, to destination: Destination, pace: DriverPace, now: Microseconds
    ) {
        straightMetres = Distance.metres(
            position.latitude, position.longitude, destination.latitude, destination.longitude)
        let known = pace.metresPerSecond
        // The device's own speed is better than a guess, if it moves.
        let reported = position.speed.map(Double.init).flatMap { $0 > ArrivalLimits.slowestPace ? $0 : nil }
        let speed = max(ArrivalLimits.slowestPace, known ?? reported ?? ArrivalLimits.assumedPace)
        // Positions come so often that their straight lines follow the road: the pace is one along it.
        let remaining = straightMetres * ArrivalLimits.detour
        arrivesAt = now + Microseconds(remaining / speed * 1e6)
        let isMoving = known.map { $0 > ArrivalLimits.slowestPace } ?? false
        let isFresh = now - position.recordedAt <= 30_000_000
        confidence =
            switch pace.seconds {
            case ArrivalLimits.steadySeconds... where isMoving && isFresh: .high
            case 30... where isMoving && isFresh: .medium
            default: .low
            }
    }
}

/// Where an order goes.
public struct Destination: Sendable, Equatable {
    /// Degrees north times 10⁷.
    public let latitude: Degrees7
    /// Degrees east times 10⁷.
    public let longitude: Degrees7

    /// Nil where the degrees are none, or exactly 0,0, which is nobody's address.
    public init?(latitude: Double, longitude: Double) {
        guard abs(latitude) <= 90, abs(longitude) <= 180, latitude != 0 || longitude != 0 else { return nil }
        self.latitude = Degrees7((latitude * 1e7).rounded())
        self.longitude = Degrees7((longitude * 1e7).rounded())
    }
}
