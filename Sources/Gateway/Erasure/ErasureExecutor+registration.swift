/// The registration: whatever was made for the driver before the request. Where it is kept, nothing of this happens but to
/// the traces of devices that are not connected.
import PostgresClient
import Tracking

extension ErasureExecutor {
    /// Devices, orders, groups, and the driver in the subjects of sessions and keys. A session that names nobody else is
    /// over; a key that named nobody else may see nothing then. A key's prefix such as `driver:east-*` stays.
    func removeRegistration(_ erasure: Erasure, _ driver: DriverID) throws {
        var messages: [ControlMessage] = []
        let subject = "driver:" + driver.string
        let parameters = [driver.string, "\(erasure.requestedAt)"]
        let before = "<= \(Self.instant("$2")) + interval '1 microsecond'"
        var copies: Int64 = 0
        if !erasure.keepsRegistration {
            let hashes = try connection.query(
                """
                SELECT encode(token_sha256, 'hex') FROM \(schema).tracking_sessions
                WHERE $1 = ANY (subjects) AND created_at \(before)
                """, [subject, parameters[1]])
            copies = try removeCopies((0..<hashes.count).compactMap { hashes.text($0, 0) })
        }
        try piece(erasure) { (progress) throws(PostgresError) in
            progress.add(copies, "redis_keys")
            try removeTraces(erasure, driver, &progress)
            guard !erasure.keepsRegistration else { return true }
            func remove(
                _ sql: String, _ parameters: [String?], _ place: String, _ table: String,
                _ message: (String) -> ControlMessage?
            ) throws(PostgresError) {
                let rows = try connection.query(sql, parameters)
                progress.add(Int64(rows.count), place, from: table)
                messages += Set((0..<rows.count).compactMap { rows.text($0, 0) }).sorted().compactMap(message)
            }
            try remove(
                "DELETE FROM driver_devices WHERE driver_id = $1 AND created_at \(before) RETURNING id", parameters,
                "devices", "driver_devices"
            ) { .revoked($0) }
            try remove(
                "DELETE FROM driver_assignments WHERE driver_id = $1 AND assigned_at \(before) RETURNING order_id",
                parameters, "assignments", "driver_assignments"
            ) { Subject("order:" + $0).map { .assigned($0) } }
            try remove(
                "DELETE FROM driver_groups WHERE driver_id = $1 AND added_at \(before) RETURNING group_id", parameters,
                "groups", "driver_groups"
            ) { Subject("group:" + $0).map { .assigned($0) } }
            try remove(
                "DELETE FROM driver_states WHERE driver_id = $1 AND changed_at \(before) RETURNING driver_id",
                parameters,
                "driver_states", "driver_states"
            ) { DriverID($0).map { .driverState($0) } }
            let named = [subject, parameters[1]]
            try remove(
                """
                DELETE FROM tracking_sessions
                WHERE $1 = ANY (subjects) AND created_at \(before) AND array_remove(subjects, $1) = '{}' RETURNING id
                """, named, "tracking_sessions", "tracking_sessions"
            ) { .revoked($0) }
            try remove(
                """
                UPDATE tracking_sessions SET subjects = array_remove(subjects, $1)
                WHERE $1 = ANY (subjects) AND created_at \(before) RETURNING id
                """, named, "tracking_sessions", "tracking_sessions"
            ) { _ in nil }
            try remove(
                """
                UPDATE api_keys SET subjects = array_remove(subjects, $1)
                WHERE $1 = ANY (subjects) AND created_at \(before) RETURNING id
                """, named, "api_keys", "api_keys"
            ) { _ in nil }
            return true
        }
        try tell(messages)
    }

    /// Who was connected: what was last heard before the request, and devices that are no longer registered.
    private func removeTraces(
        _ erasure: Erasure, _ driver: DriverID, _ progress: inout ErasureProgress
    ) throws(PostgresError) {
        let removed = try connection.query(
            """
            DELETE FROM driver_sessions s WHERE s.driver_id = $1 AND CASE WHEN $3::boolean
                THEN s.connected_since IS NULL AND s.last_seen <= \(Self.instant("$2"))
                ELSE s.last_seen <= \(Self.instant("$2")) OR EXISTS (
                    SELECT FROM driver_devices d WHERE d.id = s.device_id AND d.revoked_at IS NOT NULL) END
            """, [driver.string, "\(erasure.reachesTo)", "\(erasure.keepsRegistration)"])
        progress.add(Int64(removed.affected), "driver_sessions", from: "driver_sessions")
        // Where he was when an order of his came nearer; with the registration, that it was his.
        let events = try connection.query(
            erasure.keepsRegistration
                ? """
                UPDATE order_events SET detail = jsonb_strip_nulls(jsonb_build_object('user', detail -> 'user'))
                WHERE driver_id = $1 AND at <= \(Self.instant("$2")) AND detail ? 'lat'
                """ : "DELETE FROM order_events WHERE driver_id = $1 AND at <= \(Self.instant("$2"))",
            [driver.string, "\(erasure.reachesTo)"])
        progress.add(Int64(events.affected), "order_events", from: "order_events")
        guard !erasure.keepsRegistration else { return }
        let turns = try connection.query(
            "DELETE FROM order_progress WHERE driver_id = $1 AND updated_at <= \(Self.instant("$2"))",
            [driver.string, "\(erasure.reachesTo)"])
        progress.add(Int64(turns.affected), "order_turns", from: "order_progress")
    }

    /// The hash in place of the name, in rows of before the request. A kept registration keeps its trail.
    func rewriteAudit(_ erasure: Erasure, _ driver: DriverID) throws(PostgresError) {
        try piece(erasure) { (progress) throws(PostgresError) in
            guard !erasure.keepsRegistration else { return true }
            let rewritten = try connection.query(
                """
                UPDATE api_audit_logs SET subject = CASE WHEN subject = 'driver:' || $1 THEN $2 ELSE subject END,
                    detail = erased_detail(detail, $1, $2)
                WHERE at <= \(Self.instant("$3")) + interval '1 second'
                    AND (subject = 'driver:' || $1 OR erased_detail(detail, $1, $2) IS DISTINCT FROM detail)
                """, [driver.string, Pseudonym.name(erasure.hash), "\(erasure.requestedAt)"])
            progress.add(Int64(rewritten.affected), "audit_rows", from: "api_audit_logs")
            return true
        }
    }
}
