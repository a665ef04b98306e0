/// Writes events into the platform's own tables, by its statement `system.writes.events`.
import EventLoop
import Logging
import PostgresClient
import Tracking

/// On a thread of its own. Where they are in the database of Drover's own, an event is marked in the
/// transaction that writes it; else after it, and the statement may see it again.
final class EventWriting {
    /// How often it looks for events that nobody has told it of, in milliseconds.
    private static let look = 1_000
    /// What is wrong with the rows or the statement, and not with the way to the database.
    private static let faults: [PostgresError.Kind] = [.data, .unique, .schema, .noPartition]

    private let target: OutboxTargets.Write
    private let targets: OutboxTargets
    private let signals: HistorySignals
    private let counters: OutboxCounters
    private let log: Logger
    /// Nil where the platform's tables are beside Drover's own, and until it is connected.
    private var platform: PostgresConnection?

    init(
        _ target: OutboxTargets.Write, _ targets: OutboxTargets, _ signals: HistorySignals, _ counters: OutboxCounters,
        _ log: Logger
    ) {
        self.target = target
        self.targets = targets
        self.signals = signals
        self.counters = counters
        self.log = log
    }

    /// Writes what is due and gives the pause until the next look, in milliseconds.
    func run(_ store: OutboxStore) throws(PostgresError) -> Int {
        do throws(PostgresError) {
            try connect()
            var count = 0
            do throws(PostgresError) {
                count = try write(store, atMost: OutboxStore.writeBatch)
            } catch  where Self.faults.contains(error.kind) {
                // One by one, so that those which the platform does not take hold back nobody else's.
                try writeSingly(store)
            }
            return count == OutboxStore.writeBatch ? 0 : Self.look
        } catch {
            if !signals.isStopping, platform != nil { note(error) }
            platform = nil
            throw error
        }
    }

    private func connect() throws(PostgresError) {
        guard platform == nil, !target.postgresURL.isEmpty else { return }
        do throws(PostgresError) {
            let connection = try PostgresConnection(PostgresAddress(target.postgresURL), cutOff: signals.cutOff)
            try connection.query("SELECT set_config('search_path', $1, false)", [target.searchPath])
            platform = connection
        } catch {
            if !signals.isStopping { note(error) }
            throw error
        }
    }

    private func write(_ store: OutboxStore, atMost limit: Int) throws(PostgresError) -> Int {
        let count = try store.connection.transaction { () throws(PostgresError) -> Int in
            let events = try store.takeUnwritten(atMost: limit)
            guard !events.isEmpty else { return 0 }
            if platform == nil {
                try store.connection.query("SELECT set_config('search_path', $1, true)", [target.searchPath])
            }
            let rows = json(events)
            try (platform ?? store.connection).query(
                target.statement.sql, target.statement.parameters.map { _ in rows })
            try store.written(events.map(\.number))
            return events.count
        }
        if count > 0 {
            let wasFailing = counters.current.writeError != nil
            counters.change {
                $0.written += count
                $0.writeError = nil
            }
            if wasFailing { log.notice("events are written into the platform's tables again") }
        }
        return count
    }

    private func json(_ events: [OutboxEvent]) -> String {
        let now = SystemClock.wallMicroseconds()
        var writer = JSONWriter()
        writer.raw("[")
        for (index, event) in events.enumerated() {
            if index > 0 { writer.raw(",") }
            target.row.append(event.source(status: targets.status, now: now), to: &writer)
        }
        writer.raw("]")
        return String(decoding: writer.bytes, as: UTF8.self)
    }

    private func writeSingly(_ store: OutboxStore) throws(PostgresError) {
        while !signals.isStopping {
            do throws(PostgresError) {
                if try write(store, atMost: 1) == 0 { return }
            } catch  where Self.faults.contains(error.kind) {
                try store.connection.transaction { () throws(PostgresError) in
                    if let event = try store.takeUnwritten(atMost: 1).first { try store.notWritten(event.number) }
                }
                note(error)
            }
        }
    }

    private func note(_ error: PostgresError) {
        // The server's words may quote a value.
        let reason =
            Self.faults.contains(error.kind) && error.kind != .schema ? "SQLSTATE \(error.sqlState)" : "\(error)"
        let text = "statement \(target.statement.name): \(reason)"
        let isNews = counters.current.writeError == nil
        counters.change {
            $0.writeFailures += 1
            $0.writeError = text
        }
        if isNews { log.error("events are not written into the platform's tables", metadata: ["reason": "\(text)"]) }
    }
}
