/// Takes a node out of those whose journals are waited for: of a machine that is lost, or a worker that is no longer
/// configured and whose journal was drained.
import PostgresClient

/// What was known of a node that is retired now.
struct NodeRetirement {
    /// A node that was heard of within so many seconds runs; `heard_at` is written every `heartbeatSeconds`.
    static let silenceSeconds: Int64 = 300
    /// How often a gateway says that it is there, in seconds.
    static let heartbeatSeconds: Int64 = 30

    let node: String
    /// The machine's name, where it was told.
    let host: String?
    /// The record through which its rows are in Postgres, and when the last of them came, in UTC.
    let lsn: Int64
    let writtenAt: String
    /// Since when nothing was heard, in UTC.
    let heardAt: String
    /// Erasures under way that waited for it.
    let erasures: Int64

    /// Takes `node` out, with a row in the audit trail, in one transaction: no erasure waits for it any more, and its devices
    /// count as disconnected. `schema` is Drover's, unquoted. Where the node turns up again, its journal is taken up from its
    /// beginning, and each row is still written once, unless drivers were erased meanwhile (`checkReturn`). Throws where no such node is known, and, without `isForced`, where it was
    /// heard of within `silenceSeconds`. Not within a transaction.
    @discardableResult
    static func retire(
        node: String, connection: PostgresConnection, schema: String, isForced: Bool = false, actor: String = "cli"
    ) throws(PostgresError) -> NodeRetirement {
        try connection.transaction("SET LOCAL search_path TO \(quotedIdentifier(schema))") { () throws(PostgresError) in
            // The lock waits for a transaction that writes the node's rows, so that what is told is what is there.
            let rows = try connection.query(
                """
                SELECT host, lsn, \(utc("updated_at")), \(utc("greatest(heard_at, updated_at)")),
                    extract(epoch FROM clock_timestamp() - greatest(heard_at, updated_at))::bigint,
                    (SELECT count(*) FROM erasures WHERE finished_at IS NULL AND NOT $1 = ANY (nodes_done))
                FROM ingest_checkpoints WHERE node_id = $1 FOR UPDATE
                """, [node])
            guard rows.count == 1 else {
                throw PostgresError(
                    .data, "no journal with the node id \(node) is known", advice: "List them with: drover nodes list")
            }
            let silence = rows.integer(0, 4) ?? 0
            guard isForced || silence >= silenceSeconds else {
                throw PostgresError(
                    .data, "node \(node) was heard of \(silence) s ago",
                    advice: "Stop its gateway, or add --force where that is done and its journal is gone for good.")
            }
            let known = NodeRetirement(
                node: node, host: rows.text(0, 0), lsn: rows.integer(0, 1) ?? 0, writtenAt: rows.text(0, 2) ?? "",
                heardAt: rows.text(0, 3) ?? "", erasures: rows.integer(0, 5) ?? 0)
            try connection.query("DELETE FROM ingest_checkpoints WHERE node_id = $1", [node])
            try connection.query(
                "UPDATE driver_sessions SET connected_since = NULL WHERE node_id = $1 AND connected_since IS NOT NULL",
                [node])
            try connection.query(
                """
                INSERT INTO api_audit_logs (actor, action, subject, detail)
                VALUES ($1, 'node.retire', 'node:' || $2, jsonb_strip_nulls(jsonb_build_object(
                    'host', $3::text, 'lsn', $4::bigint, 'heard_at', $5::text, 'forced', $6::boolean)))
                """, [actor, node, known.host, "\(known.lsn)", known.heardAt, "\(isForced)"])
            return known
        }
    }

    /// Takes `node` in again, which was retired: from now on erasures wait for it, and its journal is written from its
    /// beginning. Throws where it was not retired.
    static func admit(
        node: String, connection: PostgresConnection, schema: String, actor: String = "cli"
    ) throws(PostgresError) {
        try connection.transaction("SET LOCAL search_path TO \(quotedIdentifier(schema))") { () throws(PostgresError) in
            guard try retirement(of: node, connection) != nil else {
                throw PostgresError(
                    .data, "no node \(node) was retired", advice: "List those that are known with: drover nodes list")
            }
            try connection.query(
                "INSERT INTO api_audit_logs (actor, action, subject) VALUES ($1, 'node.admit', 'node:' || $2)",
                [actor, node])
            try connection.query(
                "INSERT INTO ingest_checkpoints (node_id, lsn) VALUES ($1, 0) ON CONFLICT DO NOTHING", [node])
        }
    }

    /// Throws where `node` was retired and drivers were erased since: its journal may hold their pings, and would bring them
    /// back. Within a transaction whose search path begins with Drover's schema.
    static func checkReturn(of node: String, _ connection: PostgresConnection) throws(PostgresError) {
        guard let retired = try retirement(of: node, connection), retired.erasures > 0 else { return }
        throw PostgresError(
            .schema,
            "this journal's node \(node) was retired at \(retired.at), and \(retired.erasures) erasures ended since, which "
                + "its pings might undo",
            advice: "Move the journal's directory away, or run `drover nodes admit \(node)` and repeat those erasures.")
    }

    /// When a node was retired, unless it was taken in again, and how many erasures ended since.
    private static func retirement(
        of node: String, _ connection: PostgresConnection
    ) throws(PostgresError) -> (at: String, erasures: Int64)? {
        let rows = try connection.query(
            """
            SELECT \(utc("at")), (SELECT count(*) FROM erasures WHERE finished_at > trail.at), action = 'node.retire'
            FROM api_audit_logs trail WHERE subject = 'node:' || $1 AND action IN ('node.retire', 'node.admit')
            ORDER BY at DESC, id DESC LIMIT 1
            """, [node])
        guard rows.count == 1, rows.flag(0, 2) == true else { return nil }
        return (rows.text(0, 0) ?? "", rows.integer(0, 1) ?? 0)
    }

    /// A moment to the second as text, in UTC.
    static func utc(_ expression: String) -> String {
        "to_char(\(expression) AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')"
    }
}
