// Counters of the journal's thread, for /metrics.

/// A histogram with fixed upper bounds.
public struct JournalHistogram: Sendable, Equatable {
    /// The inclusive upper bound of each bucket but the last, ascending.
    public let bounds: [UInt64]
    /// How many values fell into each bucket (not cumulative); one more than `bounds`, the last for all that are larger.
    public private(set) var counts: [UInt64]
    /// The sum of all values.
    public private(set) var sum: UInt64 = 0

    init(bounds: [UInt64]) {
        self.bounds = bounds
        counts = Array(repeating: 0, count: bounds.count + 1)
    }

    mutating func record(_ value: UInt64) {
        counts[bounds.firstIndex { value <= $0 } ?? bounds.count] += 1
        sum += value
    }
}

/// What the journal's thread has done since it was opened.
public struct JournalStatistics: Sendable, Equatable {
    /// Groups written and synced.
    public internal(set) var flushes: UInt64 = 0
    /// Bytes of these groups as they stand in the files.
    public internal(set) var flushedBytes: UInt64 = 0
    /// How long the last group took to write and sync, in microseconds.
    public internal(set) var lastFlushMicroseconds: UInt64 = 0
    /// Segments deleted after their release.
    public internal(set) var releasedSegments: UInt64 = 0
    /// Attempts to make a segment that found no space.
    public internal(set) var fullAttempts: UInt64 = 0
    /// Microseconds of write and fdatasync a group; `sum` is their total.
    public internal(set) var flushMicroseconds = JournalHistogram(
        bounds: [50, 100, 250, 500, 1000, 2500, 5000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000])
    /// Records a group; `sum` is the number of records.
    public internal(set) var groupRecords = JournalHistogram(
        bounds: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000])
}
