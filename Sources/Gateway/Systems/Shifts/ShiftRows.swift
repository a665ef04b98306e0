/// A platform's answer about shifts, read: rows of `driver_id, from_at, until_at`, both as Postgres prints a `timestamptz`.
import Tracking

extension Shifts {
    /// The shifts that the rows of one driver name. A row without a beginning, or with what is no instant, is skipped; one
    /// without an end goes on.
    init(_ rows: [LookUpRow]) {
        self.init()
        for row in rows {
            guard let from = row["from_at"].flatMap(Self.instant), let until = row["until_at"].map(Self.instant) ?? .max
            else { continue }
            insert(from: from, until: until)
        }
    }

    /// An instant in Postgres' own words with the date style ISO: `2026-11-21 07:30:00.25-05`, also with `+05:30`, and the
    /// infinities.
    static func instant(_ text: String) -> Microseconds? {
        switch text {
        case "infinity": return .max
        case "-infinity": return .min
        default: break
        }
        var iso = text.replacing(" ", with: "T", maxReplacements: 1)
        if let sign = iso.lastIndex(where: { $0 == "+" || $0 == "-" }), iso.contains("T"),
            iso.distance(from: sign, to: iso.endIndex) == 3
        {
            iso += ":00"
        }
        return ShortText(iso).flatMap { Timestamp.parse($0) }
    }
}
