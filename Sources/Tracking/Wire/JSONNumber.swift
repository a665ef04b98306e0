/// A JSON number as digits and an exponent, turned into fixed point or `Float` without a detour through text.

/// ±`mantissa` × 10^`exponent`.
struct JSONNumber {
    var isNegative = false
    /// The first 19 significant digits.
    var mantissa: UInt64 = 0
    /// The power of ten.
    var exponent = 0
    /// Where a written exponent saturates: far beyond the length of any document, whose digits shift it back.
    static let exponentLimit = 1_000_000_000
    /// Written without fraction and exponent.
    var isInteger = true

    /// The value times 10^`scale`, rounded half away from zero, saturated to ±2⁶⁰ (so that sums of two never overflow).
    func scaled(by scale: Int) -> Int64 {
        let limit: UInt64 = 1 << 60
        var magnitude = mantissa
        var power = exponent + scale
        while power > 0, magnitude != 0 {
            if magnitude >= limit { break }
            magnitude *= 10
            power -= 1
        }
        if power < 0, magnitude != 0 {
            if power < -19 {
                magnitude = 0
            } else {
                let divisor = Self.powerOfTen(-power)
                let (quotient, remainder) = magnitude.quotientAndRemainder(dividingBy: divisor)
                magnitude = quotient + (remainder >= divisor - remainder ? 1 : 0)
            }
        }
        let bounded = Int64(min(magnitude, limit))
        return isNegative ? -bounded : bounded
    }

    /// The value as an exact integer; nil where it has a fraction or exponent, or does not fit.
    var exactInteger: Int64? {
        guard isInteger, exponent == 0 else { return nil }
        if isNegative { return mantissa <= UInt64(Int64.max) ? -Int64(mantissa) : nil }
        return Int64(exactly: mantissa)
    }

    /// The nearest `Double`; infinite where it is too large. Exact rounding for up to 2⁵³ and ±22 powers of ten (the
    /// fast path of Clinger's algorithm), within a few units in the last place beyond.
    var double: Double {
        var value = Double(mantissa)
        var power = exponent
        if power < 0, power >= -22 {
            value /= Self.exactPower(-power)
        } else {
            while power > 0, value.isFinite, value != 0 {
                let step = min(power, 22)
                value *= Self.exactPower(step)
                power -= step
            }
            while power < 0, value != 0 {
                let step = min(-power, 22)
                value /= Self.exactPower(step)
                power += step
            }
        }
        return isNegative ? -value : value
    }

    private static func powerOfTen(_ power: Int) -> UInt64 {
        var value: UInt64 = 1
        for _ in 0..<power { value *= 10 }
        return value
    }

    /// 10^`power` for 0...22, all of which a `Double` holds exactly.
    private static func exactPower(_ power: Int) -> Double {
        var value = 1.0
        for _ in 0..<power { value *= 10 }
        return value
    }
}
