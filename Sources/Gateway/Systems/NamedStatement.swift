/// A platform's SQL, with parameters by name.

/// One statement: `SELECT … WHERE token = {token}`.
struct NamedStatement: Sendable, Equatable {
    let name: String
    /// As Postgres gets it: `$1` where `{token}` stood.
    let sql: String
    /// The parameters' names; the first is `$1`.
    let parameters: [String]
    /// How long an answer may be used, in seconds.
    var cacheSeconds = 30
    /// Tables whose changes make answers void at once.
    var changes: [WatchedTable] = []

    /// Parameters that are arrays of texts.
    static let lists: Set<String> = ["users", "orders", "groups", "drivers"]

    /// Reads `{name}`; braces that hold anything but a name (as in `'{}'::text[]`) stay as they are.
    init(name: String, text: String) {
        self.name = name
        var sql = ""
        var parameters: [String] = []
        var rest = text[...]
        while let open = rest.firstIndex(of: "{") {
            sql += rest[..<open]
            rest = rest[rest.index(after: open)...]
            guard let close = rest.firstIndex(of: "}"), Self.isName(rest[..<close]) else {
                sql += "{"
                continue
            }
            let parameter = String(rest[..<close])
            rest = rest[rest.index(after: close)...]
            if !parameters.contains(parameter) { parameters.append(parameter) }
            let place = parameters.firstIndex(of: parameter)! + 1
            sql += "$\(place)::\(Self.type(of: parameter))"
        }
        self.sql = sql + rest
        self.parameters = parameters
    }

    private static func isName(_ text: Substring) -> Bool {
        guard let first = text.utf8.first, !(UInt8(ascii: "0")...UInt8(ascii: "9")).contains(first) else {
            return false
        }
        return text.utf8.allSatisfy {
            (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0)
                || $0 == UInt8(ascii: "_")
        }
    }

    /// What Postgres takes a parameter for: whoever needs another type casts once more, as in `{user}::uuid`.
    private static func type(of parameter: String) -> String {
        if lists.contains(parameter) { return "text[]" }
        return parameter == "rows" ? "jsonb" : "text"
    }
}

/// A table whose changes matter, such as `orders(status, user_id)`.
struct WatchedTable: Sendable, Equatable, Hashable {
    /// As it was written, perhaps with its schema.
    let name: String
    /// The columns whose UPDATE matters; empty: every one.
    let columns: [String]

    /// Nil where the text is not `table`, `schema.table` or either with columns in parentheses.
    init?(_ text: String) {
        let parts = text.split(separator: "(", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        let name = parts[0].filter { $0 != " " }
        func isIdentifier(_ text: some StringProtocol) -> Bool {
            !text.isEmpty && text.utf8.first.map { !(48...57).contains($0) } == true
                && text.allSatisfy { $0.isLetter || $0.isNumber || $0 == "_" }
        }
        let words = name.split(separator: ".", omittingEmptySubsequences: false)
        guard (1...2).contains(words.count), words.allSatisfy(isIdentifier) else { return nil }
        var columns: [String] = []
        if parts.count == 2 {
            let inside = parts[1].filter { $0 != " " }
            guard inside.hasSuffix(")") else { return nil }
            columns = inside.dropLast().split(separator: ",", omittingEmptySubsequences: false).map(String.init)
            guard columns.allSatisfy(isIdentifier) else { return nil }
        }
        self.name = name
        self.columns = columns
    }
}
