/// Brings rows to a statement with `{rows}`, a batch at a time, the next only after the former ended.
import PostgresClient
import Tracking

/// A row is made of its item when its turn comes, so that it is the newest. Where the platform's tables refuse a batch for a
/// value in it, it is halved until the row at fault is found, which is left out. Lives on the loop's thread.
final class RowWrite<Item> {
    /// The most rows of one statement.
    private static var batch: Int { 1_000 }

    private let database: SystemDatabase
    private let statement: String
    /// Appends the row of an item; false, with nothing appended, where there is none any more.
    private let row: (Item, inout JSONWriter) -> Bool
    /// Hears what could not be written because the database is away or has no such table.
    var putBack: ([Item]) -> Void = { _ in }
    private var waiting: [Item] = []
    private var take = RowWrite.batch
    private var isRunning = false
    private var whenDone: [() -> Void] = []
    private(set) var progress: WriteProgress

    init(
        _ database: SystemDatabase, _ statement: String, row: @escaping (Item, inout JSONWriter) -> Bool
    ) {
        self.database = database
        self.statement = statement
        self.row = row
        progress = WriteProgress(statement)
    }

    /// Whether a round is under way: what comes meanwhile is for the next.
    var isBusy: Bool { isRunning }

    /// Writes the rows of `items`; nothing else may be under way.
    func write(_ items: [Item]) {
        precondition(!isRunning, "one round after the other")
        waiting = items
        next()
    }

    /// Calls `then` when nothing is under way any more.
    func whenIdle(_ then: @escaping () -> Void) {
        if isRunning { whenDone.append(then) } else { then() }
    }

    private func next() {
        guard !waiting.isEmpty else { return ended() }
        isRunning = true
        let items = Array(waiting.suffix(take))
        waiting.removeLast(items.count)
        var writer = JSONWriter()
        writer.raw("[")
        var count = 0
        for item in items {
            let start = writer.bytes.count
            if count > 0 { writer.raw(",") }
            if row(item, &writer) { count += 1 } else { writer.bytes.removeLast(writer.bytes.count - start) }
        }
        writer.raw("]")
        guard count > 0 else { return next() }
        database.run(statement, ["rows": .rows(writer.bytes)]) { [weak self] answer in
            guard let self else { return }
            switch answer {
            case .success:
                progress.succeeded(rows: count)
                take = min(take * 2, Self.batch)
                next()
            case .failure(let error): failed(items, error)
            }
        }
    }

    private func failed(_ items: [Item], _ error: PostgresError) {
        progress.failed(error)
        guard [.data, .unique].contains(error.kind) else {
            let left = items + waiting
            waiting = []
            putBack(left)
            return ended()
        }
        if items.count == 1 { progress.leftOut() } else { waiting += items }
        take = max(1, items.count / 2)
        next()
    }

    private func ended() {
        isRunning = false
        let waiters = whenDone
        whenDone = []
        for then in waiters { then() }
    }
}
