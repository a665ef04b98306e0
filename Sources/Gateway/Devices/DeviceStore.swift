/// The devices that report for a driver, in Postgres. Each change and its audit row are one statement.
import PostgresClient
import Tracking

/// A device. Its token is nowhere in it.
struct Device {
    let id: String
    /// What people call it.
    let name: String?
    let createdAt: Microseconds
    let revokedAt: Microseconds?
    /// Its last frame or request, some seconds ago at most `history.sessions_s`; nil where there was none.
    let lastSeen: Microseconds?
    /// Since when it has a WebSocket; nil while it has none.
    let connectedSince: Microseconds?
    /// Its User-Agent; nil where it sent none.
    let appVersion: String?
}

/// Asks and changes. Every answer comes on the loop.
struct DeviceStore {
    /// The most devices in a list.
    static let maximumListed = 1_000

    let postgres: PostgresQuestions?
    private let schema: String

    init(_ gateway: Gateway) {
        postgres = gateway.postgres
        schema = quotedIdentifier(gateway.configuration.postgresSchema)
    }

    /// A driver's devices, the newest first, revoked ones included.
    func list(_ driver: DriverID, then: @escaping (Result<[Device], PostgresError>) -> Void) {
        let sql = """
            SELECT id, name, (extract(epoch FROM created_at) * 1000000)::bigint,
                (extract(epoch FROM revoked_at) * 1000000)::bigint, (extract(epoch FROM last_seen) * 1000000)::bigint,
                (extract(epoch FROM connected_since) * 1000000)::bigint, app_version
            FROM \(schema).driver_devices device LEFT JOIN \(schema).driver_sessions session
                ON session.driver_id = device.driver_id AND session.device_id = device.id
            WHERE device.driver_id = $1 ORDER BY created_at DESC, id LIMIT \(Self.maximumListed)
            """
        postgres.askNow(sql, [driver.string]) { answer in
            then(
                answer.map { rows in
                    (0..<rows.count).map { row in
                        Device(
                            id: rows.text(row, 0) ?? "", name: rows.text(row, 1), createdAt: rows.integer(row, 2) ?? 0,
                            revokedAt: rows.integer(row, 3), lastSeen: rows.integer(row, 4),
                            connectedSince: rows.integer(row, 5), appVersion: rows.text(row, 6))
                    }
                })
        }
    }

    /// Makes a device; `hash` is its token's, `encryptionKey` what its OwnTracks encrypts with.
    func create(
        id: String, hash: String, driver: DriverID, name: String?, encryptionKey: String?, by origin: AuditOrigin,
        then: @escaping (Result<Void, PostgresError>) -> Void
    ) {
        let sql = """
            WITH made AS (
                INSERT INTO \(schema).driver_devices (id, driver_id, name, token_sha256, encryption_key)
                VALUES ($1, $2, $3, decode($4, 'hex'), $7) RETURNING id, driver_id, name)
            INSERT INTO \(schema).api_audit_logs (actor, action, subject, detail, address)
            SELECT $5, 'device.create', 'device:' || id,
                jsonb_strip_nulls(jsonb_build_object('driver_id', driver_id, 'name', name)), $6 FROM made
            """
        postgres.askNow(sql, [id, driver.string, name, hash, origin.actor, origin.address, encryptionKey]) { answer in
            then(answer.map { _ in })
        }
    }

    /// What a device's OwnTracks encrypts with; nil where it does not.
    func encryptionKey(of id: String, then: @escaping (Result<String?, PostgresError>) -> Void) {
        postgres.askNow("SELECT encryption_key FROM \(schema).driver_devices WHERE id = $1", [id]) { answer in
            then(answer.map { $0.count == 1 ? $0.text(0, 0) : nil })
        }
    }

    /// Revokes a driver's device, if that was not done before; false where the driver has no such device.
    func revoke(
        _ id: String, of driver: DriverID, by origin: AuditOrigin, then: @escaping (Result<Bool, PostgresError>) -> Void
    ) {
        let sql = """
            WITH revoked AS (
                UPDATE \(schema).driver_devices SET revoked_at = now()
                WHERE id = $1 AND driver_id = $2 AND revoked_at IS NULL RETURNING id, driver_id),
            trail AS (
                INSERT INTO \(schema).api_audit_logs (actor, action, subject, detail, address)
                SELECT $3, 'device.revoke', 'device:' || id, jsonb_build_object('driver_id', driver_id), $4 FROM revoked)
            SELECT FROM \(schema).driver_devices WHERE id = $1 AND driver_id = $2
            """
        postgres.askNow(sql, [id, driver.string, origin.actor, origin.address]) { answer in
            then(answer.map { $0.count == 1 })
        }
    }
}
