/// The statement that asks for an erasure, over HTTP or at the command line: the request, its row in the audit trail, and
/// the end of the driver's devices are one transaction, so that there is never one without the others.
import PostgresClient
import Tracking

/// A request that is to be made.
struct ErasureRequest {
    let id = Token.makeID()
    let driver: DriverID
    let pseudonym: Pseudonym
    /// What was received later stays, in wall microseconds.
    let reachesTo: Microseconds
    let keepsRegistration: Bool
    let origin: AuditOrigin
    /// The gateway that asks, which is waited for even where nobody knew of it yet; nil for the command.
    let node: String?

    /// The rows are the ids of devices that are no longer valid. A device that went on reporting would be known again a
    /// moment later; its row goes with the rest of the registration.
    func statement(_ schema: String) -> String {
        """
        WITH made AS (
            INSERT INTO \(schema).erasures (id, driver_id, driver_hash, reaches_to, keeps_registration, requested_by)
            VALUES ($1, $2, decode($3, 'hex'), timestamptz 'epoch' + $4::bigint * interval '1 microsecond',
                $5::boolean, $6) RETURNING id, keeps_registration),
        trail AS (
            INSERT INTO \(schema).api_audit_logs (actor, action, subject, detail, address)
            SELECT $6, 'telemetry.erase', $7,
                jsonb_build_object('erasure', id, 'keeps_registration', keeps_registration), $8 FROM made),
        node AS (
            INSERT INTO \(schema).ingest_checkpoints (node_id, lsn) SELECT $9::text, 0 WHERE $9::text IS NOT NULL
                AND NOT EXISTS (SELECT FROM \(schema).ingest_checkpoints WHERE node_id = $9::text)
            ON CONFLICT DO NOTHING)
        UPDATE \(schema).driver_devices SET revoked_at = now()
        WHERE driver_id = $2 AND revoked_at IS NULL AND NOT $5::boolean RETURNING id
        """
    }

    /// What stands for `$1` and so on.
    var parameters: [String?] {
        [
            id, driver.string, pseudonym.hexadecimal, "\(reachesTo)", "\(keepsRegistration)", origin.actor,
            pseudonym.name, origin.address, node,
        ]
    }
}
