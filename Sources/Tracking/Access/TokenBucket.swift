/// The token bucket behind every limit of a rate: so many a second in the long run, so many at once.

/// What a bucket holds and how fast it fills.
public struct RateLimit: Sendable, Equatable {
    /// Tokens a second, 0 to 10,000,000; 0 is unlimited.
    public let perSecond: Int64
    /// The most tokens at once, 1 to 1,000,000,000.
    public let burst: Int64

    /// A limit from its two numbers, each brought into its range.
    public init(perSecond: Int, burst: Int) {
        self.perSecond = Int64(min(max(perSecond, 0), 10_000_000))
        self.burst = Int64(min(max(burst, 1), 1_000_000_000))
    }

    /// Whether everything is allowed.
    public var isUnlimited: Bool { perSecond == 0 }

    /// The time that an empty bucket takes to fill, in whole seconds, rounded up; 0 where it is unlimited.
    public var secondsToFill: Int64 {
        isUnlimited ? 0 : (burst + perSecond - 1) / perSecond
    }
}

/// One bucket: 16 bytes, integers only, exact at every rate. Its limit is passed to every call, since many buckets share
/// one.
///
/// Whoever needs more at once than the bucket ever holds gets it from a full one and leaves a debt: otherwise a batch
/// larger than the burst could never be sent, and "try again later" would be a lie.
public struct TokenBucket: Sendable, Equatable {
    /// Millionths of a token; below zero it is a debt, of a burst at most where `charge` made it.
    private var level: Int64
    private var updatedAt: Microseconds

    /// Tokens are counted in millionths, so that a microsecond at one token a second is a whole number of them.
    private static let unit: Int64 = 1_000_000

    /// A full bucket.
    @inline(__always)
    public init(_ limit: RateLimit, now: Microseconds) {
        level = limit.burst &* Self.unit
        updatedAt = now
    }

    /// Takes tokens, all or none, at `now`, in microseconds of any clock; one that is set back stops the filling once.
    /// - Parameter count: 0 to 1,000,000.
    @inline(__always)
    public mutating func take(_ count: Int, _ limit: RateLimit, now: Microseconds) -> Bool {
        guard !limit.isUnlimited else { return true }
        fill(limit, now)
        guard level >= min(Int64(count), limit.burst) &* Self.unit else { return false }
        level &-= Int64(count) &* Self.unit
        return true
    }

    /// Takes tokens whether they are there or not; the debt ends at a burst.
    /// - Parameter count: 0 to 1,000,000.
    public mutating func charge(_ count: Int, _ limit: RateLimit, now: Microseconds) {
        guard !limit.isUnlimited else { return }
        fill(limit, now)
        let floor = -limit.burst * Self.unit
        // A debt that `take` left may be deeper already, and is not forgiven.
        if level > floor { level = max(floor, level - Int64(count) * Self.unit) }
    }

    /// How long to wait until `take` succeeds, in microseconds, if nothing else is taken meanwhile; 0 is now.
    public func wait(for count: Int, _ limit: RateLimit, now: Microseconds) -> Microseconds {
        guard !limit.isUnlimited else { return 0 }
        var filled = self
        filled.fill(limit, now)
        let missing = min(Int64(count), limit.burst) * Self.unit - filled.level
        return missing > 0 ? (missing + limit.perSecond - 1) / limit.perSecond : 0
    }

    /// Whole tokens that are there; below zero is a debt.
    public func available(_ limit: RateLimit, now: Microseconds) -> Int64 {
        var filled = self
        filled.fill(limit, now)
        return filled.level >= 0 ? filled.level / Self.unit : (filled.level - Self.unit + 1) / Self.unit
    }

    /// Whether nothing would be lost by forgetting this bucket.
    public func isFull(_ limit: RateLimit, now: Microseconds) -> Bool {
        var filled = self
        filled.fill(limit, now)
        return filled.level == limit.burst * Self.unit
    }

    @inline(__always)
    private mutating func fill(_ limit: RateLimit, _ now: Microseconds) {
        let elapsed = now &- updatedAt
        updatedAt = now
        guard elapsed > 0 else { return }
        let missing = limit.burst &* Self.unit &- level
        // Compared by division, the product of a long time and a high rate cannot overflow.
        if elapsed > missing / max(limit.perSecond, 1) {
            level = limit.burst &* Self.unit
        } else {
            level &+= elapsed &* limit.perSecond
        }
    }
}
