/// RFC 3339 text to microseconds and back, in the proleptic Gregorian calendar, without a time zone database.

/// Instants as text.
public enum Timestamp {
    /// Parses RFC 3339 with a zone (`Z` or `±hh:mm`) and up to any number of fraction digits, rounded to microseconds.
    /// Nil where the text is something else, names no real day, or lacks the zone. A leap second is the second after.
    public static func parse(_ text: ShortText) -> Microseconds? {
        var cursor = TimestampCursor(text: text)
        guard let year = cursor.digits(4), cursor.take(UInt8(ascii: "-")),
            let month = cursor.digits(2), (1...12).contains(month), cursor.take(UInt8(ascii: "-")),
            let day = cursor.digits(2), (1...daysIn(month: month, year: year)).contains(day),
            cursor.takeDateSeparator(),
            let hour = cursor.digits(2), hour < 24, cursor.take(UInt8(ascii: ":")),
            let minute = cursor.digits(2), minute < 60, cursor.take(UInt8(ascii: ":")),
            let second = cursor.digits(2), second <= 60,
            let fraction = cursor.fraction(),
            let zone = cursor.zone(), cursor.isAtEnd
        else { return nil }
        let days = daysSinceEpoch(year: year, month: month, day: day)
        let seconds = ((days * 24 + hour) * 60 + minute - zone) * 60 + second
        return Int64(seconds) * 1_000_000 + fraction
    }

    /// Appends `2026-11-21T07:33:48.125Z`: milliseconds, UTC. The instant must lie in the years 0 to 9999, and `output` must
    /// have room for `textBytes`.
    public static func append(_ instant: Microseconds, to output: inout OutputSpan<UInt8>) {
        let milliseconds = floorDivide(instant, 1_000)
        let seconds = floorDivide(milliseconds, 1_000)
        let days = floorDivide(seconds, 86_400)
        let secondOfDay = Int(seconds - days * 86_400)
        let (year, month, day) = civil(daysSinceEpoch: Int(days))
        pad(year, 4, &output)
        output.append(UInt8(ascii: "-"))
        pad(month, 2, &output)
        output.append(UInt8(ascii: "-"))
        pad(day, 2, &output)
        output.append(UInt8(ascii: "T"))
        pad(secondOfDay / 3_600, 2, &output)
        output.append(UInt8(ascii: ":"))
        pad(secondOfDay / 60 % 60, 2, &output)
        output.append(UInt8(ascii: ":"))
        pad(secondOfDay % 60, 2, &output)
        output.append(UInt8(ascii: "."))
        pad(Int(milliseconds - seconds * 1_000), 3, &output)
        output.append(UInt8(ascii: "Z"))
    }

    /// As `append`, to the microsecond: `2026-11-21T07:33:48.125000Z`. `output` must have room for `fineTextBytes`.
    public static func appendMicroseconds(_ instant: Microseconds, to output: inout OutputSpan<UInt8>) {
        append(instant, to: &output)
        _ = output.removeLast()
        pad(Int(instant - floorDivide(instant, 1_000) * 1_000), 3, &output)
        output.append(UInt8(ascii: "Z"))
    }

    /// How long the text of `appendMicroseconds` is.
    public static let fineTextBytes = 27

    /// How long the text of `append` is.
    public static let textBytes = 24

    @inline(__always)
    private static func pad(_ value: Int, _ width: Int, _ output: inout OutputSpan<UInt8>) {
        var divisor = width == 4 ? 1_000 : width == 3 ? 100 : 10
        while divisor > 0 {
            output.append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: value / divisor % 10))
            divisor /= 10
        }
    }

    /// The instant as RFC 3339 text in UTC with milliseconds.
    public static func string(_ instant: Microseconds) -> String {
        var bytes: [UInt8] = []
        bytes.append(addingCapacity: textBytes) { append(instant, to: &$0) }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The instant as RFC 3339 text in UTC with microseconds.
    public static func fineString(_ instant: Microseconds) -> String {
        var bytes: [UInt8] = []
        bytes.append(addingCapacity: fineTextBytes) { appendMicroseconds(instant, to: &$0) }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Division that rounds towards minus infinity, as calendars need before 1970.
    static func floorDivide(_ value: Int64, _ divisor: Int64) -> Int64 {
        let quotient = value / divisor
        return value % divisor < 0 ? quotient - 1 : quotient
    }

    private static func daysIn(month: Int, year: Int) -> Int {
        switch month {
        case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }

    /// Howard Hinnant's `days_from_civil`: eras of 400 years that begin on 1 March.
    private static func daysSinceEpoch(year: Int, month: Int, day: Int) -> Int {
        let shifted = month <= 2 ? year - 1 : year
        let era = (shifted >= 0 ? shifted : shifted - 399) / 400
        let yearOfEra = shifted - era * 400
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        return era * 146_097 + dayOfEra - 719_468
    }

    /// Howard Hinnant's `civil_from_days`.
    private static func civil(daysSinceEpoch: Int) -> (year: Int, month: Int, day: Int) {
        let shifted = daysSinceEpoch + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthIndex = (5 * dayOfYear + 2) / 153
        let month = monthIndex + (monthIndex < 10 ? 3 : -9)
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * monthIndex + 2) / 5 + 1)
    }
}

/// Walks over a timestamp's characters.
private struct TimestampCursor {
    let text: ShortText
    var offset = 0

    init(text: ShortText) {
        self.text = text
    }

    var isAtEnd: Bool { offset == text.count }

    var next: UInt8 { offset < text.count ? text[offset] : 0 }

    mutating func take(_ byte: UInt8) -> Bool {
        guard next == byte else { return false }
        offset += 1
        return true
    }

    /// RFC 3339 section 5.6 allows lower case and, for readability, a space.
    mutating func takeDateSeparator() -> Bool {
        take(UInt8(ascii: "T")) || take(UInt8(ascii: "t")) || take(UInt8(ascii: " "))
    }

    mutating func digits(_ count: Int) -> Int? {
        var value = 0
        for _ in 0..<count {
            guard let digit = digit() else { return nil }
            value = value * 10 + digit
        }
        return value
    }

    mutating func digit() -> Int? {
        let value = next &- UInt8(ascii: "0")
        guard value < 10 else { return nil }
        offset += 1
        return Int(value)
    }

    /// Microseconds of the fraction, 0 where there is none; nil for a point without digits.
    mutating func fraction() -> Int64? {
        guard take(UInt8(ascii: ".")) else { return 0 }
        guard var digit = digit() else { return nil }
        var value: Int64 = 0
        var unit: Int64 = 100_000
        var roundsUp = false
        while true {
            if unit > 0 {
                value += Int64(digit) * unit
                if unit == 1 { roundsUp = (next &- UInt8(ascii: "5")) < 5 }
                unit /= 10
            }
            guard let following = self.digit() else { break }
            digit = following
        }
        return value + (roundsUp ? 1 : 0)
    }

    /// Minutes east of UTC; nil where no zone stands here.
    mutating func zone() -> Int? {
        if take(UInt8(ascii: "Z")) || take(UInt8(ascii: "z")) { return 0 }
        let sign: Int
        if take(UInt8(ascii: "+")) {
            sign = 1
        } else if take(UInt8(ascii: "-")) {
            sign = -1
        } else {
            return nil
        }
        guard let hours = digits(2), hours < 24, take(UInt8(ascii: ":")), let minutes = digits(2), minutes < 60
        else { return nil }
        return sign * (hours * 60 + minutes)
    }
}
