/// Keeps a partition of the history ready for every day that is written to.
///
/// Postgres itself says when a day of the configured zone begins and ends, so there is one time zone database, and the
/// 23- and 25-hour days are its concern. Partitions are made as tables of their own and then attached, which takes no lock
/// that a writer or reader of the history waits for (PostgreSQL manual, 5.11.2.2). There is no DEFAULT partition.
import PostgresClient
import Tracking

/// Finds and makes the partitions of one history table.
struct Partitions {
    /// Where the tables are.
    let schema: String
    /// Whose days they are; a name that Postgres knows.
    let timeZone: String
    /// What is known to exist.
    private(set) var map = PartitionMap()

    init(schema: String, timeZone: String) {
        self.schema = schema
        self.timeZone = timeZone
    }

    /// Reads from the catalogue which partitions exist.
    mutating func reload(_ connection: PostgresConnection) throws(PostgresError) {
        let rows = try connection.query(
            """
            SELECT \(Self.microseconds(ofBound: "b.bound[1]")), \(Self.microseconds(ofBound: "b.bound[2]"))
            FROM pg_inherits i
            JOIN pg_class p ON p.oid = i.inhparent AND p.relname = $2
            JOIN pg_namespace n ON n.oid = p.relnamespace AND n.nspname = $1
            JOIN pg_class c ON c.oid = i.inhrelid
            CROSS JOIN LATERAL regexp_match(pg_get_expr(c.relpartbound, c.oid),
                '^FOR VALUES FROM \\(''?([^'')]+)''?\\) TO \\(''?([^'')]+)''?\\)') AS b(bound)
            WHERE NOT i.inhdetachpending
            """, [schema, PartitionName.table])
        map = PartitionMap(
            (0..<rows.count).map { row in
                // MINVALUE, MAXVALUE and the infinities come as NULL: an operator's own partition, open on that side.
                PartitionBounds(lower: rows.integer(row, 0) ?? .min, upper: rows.integer(row, 1) ?? .max)
            })
    }

    /// Whether all rows of `batch` have a partition, as far as is known.
    mutating func cover(_ batch: borrowing HistoryBatch) -> Bool {
        map.firstUncovered(in: batch) == nil
    }

    /// Makes the partitions that `batch` lacks.
    mutating func make(for batch: borrowing HistoryBatch, _ connection: PostgresConnection) throws(PostgresError) {
        while let time = map.firstUncovered(in: batch) {
            try make(around: Self.instant("$1"), "\(time)", connection)
            guard map.covers(time) else {
                throw PostgresError(.noPartition, "no partition could be made for the history of \(time) µs since 1970")
            }
        }
    }

    /// Makes the partitions of the day of `now` and of `daysAhead` days after it; returns how many were missing.
    @discardableResult
    mutating func makeAhead(
        _ daysAhead: Int, now: Microseconds, _ connection: PostgresConnection
    ) throws(PostgresError) -> Int {
        try reload(connection)
        var missing = 0
        for day in 0...max(0, daysAhead) {
            // Noon of a day is within it in every zone, whatever its clocks do at night.
            let today = "(\(Self.instant("$1")) AT TIME ZONE \(quotedLiteral(timeZone)))::date"
            let noon = "(\(today) + \(day) + time '12:00') AT TIME ZONE \(quotedLiteral(timeZone))"
            if try make(around: noon, "\(now)", connection) { missing += 1 }
        }
        return missing
    }

    /// Makes the partition of the day that holds `instant`, an SQL expression of `$1`; false where it is there.
    @discardableResult
    private mutating func make(
        around instant: String, _ parameter: String, _ connection: PostgresConnection
    ) throws(PostgresError) -> Bool {
        let zone = quotedLiteral(timeZone)
        let day = try answer(
            connection,
            """
            SELECT \(Self.microseconds("d.instant")),
                \(Self.microseconds("(d.day::timestamp AT TIME ZONE \(zone))")),
                \(Self.microseconds("((d.day + 1)::timestamp AT TIME ZONE \(zone))")), to_char(d.day, 'YYYYMMDD')
            FROM (SELECT i.instant, (i.instant AT TIME ZONE \(zone))::date AS day FROM (SELECT \(instant) AS instant) i) d
            """, parameter)
        guard let time = day.integer(0, 0), let lower = day.integer(0, 1), let upper = day.integer(0, 2),
            let name = day.text(0, 3)
        else { throw PostgresError(.schema, "Postgres knows no day for \(parameter) in time zone \(timeZone)") }
        if map.covers(time) { return false }
        try make(PartitionBounds(lower: lower, upper: upper), named: name, around: time, connection)
        return true
    }

    /// Asks for a day; a zone that Postgres does not know (22023) is a matter of configuration.
    private func answer(
        _ connection: PostgresConnection, _ sql: String, _ parameter: String
    ) throws(PostgresError) -> PostgresRows {
        do {
            return try connection.query(sql, [parameter])
        } catch  where error.sqlState == "22023" {
            throw error.advising("Set DROVER_HISTORY_TIME_ZONE to a name from pg_timezone_names.")
        }
    }

    private mutating func make(
        _ day: PartitionBounds, named name: String, around time: Int64, _ connection: PostgresConnection
    ) throws(PostgresError) {
        let schema = self.schema
        var known = self
        // The lock lets another gateway finish the same first; `lock_timeout` keeps a migration or an operator's
        // maintenance from holding the writer for long without a word.
        try connection.transaction(
            """
            SET LOCAL search_path TO \(quotedIdentifier(schema)); SET LOCAL lock_timeout = '5s';
            SELECT pg_advisory_xact_lock(hashtextextended('drover partitions ' || \(quotedLiteral(schema)), 0))
            """
        ) { () throws(PostgresError) in
            try known.reload(connection)
            if known.map.covers(time) { return }
            let bounds = known.map.gap(around: time, within: day)
            let table = quotedIdentifier(try Self.freeName(day: name, schema, connection))
            let parent = quotedIdentifier(PartitionName.table)
            let range = try connection.query(
                "SELECT quote_literal(\(Self.instant("$1"))), quote_literal(\(Self.instant("$2")))",
                ["\(bounds.lower)", "\(bounds.upper)"])
            // Empty, so ATTACH has nothing to scan and needs no CHECK of the bounds, which each row would then pay for.
            try connection.run(
                """
                CREATE TABLE \(table) (LIKE \(parent) INCLUDING ALL);
                ALTER TABLE \(parent) ATTACH PARTITION \(table)
                    FOR VALUES FROM (\(range.text(0, 0) ?? "NULL")) TO (\(range.text(0, 1) ?? "NULL"))
                """)
            try known.reload(connection)
        }
        map = known.map
    }

    /// A name that no table has yet: the second for a day is needed where the time zone was changed.
    private static func freeName(
        day: String, _ schema: String, _ connection: PostgresConnection
    ) throws(PostgresError) -> String {
        var part = 1
        while true {
            let name = PartitionName.name(day: day, part: part)
            let taken = try connection.query(
                "SELECT 1 FROM pg_class WHERE relname = $1 AND relnamespace = $2::regnamespace",
                [name, quotedIdentifier(schema)])
            if taken.count == 0 { return name }
            part += 1
        }
    }

    /// Microseconds since 1970 of a timestamptz, exactly: `extract` is a numeric since PostgreSQL 14.
    static func microseconds(_ expression: String) -> String {
        "(extract(epoch FROM \(expression)) * 1000000)::bigint"
    }

    /// The same for one bound of a partition as the catalogue prints it; NULL for what is no moment.
    static func microseconds(ofBound text: String) -> String {
        "CASE WHEN \(text) !~ 'VALUE|infinity' THEN \(microseconds("(\(text))::timestamptz")) END"
    }

    /// The moment that a number of microseconds since 1970 stands for, exactly.
    private static func instant(_ parameter: String) -> String {
        "(timestamptz '1970-01-01 00:00:00+00' + \(parameter)::bigint * interval '1 microsecond')"
    }
}
