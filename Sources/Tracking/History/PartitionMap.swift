/// Which days the history table has a partition for, as far as this process knows.

/// The times a partition holds.
public struct PartitionBounds: Sendable, Equatable {
    /// The first microsecond.
    public var lower: Microseconds
    /// The first microsecond that is not in it any more.
    public var upper: Microseconds

    /// Bounds with `lower` below `upper`.
    public init(lower: Microseconds, upper: Microseconds) {
        self.lower = lower
        self.upper = upper
    }
}

/// Partitions by time, without overlaps.
public struct PartitionMap: Sendable {
    /// Ascending.
    public private(set) var partitions: [PartitionBounds]
    /// Pings come in order, so the partition of the last one nearly always holds the next.
    private var recent = PartitionBounds(lower: 0, upper: 0)

    /// A map of `partitions`, in any order.
    public init(_ partitions: [PartitionBounds] = []) {
        self.partitions = partitions.sorted { $0.lower < $1.lower }
    }

    /// Whether a partition holds `time`.
    public mutating func covers(_ time: Microseconds) -> Bool {
        if time >= recent.lower && time < recent.upper { return true }
        guard let below = partitions.last(where: { $0.lower <= time }), time < below.upper else { return false }
        recent = below
        return true
    }

    /// The first time of `batch` that no partition holds; nil where all are held.
    public mutating func firstUncovered(in batch: borrowing HistoryBatch) -> Microseconds? {
        for index in 0..<batch.count {
            if let time = batch.recordedAt(index), !covers(time) { return time }
        }
        return nil
    }

    /// What of `day` around the uncovered `time` is free: a whole day, or less of it where other bounds reach into it
    /// because the time zone was changed.
    public func gap(around time: Microseconds, within day: PartitionBounds) -> PartitionBounds {
        var gap = day
        for partition in partitions {
            if partition.upper <= time { gap.lower = max(gap.lower, partition.upper) }
            if partition.lower > time { gap.upper = min(gap.upper, partition.lower) }
        }
        return gap
    }
}

/// Names of partitions.
public enum PartitionName {
    /// The table that is partitioned.
    public static let table = "driver_location_events"

    /// `driver_location_events_YYYYMMDD` for the day `YYYYMMDD` of the history's time zone. `part` tells several
    /// partitions of one day apart, which only a change of the zone can bring about: the first has number 1 and no suffix.
    public static func name(day: String, part: Int = 1) -> String {
        part == 1 ? "\(table)_\(day)" : "\(table)_\(day)_part\(part)"
    }
}
