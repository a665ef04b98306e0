/// Names that count for a few seconds after they were seen, and no more of them than fit: tokens that are unknown, so that
/// garbage is not asked about again and again, and credentials that were revoked, so that an answer which was under way
/// does not bring them back.
import Tracking

/// See the file's head.
struct RecentlySeen {
    private let seconds: Int64
    private let limit: Int
    private var until: [String: Microseconds] = [:]

    /// Names count for `seconds`; of more than `limit` the older half is forgotten.
    init(seconds: Int, limit: Int) {
        self.seconds = Int64(seconds)
        self.limit = limit
    }

    /// Names that are kept.
    var count: Int { until.count }

    /// Remembers a name at `now`, in monotonic microseconds.
    mutating func insert(_ name: String, now: Microseconds) {
        if until.count >= limit { until = until.filter { $0.value > now } }
        if until.count >= limit {
            let median = until.values.sorted()[limit / 2]
            until = until.filter { $0.value > median }
        }
        until[name] = now + seconds * 1_000_000
    }

    /// Whether the name was seen not long before `now`.
    func contains(_ name: String, now: Microseconds) -> Bool {
        until[name].map { $0 > now } ?? false
    }
}
