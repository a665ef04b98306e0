/// What the history writer lets others see: written on its thread, read by metrics and health on the loop's.
import Synchronization

/// What the writer is doing.
enum HistoryState: Sendable, Equatable {
    /// On the way to Postgres, first or again; `HistoryCounters.lastError` says what is in the way.
    case connecting
    /// Connected; what becomes durable is written.
    case ready
    /// Waiting for somebody to repair what the text says. The journal is kept; it is tried again every few seconds.
    case holding(String)
    /// Ended.
    case stopped
}

/// Counters since the start of the process. Counted once their transaction is known to be committed.
final class HistoryCounters: Sendable {
    /// Upper bounds of the histogram of batch durations in milliseconds; one more bucket holds what is above.
    static let durationBounds: [Int64] = [1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 5_000]

    /// Rows inserted.
    let rowsInserted = Atomic<UInt64>(0)
    /// Rows that were in the table already.
    let rowsAlreadyThere = Atomic<UInt64>(0)
    /// Records put into the dead-letter table.
    let rowsDeadLettered = Atomic<UInt64>(0)
    /// Records taken off the journal without being kept, where no history is configured.
    let recordsDiscarded = Atomic<UInt64>(0)
    /// Records that were committed when Postgres no longer had them, since a replica was promoted that lacked them: they are
    /// written, and counted, again.
    let recordsTakenBack = Atomic<UInt64>(0)
    /// Transactions with rows.
    let batches = Atomic<UInt64>(0)
    /// The last journal record that is done with.
    let lastCommittedLSN = Atomic<UInt64>(0)
    /// When that was, in wall microseconds; 0 before the first.
    let lastCommittedAt = Atomic<Int64>(0)
    /// Microseconds from the receipt of the oldest ping of the last batch to its commit.
    let lastCommitLag = Atomic<Int64>(0)
    /// Transactions by duration: `durationBounds`, then the rest.
    let durationBuckets = InlineArray<12, Atomic<UInt64>> { _ in Atomic<UInt64>(0) }
    /// Their sum in microseconds.
    let durationSum = Atomic<Int64>(0)

    private let current = Mutex<HistoryState>(.connecting)
    private let error = Mutex<String?>(nil)
    private let partitions = Mutex<String?>(nil)

    /// What the writer is doing.
    var state: HistoryState { current.withLock { $0 } }

    /// The last thing that went wrong, with what to do about it; nil once the writer is ready again.
    var lastError: String? { error.withLock { $0 } }

    /// Why the partitions of the days ahead could not be made at the last attempt; nil where they are there.
    var partitionError: String? { partitions.withLock { $0 } }

    func set(_ state: HistoryState) {
        current.withLock { $0 = state }
    }

    func set(lastError text: String?) {
        error.withLock { $0 = text }
    }

    func set(partitionError text: String?) {
        partitions.withLock { $0 = text }
    }

    func add(_ outcome: HistoryOutcome, now: Int64) {
        rowsInserted.wrappingAdd(outcome.inserted, ordering: .relaxed)
        rowsAlreadyThere.wrappingAdd(outcome.alreadyThere, ordering: .relaxed)
        rowsDeadLettered.wrappingAdd(outcome.deadLettered, ordering: .relaxed)
        batches.wrappingAdd(1, ordering: .relaxed)
        if let oldest = outcome.oldestReceivedAt { lastCommitLag.store(now - oldest, ordering: .relaxed) }
        lastCommittedAt.store(now, ordering: .relaxed)
        lastCommittedLSN.store(outcome.lastLSN, ordering: .releasing)
    }

    func add(durationMicroseconds duration: Int64) {
        let bucket = Self.durationBounds.firstIndex { duration <= $0 * 1_000 } ?? Self.durationBounds.count
        durationBuckets[bucket].wrappingAdd(1, ordering: .relaxed)
        durationSum.wrappingAdd(duration, ordering: .relaxed)
    }
}

/// What one transaction did, or would have done.
struct HistoryOutcome: Sendable {
    var lastLSN: UInt64
    var inserted: UInt64 = 0
    var alreadyThere: UInt64 = 0
    var deadLettered: UInt64 = 0
    var oldestReceivedAt: Int64?
}
