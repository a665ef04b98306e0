/// Brings a platform's database to what its file needs: the file's own SQL, and triggers that tell which of the watched
/// tables have changed. Done by `drover migrate`, and by whichever gateway does the maintenance where `history.migrate` is
/// true. All of it can be repeated; what is as it must be is left alone.
import PostgresClient

/// See the file's head. A connection of one call.
struct Provisioning {
    /// What could not be done, and what to do about it; Drover works on without it.
    typealias Notice = String

    private static let lockTimeout = "2s"

    private let configuration: Configuration
    private let cutOff: PostgresCutOff

    init(_ configuration: Configuration, cutOff: PostgresCutOff = PostgresCutOff()) {
        self.configuration = configuration
        self.cutOff = cutOff
    }

    /// Whether the configuration asks for anything.
    var isNeeded: Bool {
        !configuration.system.provision.isEmpty || !ChangeTrigger.all(configuration.system).isEmpty
    }

    /// Runs the file's SQL, then makes the triggers. Throws where the database cannot be reached or refuses the SQL.
    func run() throws(PostgresError) -> [Notice] {
        guard isNeeded else { return [] }
        let connection = try PostgresConnection(PostgresAddress(configuration.systemDatabaseURL), cutOff: cutOff)
        try runScript(connection)
        let triggers = ChangeTrigger.all(configuration.system)
        guard !triggers.isEmpty else { return [] }
        var notices: [Notice] = []
        let state: [ChangeTrigger.State]
        do {
            state = try transaction(connection) { () throws(PostgresError) in
                try makeFunction(connection)
                return try triggers.map { (trigger) throws(PostgresError) in
                    try trigger.state(connection, function: function)
                }
            }
        } catch  where error.kind == .schema {
            return ["no trigger can be made: \(error.message). \(Self.withoutTriggers)"]
        }
        for (trigger, state) in zip(triggers, state) where state != .present {
            if let notice = try make(trigger, state, connection) { notices.append(notice) }
        }
        return notices
    }

    /// The file's SQL as one transaction, under the lock that migrations take.
    private func runScript(_ connection: PostgresConnection) throws(PostgresError) {
        guard !configuration.system.provision.isEmpty else { return }
        do {
            try transaction(connection) { () throws(PostgresError) in
                _ = try connection.run(configuration.system.provision)
            }
        } catch {
            throw PostgresError(
                error.kind, "system.provision failed: \(error.message)",
                advice: error.kind == .schema
                    ? "Correct it in the platform's file, or run it as the owner of the tables." : error.advice)
        }
    }

    private func make(
        _ trigger: ChangeTrigger, _ state: ChangeTrigger.State, _ connection: PostgresConnection
    ) throws(PostgresError) -> Notice? {
        guard state == .missing || state == .different else { return state.problem(of: trigger) }
        do {
            try transaction(connection) { () throws(PostgresError) in
                try trigger.make(connection, function: function)
            }
            return nil
        } catch  where ![.connection, .interrupted].contains(error.kind) {
            return "no trigger on \(trigger.table): \(error.message). \(Self.withoutTriggers)"
        }
    }

    private static let withoutTriggers =
        "Its changes are seen when cache_s is over; as the tables' owner run: drover migrate"

    /// The function that triggers call, in Drover's schema, as SQL takes it.
    private var function: String { "\(quotedIdentifier(configuration.postgresSchema)).notify_change()" }

    /// Makes the function where it is not there or another. In a database of the platform's alone, its schema too.
    private func makeFunction(_ connection: PostgresConnection) throws(PostgresError) {
        let known = try connection.query(
            "SELECT prosrc = $2 FROM pg_proc WHERE oid = to_regprocedure($1)", [function, ChangeTrigger.body])
        if known.count == 1, known.flag(0, 0) == true { return }
        let schema = configuration.postgresSchema
        if try connection.query("SELECT 1 FROM pg_namespace WHERE nspname = $1", [schema]).count == 0 {
            try connection.run("CREATE SCHEMA \(quotedIdentifier(schema))")
        }
        try connection.run(
            """
            CREATE OR REPLACE FUNCTION \(function) RETURNS trigger LANGUAGE plpgsql
            AS \(quotedLiteral(ChangeTrigger.body))
            """)
    }

    private func transaction<Result>(
        _ connection: PostgresConnection, _ body: () throws(PostgresError) -> Result
    ) throws(PostgresError) -> Result {
        try connection.transaction(
            """
            SELECT set_config('search_path', \(quotedLiteral(configuration.system.searchPath)), true);
            SET LOCAL lock_timeout = '\(Self.lockTimeout)'; SET LOCAL client_min_messages = warning;
            SELECT pg_advisory_xact_lock(
                hashtextextended('drover migrations ' || \(quotedLiteral(configuration.postgresSchema)), 0))
            """, body)
    }
}
