/// A number's decimal digits, made in place: what JSON and Redis get to read.

/// The text of a fixed-point number, without trailing zeros.
public struct DecimalText: Sendable {
    /// Filled from the end.
    private var text = InlineArray<24, UInt8>(repeating: 0)
    private var start = 24

    /// `value` / 10^`decimals`; 0 to 20 decimals.
    public init(_ value: Int64, decimals: Int = 0) {
        var magnitude = value.magnitude
        var decimals = decimals
        while decimals > 0 {
            let (quotient, digit) = magnitude.quotientAndRemainder(dividingBy: 10)
            guard digit == 0 else { break }
            magnitude = quotient
            decimals &-= 1
        }
        while decimals > 0 {
            prepend(&magnitude)
            decimals &-= 1
            if decimals == 0 {
                start &-= 1
                text[start] = UInt8(ascii: ".")
            }
        }
        repeat { prepend(&magnitude) } while magnitude != 0
        if value < 0 {
            start -= 1
            text[start] = UInt8(ascii: "-")
        }
    }

    @inline(__always)
    private mutating func prepend(_ magnitude: inout UInt64) {
        let (quotient, digit) = magnitude.quotientAndRemainder(dividingBy: 10)
        start &-= 1
        text[start] = UInt8(ascii: "0") &+ UInt8(truncatingIfNeeded: digit)
        magnitude = quotient
    }

    /// A measurement to three decimals (millimetres, thousandths of a degree). It must not be NaN; what is absurdly
    /// large, as only a corrupt store can hold, is written as ±10¹².
    public init(thousandths value: Float) {
        self.init(Int64((max(-1e12, min(Double(value), 1e12)) * 1_000).rounded()), decimals: 3)
    }

    /// Its length in bytes.
    public var count: Int { 24 - start }

    /// Appends the text; `output` must have room for `count` bytes.
    public func append(to output: inout OutputSpan<UInt8>) {
        for index in start..<24 { output.append(text[index]) }
    }
}
