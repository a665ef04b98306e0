// What opening a journal found, for the log and the metrics.

/// The result of checking every segment at start-up.
public struct JournalRecovery: Sendable, Equatable {
    /// The oldest record still held; `lastLSN + 1` where there is none.
    public internal(set) var firstLSN: UInt64 = 1
    /// The newest record; numbering goes on behind it. After an accepted loss at the end it lies beyond the last record.
    public internal(set) var lastLSN: UInt64 = 0
    /// Segment files found.
    public internal(set) var segments = 0
    /// Bytes of them.
    public internal(set) var bytes = 0
    /// Bytes of a group that a crash cut short, and that were never acknowledged; now zeros.
    public internal(set) var tornBytes = 0
    /// The path of the file they stood in.
    public internal(set) var tornFile: String?
    /// Records given up with `acceptCorruptSegment`, now or at an earlier start. Where the newest segment was given up the
    /// upper bound is only a bound: numbering continues beyond anything that file can have held.
    public internal(set) var lost: [ClosedRange<UInt64>] = []
    /// Files set aside by this start.
    public internal(set) var quarantined: [String] = []
    /// How long it took, in microseconds.
    public internal(set) var durationMicroseconds: Int64 = 0
}
