/// Which drivers are in service, in Postgres. Each change and its audit row are one statement.
import PostgresClient
import Tracking

/// What was last said of a driver.
struct DriverState {
    let isActive: Bool
    let changedAt: Microseconds
}

/// Asks and changes. Every answer comes on the loop.
struct DriverStateStore {
    private let postgres: PostgresQuestions?
    private let schema: String

    init(_ gateway: Gateway) {
        postgres = gateway.postgres
        schema = quotedIdentifier(gateway.configuration.postgresSchema)
    }

    private static let columns = "is_active, (extract(epoch FROM changed_at) * 1000000)::bigint"

    /// A driver's state; nil where nothing was ever said of it.
    func state(of driver: DriverID, then: @escaping (Result<DriverState?, PostgresError>) -> Void) {
        postgres.askNow(
            "SELECT \(Self.columns) FROM \(schema).driver_states WHERE driver_id = $1", [driver.string]
        ) { answer in
            then(answer.map { DriverState($0) })
        }
    }

    /// Puts a driver into service or out of it, and gives the state it has now: where it had it already, the old one. Who
    /// was never out of service is not put back into it: what his phone still has to send of before would not count.
    func set(
        _ isActive: Bool, _ driver: DriverID, by origin: AuditOrigin,
        then: @escaping (Result<DriverState?, PostgresError>) -> Void
    ) {
        let sql = """
            WITH changed AS (
                INSERT INTO \(schema).driver_states AS known (driver_id, is_active, changed_by)
                SELECT $1, $2::boolean, $3
                WHERE NOT $2::boolean OR EXISTS (SELECT FROM \(schema).driver_states WHERE driver_id = $1)
                ON CONFLICT (driver_id) DO UPDATE
                    SET is_active = excluded.is_active, changed_at = clock_timestamp(), changed_by = excluded.changed_by
                    WHERE known.is_active <> excluded.is_active
                RETURNING driver_id, is_active, changed_at),
            trail AS (
                INSERT INTO \(schema).api_audit_logs (actor, action, subject, detail, address)
                SELECT $3, 'driver.state', 'driver:' || driver_id, jsonb_build_object('is_active', is_active), $4
                FROM changed)
            SELECT \(Self.columns) FROM changed
            UNION ALL
            SELECT \(Self.columns) FROM \(schema).driver_states
            WHERE driver_id = $1 AND NOT EXISTS (SELECT FROM changed)
            """
        postgres.askNow(sql, [driver.string, "\(isActive)", origin.actor, origin.address]) { answer in
            then(answer.map { DriverState($0) })
        }
    }
}

extension DriverState {
    /// The state in the first row; nil where there is none.
    fileprivate init?(_ rows: PostgresRows) {
        guard rows.count > 0, let isActive = rows.text(0, 0), let changedAt = rows.integer(0, 1) else { return nil }
        self.init(isActive: isActive == "t", changedAt: changedAt)
    }
}
