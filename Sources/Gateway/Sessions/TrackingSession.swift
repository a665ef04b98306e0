/// A tracking session as it is kept and told. Its token is nowhere in it.
import PostgresClient
import Tracking

/// See the file's head.
struct TrackingSession {
    let id: String
    /// Names of what it may watch.
    let subjects: [String]
    /// The platform's own label.
    let customer: String?
    /// The side of the grid that positions are shown on, in metres.
    let precision: Int64
    /// The id of the credential that made it.
    let createdBy: String
    let createdAt: Microseconds
    let expiresAt: Microseconds
    let revokedAt: Microseconds?

    /// What `init` reads.
    static let columns = """
        id, array_to_string(subjects, E'\\n'), customer_id, precision_m, created_by,
        (extract(epoch FROM created_at) * 1000000)::bigint, (extract(epoch FROM expires_at) * 1000000)::bigint,
        (extract(epoch FROM revoked_at) * 1000000)::bigint
        """

    /// From a row of `columns`.
    init?(_ rows: PostgresRows, _ row: Int) {
        guard let id = rows.text(row, 0), let createdBy = rows.text(row, 4), let createdAt = rows.integer(row, 5),
            let expiresAt = rows.integer(row, 6)
        else { return nil }
        self.id = id
        subjects = (rows.text(row, 1) ?? "").split(separator: "\n").map(String.init)
        customer = rows.text(row, 2)
        precision = rows.integer(row, 3) ?? 0
        self.createdBy = createdBy
        self.createdAt = createdAt
        self.expiresAt = expiresAt
        revokedAt = rows.integer(row, 7)
    }

    /// Appends it as JSON; `active` says whether it opens anything at `now`.
    func append(to writer: inout JSONWriter, now: Microseconds) {
        writer.raw("{\"id\":")
        writer.string(id)
        writer.raw(",\"subjects\":[")
        for (index, name) in subjects.enumerated() {
            if index > 0 { writer.raw(",") }
            writer.string(name)
        }
        writer.raw("]")
        if let customer {
            writer.raw(",\"customer_id\":")
            writer.string(customer)
        }
        writer.raw(",\"precision_m\":\(precision),\"active\":\(revokedAt == nil && expiresAt > now),\"created_by\":")
        writer.string(createdBy)
        writer.raw(
            ",\"created_at\":\"\(Timestamp.string(createdAt))\",\"expires_at\":\"\(Timestamp.string(expiresAt))\"")
        if let revokedAt { writer.raw(",\"revoked_at\":\"\(Timestamp.string(revokedAt))\"") }
        writer.raw("}")
    }
}
