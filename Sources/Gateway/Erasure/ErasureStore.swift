/// Erasures in Postgres as the gateway's loop asks for them.
import Journal
import PostgresClient
import Tracking

/// Asks and changes. Every answer comes on the loop, and in the order of asking.
struct ErasureStore {
    let postgres: PostgresQuestions?
    private let configuration: Configuration
    private let schema: String
    private let node: String

    init(_ gateway: Gateway) {
        node = gateway.pipeline.journal.nodeID
        postgres = gateway.postgres
        configuration = gateway.configuration
        schema = quotedIdentifier(gateway.configuration.postgresSchema)
    }

    /// Makes a request; `then` gets its id and those of the devices that are no longer valid.
    func request(
        _ driver: DriverID, reachesTo: Microseconds, keepsRegistration: Bool, by origin: AuditOrigin,
        then: @escaping (Result<(id: String, devices: [String]), PostgresError>) -> Void
    ) {
        secret { answer in
            switch answer {
            case .failure(let error): then(.failure(error))
            case .success(let secret):
                let request = ErasureRequest(
                    driver: driver, pseudonym: Pseudonym(of: driver, secret: secret), reachesTo: reachesTo,
                    keepsRegistration: keepsRegistration, origin: origin, node: node)
                postgres.askNow(request.statement(schema), request.parameters) { answer in
                    then(answer.map { rows in (request.id, (0..<rows.count).compactMap { rows.text($0, 0) }) })
                }
            }
        }
    }

    /// The secret behind the hashes that stand for whoever is erased.
    func secret(then: @escaping (Result<[UInt8], PostgresError>) -> Void) {
        if let configured = AuditSecret.configured(configuration) { return then(.success(configured)) }
        postgres.askNow(AuditSecret.question(schema), []) { answer in
            switch answer {
            case .failure(let error): then(.failure(error))
            case .success(let rows):
                guard rows.count == 1, let secret = rows.text(0, 0).flatMap({ AuditSecret.bytes($0) }) else {
                    return then(.failure(PostgresError(.schema, "the table audit_key has no secret")))
                }
                then(.success(secret))
            }
        }
    }

    /// A request by its id; nil where there is none.
    func find(_ id: String, then: @escaping (Result<Erasure?, PostgresError>) -> Void) {
        let sql = "SELECT \(Erasure.columns(schema)) FROM \(schema).erasures WHERE id = $1"
        postgres.askNow(sql, [id]) { answer in
            then(answer.map { rows in rows.count == 1 ? Erasure(rows, 0) : nil })
        }
    }

    /// An erasure that is under way, as a gateway needs it.
    struct Open {
        let id: String
        let driver: DriverID
        let reachesTo: Microseconds
        let keepsRegistration: Bool
        /// Whether the node is among those that are done.
        let isNodeDone: Bool
    }

    /// All that are under way.
    func open(node: String, then: @escaping (Result<[Open], PostgresError>) -> Void) {
        let sql = """
            SELECT id, driver_id, (extract(epoch FROM reaches_to) * 1000000)::bigint, keeps_registration,
                $1 = ANY (nodes_done)
            FROM \(schema).erasures WHERE finished_at IS NULL ORDER BY requested_at, id
            """
        postgres.askNow(sql, [node]) { answer in
            then(
                answer.map { rows in
                    (0..<rows.count).compactMap { row in
                        guard let id = rows.text(row, 0), let driver = rows.text(row, 1).flatMap({ DriverID($0) }),
                            let reachesTo = rows.integer(row, 2), let keeps = rows.flag(row, 3),
                            let isDone = rows.flag(row, 4)
                        else { return nil }
                        return Open(
                            id: id, driver: driver, reachesTo: reachesTo, keepsRegistration: keeps, isNodeDone: isDone)
                    }
                })
        }
    }

    /// Makes the node known as one whose journal may hold pings, if it is not, and notes that it is there, on the machine
    /// `host`; `then` hears whether it is known now. Never waits for the history's writer: where that has the row, it is
    /// heard of anyway.
    func register(node: String, host: String, then: @escaping (Bool) -> Void) {
        let table = "\(schema).ingest_checkpoints"
        let sql = """
            WITH present AS (SELECT node_id FROM \(table) WHERE node_id = $1 FOR UPDATE SKIP LOCKED),
            heard AS (
                UPDATE \(table) c SET heard_at = now(), host = $2 FROM present WHERE c.node_id = present.node_id)
            INSERT INTO \(table) (node_id, lsn, host)
            SELECT $1, 0, $2 WHERE NOT EXISTS (SELECT FROM \(table) WHERE node_id = $1) ON CONFLICT DO NOTHING
            """
        postgres.askNow(sql, [node, host]) { answer in then((try? answer.get()) != nil) }
    }

    /// The node holds nothing any more of what the erasure takes away, and has taken so many keys out of Redis.
    func finished(_ id: String, node: String, redisKeys: Int64, then: @escaping (Bool) -> Void) {
        let sql = """
            UPDATE \(schema).erasures SET nodes_done = array_append(nodes_done, $2),
                progress = jsonb_set(progress, '{removed}', coalesce(progress->'removed', '{}') || jsonb_build_object(
                    'redis_keys', coalesce((progress->'removed'->>'redis_keys')::bigint, 0) + $3::bigint))
            WHERE id = $1 AND finished_at IS NULL AND NOT $2 = ANY (nodes_done)
            """
        postgres.askNow(sql, [id, node, "\(redisKeys)"]) { answer in then((try? answer.get()) != nil) }
    }
}
