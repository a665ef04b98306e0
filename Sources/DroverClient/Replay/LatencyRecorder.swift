/// Latencies in microseconds, kept as an HDR histogram: three significant digits from 1 µs to an hour.
import Histogram

/// Counts latencies and tells their percentiles.
public struct LatencyRecorder: Sendable {
    private var histogram = Histogram<UInt64>(
        lowestDiscernibleValue: 1, highestTrackableValue: 3_600_000_000, numberOfSignificantValueDigits: .three)

    /// An empty one.
    public init() {}

    /// Counts one latency in microseconds; negative ones count as 0.
    public mutating func record(_ microseconds: Int64) {
        _ = histogram.record(UInt64(min(max(0, microseconds), 3_600_000_000)))
    }

    /// How many were counted.
    public var count: Int { Int(histogram.totalCount) }

    /// The latency in milliseconds that `percentile` percent do not exceed; 0 where nothing was counted.
    public func milliseconds(percentile: Double) -> Double {
        count == 0 ? 0 : Double(histogram.valueAtPercentile(percentile)) / 1000
    }

    /// Forgets everything.
    public mutating func reset() { histogram.reset() }
}
