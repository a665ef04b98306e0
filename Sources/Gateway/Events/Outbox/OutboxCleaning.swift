/// Takes old events, the turns of drivers that are over, and where orders went, out of Postgres.
import PostgresClient

extension MaintenanceJob {
    /// Events that everybody was told of are kept for `webhook.retain_days`, so that somebody can look what was told; those
    /// that nobody is to be told of, for a day, so that a webhook that is set up later does not begin with last week.
    static func events(_ configuration: Configuration) -> MaintenanceJob {
        let hasWebhook = !configuration.webhookURL.isEmpty
        let hasWrite = configuration.system.writes[.events] != nil
        let days = hasWebhook || hasWrite ? configuration.webhookRetainDays : 1
        let isDone = [
            hasWebhook
                ? "(delivered_at IS NOT NULL OR gave_up_at IS NOT NULL OR NOT (\(isPosted(configuration))))" : nil,
            hasWrite ? "written_at IS NOT NULL" : nil,
        ].compactMap(\.self).joined(separator: " AND ")
        return MaintenanceJob(name: "events", interval: 600_000_000) { session in
            let gone = try session.connection.query(
                """
                DELETE FROM \(session.schema).order_events WHERE id IN (
                    SELECT id FROM \(session.schema).order_events
                    WHERE at < now() - make_interval(days => \(days)) AND \(isDone.isEmpty ? "true" : isDone)
                    ORDER BY at LIMIT \(batch) FOR UPDATE SKIP LOCKED)
                """
            ).affected
            try session.connection.query(
                """
                DELETE FROM \(session.schema).order_progress p
                WHERE ended_at < now() - make_interval(days => \(max(1, days)))
                """)
            // Where an order went whose way is over: a customer's address has no business here any more. One that nobody
            // has carried yet may be for next month.
            try session.connection.query(
                """
                DELETE FROM \(session.schema).order_destinations o
                WHERE changed_at < now() - interval '1 day' AND NOT EXISTS (
                    SELECT FROM \(session.schema).driver_assignments a
                    WHERE a.order_id = o.order_id AND a.released_at IS NULL)
                AND (changed_at < now() - interval '60 days' OR EXISTS (
                    SELECT FROM \(session.schema).driver_assignments a
                    WHERE a.order_id = o.order_id AND a.released_at < now() - interval '1 day'))
                """)
            return gone == batch
        }
    }

    /// Rows in one statement.
    private static let batch = 10_000

    private static func isPosted(_ configuration: Configuration) -> String {
        let types = configuration.webhookEvents.filter { $0 != " " }
        return types.isEmpty ? "true" : "type = ANY (string_to_array(\(quotedLiteral(types)), ','))"
    }
}
