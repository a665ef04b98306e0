/// Latencies as HDR histograms: three significant digits, 1 µs to a minute.
import Histogram

/// Counts latencies.
struct Latencies {
    private var histogram = Histogram<UInt64>(
        lowestDiscernibleValue: 1, highestTrackableValue: 60_000_000, numberOfSignificantValueDigits: .three)

    /// Counts `count` equal latencies, in nanoseconds.
    mutating func record(nanoseconds: Int64, count: Int = 1) {
        _ = histogram.record(UInt64(min(max(0, nanoseconds / 1_000), 60_000_000)), count: UInt64(count))
    }

    var count: Int { Int(histogram.totalCount) }

    /// Milliseconds that `percentile` percent do not exceed; 0 where nothing was counted.
    func milliseconds(_ percentile: Double) -> Double {
        count == 0 ? 0 : Double(histogram.valueAtPercentile(percentile)) / 1_000
    }
}
