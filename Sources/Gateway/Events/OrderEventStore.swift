/// The loop's questions about orders' progress and events: each change and its event are one statement in Postgres, so that
/// of many gateways that see the same thing one writes it down, once.
import PostgresClient
import Tracking

/// See the file's head. Lives on the loop's thread.
final class OrderEventStore {
    /// Orders that a driver carries, as the platform's look-up gives them.
    struct Turn: Hashable {
        let order: DriverID
        let driver: DriverID
        let user: String?
    }

    /// An order has reached a stage.
    struct Move {
        let order: DriverID
        let driver: DriverID
        let stage: ArrivalStage
        let position: Position
        let estimate: ArrivalEstimate?
    }

    /// How far an order is, as it was written down.
    struct Progress {
        let order: DriverID
        let driver: DriverID
        let stage: ArrivalStage
    }

    private let postgres: PostgresQuestions?
    private let schema: String

    init(postgres: PostgresQuestions?, schema: String) {
        self.postgres = postgres
        self.schema = quotedIdentifier(schema)
    }

    /// Whether questions reach Postgres now.
    var isConnected: Bool { postgres?.isConnected == true }

    /// The drivers carry these orders and, of those that the look-up gave before, no others; `carried` are orders that
    /// somebody else carries now. Gives what happened.
    func follow(
        _ drivers: [DriverID], _ turns: [Turn], carried: [DriverID],
        then: @escaping (Result<[OrderEvent], PostgresError>) -> Void
    ) {
        var writer = JSONWriter()
        writer.list(turns) { writer, turn in
            writer.raw("{\"order_id\":")
            writer.id(turn.order)
            writer.raw(",\"driver_id\":")
            writer.id(turn.driver)
            if let user = turn.user {
                writer.raw(",\"user_id\":")
                writer.string(user)
            }
            writer.raw("}")
        }
        ask(
            "follow_orders($1::text[], $2::jsonb, $3::text[])",
            [Self.array(drivers), String(decoding: writer.bytes, as: UTF8.self), Self.array(carried)], then: then)
    }

    /// The orders have come so far. Gives the events of those that had not before.
    func advance(_ moves: [Move], then: @escaping (Result<[OrderEvent], PostgresError>) -> Void) {
        var writer = JSONWriter()
        writer.list(moves) { writer, move in
            writer.raw("{\"order_id\":")
            writer.id(move.order)
            writer.raw(",\"driver_id\":")
            writer.id(move.driver)
            writer.raw(",\"stage\":\(move.stage.rawValue),\"detail\":{")
            move.position.appendMembers(to: &writer)
            if let estimate = move.estimate {
                writer.raw(",\"eta\":\(estimate.arrivesAt / 1_000),\"confidence\":\"\(estimate.confidence.rawValue)\"")
                writer.raw(",\"distance_m\":")
                writer.fixed(Int64((estimate.straightMetres * 10).rounded()), decimals: 1)
            }
            writer.raw("}}")
        }
        ask("advance_orders($1::jsonb)", [String(decoding: writer.bytes, as: UTF8.self)], then: then)
    }

    /// How far the drivers' orders are.
    func progress(of drivers: [DriverID], then: @escaping (Result<[Progress], PostgresError>) -> Void) {
        let sql = """
            SELECT order_id, driver_id, stage FROM \(schema).order_progress
            WHERE driver_id = ANY ($1::text[]) AND ended_at IS NULL
            """
        postgres.askNow(sql, [Self.array(drivers)]) { answer in
            then(
                answer.map { rows in
                    (0..<rows.count).compactMap { row in
                        guard let order = rows.text(row, 0).flatMap({ DriverID($0) }),
                            let driver = rows.text(row, 1).flatMap({ DriverID($0) }),
                            let stage = rows.integer(row, 2).flatMap({ ArrivalStage(rawValue: UInt8(clamping: $0)) })
                        else { return nil }
                        return Progress(order: order, driver: driver, stage: stage)
                    }
                })
        }
    }

    /// Drivers who carry orders that a look-up gave, as it was written down.
    func followedDrivers(then: @escaping (Result<[DriverID], PostgresError>) -> Void) {
        let sql = """
            SELECT DISTINCT driver_id FROM \(schema).order_progress WHERE ended_at IS NULL AND origin = 'look_up'
            """
        postgres.askNow(sql, []) { answer in
            then(answer.map { rows in (0..<rows.count).compactMap { rows.text($0, 0).flatMap { DriverID($0) } } })
        }
    }

    /// Events of the orders in the last `seconds`, oldest first.
    func recent(
        of orders: [DriverID], seconds: Int, then: @escaping (Result<[OrderEvent], PostgresError>) -> Void
    ) {
        let sql = """
            SELECT \(OrderEvent.columns) FROM \(schema).order_events
            WHERE order_id = ANY ($1::text[]) AND at > now() - make_interval(secs => $2::double precision) ORDER BY id
            """
        postgres.askNow(sql, [Self.array(orders), "\(seconds)"]) { then($0.map(OrderEvent.all)) }
    }

    private func ask(
        _ call: String, _ parameters: [String?], then: @escaping (Result<[OrderEvent], PostgresError>) -> Void
    ) {
        postgres.askNow("SELECT \(OrderEvent.columns) FROM \(schema).\(call)", parameters) {
            then($0.map(OrderEvent.all))
        }
    }

    /// Ids hold no character that an array literal would have to escape.
    private static func array(_ ids: [DriverID]) -> String {
        "{\(ids.map(\.string).joined(separator: ","))}"
    }
}

extension JSONWriter {
    /// A JSON array of the elements as `write` writes them.
    fileprivate mutating func list<Element>(_ elements: [Element], _ write: (inout JSONWriter, Element) -> Void) {
        raw("[")
        for (index, element) in elements.enumerated() {
            if index > 0 { raw(",") }
            write(&self, element)
        }
        raw("]")
    }
}
