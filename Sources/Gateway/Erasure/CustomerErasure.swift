/// The erasing of a customer: what the platform keeps of it goes by the platform's own statement (`erase_customer`), what
/// Drover keeps by one of Drover's. Both can be repeated: whoever gets no answer asks again.
///
/// Of a customer Drover keeps the label on its tracking sessions, where the orders of these go, the user in events that are
/// not told yet, and the key of its orders' arrivals. Nothing of that is in the history.
import PostgresClient
import Tracking

/// A request of that kind.
struct CustomerErasure {
    /// The platform's id of the customer: 1 to 200 bytes without a zero.
    let customer: String
    let pseudonym: Pseudonym
    let origin: AuditOrigin

    /// Nil where the text cannot be a customer's id.
    init?(_ customer: String, secret: [UInt8], origin: AuditOrigin) {
        guard Self.isID(customer) else { return nil }
        self.customer = customer
        pseudonym = Pseudonym(of: customer, secret: secret)
        self.origin = origin
    }

    /// Whether the text can be a customer's id: what a tracking session's `customer_id` may be.
    static func isID(_ text: String) -> Bool {
        (1...200).contains(text.utf8.count) && !text.utf8.contains(0)
    }

    /// Ends the customer's sessions and takes its label off them; the rows are the sessions, with the hashes of their
    /// tokens. The row of the audit trail is written in the same statement.
    static func statement(_ schema: String) -> String {
        """
        WITH ended AS (
            UPDATE \(schema).tracking_sessions SET customer_id = NULL, revoked_at = coalesce(revoked_at, now())
            WHERE customer_id = $1 RETURNING id, token_sha256, subjects),
        places AS (
            DELETE FROM \(schema).order_destinations WHERE order_id IN (
                SELECT substr(s, 7) FROM ended, unnest(ended.subjects) s WHERE starts_with(s, 'order:'))),
        events AS (
            UPDATE \(schema).order_events SET detail = detail - ARRAY['user', 'user_id']
            WHERE detail->>'user' = $1 OR detail->>'user_id' = $1),
        trail AS (
            INSERT INTO \(schema).api_audit_logs (actor, action, subject, detail, address)
            SELECT $2, 'customer.erase', $3, jsonb_build_object('tracking_sessions', (SELECT count(*) FROM ended)), $4)
        SELECT id, encode(token_sha256, 'hex') FROM ended
        """
    }

    /// What stands for `$1` and so on.
    var parameters: [String?] { [customer, origin.actor, pseudonym.name, origin.address] }

    /// The key in Redis that holds the customer's orders; nil where none is configured.
    func arrivalsKey(_ configuration: Configuration) -> String? {
        configuration.redisETAKey.isEmpty
            ? nil
            : configuration.redisETAKey.split(separator: "{user}", omittingEmptySubsequences: false)
                .joined(separator: customer)
    }

    /// What the API and the command answer.
    func receipt(sessions: Int, platform: Bool) -> String {
        "{\"state\":\"done\",\"customer_hash\":\"\(pseudonym.hexadecimal)\",\"platform\":\(platform),"
            + "\"removed\":{\"tracking_sessions\":\(sessions)}}"
    }
}
