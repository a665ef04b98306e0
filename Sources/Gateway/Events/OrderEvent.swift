/// What happens to an order, as it is told: to viewers, by webhook, and in the platform's own tables.
import PostgresClient
import Tracking

/// One event of an order. Its row of `order_events` was written together with what it tells about.
struct OrderEvent: Equatable {
    /// The types in the order in which they can follow one another.
    static let types = ["assigned", "departed", "arriving_soon", "arriving", "arrived", "ended"]

    /// Its own for ever: whoever hears of it twice knows it by this.
    let id: String
    let order: DriverID
    let driver: DriverID
    /// One of `types`.
    let type: String
    /// When it happened, in epoch milliseconds.
    let at: Int64
    /// Whose order it is, where the platform says so.
    let user: String?

    /// What `columns` gives of a row.
    static let columns = """
        event_id, order_id, driver_id, type, (extract(epoch FROM at) * 1000)::bigint, detail->>'user'
        """

    init(id: String, order: DriverID, driver: DriverID, type: String, at: Int64, user: String?) {
        (self.id, self.order, self.driver, self.type, self.at, self.user) = (id, order, driver, type, at, user)
    }

    /// A row of `columns`; nil where its ids are none of Drover's, which nobody could have subscribed to.
    init?(_ rows: PostgresRows, _ row: Int) {
        guard let id = rows.text(row, 0), let order = rows.text(row, 1).flatMap({ DriverID($0) }),
            let driver = rows.text(row, 2).flatMap({ DriverID($0) }), let type = rows.text(row, 3),
            let at = rows.integer(row, 4)
        else { return nil }
        self.init(id: id, order: order, driver: driver, type: type, at: at, user: rows.text(row, 5))
    }

    /// All rows of `columns`.
    static func all(_ rows: PostgresRows) -> [OrderEvent] {
        (0..<rows.count).compactMap { OrderEvent(rows, $0) }
    }
}
