/// What a day of a driver was made of: trips, stops, and silences.

/// From one stop, silence or end of the day to the next.
public struct Trip: Sendable, Equatable {
    /// The fix times of its first and its last ping.
    public let from, to: Microseconds
    /// Metres along the track.
    public let distance: Double
    /// The pings, both ends included.
    public let pings: Int
    /// The highest speed that was reported, in m/s; nil where none was.
    public let maximumSpeed: Float?
    /// Degrees north and east times 10⁷.
    public let start, end: (latitude: Degrees7, longitude: Degrees7)

    /// Whether both are the same.
    public static func == (one: Trip, other: Trip) -> Bool {
        (one.from, one.to, one.distance, one.pings, one.maximumSpeed)
            == (other.from, other.to, other.distance, other.pings, other.maximumSpeed)
            && one.start == other.start && one.end == other.end
    }
}

/// A stay at one place.
public struct Stop: Sendable, Equatable {
    /// The fix times of its first and its last ping there.
    public internal(set) var from, to: Microseconds
    /// Degrees north times 10⁷: the mean of its pings there.
    public internal(set) var latitude: Degrees7
    /// Degrees east times 10⁷.
    public internal(set) var longitude: Degrees7
    /// The numbers of its pings in the track.
    var ordinals: ClosedRange<Int>
    /// The pings between its ends, both included.
    public var pings: Int { ordinals.count }
}

/// A time without pings, longer than `history.track_gap_s`.
public struct Silence: Sendable, Equatable {
    /// The fix times of the pings before and after it.
    public let from, to: Microseconds
}

/// What counts as a stop and as a silence.
public struct TripRules: Sendable {
    /// The least length of a stop, in microseconds.
    public var stop: Microseconds
    /// How far from a stop's middle its pings lie, in metres.
    public var radius: Double
    /// The longest time between two pings that a line joins, in microseconds.
    public var silence: Microseconds

    /// Rules from their parts.
    public init(stop: Microseconds, radius: Double, silence: Microseconds) {
        self.stop = stop
        self.radius = radius
        self.silence = silence
    }
}
