/// Puts the history's tables where `history.schema` wants them. Migrations make them beside Drover's other tables; from
/// there, or from where an earlier configuration wanted them, they are moved, with their rows, indexes and partitions.
///
/// Where they are now is written down in Drover's schema, so that a table of the same name which somebody else made is
/// never taken for Drover's. Every gateway over the same tables needs the same `history.schema`.
import PostgresClient
import Tracking

/// See the file's head.
struct HistoryMove {
    private static let type = "driver_location_source"

    private let connection: PostgresConnection
    private let place: HistoryPlace

    init(_ connection: PostgresConnection, _ place: HistoryPlace) {
        self.connection = connection
        self.place = place
    }

    /// Moves what is elsewhere. Within a transaction that holds the migrations' lock. Throws, and moves nothing, where
    /// something of those names is in the way.
    func settle() throws(PostgresError) {
        let present = try whereabouts()
        guard present != place.history else { return }
        if try connection.query("SELECT 1 FROM pg_namespace WHERE nspname = $1", [place.history]).count == 0 {
            try connection.run("CREATE SCHEMA \(quotedIdentifier(place.history))")
        }
        let relations = try relations(in: present)
        try refuseStrangers(relations.map(\.name))
        // Writers and readers wait, a moment only; an old transaction shall not make them wait for long.
        try connection.run("SET LOCAL lock_timeout = '10s'")
        let target = quotedIdentifier(place.history)
        let source = quotedIdentifier(present)
        try connection.run("ALTER TYPE \(source).\(Self.type) SET SCHEMA \(target)")
        for relation in relations {
            try connection.run(
                "ALTER \(relation.kind) \(source).\(quotedIdentifier(relation.name)) SET SCHEMA \(target)")
        }
        try connection.query(
            """
            INSERT INTO \(quotedIdentifier(place.schema)).history_place (schema_name) VALUES ($1)
            ON CONFLICT (one_row) DO UPDATE SET schema_name = EXCLUDED.schema_name
            """, [place.history])
    }

    /// Throws where the history is not where the configuration says.
    func check() throws(PostgresError) {
        let present = try whereabouts()
        guard present == place.history else {
            throw PostgresError(
                .schema, "the history is in schema \(present), not in \(place.history) as history.schema says")
        }
    }

    /// The schema that has the history now.
    private func whereabouts() throws(PostgresError) -> String {
        let table = "\(quotedIdentifier(place.schema)).history_place"
        // Before the migration that makes it, nothing was moved.
        guard try connection.query("SELECT to_regclass($1) IS NULL", [table]).flag(0, 0) == false else {
            return place.schema
        }
        let rows = try connection.query("SELECT schema_name FROM \(table)")
        return rows.count == 1 ? rows.text(0, 0) ?? place.schema : place.schema
    }

    /// Everything that goes along: partitions do not follow their parent by themselves, nor do tables that were taken off
    /// to be dropped or kept.
    private func relations(in schema: String) throws(PostgresError) -> [(kind: String, name: String)] {
        let rows = try connection.query(
            """
            SELECT CASE c.relkind WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END, c.relname FROM pg_class c
            WHERE c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = $1) AND c.relkind IN ('r', 'p', 'v')
                AND (c.relname = ANY ($2::text[]) OR c.relname ~ ('^' || $3 || '_[0-9]{8}(_part[0-9]+)?$')
                    OR EXISTS (SELECT FROM pg_inherits i JOIN pg_class p ON p.oid = i.inhparent
                        WHERE i.inhrelid = c.oid AND p.relname = $3 AND p.relnamespace = c.relnamespace))
            ORDER BY c.relname
            """, [schema, "{\(HistoryPlace.relations.joined(separator: ","))}", PartitionName.table])
        return (0..<rows.count).map { (rows.text($0, 0) ?? "", rows.text($0, 1) ?? "") }
    }

    private func refuseStrangers(_ names: [String]) throws(PostgresError) {
        let rows = try connection.query(
            """
            SELECT relname FROM pg_class WHERE relname = ANY ($2::text[])
                AND relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = $1)
            UNION ALL
            SELECT typname FROM pg_type WHERE typname = $3
                AND typnamespace = (SELECT oid FROM pg_namespace WHERE nspname = $1)
            LIMIT 1
            """, [place.history, "{\(names.map { "\"\($0)\"" }.joined(separator: ","))}", Self.type])
        guard rows.count == 0 else {
            throw PostgresError(
                .schema,
                "\(place.history).\(rows.text(0, 0) ?? "") is in the way of the history: it is not Drover's",
                advice: "Rename or drop it, or set DROVER_HISTORY_SCHEMA to another schema.")
        }
    }
}
