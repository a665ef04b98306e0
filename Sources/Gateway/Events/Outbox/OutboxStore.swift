/// The outbox' statements. Whoever has an event in hand holds its row's lock until it is marked, and an event is only taken
/// once everything before it of the same order is settled, so two gateways never tell an order's story out of order.
import PostgresClient
import Tracking

/// Over one connection, on the outbox' thread.
struct OutboxStore {
    /// Events in hand at a time.
    static let batch = 32
    /// Rows in one write.
    static let writeBatch = 500

    let connection: PostgresConnection
    let schema: String

    init(_ connection: PostgresConnection, schema: String) {
        self.connection = connection
        self.schema = quotedIdentifier(schema)
    }

    // MARK: The webhook

    /// The next events that are due, of different orders. Within a transaction.
    func takeUndelivered(_ types: [String]) throws(PostgresError) -> [OutboxEvent] {
        let rows = try connection.query(
            """
            SELECT \(OutboxEvent.columns) FROM \(schema).order_events e
            WHERE delivered_at IS NULL AND gave_up_at IS NULL AND next_at <= clock_timestamp()
                AND type = ANY (string_to_array($1, ',')) AND NOT EXISTS (
                    SELECT FROM \(schema).order_events f
                    WHERE f.order_id = e.order_id AND f.id < e.id AND f.type = ANY (string_to_array($1, ','))
                        AND f.delivered_at IS NULL AND f.gave_up_at IS NULL)
            ORDER BY next_at, id LIMIT \(Self.batch) FOR UPDATE SKIP LOCKED
            """, [types.joined(separator: ",")])
        return (0..<rows.count).compactMap { OutboxEvent(rows, $0) }
    }

    /// The receiver has it.
    func delivered(_ number: Int64) throws(PostgresError) {
        try connection.query(
            """
            UPDATE \(schema).order_events
            SET delivered_at = clock_timestamp(), attempts = attempts + 1, last_error = NULL WHERE id = $1
            """, ["\(number)"])
    }

    /// The receiver has it not: the next attempt, or none where it is too old.
    func failed(_ number: Int64, _ reason: String, afterMilliseconds: Int?) throws(PostgresError) {
        try connection.query(
            """
            UPDATE \(schema).order_events SET attempts = attempts + 1, last_error = $2,
                next_at = clock_timestamp() + make_interval(secs => coalesce($3::double precision, 0) / 1000),
                gave_up_at = CASE WHEN $3 IS NULL THEN clock_timestamp() END
            WHERE id = $1
            """, ["\(number)", reason, afterMilliseconds.map { "\($0)" }])
    }

    /// How many events wait, the age of the oldest and how long until the next is due, in seconds.
    func waiting(_ types: [String]) throws(PostgresError) -> (count: Int, oldest: Int, next: Double?) {
        let rows = try connection.query(
            """
            SELECT count(*), coalesce(extract(epoch FROM clock_timestamp() - min(at)), 0)::bigint,
                extract(epoch FROM min(next_at) - clock_timestamp())::double precision
            FROM \(schema).order_events
            WHERE delivered_at IS NULL AND gave_up_at IS NULL AND type = ANY (string_to_array($1, ','))
            """, [types.joined(separator: ",")])
        return (
            Int(rows.integer(0, 0) ?? 0), Int(rows.integer(0, 1) ?? 0), rows.text(0, 2).flatMap(Double.init)
        )
    }

    // MARK: The platform's tables

    /// The next events that are to be written, none while another gateway writes. Within a transaction.
    func takeUnwritten(atMost limit: Int) throws(PostgresError) -> [OutboxEvent] {
        let lock = "hashtextextended('drover events ' || $1, 0)"
        guard try connection.query("SELECT pg_try_advisory_xact_lock(\(lock))", [schema]).flag(0, 0) == true else {
            return []
        }
        let rows = try connection.query(
            """
            SELECT \(OutboxEvent.columns) FROM \(schema).order_events e
            WHERE written_at IS NULL AND write_next_at <= clock_timestamp() AND NOT EXISTS (
                SELECT FROM \(schema).order_events f
                WHERE f.order_id = e.order_id AND f.id < e.id AND f.written_at IS NULL
                    AND f.write_next_at > clock_timestamp())
            ORDER BY id LIMIT \(limit)
            """)
        return (0..<rows.count).compactMap { OutboxEvent(rows, $0) }
    }

    /// They are in the platform's tables.
    func written(_ numbers: [Int64]) throws(PostgresError) {
        try connection.query(
            "UPDATE \(schema).order_events SET written_at = clock_timestamp() WHERE id = ANY ($1::bigint[])",
            ["{\(numbers.map(String.init).joined(separator: ","))}"])
    }

    /// The platform's tables do not take it: tried again, later each time, up to an hour.
    func notWritten(_ number: Int64) throws(PostgresError) {
        try connection.query(
            """
            UPDATE \(schema).order_events SET write_attempts = write_attempts + 1,
                write_next_at = clock_timestamp() + least(interval '1 hour', interval '1 second' * 2 ^ least(write_attempts, 12))
            WHERE id = $1
            """, ["\(number)"])
    }
}
