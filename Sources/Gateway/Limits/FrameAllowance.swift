/// How many frames one viewer may send.
import Tracking

/// Held by each viewer's session. Frames that are refused count too, so that going on only makes the wait longer.
struct FrameAllowance {
    /// What becomes of a frame.
    enum Outcome {
        case taken
        /// Beyond the limit: an error, to be sent again later.
        case refused
        /// A whole burst beyond it: the client does not listen.
        case flooding
    }

    private var bucket: TokenBucket

    init(_ limit: RateLimit, now: Microseconds) {
        bucket = TokenBucket(limit, now: now)
    }

    mutating func take(_ limit: RateLimit, now: Microseconds) -> Outcome {
        if bucket.take(1, limit, now: now) { return .taken }
        bucket.charge(1, limit, now: now)
        return bucket.available(limit, now: now) <= -limit.burst ? .flooding : .refused
    }
}
