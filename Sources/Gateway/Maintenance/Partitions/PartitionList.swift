/// The history's partitions as the catalogue has them, and the tables that were partitions.
import PostgresClient
import Tracking

/// A day's table.
struct PartitionEntry: Equatable {
    /// Whether rows can be found in it through the history's table.
    enum State: String {
        /// Yes.
        case attached
        /// No more for statements that begin now; statements from before may still read it.
        case detaching
        /// Not at all. It was taken off to be dropped, and something came between.
        case leftover
        /// Not at all. Somebody took it off who may want to keep it; Drover leaves it alone.
        case detached
    }

    /// Unquoted, without its schema.
    let name: String
    /// Its first microsecond, and the first behind it; nil where it has no such bound.
    let lower: Microseconds?
    let upper: Microseconds?
    /// As Postgres last estimated; nil where it never did.
    let rows: Int?
    /// With its indexes.
    let bytes: Int
    let state: State
    /// Whether it was begun to be dropped.
    let isMarked: Bool
    /// The file that it is archived in.
    let archive: String?

    /// The table as archives know it; nil where it has no bounds.
    var day: DayTable? {
        guard let lower, let upper else { return nil }
        return DayTable(name: name, lower: ArchiveColumns.time(lower), upper: ArchiveColumns.time(upper))
    }
}

extension PartitionEntry {
    /// What the comment of a table begins with that is being dropped. It tells such a table from one that an operator took
    /// off to keep; the bounds follow, because a table that is no partition has none.
    static let mark = "Drover drops this table: "

    /// All of them, oldest first.
    static func all(_ connection: PostgresConnection, _ place: HistoryPlace) throws(PostgresError) -> [PartitionEntry] {
        let schema = quotedIdentifier(place.schema)
        let rows = try connection.query(
            """
            SELECT c.relname, \(Partitions.microseconds(ofBound: "b.bound[1]")), \(Partitions.microseconds(ofBound: "b.bound[2]")),
                CASE WHEN c.reltuples >= 0 THEN c.reltuples::bigint END, pg_total_relation_size(c.oid),
                CASE WHEN i.inhdetachpending THEN 'detaching' WHEN i.inhrelid IS NOT NULL THEN 'attached'
                    WHEN m.bound IS NOT NULL THEN 'leftover' ELSE 'detached' END,
                m.bound IS NOT NULL, \(Partitions.microseconds("m.bound[1]::timestamptz")),
                \(Partitions.microseconds("m.bound[2]::timestamptz")),
                (SELECT min(a.file) FROM \(schema).history_archives a WHERE a.partition = c.relname AND a.dropped_at IS NULL)
            FROM pg_class c LEFT JOIN pg_inherits i ON i.inhrelid = c.oid
            LEFT JOIN LATERAL regexp_match(pg_get_expr(c.relpartbound, c.oid),
                '^FOR VALUES FROM \\(''?([^'')]+)''?\\) TO \\(''?([^'')]+)''?\\)') AS b(bound) ON true
            LEFT JOIN LATERAL regexp_match(obj_description(c.oid, 'pg_class'), '^' || $1 || '(\\S+) (\\S+)$') AS m(bound) ON true
            WHERE c.relkind = 'r' AND c.relnamespace = $2::regnamespace AND (i.inhparent = $3::regclass
                OR (i.inhparent IS NULL AND (m.bound IS NOT NULL OR c.relname ~ ('^' || $4 || '_[0-9]{8}(_part[0-9]+)?$'))))
            ORDER BY 2 NULLS FIRST, 1
            """, [mark, quotedIdentifier(place.history), place.inHistory(PartitionName.table), PartitionName.table])
        return (0..<rows.count).map { row in
            PartitionEntry(
                name: rows.text(row, 0) ?? "", lower: rows.integer(row, 1) ?? rows.integer(row, 7),
                upper: rows.integer(row, 2) ?? rows.integer(row, 8), rows: rows.integer(row, 3).map { Int($0) },
                bytes: Int(rows.integer(row, 4) ?? 0), state: State(rawValue: rows.text(row, 5) ?? "") ?? .detached,
                isMarked: rows.flag(row, 6) ?? false, archive: rows.text(row, 9))
        }
    }

    /// The DEFAULT partition, where somebody made one.
    static func defaultPartition(
        _ connection: PostgresConnection, _ place: HistoryPlace
    ) throws(PostgresError) -> String? {
        let rows = try connection.query(
            """
            SELECT c.relname FROM pg_partitioned_table t JOIN pg_class c ON c.oid = t.partdefid
            WHERE t.partrelid = $1::regclass
            """, [place.inHistory(PartitionName.table)])
        return rows.count > 0 ? rows.text(0, 0) : nil
    }
}
