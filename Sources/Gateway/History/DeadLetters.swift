/// Journal records that cannot become rows: kept byte for byte with the reason, so that nothing acknowledged is lost.
import PostgresClient
import Tracking

/// Why a record is set aside.
struct DeadLetterReason {
    /// The refusal's SQLSTATE, or the one Postgres would use.
    let sqlState: String
    /// One line.
    let text: String

    init(_ error: PostgresError) {
        sqlState = error.sqlState
        text = error.message
    }

    init(_ fault: HistoryBatch.Fault) {
        switch fault {
        case .unreadable: (sqlState, text) = ("22P03", "not a record that this version of Drover reads")
        case .timeOutOfRange: (sqlState, text) = ("22008", "its times are not within the years 1970 to 9999")
        }
    }
}

/// A row of `ingest_dead_letters`.
struct DeadLetter {
    let nodeID: String
    let lsn: UInt64
    /// Nil, as the time, where the record cannot be read.
    let driver: String?
    let recordedAt: Int64?
    /// As `hexadecimal` writes it.
    let record: String
    let reason: DeadLetterReason

    /// Adds it within the caller's transaction.
    func insert(_ connection: PostgresConnection) throws(PostgresError) {
        try connection.query(
            """
            INSERT INTO ingest_dead_letters (node_id, lsn, driver_id, recorded_at, record, sqlstate, reason)
            VALUES ($1, $2, $3, timestamptz '1970-01-01 00:00:00+00' + $4::bigint * interval '1 microsecond', $5, $6, $7)
            """,
            [nodeID, "\(lsn)", driver, recordedAt.map { "\($0)" }, record, reason.sqlState, reason.text])
    }

    /// The text form of a bytea.
    static func hexadecimal(_ bytes: Span<UInt8>) -> String {
        let digits = Array("0123456789abcdef".utf8)
        var text = Array("\\x".utf8)
        for index in bytes.indices {
            text.append(digits[Int(bytes[index] >> 4)])
            text.append(digits[Int(bytes[index] & 15)])
        }
        return String(decoding: text, as: UTF8.self)
    }
}
