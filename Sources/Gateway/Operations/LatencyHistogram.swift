/// Latencies in fixed buckets, as Prometheus wants them.
import Tracking

/// Counts of latencies up to each bound.
struct LatencyHistogram {
    /// Upper bounds in microseconds: 100 µs to 10 s.
    static let bounds: [Microseconds] = [
        100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000,
        5_000_000, 10_000_000,
    ]

    /// By bucket; the last holds what is above every bound.
    private(set) var counts = InlineArray<17, Int>(repeating: 0)
    /// The sum of all latencies in microseconds.
    private(set) var sum: Int64 = 0
    /// How many there were.
    private(set) var count = 0

    @inline(__always)
    mutating func record(_ microseconds: Microseconds) {
        // A wall clock that was set back must not make a negative latency.
        let value = max(0, microseconds)
        var bucket = 0
        while bucket < 16, value > Self.bounds[bucket] { bucket += 1 }
        counts[bucket] += 1
        sum += value
        count += 1
    }
}
