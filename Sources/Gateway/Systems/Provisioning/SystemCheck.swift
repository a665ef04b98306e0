/// The part of `drover check` that is about a platform's database: every statement is prepared there, so that a table
/// or column that is missing is named before the first customer misses it.
import PostgresClient

/// See the file's head.
struct SystemCheck {
    private let configuration: Configuration
    private var system: SystemConfiguration { configuration.system }

    init(_ configuration: Configuration) {
        self.configuration = configuration
    }

    /// A line for each part: what it is, and what is wrong with it, nil where it is well.
    func run() throws -> [(part: String, problem: String?)] {
        let connection = try PostgresConnection(
            PostgresAddress(configuration.systemDatabaseURL), cutOff: PostgresCutOff())
        try connection.query("SELECT set_config('search_path', $1, false)", [system.searchPath])
        var lines: [(part: String, problem: String?)] = []
        for statement in system.statements.values.sorted(by: { $0.name < $1.name }) {
            lines.append(("statement \(statement.name)", try problem(of: statement, connection)))
        }
        let function = "\(quotedIdentifier(configuration.postgresSchema)).notify_change()"
        for trigger in ChangeTrigger.all(system) {
            lines.append(("changes of \(trigger.table)", try problem(of: trigger, function, connection)))
        }
        return lines
    }

    private func problem(
        of statement: NamedStatement, _ connection: PostgresConnection
    ) throws(PostgresError) -> String? {
        let columns: [String]
        do {
            columns = try connection.columns(of: statement.sql)
        } catch  where error.kind != .connection && error.kind != .interrupted {
            return "\(error.message). Correct its SQL in the platform's file, or the table"
        }
        let missing = needed(of: statement.name).filter { !columns.contains($0) }
        guard let first = missing.first else { return nil }
        return "gives no column \(first); name one so with AS"
    }

    /// The columns that a statement's rows must have, by what it is used for.
    private func needed(of statement: String) -> [String] {
        var columns = system.lookUps.filter { $0.value == statement }.flatMap(\.key.columns)
        for source in system.credentials {
            for role in source.roles.values where role.subjects == statement { columns += ["user_id", "subject"] }
            guard source.origin == .statement(statement) else { continue }
            // A claim that is renamed is one that the platform's file counts on.
            columns += source.claims.values.sorted()
            if source.role == nil { columns.append(source.claim("role")) }
        }
        return columns.reduce(into: []) { if !$0.contains($1) { $0.append($1) } }
    }

    private func problem(
        of trigger: ChangeTrigger, _ function: String, _ connection: PostgresConnection
    ) throws(PostgresError) -> String? {
        let state = try trigger.state(connection, function: function)
        if let problem = state.problem(of: trigger) { return problem }
        return state == .present
            ? nil : "no trigger tells of them, so that they are seen when cache_s is over. Run: drover migrate"
    }
}
