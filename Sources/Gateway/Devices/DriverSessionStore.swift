/// `driver_sessions` in Postgres: statements that many gateways may give in any order.
import PostgresClient
import Tracking

/// A record as it was when it was taken to be written.
struct DriverSessionRow {
    let slot: DriverSessions.Slot
    let record: DriverSessionRecord
    let lastSeen: Microseconds
}

/// Writes on the loop.
final class DriverSessionStore {
    private let postgres: PostgresQuestions?
    private let schema: String
    private let nodeID: String
    /// How long an answer is waited for.
    var deadlineMilliseconds = 5_000

    init(postgres: PostgresQuestions?, schema: String, nodeID: String) {
        self.postgres = postgres
        self.schema = quotedIdentifier(schema)
        self.nodeID = nodeID
    }

    /// Writes `rows`, each a device of its own; `then` hears whether all of it was done.
    func write(_ rows: [DriverSessionRow], then: @escaping (Bool) -> Void) {
        var writer = JSONWriter()
        writer.raw("[")
        for (index, row) in rows.enumerated() {
            writer.raw(index > 0 ? ",{\"driver_id\":" : "{\"driver_id\":")
            writer.string(row.record.device.driver.string)
            writer.raw(",\"device_id\":")
            writer.string(row.record.device.device)
            if let app = row.record.app {
                writer.raw(",\"app\":")
                writer.string(app)
            }
            if let since = row.record.connectedSince {
                writer.raw(",\"since\":\(since),\"is_open\":\(row.record.connections > 0)")
            }
            writer.raw(",\"seen\":\(row.lastSeen),\"is_new\":\(row.lastSeen > row.record.written)}")
        }
        writer.raw("]")
        let given = String(decoding: writer.bytes, as: UTF8.self)
        let hasEnded = rows.contains { $0.record.connections == 0 && $0.record.connectedSince != nil }
        ask(upsert, [given, nodeID]) { [self] isDone in
            guard isDone, hasEnded else { return then(isDone) }
            ask(end, [given], then: then)
        }
    }

    /// No device is connected to this gateway.
    func disconnectAll(then: @escaping (Bool) -> Void) {
        ask(
            """
            UPDATE \(schema).driver_sessions SET connected_since = NULL
            WHERE node_id = $1 AND connected_since IS NOT NULL
            """, [nodeID], then: then)
    }

    private func ask(_ sql: String, _ parameters: [String], then: @escaping (Bool) -> Void) {
        guard let postgres, postgres.isConnected else { return then(false) }
        let isAsked = postgres.ask(sql, parameters, deadlineMilliseconds: deadlineMilliseconds) { answer in
            if case .success = answer { then(true) } else { then(false) }
        }
        if !isAsked { then(false) }
    }

    private static let given = """
        jsonb_to_recordset($1::jsonb) AS given (
            driver_id text, device_id text, app text, since bigint, is_open boolean, seen bigint, is_new boolean)
        """

    private static func instant(_ expression: String) -> String {
        "timestamptz '1970-01-01 00:00:00+00' + \(expression) * interval '1 microsecond'"
    }

    /// In the order of the key, so that two gateways with the same devices cannot wait for each other. A device that only
    /// sends requests here may be connected elsewhere: that stays. Of two connections the later one counts. Where nothing
    /// was heard since the last writing, a row that is not there was erased: a mere goodbye does not bring it back.
    private var upsert: String {
        """
        INSERT INTO \(schema).driver_sessions AS known
            (driver_id, device_id, app_version, connected_since, last_seen, node_id)
        SELECT driver_id, device_id, app, CASE WHEN is_open THEN \(Self.instant("since")) END, \(Self.instant("seen")), $2
        FROM \(Self.given)
        WHERE is_new OR EXISTS (
            SELECT FROM \(schema).driver_sessions was
            WHERE was.driver_id = given.driver_id AND was.device_id = given.device_id)
        ORDER BY driver_id, device_id
        ON CONFLICT (driver_id, device_id) DO UPDATE SET
            connected_since = greatest(known.connected_since, EXCLUDED.connected_since),
            last_seen = greatest(known.last_seen, EXCLUDED.last_seen),
            app_version = CASE WHEN EXCLUDED.last_seen >= known.last_seen
                THEN coalesce(EXCLUDED.app_version, known.app_version) ELSE known.app_version END,
            node_id = CASE WHEN EXCLUDED.last_seen >= known.last_seen THEN EXCLUDED.node_id ELSE known.node_id END
        """
    }

    /// What has ended, unless the device has connected again since, perhaps to another gateway.
    private var end: String {
        """
        UPDATE \(schema).driver_sessions known SET connected_since = NULL
        FROM \(Self.given)
        WHERE NOT given.is_open AND known.driver_id = given.driver_id AND known.device_id = given.device_id
            AND known.connected_since <= \(Self.instant("given.since"))
        """
    }
}
