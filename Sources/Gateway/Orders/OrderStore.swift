/// Drover's own table of orders: where each goes. Who carries them stands in `driver_assignments`, and how far they have come
/// in `order_progress`.
import PostgresClient
import Tracking

/// See the file's head. Lives on the loop's thread. Questions and changes go over one connection in the order they are
/// made, so an answer is never older than a change of this process that was answered before.
final class OrderStore {
    /// Somebody carries an order that goes somewhere.
    struct Carried {
        let order: DriverID
        let driver: DriverID
        let destination: Destination
        /// As far as it was written down.
        let stage: ArrivalStage
        let user: String?
    }

    private let postgres: PostgresQuestions?
    private let schema: String

    init(postgres: PostgresQuestions?, schema: String) {
        self.postgres = postgres
        self.schema = quotedIdentifier(schema)
    }

    /// Whether questions reach Postgres now.
    var isConnected: Bool { postgres?.isConnected == true }

    /// Where an order goes; nil where nobody has said so.
    func destination(of order: DriverID, then: @escaping (Result<Destination?, PostgresError>) -> Void) {
        let sql = "SELECT lat, lng FROM \(schema).order_destinations WHERE order_id = $1"
        postgres.askNow(sql, [order.string]) { answer in
            then(answer.map { rows in rows.count == 0 ? nil : Self.destination(rows, 0, columns: 0) })
        }
    }

    /// An order goes there from now on; nil: nobody knows where. The row of the audit trail, which does not say where, is
    /// written in the same statement; a repetition writes nothing.
    func set(
        _ destination: Destination?, of order: DriverID, by origin: AuditOrigin,
        then: @escaping (Result<Void, PostgresError>) -> Void
    ) {
        let change =
            destination == nil
            ? "DELETE FROM \(schema).order_destinations WHERE order_id = $1 RETURNING order_id"
            : """
            INSERT INTO \(schema).order_destinations AS o (order_id, lat, lng, changed_at, changed_by)
            VALUES ($1, $4::double precision, $5::double precision, now(), $2)
            ON CONFLICT (order_id) DO UPDATE SET
                lat = excluded.lat, lng = excluded.lng, changed_at = now(), changed_by = excluded.changed_by
            WHERE (o.lat, o.lng) IS DISTINCT FROM (excluded.lat, excluded.lng) RETURNING order_id
            """
        let sql = """
            WITH changed AS (\(change))
            INSERT INTO \(schema).api_audit_logs (actor, action, subject, detail, address)
            SELECT $2, 'order.destination', 'order:' || order_id,
                jsonb_build_object('known', \(destination != nil)), $3 FROM changed
            """
        var parameters: [String?] = [order.string, origin.actor, origin.address]
        if let destination { parameters += [destination.latitudeText, destination.longitudeText] }
        postgres.askNow(sql, parameters) { answer in then(answer.map { _ in }) }
    }

    /// Those of the orders, or of all, that go somewhere and that somebody carries.
    func carried(_ orders: [DriverID]?, then: @escaping (Result<[Carried], PostgresError>) -> Void) {
        let sql = """
            SELECT o.order_id, a.driver_id, o.lat, o.lng, p.stage, p.user_id
            FROM \(schema).order_destinations o
            JOIN \(schema).driver_assignments a ON a.order_id = o.order_id AND a.released_at IS NULL
            LEFT JOIN \(schema).order_progress p
                ON p.order_id = a.order_id AND p.driver_id = a.driver_id AND p.ended_at IS NULL
            WHERE $1::text IS NULL OR o.order_id = ANY (string_to_array($1, ','))
            """
        let names = orders.map { $0.map(\.string).joined(separator: ",") }
        postgres.askNow(sql, [names]) { answer in
            then(
                answer.map { rows in
                    (0..<rows.count).compactMap { row in
                        guard let order = rows.text(row, 0).flatMap({ DriverID($0) }),
                            let driver = rows.text(row, 1).flatMap({ DriverID($0) }),
                            let destination = Self.destination(rows, row, columns: 2)
                        else { return nil }
                        let stage = rows.integer(row, 4).flatMap { ArrivalStage(rawValue: UInt8(clamping: $0)) }
                        return Carried(
                            order: order, driver: driver, destination: destination, stage: stage ?? .assigned,
                            user: rows.text(row, 5))
                    }
                })
        }
    }

    private static func destination(_ rows: PostgresRows, _ row: Int, columns: Int) -> Destination? {
        guard let latitude = rows.text(row, columns).flatMap(Double.init),
            let longitude = rows.text(row, columns + 1).flatMap(Double.init)
        else { return nil }
        return Destination(latitude: latitude, longitude: longitude)
    }
}

extension Destination {
    /// Degrees north, exact to 10⁻⁷.
    var latitudeText: String { Self.text(latitude) }
    /// Degrees east, exact to 10⁻⁷.
    var longitudeText: String { Self.text(longitude) }

    private static func text(_ degrees: Degrees7) -> String {
        var writer = JSONWriter()
        writer.fixed(Int64(degrees), decimals: 7)
        return String(decoding: writer.bytes, as: UTF8.self)
    }
}
