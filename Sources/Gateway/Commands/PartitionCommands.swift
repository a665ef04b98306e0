/// `drover partitions list | maintain | archive`: what the gateway's maintenance does by itself, by hand.
import DroverClient
import EventLoop
import PostgresClient
import Tracking

/// One connection for one command.
public struct PartitionCommands {
    /// A day of many millions of rows is sorted before its first row comes.
    private static let callMilliseconds = 3_600_000

    private let configuration: Configuration
    private let keeper: PartitionKeeper

    /// Connects. Throws where Postgres cannot be reached, or its schema is behind.
    public init(_ configuration: Configuration) throws {
        self.configuration = configuration
        let cutOff = PostgresCutOff()
        let connection = try configuration.connectDirectly(cutOff: cutOff, callMilliseconds: Self.callMilliseconds)
        try configuration.checkTables(connection)
        keeper = PartitionKeeper(connection, configuration, cutOff: cutOff)
    }

    /// A table with a line for each partition, oldest first.
    public func list() throws -> [String] {
        var table = [["PARTITION", "FROM", "TO", "ROWS (ABOUT)", "SIZE", "STATE", "ARCHIVE"]]
        for entry in try keeper.list() {
            table.append([
                entry.name, entry.lower.map(Self.time) ?? "-", entry.upper.map(Self.time) ?? "-",
                entry.rows.map(String.init) ?? "?", Self.size(entry.bytes), entry.state.rawValue, entry.archive ?? "-",
            ])
        }
        let widths = table[0].indices.map { column in table.map { $0[column].count }.max() ?? 0 }
        return table.map { row in
            let cells = zip(row, widths).map { $0 + String(repeating: " ", count: $1 - $0.count) }
            return String(cells.joined(separator: "  ").reversed().drop { $0 == " " }.reversed())
        }
    }

    /// Does what is due at `time` (RFC 3339 or epoch milliseconds; nil: now), or, for `isDryRun`, says what that would be.
    /// `print` gets a line for each thing done.
    public func maintain(at time: String?, isDryRun: Bool, print: @escaping (String) -> Void) throws {
        let now = try moment(time)
        if configuration.historyRetentionDays == 0 {
            return print("nothing to do: no history is kept (history.retention_days is 0)")
        }
        if isDryRun {
            let due = try keeper.due(now: now)
            for partition in due.partitions {
                let isArchived = !configuration.historyArchiveDirectory.isEmpty
                print("would \(isArchived ? "archive and drop" : "drop, without an archive,") \(partition.name)")
            }
            for file in due.archives { print("would delete the archive \(file)") }
            if due.partitions.isEmpty, due.archives.isEmpty { print("nothing would be dropped or deleted") }
            return
        }
        try run(print) { report in try keeper.maintain(now: now, report: report) }
    }

    /// Writes `day` (`YYYY-MM-DD`; nil: every day that is over) out without dropping it.
    public func archive(day: String?, print: @escaping (String) -> Void) throws {
        if let day, !Self.isDay(day) { throw CommandError("`\(day)` is no day such as 2026-11-21") }
        let now = try moment(nil)
        try run(print) { report in try keeper.archive(day: day, now: now, report: report) }
    }

    /// Runs `work` with a progress line on standard error.
    private func run(
        _ print: @escaping (String) -> Void, _ work: ((PartitionKeeper.Step) throws -> Void) throws -> Void
    ) throws {
        let progress = ProgressLine()
        defer { progress.finish() }
        var isIdle = true
        try work { step in
            if case .archiving(let name, let rows, let estimate) = step {
                let fraction = estimate.flatMap { $0 > 0 ? Double(rows) / Double($0) : nil }
                progress.update(fraction: fraction) { "archiving \(name): \(rows) rows" }
            } else if let words = step.words {
                isIdle = false
                progress.finish()
                print(words)
            }
        }
        if isIdle { print("nothing to do") }
    }

    private func moment(_ time: String?) throws -> Microseconds {
        guard let time else { return SystemClock.wallMicroseconds() }
        guard let milliseconds = DroverClient.Timestamp.milliseconds(time) else {
            throw CommandError("`\(time)` is neither RFC 3339 time with a zone nor epoch milliseconds")
        }
        return milliseconds * 1_000
    }

    private static func isDay(_ text: String) -> Bool {
        text.utf8.count == 10 && DroverClient.Timestamp.milliseconds(text) != nil
    }

    private static func time(_ microseconds: Microseconds) -> String {
        // A day begins at a whole second.
        DroverClient.Timestamp.text(microseconds / 1_000).prefix(19) + "Z"
    }

    private static func size(_ bytes: Int) -> String {
        var value = Double(bytes)
        var unit = 0
        let units = ["B", "KiB", "MiB", "GiB", "TiB"]
        while value >= 1_024, unit < units.count - 1 {
            value /= 1_024
            unit += 1
        }
        let tenths = Int((value * 10).rounded())
        return unit == 0 ? "\(bytes) B" : "\(tenths / 10).\(tenths % 10) \(units[unit])"
    }
}
