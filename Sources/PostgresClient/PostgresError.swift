/// What Postgres, or the way to it, refuses: typed by what a caller can do about it.
import CPostgres

/// Why something was not done in Postgres. Holds no password, whatever libpq said.
public struct PostgresError: Error, Sendable, CustomStringConvertible {
    /// What kind of refusal it is, and so what helps.
    public enum Kind: Sendable, Equatable {
        /// The server cannot be reached, or the connection was lost: connect again, later.
        case connection
        /// The server refuses for now (overload, deadlock, shutdown, read-only after a fail-over): try again, later.
        case transient
        /// A value is not acceptable: the same again will be refused again.
        case data
        /// A row with this key exists.
        case unique
        /// The partitioned table has no partition for a row.
        case noPartition
        /// Tables, rights, credentials or SQL do not fit: somebody has to repair something.
        case schema
        /// The caller's time is over, or the connection was ended by this side.
        case interrupted
    }

    /// What helps.
    public let kind: Kind
    /// The five-character SQLSTATE; empty where the server did not speak.
    public let sqlState: String
    /// The server's or libpq's words, on one line.
    public let message: String
    /// The constraint that refused, where one did.
    public let constraint: String?

    /// What to do next.
    public let advice: String

    /// An error of this side; `advice` where the kind's own does not fit.
    public init(_ kind: Kind, _ message: String, advice: String? = nil) {
        self.init(kind, sqlState: "", message: message, constraint: nil, advice: advice)
    }

    init(_ kind: Kind, sqlState: String, message: String, constraint: String?, advice: String? = nil) {
        self.kind = kind
        self.sqlState = sqlState
        self.message = message
        self.constraint = constraint
        self.advice = advice ?? Self.advice(kind, sqlState: sqlState)
    }

    /// The same refusal, with advice that its caller knows better.
    public func advising(_ advice: String) -> PostgresError {
        PostgresError(kind, sqlState: sqlState, message: message, constraint: constraint, advice: advice)
    }

    /// Whether the connection on which it came is to be made anew: it is lost, its server is about to end it (57P01 to 57P05)
    /// or speaks no more (08), or takes no writes since another one is the primary.
    public var endsSession: Bool {
        switch kind {
        case .connection, .interrupted: true
        default: isReadOnly || sqlState.hasPrefix("08") || sqlState.hasPrefix("57P")
        }
    }

    /// Whether the server takes no writes (25006).
    var isReadOnly: Bool { sqlState == "25006" }

    /// One line: what is wrong, and what to do next.
    public var description: String {
        let state = sqlState.isEmpty ? "" : " (SQLSTATE \(sqlState))"
        return "\(message)\(state). \(advice)"
    }

    private static func advice(_ kind: Kind, sqlState: String) -> String {
        switch (kind, sqlState.prefix(2)) {
        case (.connection, _): "Start Postgres or set DROVER_POSTGRES_URL."
        case (_, "28"): "Correct user and password in DROVER_POSTGRES_URL, or pg_hba.conf."
        case (_, "3D"): "Create that database or set DROVER_POSTGRES_URL."
        case (_, "53"): "Give Postgres more disk, memory or connections."
        case (.transient, _): "It is tried again by itself."
        case (.data, _), (.unique, _): "Correct the value."
        case (.noPartition, _): "Run `drover partitions maintain`."
        case (.schema, _) where sqlState == "42501": "Grant Drover's role that right."
        case (.schema, _): "Run `drover migrate`, then `drover check`."
        case (.interrupted, _): "Try again."
        }
    }

    /// The kind of a refusal by the server (PostgreSQL manual, appendix A).
    static func kind(sqlState: String, constraint: String?) -> Kind {
        switch sqlState {
        case "23505": return .unique
        // A failed CHECK names its constraint; a missing partition has the same code and no name.
        case "23514" where constraint == nil: return .noPartition
        case "40001", "40P01", "55P03", "57014", "25006": return .transient
        default: break
        }
        switch sqlState.prefix(2) {
        // P0001 is what a trigger raises for a row that it does not want, 44000 what a view's check option raises.
        case "22", "23", "44", "P0": return .data
        // 58 is an I/O error of the server's system, XX an internal one.
        case "08", "53", "57", "58", "XX": return .transient
        default: return .schema
        }
    }
}

extension PostgresError {
    /// The error that `result` carries.
    init(result: OpaquePointer, redacting address: PostgresAddress) {
        // The codes are postgres_ext.h's PG_DIAG_SQLSTATE, _CONSTRAINT_NAME, _MESSAGE_PRIMARY and _COLUMN_NAME: character
        // constants, which Swift does not import.
        func field(_ code: Unicode.Scalar) -> String? {
            PQresultErrorField(result, Int32(code.value)).map { String(cString: $0) }
        }
        let state = field("C") ?? ""
        let constraint = field("n")
        var message = field("M") ?? String(cString: PQresultErrorMessage(result))
        if let column = field("c") { message += ", column \(column)" }
        self.init(
            state.isEmpty ? .connection : Self.kind(sqlState: state, constraint: constraint), sqlState: state,
            message: address.redact(message), constraint: constraint)
    }

    /// The error that `connection` is in. libpq has no call for the SQLSTATE of a refused login; its verbose messages,
    /// which `PostgresHandle` asks for, begin with it in every language.
    init(connection: OpaquePointer, redacting address: PostgresAddress) {
        let lines = String(cString: PQerrorMessage(connection)).split(whereSeparator: \.isNewline)
        var message = lines.filter { !$0.hasPrefix("LOCATION:") }.joined(separator: "\n")
        var state = ""
        let words = message.split(separator: " ", maxSplits: 64)
        if let word = words.first(where: Self.isState) {
            state = String(word.dropLast())
            message = words.filter { $0 != word }.joined(separator: " ")
        }
        // libpq's words where `target_session_attrs` asks for another kind of server; there is no code for it.
        let hasNoPrimary = message.contains("session is read-only") || message.contains("server is in hot standby mode")
        self.init(
            state.isEmpty ? .connection : Self.kind(sqlState: state, constraint: nil), sqlState: state,
            message: "cannot reach Postgres at \(address.description): \(address.redact(message))", constraint: nil,
            advice: hasNoPrimary && state.isEmpty
                ? "No server of the address takes writes: promote a replica, or add the primary's host." : nil)
    }

    /// Whether `word` is `28P01:` or the like: five digits and capitals, a digit first, and a colon.
    private static func isState(_ word: Substring) -> Bool {
        let bytes = word.utf8
        guard bytes.count == 6, bytes.last == UInt8(ascii: ":"), let first = bytes.first else { return false }
        let digits = UInt8(ascii: "0")...UInt8(ascii: "9")
        let capitals = UInt8(ascii: "A")...UInt8(ascii: "Z")
        return digits.contains(first) && bytes.dropLast().allSatisfy { digits.contains($0) || capitals.contains($0) }
    }
}
