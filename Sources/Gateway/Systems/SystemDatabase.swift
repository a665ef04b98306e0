/// The platform's database: runs its named statements, prepared, and hears which of its tables have changed.
import EventLoop
import Foundation
import Logging
import PostgresClient
import Tracking

/// What a statement's parameter is.
enum SystemParameter {
    case text(String?)
    /// An array of texts.
    case list([String])
    /// A JSON array of rows.
    case rows([UInt8])

    /// As Postgres reads it.
    fileprivate var value: String? {
        switch self {
        case .text(let text): text
        case .rows(let bytes): String(decoding: bytes, as: UTF8.self)
        case .list(let texts):
            "{"
                + texts.map {
                    "\"" + $0.replacingOccurrences(of: "\\", with: "\\\\").replacingOccurrences(of: "\"", with: "\\\"")
                        + "\""
                }.joined(separator: ",") + "}"
        }
    }
}

/// See the file's head. Lives on the loop's thread; `close()` ends it.
final class SystemDatabase {
    /// The channel on which triggers tell `schema.table`; anybody may tell more of it.
    static let channel = "drover_change"
    /// The least time between two announcements of one table's changes, in milliseconds: a table that changes all the time
    /// is looked at five times a second.
    static let interval = 200
    private static let deadlineMilliseconds = 5_000

    private let loop: EventLoop
    private let postgres: PostgresQuestions
    private let configuration: SystemConfiguration
    private let log: Logger
    private var listeners: [String: [() -> Void]] = [:]
    /// Tables, without their schema, by the statements that name them.
    private let watchers: [String: [String]]
    /// Statements whose tables have changed since the last announcement.
    private var changed: Set<String> = []
    private var timer: LoopTimer?
    private var isListening = false
    /// Why a statement failed the last time, by its name.
    private(set) var failures: [String: String] = [:]

    /// Begins to connect. `address` is the platform's database.
    init(loop: EventLoop, address: PostgresAddress, configuration: SystemConfiguration, log: Logger) {
        self.loop = loop
        self.configuration = configuration
        self.log = log
        var watchers: [String: [String]] = [:]
        for statement in configuration.statements.values {
            for table in statement.changes { watchers[Self.bare(table.name), default: []].append(statement.name) }
        }
        self.watchers = watchers
        postgres = PostgresQuestions(loop: loop, address: address)
        postgres.onStateChange = { [unowned self] in stateChanged($0) }
        postgres.onNotification = { [unowned self] channel, payload in
            if channel == Self.channel { announced(payload) }
        }
        timer = LoopTimer(loop: loop) { [unowned self] in tellChanges() }
    }

    /// Whether statements reach the database.
    var isConnected: Bool { postgres.isConnected }
    /// Whether changes are heard of.
    var hearsChanges: Bool { isListening && postgres.isConnected }
    /// Why it cannot be reached; nil while it can.
    var lastError: PostgresError? { postgres.lastError }

    func close() {
        timer?.close()
        timer = nil
        listeners = [:]
        postgres.close()
    }

    /// How long answers of a statement may be used, in seconds.
    func cacheSeconds(of statement: String) -> Int { configuration.statements[statement]?.cacheSeconds ?? 0 }

    /// The parameters of a statement, by name.
    func parameters(of statement: String) -> [String] { configuration.statements[statement]?.parameters ?? [] }

    /// Runs a statement; a parameter that is not given is NULL. `then` is called once: at once where the database is away.
    func run(
        _ name: String, _ parameters: [String: SystemParameter],
        then: @escaping (Result<PostgresRows, PostgresError>) -> Void
    ) {
        guard let statement = configuration.statements[name] else {
            preconditionFailure("the configuration was validated: there is a statement \(name)")
        }
        guard postgres.isConnected else {
            return then(.failure(postgres.lastError ?? PostgresError(.connection, "the platform's database is away")))
        }
        let values = statement.parameters.map { parameters[$0]?.value }
        let isAsked = postgres.ask(
            statement.sql, values, prepared: true, deadlineMilliseconds: Self.deadlineMilliseconds
        ) { [weak self] answer in
            self?.note(name, answer)
            then(answer)
        }
        if !isAsked {
            then(.failure(PostgresError(.transient, "too many questions wait for the platform's database")))
        }
    }

    /// Calls `body` when a table that the statement names has changed, and when changes may have been missed.
    func onChange(of statement: String, _ body: @escaping () -> Void) {
        listeners[statement, default: []].append(body)
    }

    // MARK: Failures

    /// A refusal is told once, not with every question: its text may come a thousand times a second.
    private func note(_ name: String, _ answer: Result<PostgresRows, PostgresError>) {
        guard case .failure(let error) = answer else {
            if failures.removeValue(forKey: name) != nil {
                log.notice("a statement works again", metadata: ["statement": "\(name)"])
            }
            return
        }
        guard ![.connection, .interrupted].contains(error.kind) else { return }
        // Without the server's words: for a value that cannot be cast they would quote it, and it may be a token.
        let isFault = error.kind == .schema
        let reason = isFault ? "\(error)" : "SQLSTATE \(error.sqlState)"
        if failures.updateValue(reason, forKey: name) == nil {
            log.error("a statement fails", metadata: ["statement": "\(name)", "reason": "\(reason)"])
        }
    }

    // MARK: Changes

    private func stateChanged(_ isConnected: Bool) {
        guard isConnected else {
            isListening = false
            return log.warning("the platform's database is away")
        }
        let path = configuration.searchPath
        _ = postgres.ask("SELECT set_config('search_path', $1, false)", [path]) { _ in }
        _ = postgres.ask("LISTEN \(Self.channel)") { [weak self] answer in
            guard let self else { return }
            if case .success = answer { isListening = true }
            // What was told before is lost.
            changed = Set(listeners.keys)
            tellChanges()
        }
    }

    private func announced(_ payload: String) {
        guard let names = watchers[Self.bare(payload)] else { return }
        let isFirst = changed.isEmpty
        changed.formUnion(names)
        // The first one is told at once; what follows within the interval, together when it ends.
        guard isFirst, let timer, !timer.isActive else { return }
        tellChanges()
    }

    private func tellChanges() {
        guard !changed.isEmpty else { return }
        let names = changed
        changed = []
        timer?.start(afterMilliseconds: Self.interval)
        for name in names { for body in listeners[name] ?? [] { body() } }
    }

    /// Tables are known by their names alone: of two with one name in two schemas, each change voids the answers about both.
    private static func bare(_ table: String) -> String {
        table.split(separator: ".").last.map(String.init) ?? table
    }
}
