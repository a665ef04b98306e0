/// Reading the JSON of phone apps: members by name, and values as lenient as the apps are careless. A number may stand in
/// quotes; what is of another kind than it should be counts as absent, since one odd member must not cost the position.

extension JSONScanner {
    /// Reads an object, which is next. `body` gets each member that `names` has and must take its value; the values of
    /// others are stepped over. What is no object is stepped over whole.
    mutating func members<Name>(
        _ names: MemberNames<Name>, _ input: Span<UInt8>,
        _ body: (inout JSONScanner, Name) throws(JSONError) -> Void
    ) throws(JSONError) {
        guard peek(input) == UInt8(ascii: "{") else { return try skipValue(input) }
        position += 1
        if consume(UInt8(ascii: "}"), input) { return }
        repeat {
            skipSpace(input)
            let token = try string(input)
            try expect(UInt8(ascii: ":"), input)
            if let text = Self.text(token, input), let name = names.name(text) {
                try body(&self, name)
            } else {
                try skipValue(input)
            }
        } while consume(UInt8(ascii: ","), input)
        try expect(UInt8(ascii: "}"), input)
    }

    /// Reads an array, which is next; `body` must take each element. What is no array is stepped over whole.
    mutating func elements(
        _ input: Span<UInt8>, _ body: (inout JSONScanner) throws(JSONError) -> Void
    ) throws(JSONError) {
        guard peek(input) == UInt8(ascii: "[") else { return try skipValue(input) }
        position += 1
        if consume(UInt8(ascii: "]"), input) { return }
        repeat { try body(&self) } while consume(UInt8(ascii: ","), input)
        try expect(UInt8(ascii: "]"), input)
    }

    /// A number, or a text that is one; nil of anything else.
    mutating func anyNumber(_ input: Span<UInt8>) throws(JSONError) -> Double? {
        try numeral(input)?.double
    }

    /// The same in degrees, to 10⁻⁷.
    mutating func anyDegrees(_ input: Span<UInt8>) throws(JSONError) -> Degrees7? {
        try numeral(input).map { Int32(clamping: $0.scaled(by: 7)) }
    }

    /// A text of at most 64 bytes, or a number as it is written; nil of anything else.
    mutating func anyText(_ input: Span<UInt8>) throws(JSONError) -> ShortText? {
        switch peek(input) {
        case UInt8(ascii: "\""): return Self.text(try string(input), input)
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"):
            let start = position
            _ = try number(input)
            return ShortText(input.extracting(start..<position))
        default:
            try skipValue(input)
            return nil
        }
    }

    /// `true` or `false`, or what stands for them: 1 and 0, in quotes or not; nil of anything else.
    mutating func anyFlag(_ input: Span<UInt8>) throws(JSONError) -> Bool? {
        switch peek(input) {
        case UInt8(ascii: "t"), UInt8(ascii: "f"), UInt8(ascii: "n"):
            switch try literal(input) {
            case .true: return true
            case .false: return false
            case .null: return nil
            }
        default: return try anyText(input).flatMap { PhoneText.flag($0) }
        }
    }

    /// An instant as phones write it, see `PhoneText.instant`; nil of anything else.
    mutating func anyInstant(_ input: Span<UInt8>) throws(JSONError) -> Microseconds? {
        switch peek(input) {
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return PhoneText.instant(try number(input))
        case UInt8(ascii: "\""): return Self.text(try string(input), input).flatMap { PhoneText.instant($0) }
        default:
            try skipValue(input)
            return nil
        }
    }

    private mutating func numeral(_ input: Span<UInt8>) throws(JSONError) -> JSONNumber? {
        switch peek(input) {
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return try number(input)
        case UInt8(ascii: "\""): return Self.text(try string(input), input).flatMap { PhoneText.number($0) }
        default:
            try skipValue(input)
            return nil
        }
    }
}
