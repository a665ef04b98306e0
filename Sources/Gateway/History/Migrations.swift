/// Brings the schema up to date: the numbered files of `config/schema`, which are embedded in the program, in order and
/// each once.
import PostgresClient

/// One numbered file.
struct Migration: Sendable {
    /// 1, 2, 3, … without a gap.
    let version: Int
    /// The file's name without number and suffix.
    let name: String
    /// The file's text.
    let sql: String

    init(_ version: Int, _ name: String, _ bytes: [UInt8]) {
        self.version = version
        self.name = name
        sql = String(decoding: bytes, as: UTF8.self)
    }

    /// Every file of `config/schema`; a test compares the list with the directory.
    static let all = [
        Migration(1, "initial", PackageResources._001_initial_sql),
        Migration(2, "access", PackageResources._002_access_sql),
        Migration(3, "history", PackageResources._003_history_sql),
        Migration(4, "systems", PackageResources._004_systems_sql),
        Migration(5, "phones", PackageResources._005_phones_sql),
        Migration(6, "nodes", PackageResources._006_nodes_sql),
    ]
}

extension Configuration {
    /// Brings Drover's tables up to date, and the history to where it belongs; returns the versions applied now.
    @discardableResult
    func migrateTables(_ connection: PostgresConnection) throws(PostgresError) -> [Int] {
        try Migrations.migrate(connection, schema: postgresSchema, history: historySchema)
    }

    /// Throws where that is to be done.
    func checkTables(_ connection: PostgresConnection) throws(PostgresError) {
        try Migrations.check(connection, schema: postgresSchema, history: historySchema)
    }
}

/// Applies migrations.
enum Migrations {
    /// Brings `schema` up to date over `connection` and returns the versions applied now. Safe where several processes
    /// start together: each file is applied in one transaction under an advisory lock, which also holds behind a
    /// transaction-mode pool. Throws, and changes nothing more, where an applied file is not the one embedded here.
    @discardableResult
    static func migrate(
        _ connection: PostgresConnection, schema: String, history: String = "",
        _ migrations: [Migration] = Migration.all
    ) throws(PostgresError) -> [Int] {
        let place = HistoryPlace(schema: schema, history: history)
        var applied: [Int] = []
        for migration in migrations {
            let isNew = try connection.transaction(prologue(place)) { () throws(PostgresError) -> Bool in
                try makeLedger(connection, schema)
                return try apply(migration, connection)
            }
            if isNew { applied.append(migration.version) }
        }
        try connection.transaction(prologue(place)) { () throws(PostgresError) in
            try HistoryMove(connection, place).settle()
        }
        return applied
    }

    /// Throws an error of kind `.schema` where a migration is missing or another than the one embedded here.
    static func check(
        _ connection: PostgresConnection, schema: String, history: String = "",
        _ migrations: [Migration] = Migration.all
    ) throws(PostgresError) {
        try connection.transaction("SET LOCAL search_path TO \(quotedIdentifier(schema))") { () throws(PostgresError) in
            for migration in migrations where try !isApplied(migration, connection) {
                throw PostgresError(.schema, "the schema lacks migration \(migration.version) (\(migration.name))")
            }
            try HistoryMove(connection, HistoryPlace(schema: schema, history: history)).check()
        }
    }

    private static func prologue(_ place: HistoryPlace) -> String {
        // The lock's number is derived from the schema's name, so that two Drovers in one database do not wait for each
        // other. A migration may rewrite a large table: no statement timeout. New tables go into the path's first schema;
        // the second is for what a migration changes of a history that was moved there.
        """
        SET LOCAL search_path TO \(place.searchPath); SET LOCAL statement_timeout = 0;
        SELECT pg_advisory_xact_lock(hashtextextended('drover migrations ' || \(quotedLiteral(place.schema)), 0))
        """
    }

    private static func makeLedger(_ connection: PostgresConnection, _ schema: String) throws(PostgresError) {
        // Asked first, since CREATE SCHEMA IF NOT EXISTS needs the right to create even where nothing is to be done.
        if try connection.query("SELECT 1 FROM pg_namespace WHERE nspname = $1", [schema]).count == 0 {
            try connection.run("CREATE SCHEMA \(quotedIdentifier(schema))")
        }
        let ledger = try connection.query(
            "SELECT 1 FROM pg_tables WHERE schemaname = $1 AND tablename = 'schema_migrations'", [schema])
        if ledger.count > 0 { return }
        try connection.run(
            """
            CREATE TABLE schema_migrations (
                version    integer PRIMARY KEY,
                name       text NOT NULL,
                applied_at timestamptz NOT NULL DEFAULT now(),
                sha256     text NOT NULL
            )
            """)
    }

    /// False where it is applied already.
    private static func apply(_ migration: Migration, _ connection: PostgresConnection) throws(PostgresError) -> Bool {
        if try isApplied(migration, connection) { return false }
        try connection.run(migration.sql)
        try connection.query(
            "INSERT INTO schema_migrations (version, name, sha256) VALUES ($1, $2, \(hash))",
            ["\(migration.version)", migration.name, migration.sql])
        return true
    }

    /// Postgres itself hashes the text, so that the number can be compared with `sha256sum` of the file.
    private static let hash = "encode(sha256(convert_to($3, 'UTF8')), 'hex')"

    private static func isApplied(
        _ migration: Migration, _ connection: PostgresConnection
    ) throws(PostgresError) -> Bool {
        let row = try connection.query(
            "SELECT name = $2 AND sha256 = \(hash) FROM schema_migrations WHERE version = $1",
            ["\(migration.version)", migration.name, migration.sql])
        if row.count == 0 { return false }
        guard row.flag(0, 0) == true else {
            throw PostgresError(
                .schema,
                "migration \(migration.version) (\(migration.name)) was applied with another text than this Drover has",
                advice: "Use the version of Drover that applied it, or restore its file in config/schema.")
        }
        return true
    }
}
