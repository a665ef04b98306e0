/// When something ends, in the forms in which platforms store it.
import Tracking

/// Reads instants: seconds or milliseconds since 1970, RFC 3339, and what Postgres prints for a `timestamptz`.
enum ClaimTime {
    /// Numbers below it are seconds (they reach to the year 5138), others milliseconds.
    private static let firstMilliseconds = 100_000_000_000.0
    /// Numbers from here on are none: the year 9999 in milliseconds lies below.
    private static let limit = 253_402_300_800_000.0

    /// A number of seconds or milliseconds since 1970, in microseconds; nil where it is neither.
    static func instant(_ number: Double) -> Microseconds? {
        guard number >= 0, number < limit else { return nil }
        return Microseconds((number * (number < firstMilliseconds ? 1_000_000 : 1_000)).rounded(.down))
    }

    /// A text of one of the forms; nil where it is none, or names no zone.
    static func instant(_ text: String) -> Microseconds? {
        // Without end: what Postgres calls infinity lies beyond every date.
        if text == "infinity" { return Microseconds(limit) * 1_000 }
        if let number = Double(text) { return instant(number) }
        guard var short = ShortText(text) else { return nil }
        // Postgres leaves the minutes of a zone out where they are zero: 2026-11-21 19:51:59.5+00.
        if let sign = text.lastIndex(where: { $0 == "+" || $0 == "-" }),
            text.distance(from: sign, to: text.endIndex) == 3, text.contains(":")
        {
            for byte in ":00".utf8 where !short.append(byte) { return nil }
        }
        return Timestamp.parse(short)
    }
}
