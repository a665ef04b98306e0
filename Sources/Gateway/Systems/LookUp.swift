/// A statement that answers many questions at once and whose answers are kept for a while.
import EventLoop
import PostgresClient
import Tracking

/// A row of an answer.
struct LookUpRow: Equatable {
    fileprivate let columns: [String: Int]
    fileprivate let values: [String?]

    /// The value of a column; nil for NULL and for a column that is not there.
    subscript(column: String) -> String? {
        columns[column].flatMap { values[$0] }
    }

    /// The columns that are there.
    var names: [String] { Array(columns.keys) }
}

extension PostgresRows {
    /// All rows with their columns' names.
    var lookUpRows: [LookUpRow] {
        let names = columns
        let columns = Dictionary(zip(names, names.indices), uniquingKeysWith: { first, _ in first })
        return (0..<count).map { row in
            LookUpRow(columns: columns, values: names.indices.map { text(row, $0) })
        }
    }
}

/// Rows by key. Questions about keys that are asked meanwhile go together; an answer is used until it is `cache_s` old or
/// its tables have changed. Lives on the loop's thread.
final class LookUp {
    /// What a question comes to: every key that was asked has an entry, an empty one where there is no row.
    typealias Answer = Result<[String: [LookUpRow]], PostgresError>

    /// Keys in one question.
    static let batch = 1_000
    /// Answers that are kept; beyond it the oldest are asked again.
    private static let maximumKept = 200_000
    /// Keys that may wait; what comes on top is refused.
    private static let maximumWaiting = 100_000

    private struct Kept {
        var rows: [LookUpRow]
        var askedAt: Microseconds
    }

    private let database: SystemDatabase
    private let statement: String
    private let parameter: String
    private let keyColumn: String
    private let life: Microseconds
    private var kept: [String: Kept] = [:]
    /// Changes so far: an answer to a question from before one is not kept.
    private var changes = 0
    private var wanted: [String] = []
    private var isWanted: Set<String> = []
    private var waiters: [Waiter] = []
    private var isAsking = false
    /// Answers may be others now: whoever holds on to one asks again.
    var onChange: (() -> Void)?

    private final class Waiter {
        var missing: Set<String>
        var found: [String: [LookUpRow]]
        /// Changes before it: an answer to a question from before one of them is not for this waiter.
        let since: Int
        let then: (Answer) -> Void

        init(
            _ missing: Set<String>, _ found: [String: [LookUpRow]], since: Int, _ then: @escaping (Answer) -> Void
        ) {
            (self.missing, self.found, self.since, self.then) = (missing, found, since, then)
        }
    }

    /// - Parameters:
    ///   - parameter: the statement's array parameter.
    ///   - column: of its rows, the one that says which key a row is about.
    init(_ database: SystemDatabase, statement: String, parameter: String, key column: String) {
        self.database = database
        self.statement = statement
        self.parameter = parameter
        keyColumn = column
        life = Int64(database.cacheSeconds(of: statement)) * 1_000_000
        database.onChange(of: statement) { [weak self] in self?.forget() }
    }

    /// All answers may be others now: none is used any more, and whoever holds on to one is told.
    func forget() {
        changes += 1
        kept.removeAll(keepingCapacity: true)
        onChange?()
    }

    /// The look-up that the configuration has for a purpose; nil where it has none.
    convenience init?(_ database: SystemDatabase?, _ configuration: SystemConfiguration, _ purpose: LookUpPurpose) {
        guard let database, let statement = configuration.lookUps[purpose] else { return nil }
        self.init(database, statement: statement, parameter: purpose.parameter, key: purpose.columns[0])
    }

    /// Rows of the keys. `then` is called once, at once where all are kept.
    func find(_ keys: [String], then: @escaping (Answer) -> Void) {
        let now = SystemClock.monotonicMicroseconds()
        var found: [String: [LookUpRow]] = [:]
        var missing: Set<String> = []
        for key in keys {
            if let known = kept[key], now - known.askedAt < life {
                found[key] = known.rows
            } else {
                missing.insert(key)
            }
        }
        guard !missing.isEmpty else { return then(.success(found)) }
        guard wanted.count + missing.count <= Self.maximumWaiting else {
            return then(.failure(PostgresError(.transient, "too many questions wait for the platform's database")))
        }
        waiters.append(Waiter(missing, found, since: changes, then))
        for key in missing where isWanted.insert(key).inserted { wanted.append(key) }
        askNext()
    }

    private func askNext() {
        guard !isAsking, !wanted.isEmpty else { return }
        isAsking = true
        let keys = Array(wanted.prefix(Self.batch))
        wanted.removeFirst(keys.count)
        isWanted.subtract(keys)
        let asked = changes
        let askedAt = SystemClock.monotonicMicroseconds()
        database.run(statement, [parameter: .list(keys)]) { [self] answer in
            isAsking = false
            switch answer {
            case .success(let rows): learn(keys, rows, asked, askedAt)
            case .failure(let error): fail(keys, error, asked)
            }
            askNext()
        }
    }

    private func learn(_ keys: [String], _ rows: PostgresRows, _ asked: Int, _ askedAt: Microseconds) {
        var found = Dictionary(uniqueKeysWithValues: keys.map { ($0, [LookUpRow]()) })
        for row in rows.lookUpRows {
            guard let key = row[keyColumn], found[key] != nil else { continue }
            found[key]?.append(row)
        }
        if asked == changes, life > 0 {
            if kept.count + keys.count > Self.maximumKept { kept.removeAll(keepingCapacity: true) }
            for (key, rows) in found { kept[key] = Kept(rows: rows, askedAt: askedAt) }
        }
        settle(asked) { waiter in
            for key in keys where waiter.missing.remove(key) != nil { waiter.found[key] = found[key] }
            return waiter.missing.isEmpty ? .success(waiter.found) : nil
        }
    }

    private func fail(_ keys: [String], _ error: PostgresError, _ asked: Int) {
        let failed = Set(keys)
        settle(asked) { $0.missing.isDisjoint(with: failed) ? nil : .failure(error) }
    }

    /// Answers those waiters for whom `answer` has one that was asked for after the last change they know of.
    private func settle(_ asked: Int, _ answer: (Waiter) -> Answer?) {
        var ready: [(Waiter, Answer)] = []
        waiters.removeAll { waiter in
            guard waiter.since <= asked, let answer = answer(waiter) else { return false }
            ready.append((waiter, answer))
            return true
        }
        for (waiter, answer) in ready { waiter.then(answer) }
    }
}
