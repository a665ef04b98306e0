/// Latencies as HDR histograms: 1 µs to a minute.
import Histogram

/// Counts latencies.
struct Latencies {
    private var histogram: Histogram<UInt64>

    /// Three significant digits; two where a second's latencies are shown and forgotten.
    init(isCoarse: Bool = false) {
        histogram = Histogram(
            lowestDiscernibleValue: 1, highestTrackableValue: 60_000_000,
            numberOfSignificantValueDigits: isCoarse ? .two : .three)
    }

    /// Counts `count` equal latencies, in nanoseconds.
    mutating func record(nanoseconds: Int64, count: Int = 1) {
        _ = histogram.record(UInt64(min(max(0, nanoseconds / 1_000), 60_000_000)), count: UInt64(count))
    }

    /// Counts all that `other`, which is as fine, has counted.
    mutating func add(_ other: Latencies) { histogram.add(other.histogram) }

    /// Forgets all.
    mutating func reset() { histogram.reset() }

    var count: Int { Int(histogram.totalCount) }

    /// Milliseconds that `percentile` percent do not exceed; 0 where nothing was counted.
    func milliseconds(_ percentile: Double) -> Double {
        count == 0 ? 0 : Double(histogram.valueAtPercentile(percentile)) / 1_000
    }
}

/// The latencies of one thing: over the measured part, during its disturbance, and in the last second.
struct LatencyRecord {
    private(set) var measured = Latencies()
    private(set) var disturbed = Latencies()
    private(set) var recent = Latencies(isCoarse: true)
    /// Intended times that are measured.
    var window: Range<Int64> = 0..<0
    /// Those that fall into a storm or a backlog's flush; the end is open until it is over.
    var disturbance: Range<Int64> = 0..<0

    mutating func record(intended: Int64, at time: Int64, count: Int = 1) {
        recent.record(nanoseconds: time - intended, count: count)
        guard window.contains(intended) else { return }
        measured.record(nanoseconds: time - intended, count: count)
        if disturbance.contains(intended) { disturbed.record(nanoseconds: time - intended, count: count) }
    }

    mutating func forgetRecent() { recent.reset() }
}
