/// An event as the outbox takes it out of Postgres, with everything that a receiver may want to know of it.
import PostgresClient
import Tracking

/// One row of `order_events`.
struct OutboxEvent {
    /// The row's number.
    let number: Int64
    let attempts: Int
    /// When it happened, in wall microseconds.
    let at: Microseconds
    private let event: OrderEvent
    private let detail: JSONDocument?

    /// What `init` reads of a row.
    static let columns = """
        \(OrderEvent.columns), id, attempts, (extract(epoch FROM at) * 1000000)::bigint, detail
        """

    /// Nil where the row cannot be told about: its ids are none of Drover's.
    init?(_ rows: PostgresRows, _ row: Int) {
        guard let event = OrderEvent(rows, row), let number = rows.integer(row, 6) else { return nil }
        self.event = event
        self.number = number
        attempts = Int(rows.integer(row, 7) ?? 0)
        at = rows.integer(row, 8) ?? event.at * 1_000
        detail = rows.withBytes(row, 9) { JSONDocument($0) } ?? nil
    }

    /// The event's id for ever.
    var id: String { event.id }
    var order: DriverID { event.order }

    /// What its fields hold.
    func source(status: (String) -> String, now: Microseconds) -> FieldSource {
        FieldSource(
            driver: event.driver, position: position, order: event.order.string, user: event.user,
            event: FieldSource.Event(id: event.id, type: event.type, status: status(event.type), at: at, notes: nil),
            arrival: arrival, now: now)
    }

    private func number(_ name: String) -> Double? { detail?[name]?.number }

    /// Where the driver was when a stage was reached.
    private var position: Position? {
        guard let recordedAt = number("recorded_at"), let latitude = number("lat"), let longitude = number("lng"),
            let accuracy = number("accuracy"), abs(latitude) <= 90, abs(longitude) <= 180, recordedAt.magnitude < 1e15
        else { return nil }
        return Position(
            recordedAt: Int64(recordedAt) * 1_000, receivedAt: Int64(recordedAt) * 1_000,
            latitude: Degrees7((latitude * 1e7).rounded()), longitude: Degrees7((longitude * 1e7).rounded()),
            accuracy: Float(accuracy), speed: number("speed").map { Float($0) },
            heading: number("heading").map { Float($0) })
    }

    private var arrival: FieldSource.Arrival? {
        guard let at = number("eta"), at.magnitude < 1e15, let confidence = detail?["confidence"]?.string,
            let distance = number("distance_m")
        else { return nil }
        return FieldSource.Arrival(at: Int64(at) * 1_000, confidence: confidence, distanceMetres: distance)
    }
}
