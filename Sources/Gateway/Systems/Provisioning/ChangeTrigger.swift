/// The trigger that tells of a table's changes. It fires once a statement, whatever the number of rows, and one
/// transaction tells of a table once: Postgres drops repetitions (manual, NOTIFY).
import PostgresClient

/// The trigger of one table.
struct ChangeTrigger: Equatable {
    static let name = "drover_change"

    /// What the function does. The payload names the table as its trigger knows it.
    static let body = """
        BEGIN
            PERFORM pg_notify('\(SystemDatabase.channel)', TG_TABLE_SCHEMA || '.' || TG_TABLE_NAME);
            RETURN NULL;
        END
        """

    /// As the configuration names it: found by the platform's search_path.
    let table: String
    /// The columns whose UPDATE matters, sorted; empty: every one.
    let columns: [String]

    /// One for each table that a statement names. A table that several name is told of where it matters to any.
    static func all(_ system: SystemConfiguration) -> [ChangeTrigger] {
        var columns: [String: Set<String>] = [:]
        var whole: Set<String> = []
        for watched in system.statements.values.flatMap(\.changes) {
            columns[watched.name, default: []].formUnion(watched.columns)
            if watched.columns.isEmpty { whole.insert(watched.name) }
        }
        return columns.keys.sorted().map { table in
            ChangeTrigger(table: table, columns: whole.contains(table) ? [] : columns[table, default: []].sorted())
        }
    }

    /// What the database has of it.
    enum State: Equatable {
        case present, missing, different, noTable
        case noColumn(String)

        /// Why there cannot be such a trigger; nil where there can.
        func problem(of trigger: ChangeTrigger) -> String? {
            switch self {
            case .present, .missing, .different: nil
            case .noTable: "changes: there is no table \(trigger.table). Correct its name in the platform's file"
            case .noColumn(let column):
                "changes: table \(trigger.table) has no column \(column). Correct it in the platform's file"
            }
        }
    }

    /// Looks in the catalogue. Bits of `tgtype` (PostgreSQL's pg_trigger.h): INSERT 4, DELETE 8, UPDATE 16, TRUNCATE 32;
    /// neither ROW 1 nor BEFORE 2. `function` is its name with parentheses.
    func state(_ connection: PostgresConnection, function: String) throws(PostgresError) -> State {
        let rows = try connection.query(
            """
            SELECT t.oid IS NOT NULL, t.tgtype = 60 AND t.tgenabled = 'O' AND t.tgfoid = to_regprocedure($3)
                AND $2::text[] = ARRAY(SELECT a.attname::text FROM pg_attribute a
                    WHERE a.attrelid = c.oid AND a.attnum = ANY (t.tgattr) ORDER BY a.attname COLLATE "C"),
                (SELECT w FROM unnest($2::text[]) w WHERE NOT EXISTS (SELECT FROM pg_attribute a
                    WHERE a.attrelid = c.oid AND a.attname = w AND a.attnum > 0 AND NOT a.attisdropped) LIMIT 1)
            FROM pg_class c LEFT JOIN pg_trigger t ON t.tgrelid = c.oid AND t.tgname = $4 AND NOT t.tgisinternal
            WHERE c.oid = to_regclass($1)
            """, [table, "{\(columns.joined(separator: ","))}", function, Self.name])
        guard rows.count == 1 else { return .noTable }
        if let column = rows.text(0, 2) { return .noColumn(column) }
        guard rows.flag(0, 0) == true else { return .missing }
        return rows.flag(0, 1) == true ? .present : .different
    }

    /// Makes it, or makes it anew, and tells of the table: what changed before is not told by anybody.
    func make(_ connection: PostgresConnection, function: String) throws(PostgresError) {
        let of = columns.isEmpty ? "" : " OF \(columns.joined(separator: ", "))"
        try connection.run(
            """
            CREATE OR REPLACE TRIGGER \(Self.name) AFTER INSERT OR DELETE OR UPDATE\(of) OR TRUNCATE ON \(table)
            FOR EACH STATEMENT EXECUTE FUNCTION \(function);
            SELECT pg_notify('\(SystemDatabase.channel)', \(quotedLiteral(table)))
            """)
    }
}
