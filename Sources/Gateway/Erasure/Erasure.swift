/// A request to erase what is known of a driver, as its row in Postgres says. It reaches up to the moment it was made:
/// what was received later stays.
///
/// The way of a request: each gateway forgets the driver and cleans its journal (`ErasureWatch`) and puts its node into
/// `nodes_done`; once all have, whoever holds the maintenance's lock takes the rest out, step by step (`ErasureExecutor`);
/// then the receipt takes the place of the id.
import Foundation
import PostgresClient
import Tracking

/// See the file's head.
struct Erasure {
    /// What is done next. Each step can be repeated, and is left in the transaction that ends it.
    enum Step: String, CaseIterable {
        /// Gateways forget the driver, and their journals what they hold of it.
        case journals
        /// Rows of the history, a partition after the other.
        case history
        /// Journal records that could not become rows.
        case deadLetters = "dead_letters"
        /// Hours of the roll-up, and its notes.
        case rollup
        /// Devices, orders, groups, and the driver in the subjects of sessions and keys.
        case registration
        /// The platform's own rows, by its statement.
        case platform
        /// The driver's name in the audit trail.
        case audit
        /// Days that were written out.
        case archives
        /// Keys and members in Redis.
        case redis
        /// Gives the space of deleted rows free to be overwritten.
        case vacuum
        /// The receipt takes the place of the name.
        case receipt

        /// The one after it.
        var next: Step {
            let all = Step.allCases
            return all[min((all.firstIndex(of: self) ?? 0) + 1, all.count - 1)]
        }
    }

    let id: String
    /// Nil once it is done.
    let driver: DriverID?
    /// The keyed hash in hexadecimal.
    let hash: String
    /// What was received later stays.
    let reachesTo: Microseconds
    let keepsRegistration: Bool
    /// A credential's id, or `cli`.
    let requestedBy: String
    let requestedAt: Microseconds
    let step: Step
    let progress: ErasureProgress
    /// The receipt as JSON, once it is done.
    let receipt: String?
    /// Nodes whose journals are not clean yet.
    let awaiting: [String]

    /// What `init` reads; `$schema` is Drover's, as SQL takes it.
    static func columns(_ schema: String) -> String {
        """
        id, driver_id, encode(driver_hash, 'hex'), (extract(epoch FROM reaches_to) * 1000000)::bigint,
        keeps_registration, requested_by, (extract(epoch FROM requested_at) * 1000000)::bigint, step, progress::text,
        receipt::text, array_to_string(ARRAY(SELECT c.node_id FROM \(schema).ingest_checkpoints c
            WHERE NOT c.node_id = ANY (nodes_done) ORDER BY c.node_id), ',')
        """
    }

    /// From a row of `columns`; nil where it was not written by this version of Drover.
    init?(_ rows: PostgresRows, _ row: Int) {
        guard let id = rows.text(row, 0), let hash = rows.text(row, 2), let reachesTo = rows.integer(row, 3),
            let keeps = rows.flag(row, 4), let requestedBy = rows.text(row, 5), let requestedAt = rows.integer(row, 6),
            let step = rows.text(row, 7).flatMap({ Step(rawValue: $0) }),
            let progress = rows.text(row, 8).flatMap({ ErasureProgress(json: $0) })
        else { return nil }
        self.id = id
        driver = rows.text(row, 1).flatMap { DriverID($0) }
        self.hash = hash
        self.reachesTo = reachesTo
        keepsRegistration = keeps
        self.requestedBy = requestedBy
        self.requestedAt = requestedAt
        self.step = step
        self.progress = progress
        receipt = rows.text(row, 9)
        awaiting = (rows.text(row, 10) ?? "").split(separator: ",").map(String.init)
    }

    /// What the API tells of it: the receipt, or how far it is.
    var document: String {
        if let receipt { return receipt }
        var writer = JSONWriter()
        writer.raw("{\"id\":")
        writer.string(id)
        writer.raw(",\"state\":\"\(step.rawValue)\",\"reaches_to\":\"\(Timestamp.string(reachesTo))\"")
        writer.raw(",\"keeps_registration\":\(keepsRegistration),\"progress\":")
        writer.raw(progress.json)
        if step == .journals {
            writer.raw(",\"awaiting\":[")
            for (index, node) in awaiting.enumerated() {
                if index > 0 { writer.raw(",") }
                writer.string(node)
            }
            writer.raw("]")
        }
        writer.raw("}")
        return String(decoding: writer.bytes, as: UTF8.self)
    }
}

/// How far an erasure is, and what it has removed so far. No name is in it.
struct ErasureProgress: Codable, Equatable {
    /// The partition or table that was done last.
    var partition: String?
    /// Parts of the present step that are done, and how many there are.
    var done: Int?
    var of: Int?
    /// What was removed, by where it was.
    var removed: [String: Int64]?
    /// Tables of which rows were deleted.
    var touched: [String]?

    init() {}

    init?(json: String) {
        guard let progress = try? JSONDecoder().decode(Self.self, from: Data(json.utf8)) else { return nil }
        self = progress
    }

    var json: String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        return (try? encoder.encode(self)).map { String(decoding: $0, as: UTF8.self) } ?? "{}"
    }

    /// Counts what was removed; `table` is to be cleaned up where that is something.
    mutating func add(_ count: Int64, _ place: String, from table: String? = nil) {
        removed = removed ?? [:]
        removed?[place, default: 0] += count
        if let table, count > 0 { touch(table) }
    }

    /// Rows of the table were deleted.
    mutating func touch(_ table: String) {
        if touched?.contains(table) != true { touched = (touched ?? []) + [table] }
    }

    /// The parts of a step are of no interest to the next.
    mutating func endStep() {
        (partition, done, of) = (nil, nil, nil)
    }
}
