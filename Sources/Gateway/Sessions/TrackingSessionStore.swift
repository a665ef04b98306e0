/// Tracking sessions in Postgres. Each change and its audit row are one statement.
import PostgresClient
import Tracking

/// Asks and changes. Every answer comes on the loop.
struct TrackingSessionStore {
    let postgres: PostgresQuestions?
    private let schema: String

    init(_ gateway: Gateway) {
        postgres = gateway.postgres
        schema = quotedIdentifier(gateway.configuration.postgresSchema)
    }

    /// Which sessions a list has.
    struct Filter {
        /// Those older than the session with this id.
        var after: String?
        var customer: String?
        /// Whether they open anything now; nil is both.
        var isActive: Bool?
        var limit = 100
    }

    /// Makes a session; `hash` is its token's.
    func create(
        id: String, hash: String, subjects: [Subject], customer: String?, precision: Int, expiresAt: Microseconds,
        by origin: AuditOrigin, then: @escaping (Result<Void, PostgresError>) -> Void
    ) {
        let sql = """
            WITH made AS (
                INSERT INTO \(schema).tracking_sessions
                    (id, token_sha256, subjects, customer_id, precision_m, created_by, expires_at)
                VALUES ($1, decode($2, 'hex'), string_to_array($3, E'\\n'), $4, $5::integer, $6,
                    timestamptz 'epoch' + $7::bigint * interval '1 microsecond')
                RETURNING id, subjects, expires_at)
            INSERT INTO \(schema).api_audit_logs (actor, action, subject, detail, address)
            SELECT $6, 'tracking_session.create', 'tracking_session:' || id,
                jsonb_build_object('subjects', subjects, 'expires_at', expires_at), $8 FROM made
            """
        let parameters: [String?] = [
            id, hash, subjects.map(\.name).joined(separator: "\n"), customer, "\(precision)", origin.actor,
            "\(expiresAt)", origin.address,
        ]
        postgres.askNow(sql, parameters) { answer in then(answer.map { _ in }) }
    }

    /// A session by its id; nil where there is none.
    func find(_ id: String, then: @escaping (Result<TrackingSession?, PostgresError>) -> Void) {
        let sql = "SELECT \(TrackingSession.columns) FROM \(schema).tracking_sessions WHERE id = $1"
        postgres.askNow(sql, [id]) { answer in
            then(answer.map { rows in rows.count == 1 ? TrackingSession(rows, 0) : nil })
        }
    }

    /// Sessions, the newest first.
    func list(_ filter: Filter, then: @escaping (Result<[TrackingSession], PostgresError>) -> Void) {
        let sql = """
            SELECT \(TrackingSession.columns) FROM \(schema).tracking_sessions
            WHERE ($1::text IS NULL
                OR (created_at, id) < (SELECT created_at, id FROM \(schema).tracking_sessions WHERE id = $1))
            AND ($2::text IS NULL OR customer_id = $2)
            AND ($3::boolean IS NULL OR (revoked_at IS NULL AND expires_at > now()) = $3)
            ORDER BY created_at DESC, id DESC LIMIT $4
            """
        let parameters = [filter.after, filter.customer, filter.isActive.map { "\($0)" }, "\(filter.limit)"]
        postgres.askNow(sql, parameters) { answer in
            then(answer.map { rows in (0..<rows.count).compactMap { TrackingSession(rows, $0) } })
        }
    }

    /// Revokes a session, if that was not done before, and gives its token's hash.
    func revoke(_ id: String, by origin: AuditOrigin, then: @escaping (Result<String?, PostgresError>) -> Void) {
        let sql = """
            WITH revoked AS (
                UPDATE \(schema).tracking_sessions SET revoked_at = now() WHERE id = $1 AND revoked_at IS NULL
                RETURNING id),
            trail AS (
                INSERT INTO \(schema).api_audit_logs (actor, action, subject, address)
                SELECT $2, 'tracking_session.revoke', 'tracking_session:' || id, $3 FROM revoked)
            SELECT encode(token_sha256, 'hex') FROM \(schema).tracking_sessions WHERE id = $1
            """
        postgres.askNow(sql, [id, origin.actor, origin.address]) { answer in
            then(answer.map { rows in rows.count == 1 ? rows.text(0, 0) : nil })
        }
    }
}

extension PostgresQuestions? {
    /// Asks where an answer may be had now; fails at once where Postgres is away or too much is asked already.
    func askNow(_ sql: String, _ parameters: [String?], then: @escaping PostgresQuestions.Answer) {
        guard let self, self.isConnected, self.ask(sql, parameters, then: then) else {
            return then(.failure(PostgresError(.connection, "Postgres is away or busy")))
        }
    }
}
