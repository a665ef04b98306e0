/// How a batch becomes transactions: whole and by the fast path first, smaller and more careful where Postgres refuses.
///
/// A state machine without I/O. The caller performs `next` and reports how it went; ranges come in the journal's order and
/// without a gap, so that each transaction can record its last record as the checkpoint.

/// The transactions that a batch still needs.
public struct HistoryPlan: Sendable {
    /// How rows get into the table.
    public enum Path: Sendable, Equatable {
        /// Fresh rows by COPY into the table, late ones through the staging table.
        case direct
        /// All through the staging table, which skips rows that are there already.
        case staging
    }

    /// One transaction.
    public enum Step: Sendable, Equatable {
        /// Write these records.
        case write(Range<Int>, Path)
        /// Put this record into the dead-letter table.
        case setAside(Int)
    }

    /// What is left, the next one last.
    private var steps: [Step] = []

    /// A plan for `count` records, of which those at `faulty` (ascending) cannot be rows.
    public init(count: Int, faulty: [Int] = []) {
        var start = 0
        for index in faulty {
            if start < index { steps.append(.write(start..<index, .direct)) }
            steps.append(.setAside(index))
            start = index + 1
        }
        if start < count { steps.append(.write(start..<count, .direct)) }
        steps.reverse()
    }

    /// What to do now; nil when the batch is done.
    public var next: Step? { steps.last }

    /// The transaction is committed.
    public mutating func succeeded() {
        steps.removeLast()
    }

    /// A row was in the table already (23505): the same records again, by the path that skips such rows. False where
    /// that was the path taken, so that it cannot help.
    public mutating func metExistingRow() -> Bool {
        guard case .write(let range, .direct) = steps.last else { return false }
        steps[steps.count - 1] = .write(range, .staging)
        return true
    }

    /// The data of some row was refused: each half on its own, and a single record is set aside. The halves keep the
    /// path, since a refusal says nothing about rows that are there already.
    public mutating func metBadRow() {
        guard case .write(let range, let path) = steps.last else { return }
        steps.removeLast()
        guard range.count > 1 else {
            steps.append(.setAside(range.lowerBound))
            return
        }
        let middle = range.lowerBound + range.count / 2
        steps.append(.write(middle..<range.upperBound, path))
        steps.append(.write(range.lowerBound..<middle, path))
    }
}
