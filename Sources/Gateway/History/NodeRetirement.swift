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
    /// beginning, and each row is still written once. Throws where no such node is known, and, without `isForced`, where it was
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

    /// A moment to the second as text, in UTC.
    static func utc(_ expression: String) -> String {
        "to_char(\(expression) AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')"
    }
}
