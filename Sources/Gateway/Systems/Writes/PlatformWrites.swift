/// What Drover keeps up to date in a platform's own tables, besides who watches whom and what happened to orders: newest
/// positions, devices that were heard of, and whatever follows from a change of the platform's own rows.
///
/// None of it is a queue: what could not be written is replaced by what is newer. The past is in Drover's history.
import EventLoop
import PostgresClient
import Tracking

/// See the file's head. Lives on the loop's thread.
final class PlatformWrites {
    let positions: PositionWrite?
    let seen: SeenWrite?
    let changed: ChangedWrite?

    init(
        _ loop: EventLoop, _ database: SystemDatabase?, _ configuration: SystemConfiguration, _ pipeline: Pipeline
    ) {
        guard let database else {
            (positions, seen, changed) = (nil, nil, nil)
            return
        }
        positions = configuration.writes[.positions].map { PositionWrite(loop, database, $0, pipeline) }
        seen = configuration.writes[.seen].map { SeenWrite(loop, database, $0) }
        changed = configuration.writes[.changed].map { ChangedWrite(loop, database, $0) }
    }

    /// By name, for metrics and readiness.
    var all: [(name: String, progress: WriteProgress)] {
        [("positions", positions?.progress), ("seen", seen?.progress), ("changed", changed?.progress)]
            .compactMap { name, progress in progress.map { (name, $0) } }
    }

    /// Writes what is left once more, then calls `then`: at latest when the database has had `milliseconds` for it.
    func finish(_ loop: EventLoop, withinMilliseconds milliseconds: Int, then: @escaping () -> Void) {
        var left = 1
        var guardTimer: LoopTimer?
        func ended() {
            left -= 1
            guard left == 0 else { return }
            guardTimer?.close()
            guardTimer = nil
            then()
        }
        if let positions {
            left += 1
            positions.finish(then: ended)
        }
        if let seen {
            left += 1
            seen.finish(then: ended)
        }
        guard left > 1 else { return ended() }
        guardTimer = LoopTimer(loop: loop) {
            guard left > 0 else { return }
            left = 1
            ended()
        }
        guardTimer?.start(afterMilliseconds: milliseconds)
        ended()
    }

    func close() {
        positions?.close()
        seen?.close()
        changed?.close()
    }
}

/// How a write is going.
struct WriteProgress {
    /// The statement's name.
    let statement: String
    /// Runs that ended well, and those that did not.
    private(set) var runs = 0
    private(set) var failures = 0
    /// Rows that were written, and rows that the platform's tables refused.
    private(set) var rows = 0
    private(set) var refused = 0
    /// Why the last run failed; nil where it did not.
    private(set) var error: String?

    init(_ statement: String) {
        self.statement = statement
    }

    mutating func succeeded(rows count: Int) {
        runs += 1
        rows += count
        error = nil
    }

    /// `error` is told without the server's words where they might quote a row.
    mutating func failed(_ error: PostgresError) {
        failures += 1
        let isAway = [.connection, .interrupted].contains(error.kind)
        self.error =
            "statement \(statement): " + (isAway || error.kind == .schema ? "\(error)" : "SQLSTATE \(error.sqlState)")
    }

    /// The platform's tables do not take one row, and it is left out.
    mutating func leftOut() {
        refused += 1
    }
}
