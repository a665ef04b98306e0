/// `drover nodes list|retire|admit`: the gateways that write this history, and the end of one that is gone for good.
import PostgresClient

/// Works over a connection of its own.
public struct NodeCommands {
    private let connection: PostgresConnection
    private let configuration: Configuration

    /// Connects, and brings the schema up to date where `history.migrate` allows.
    public init(_ configuration: Configuration) throws {
        connection = try configuration.connectDirectly()
        if configuration.historyMigrate { try configuration.migrateTables(connection) }
        self.configuration = configuration
    }

    /// Lines of node id, machine, state, when it was heard of last, the record through which its rows are in Postgres, when
    /// the last of them came, and how many erasures wait for its journal; the one that was heard of last comes first.
    public func list() throws -> [String] {
        let schema = quotedIdentifier(configuration.postgresSchema)
        let rows = try connection.query(
            """
            SELECT node_id, coalesce(host, 'unknown'),
                CASE WHEN heard > clock_timestamp() - interval '\(NodeRetirement.silenceSeconds) s' THEN 'running'
                    ELSE 'silent' END,
                'heard ' || \(NodeRetirement.utc("heard")), 'record ' || lsn,
                'written ' || \(NodeRetirement.utc("updated_at")),
                'erasures ' || (SELECT count(*) FROM \(schema).erasures e
                    WHERE e.finished_at IS NULL AND NOT node_id = ANY (e.nodes_done))
            FROM (SELECT *, greatest(heard_at, updated_at) AS heard FROM \(schema).ingest_checkpoints) n
            ORDER BY heard DESC, node_id
            """)
        return (0..<rows.count).map { row in (0..<7).map { rows.text(row, $0) ?? "" }.joined(separator: "\t") }
    }

    /// No erasure waits for this node's journal any more. Returns what to tell. Throws where the node was heard of within five
    /// minutes, unless `isForced`.
    public func retire(_ node: String, isForced: Bool) throws -> String {
        let retired = try NodeRetirement.retire(
            node: node, connection: connection, schema: configuration.postgresSchema, isForced: isForced)
        let machine = retired.host.map { " of machine \($0)" } ?? ""
        let waited =
            switch retired.erasures {
            case 0: "no erasure waited for it"
            case 1: "1 erasure waits for it no longer"
            case let count: "\(count) erasures wait for it no longer"
            }
        return """
            retired node \(node)\(machine), heard of last at \(retired.heardAt); \(waited)
            its journal was in Postgres through record \(retired.lsn), the last of them at \(retired.writtenAt); pings that it \
            acknowledged after that are lost with it
            """
    }

    /// Takes a retired node in again, whose journal was found. Returns what to tell.
    public func admit(_ node: String) throws -> String {
        try NodeRetirement.admit(node: node, connection: connection, schema: configuration.postgresSchema)
        return
            "node \(node) is known again; pings of its journal may be of drivers who were erased meanwhile: erase them again"
    }
}
