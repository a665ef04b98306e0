/// The platform's own rows of a driver: its statement `erase_driver`, where one is configured.
import PostgresClient
import Tracking

extension ErasureExecutor {
    /// Runs the statement, then notes it. The two may be in two databases, so that a process that ends in between has it
    /// run again: a statement that erases is one that can be.
    func runPlatform(_ erasure: Erasure, _ driver: DriverID) throws(PostgresError) {
        var count: Int64 = 0
        if !erasure.keepsRegistration, let write = configuration.system.writes[.eraseDriver],
            let statement = configuration.system.statements[write.statement]
        {
            let rows = try PlatformConnection(configuration, cutOff: cutOff).run(statement, ["driver": driver.string])
            count = Int64(max(rows.affected, rows.count))
        }
        try piece(erasure) { (progress) throws(PostgresError) in
            progress.add(count, "platform_rows")
            return true
        }
    }
}

/// The platform's database for one statement of a thread that may wait.
struct PlatformConnection {
    private let connection: PostgresConnection

    /// Connects. Throws where it is away: of kind `.transient`, since the connection to Drover's own tables stands.
    init(_ configuration: Configuration, cutOff: PostgresCutOff) throws(PostgresError) {
        do {
            connection = try PostgresConnection(PostgresAddress(configuration.systemDatabaseURL), cutOff: cutOff)
            try connection.query("SELECT set_config('search_path', $1, false)", [configuration.system.searchPath])
        } catch {
            throw PostgresError(.transient, "the platform's database is away: \(error.message)", advice: error.advice)
        }
    }

    /// Runs a statement; a parameter that is not given is NULL.
    func run(_ statement: NamedStatement, _ parameters: [String: String]) throws(PostgresError) -> PostgresRows {
        do {
            return try connection.query(statement.sql, statement.parameters.map { parameters[$0] })
        } catch {
            throw PostgresError(
                error.kind == .connection ? .transient : error.kind, "statement \(statement.name): \(error.message)",
                advice: error.advice)
        }
    }
}
