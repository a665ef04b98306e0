/// The rules that need nothing but the ping and the time: each a small value with its limit.

/// Latitude within ±90°, longitude within ±180°.
public struct CoordinateRule: Sendable {
    @inline(__always)
    func admits(_ ping: Ping) -> Bool {
        (-900_000_000...900_000_000).contains(ping.latitude)
            && (-1_800_000_000...1_800_000_000).contains(ping.longitude)
    }
}

/// Not exactly 0,0, which is where broken receivers report from.
public struct ZeroIslandRule: Sendable {
    /// Off for fleets in the Gulf of Guinea.
    public var isEnabled = true

    @inline(__always)
    func admits(_ ping: Ping) -> Bool {
        !isEnabled || ping.latitude != 0 || ping.longitude != 0
    }
}

/// 0 < accuracy < `below`.
public struct AccuracyRule: Sendable {
    /// Metres; DropMate's limit of 200 by default.
    public var below: Float = 200

    @inline(__always)
    func admits(_ ping: Ping) -> Bool {
        ping.accuracy > 0 && ping.accuracy < below
    }
}

/// Not recorded more than `tolerance` ahead.
public struct FutureRule: Sendable {
    /// Microseconds; 30 s by default.
    public var tolerance: Microseconds = 30_000_000

    @inline(__always)
    func admits(_ ping: Ping, now: Microseconds) -> Bool {
        ping.recordedAt - now <= tolerance
    }
}

/// Not recorded longer ago than history keeps.
public struct StaleRule: Sendable {
    /// Microseconds; 30 days by default, a day where nothing is kept.
    public var retention: Microseconds = 30 * 86_400_000_000

    @inline(__always)
    func admits(_ ping: Ping, now: Microseconds) -> Bool {
        now - ping.recordedAt <= retention
    }
}

/// Not simulated, where configuration forbids it.
public struct MockRule: Sendable {
    /// Off by default: simulated positions are flagged, not refused.
    public var isForbidden = false

    @inline(__always)
    func admits(_ ping: Ping) -> Bool {
        !isForbidden || !ping.isMock
    }
}

/// The reported speed is cut to `maximum`.
public struct SpeedClamp: Sendable {
    /// Metres a second; 70 by default.
    public var maximum: Float = 70

    /// Cuts the speed; true where it was above.
    @inline(__always)
    func apply(_ ping: inout Ping) -> Bool {
        guard let speed = ping.speed, speed > maximum else { return false }
        ping.speed = maximum
        return true
    }
}

/// The implied speed, after both accuracies are taken off the distance, is at most `maximumSpeed`; `agreeing` pings in
/// a row that agree with each other move the anchor, so that a driver is never frozen by one bad fix.
public struct JumpRule: Sendable {
    /// Metres a second; 70 by default.
    public var maximumSpeed: Double = 70

    /// Whether one could have got from `from` to `to`, which is later.
    @inline(__always)
    func allows(_ from: Anchor, _ to: Anchor) -> Bool {
        let seconds = Double(to.recordedAt - from.recordedAt) / 1_000_000
        let reach = maximumSpeed * seconds + Double(from.accuracy) + Double(to.accuracy)
        // Almost every ping is decided by the bound; the exact distance costs five trigonometric functions.
        if Distance.upperBound(from.latitude, from.longitude, to.latitude, to.longitude) <= reach { return true }
        return Distance.metres(from.latitude, from.longitude, to.latitude, to.longitude) <= reach
    }
}

/// Where and when a driver was, for judging what comes next.
public struct Anchor: Sendable, Equatable {
    /// The fix time.
    public var recordedAt: Microseconds
    /// Degrees north times 10⁷.
    public var latitude: Degrees7
    /// Degrees east times 10⁷.
    public var longitude: Degrees7
    /// Metres.
    public var accuracy: Float

    /// An anchor from its parts.
    public init(recordedAt: Microseconds, latitude: Degrees7, longitude: Degrees7, accuracy: Float) {
        self.recordedAt = recordedAt
        self.latitude = latitude
        self.longitude = longitude
        self.accuracy = accuracy
    }

    init(_ ping: Ping) {
        self.init(
            recordedAt: ping.recordedAt, latitude: ping.latitude, longitude: ping.longitude, accuracy: ping.accuracy)
    }
}

/// All rules of the judge with their limits. The defaults are API.md's.
public struct JudgeRules: Sendable {
    /// See the type.
    public var coordinates = CoordinateRule()
    /// See the type.
    public var zeroIsland = ZeroIslandRule()
    /// See the type.
    public var accuracy = AccuracyRule()
    /// See the type.
    public var future = FutureRule()
    /// See the type.
    public var stale = StaleRule()
    /// See the type.
    public var mock = MockRule()
    /// See the type.
    public var clamp = SpeedClamp()
    /// See the type.
    public var jump = JumpRule()

    /// API.md's limits.
    public init() {}
}
