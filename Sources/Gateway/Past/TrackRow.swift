/// A row of the history in Postgres' binary form, so that neither side prints or parses a number.
import PostgresClient
import Tracking

extension TrackPoint {
    /// The columns in the order in which `init` reads them.
    static let columns =
        "recorded_at, received_at, lat, lng, accuracy, speed, heading, altitude, source, session_id, flags"

    /// From a row of `columns`, asked in binary; nil where it does not hold what the schema says. The forms are those of
    /// `CopyRow`.
    init?(_ rows: PostgresRows, _ row: Int) {
        guard let recordedAt = rows.bits(row, 0, as: UInt64.self),
            let receivedAt = rows.bits(row, 1, as: UInt64.self),
            let latitude = rows.bits(row, 2, as: UInt64.self).map(Double.init(bitPattern:)),
            let longitude = rows.bits(row, 3, as: UInt64.self).map(Double.init(bitPattern:)),
            let accuracy = rows.bits(row, 4, as: UInt32.self), abs(latitude) <= 90, abs(longitude) <= 180
        else { return nil }
        self.init(
            recordedAt: Int64(bitPattern: recordedAt) &+ CopyRow.postgresEpoch,
            receivedAt: Int64(bitPattern: receivedAt) &+ CopyRow.postgresEpoch,
            latitude: Degrees7((latitude * 1e7).rounded()), longitude: Degrees7((longitude * 1e7).rounded()),
            accuracy: Float(bitPattern: accuracy),
            speed: rows.bits(row, 5, as: UInt32.self).map(Float.init(bitPattern:)),
            heading: rows.bits(row, 6, as: UInt32.self).map(Float.init(bitPattern:)),
            altitude: rows.bits(row, 7, as: UInt32.self).map(Float.init(bitPattern:)),
            source: rows.withBytes(row, 8) { ShortText($0).flatMap(Self.source) } ?? nil,
            sessionID: rows.withBytes(row, 9) { ShortText($0) ?? ShortText() } ?? ShortText(),
            flags: PingFlags(rawValue: UInt8(truncatingIfNeeded: rows.bits(row, 10, as: UInt16.self) ?? 0)))
    }

    private static func source(_ name: ShortText) -> PingSource? {
        sources.first { $0.name == name }?.source
    }

    private static let sources = PingSource.allCases.compactMap { source in
        ShortText("\(source.name)").map { (name: $0, source: source) }
    }
}
