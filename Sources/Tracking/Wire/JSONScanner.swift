/// A strict RFC 8259 scanner over borrowed bytes: no allocation, no recursion, no trap on any input.
///
/// It knows nothing of pings. The input is passed to every call instead of being stored, so that the scanner stays an
/// ordinary value.

/// Why a document could not be read at all.
enum JSONError: Error {
    /// Not JSON at this offset.
    case syntax(Int)
    /// JSON, but nested deeper than `JSONScanner.maximumDepth`.
    case tooDeep(Int)
}

/// Where a string's contents lie in the input, between its quotes.
struct JSONString {
    var start: Int
    var end: Int
    var hasEscapes: Bool
}

/// A position in a JSON text.
struct JSONScanner {
    /// The deepest nesting of values that are skipped over.
    static let maximumDepth = 32

    var position = 0

    @inline(__always)
    mutating func skipSpace(_ input: Span<UInt8>) {
        while position < input.count {
            switch input[position] {
            case 0x20, 0x09, 0x0A, 0x0D: position += 1
            default: return
            }
        }
    }

    /// The next byte after white space, or 0 at the end of the input (which no JSON token begins with).
    @inline(__always)
    mutating func peek(_ input: Span<UInt8>) -> UInt8 {
        skipSpace(input)
        return position < input.count ? input[position] : 0
    }

    /// Consumes `byte` after white space, if it is next.
    @inline(__always)
    mutating func consume(_ byte: UInt8, _ input: Span<UInt8>) -> Bool {
        guard peek(input) == byte else { return false }
        position += 1
        return true
    }

    @inline(__always)
    mutating func expect(_ byte: UInt8, _ input: Span<UInt8>) throws(JSONError) {
        guard consume(byte, input) else { throw .syntax(position) }
    }

    /// Nothing but white space is left.
    mutating func expectEnd(_ input: Span<UInt8>) throws(JSONError) {
        skipSpace(input)
        guard position == input.count else { throw .syntax(position) }
    }

    // MARK: Strings

    /// A string; its opening quote is next.
    @inline(__always)
    mutating func string(_ input: Span<UInt8>) throws(JSONError) -> JSONString {
        try expect(UInt8(ascii: "\""), input)
        return try stringContents(input)
    }

    /// Whether a byte stands for itself in a string: printable ASCII but for the quote and the backslash, and DEL.
    @inline(__always)
    static func isPlain(_ byte: UInt8) -> Bool {
        byte &- 0x20 < 0x60 && byte != UInt8(ascii: "\"") && byte != UInt8(ascii: "\\")
    }

    /// A string whose opening quote was taken.
    mutating func stringContents(_ input: Span<UInt8>) throws(JSONError) -> JSONString {
        let start = position
        var index = start
        while index < input.count, Self.isPlain(input[index]) { index &+= 1 }
        position = index
        var hasEscapes = false
        while position < input.count {
            let byte = input[position]
            switch byte {
            case UInt8(ascii: "\""):
                position += 1
                return JSONString(start: start, end: position - 1, hasEscapes: hasEscapes)
            case UInt8(ascii: "\\"):
                hasEscapes = true
                try escape(input)
            case 0..<0x20:
                throw .syntax(position)
            case 0x80...:
                let length = UTF8Sequence.length(input, at: position)
                guard length > 0 else { throw .syntax(position) }
                position += length
            default:
                position += 1
            }
        }
        throw .syntax(position)
    }

    private mutating func escape(_ input: Span<UInt8>) throws(JSONError) {
        guard position + 1 < input.count else { throw .syntax(position) }
        switch input[position + 1] {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"),
            UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"):
            position += 2
        case UInt8(ascii: "u"):
            guard let (_, length) = Self.codePoint(input, at: position) else { throw .syntax(position) }
            position += length
        default:
            throw .syntax(position)
        }
    }

    /// The code point of the `\u` escape at `offset` and how many bytes spell it; nil for a lone surrogate.
    private static func codePoint(_ input: Span<UInt8>, at offset: Int) -> (UInt32, Int)? {
        guard let first = hexadecimal(input, at: offset + 2) else { return nil }
        switch first {
        case 0xD800..<0xDC00:
            guard offset + 7 < input.count, input[offset + 6] == UInt8(ascii: "\\"),
                input[offset + 7] == UInt8(ascii: "u"), let second = hexadecimal(input, at: offset + 8),
                (0xDC00..<0xE000).contains(second)
            else { return nil }
            return (0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00), 12)
        case 0xDC00..<0xE000:
            return nil
        default:
            return (first, 6)
        }
    }

    private static func hexadecimal(_ input: Span<UInt8>, at offset: Int) -> UInt32? {
        guard offset + 4 <= input.count else { return nil }
        var value: UInt32 = 0
        for index in offset..<(offset + 4) {
            let byte = input[index]
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): value = value << 4 | UInt32(byte - UInt8(ascii: "0"))
            case UInt8(ascii: "a")...UInt8(ascii: "f"): value = value << 4 | UInt32(byte - UInt8(ascii: "a") + 10)
            case UInt8(ascii: "A")...UInt8(ascii: "F"): value = value << 4 | UInt32(byte - UInt8(ascii: "A") + 10)
            default: return nil
            }
        }
        return value
    }

    /// The text of a string that `string` has validated; nil where it is longer than a `ShortText` holds.
    static func text(_ token: JSONString, _ input: Span<UInt8>) -> ShortText? {
        if !token.hasEscapes { return ShortText(input.extracting(token.start..<token.end)) }
        var text = ShortText()
        return unescape(token, input) { text.append($0) } ? text : nil
    }

    /// Hands `body` the bytes that a string which `string` has validated stands for, until it answers false; returns
    /// its last answer.
    static func unescape(_ token: JSONString, _ input: Span<UInt8>, _ body: (UInt8) -> Bool) -> Bool {
        var offset = token.start
        while offset < token.end {
            guard input[offset] == UInt8(ascii: "\\") else {
                guard body(input[offset]) else { return false }
                offset += 1
                continue
            }
            let simple: UInt8
            switch input[offset + 1] {
            case UInt8(ascii: "b"): simple = 0x08
            case UInt8(ascii: "f"): simple = 0x0C
            case UInt8(ascii: "n"): simple = 0x0A
            case UInt8(ascii: "r"): simple = 0x0D
            case UInt8(ascii: "t"): simple = 0x09
            case UInt8(ascii: "u"):
                guard let (scalar, length) = codePoint(input, at: offset), UTF8Sequence.encode(scalar, body) else {
                    return false
                }
                offset += length
                continue
            case let other: simple = other
            }
            guard body(simple) else { return false }
            offset += 2
        }
        return true
    }

    // MARK: Numbers and literals

    /// A number; its first byte is next.
    mutating func number(_ input: Span<UInt8>) throws(JSONError) -> JSONNumber {
        var number = JSONNumber()
        if position < input.count, input[position] == UInt8(ascii: "-") {
            number.isNegative = true
            position += 1
        }
        let first = position
        let beyond = digits(input, into: &number)
        // RFC 8259 wants a digit, and no other behind a leading zero.
        guard position > first else { throw .syntax(position) }
        if input[first] == UInt8(ascii: "0"), position > first + 1 { throw .syntax(first + 1) }
        if beyond > 0 {
            // Only the magnitude matters; it no longer fits any integer either.
            number.exponent += beyond
            number.isInteger = false
        }
        if position < input.count, input[position] == UInt8(ascii: ".") {
            position += 1
            number.isInteger = false
            let start = position
            let beyond = digits(input, into: &number)
            guard position > start else { throw .syntax(position) }
            number.exponent -= position - start - beyond
        }
        if position < input.count, input[position] | 0x20 == UInt8(ascii: "e") { try exponent(input, of: &number) }
        return number
    }

    /// Takes all digits that follow; returns how many no longer went into the mantissa, which holds 19.
    @inline(__always)
    private mutating func digits(_ input: Span<UInt8>, into number: inout JSONNumber) -> Int {
        var index = position
        var mantissa = number.mantissa
        var beyond = 0
        // Nine more digits always fit behind nine: usual numbers never get to the second loop.
        let unchecked = mantissa < 1_000_000_000 ? min(input.count, index + 9) : index
        while index < unchecked {
            let digit = input[index] &- UInt8(ascii: "0")
            guard digit < 10 else { break }
            mantissa = mantissa &* 10 &+ UInt64(digit)
            index &+= 1
        }
        while index < input.count {
            let digit = input[index] &- UInt8(ascii: "0")
            guard digit < 10 else { break }
            if mantissa < 1_000_000_000_000_000_000 {
                mantissa = mantissa &* 10 &+ UInt64(digit)
            } else {
                beyond &+= 1
            }
            index &+= 1
        }
        position = index
        number.mantissa = mantissa
        return beyond
    }

    private mutating func exponent(_ input: Span<UInt8>, of number: inout JSONNumber) throws(JSONError) {
        position += 1
        number.isInteger = false
        var isNegative = false
        if position < input.count, input[position] == UInt8(ascii: "+") || input[position] == UInt8(ascii: "-") {
            isNegative = input[position] == UInt8(ascii: "-")
            position += 1
        }
        guard var exponent = digit(input) else { throw .syntax(position) }
        while let next = digit(input) { exponent = min(exponent * 10 + next, JSONNumber.exponentLimit) }
        number.exponent += isNegative ? -exponent : exponent
    }

    private mutating func digit(_ input: Span<UInt8>) -> Int? {
        guard position < input.count, input[position] &- UInt8(ascii: "0") < 10 else { return nil }
        position += 1
        return Int(input[position - 1] - UInt8(ascii: "0"))
    }

    /// `true`, `false` or `null`; its first byte is next.
    mutating func literal(_ input: Span<UInt8>) throws(JSONError) -> JSONLiteral {
        if spells(input, 0x65_7572_74, 4) { return .true }
        if spells(input, 0x6C_6C_75_6E, 4) { return .null }
        if spells(input, 0x65_73_6C_61_66, 5) { return .false }
        throw .syntax(position)
    }

    /// Consumes `length` bytes if they are the little-endian characters of `word`.
    @inline(__always)
    mutating func spells(_ input: Span<UInt8>, _ word: UInt64, _ length: Int) -> Bool {
        guard position + length <= input.count else { return false }
        for index in 0..<length
        where input[position &+ index] != UInt8(truncatingIfNeeded: word &>> UInt64(8 &* index)) { return false }
        position += length
        return true
    }

    // MARK: Anything

    /// Steps over one value of any kind, checking its syntax.
    mutating func skipValue(_ input: Span<UInt8>) throws(JSONError) {
        var depth = 0
        // Bit d is set where level d is an object, clear where it is an array.
        var objects: UInt64 = 0
        while true {
            switch peek(input) {
            case UInt8(ascii: "{"):
                position += 1
                if try open(object: true, closing: UInt8(ascii: "}"), &depth, &objects, input) { continue }
            case UInt8(ascii: "["):
                position += 1
                if try open(object: false, closing: UInt8(ascii: "]"), &depth, &objects, input) { continue }
            case UInt8(ascii: "\""): _ = try string(input)
            case UInt8(ascii: "t"), UInt8(ascii: "f"), UInt8(ascii: "n"): _ = try literal(input)
            default: _ = try number(input)
            }
            // A value is complete: close what it completes, or go on to the next member or element.
            while true {
                if depth == 0 { return }
                let isObject = objects >> UInt64(depth - 1) & 1 == 1
                if consume(UInt8(ascii: ","), input) {
                    if isObject { try memberName(input) }
                    break
                }
                try expect(isObject ? UInt8(ascii: "}") : UInt8(ascii: "]"), input)
                depth -= 1
            }
        }
    }

    /// Enters a container; false where it is empty and thus already a complete value.
    private mutating func open(
        object: Bool, closing: UInt8, _ depth: inout Int, _ objects: inout UInt64, _ input: Span<UInt8>
    ) throws(JSONError) -> Bool {
        if consume(closing, input) { return false }
        guard depth < Self.maximumDepth else { throw .tooDeep(position) }
        if object { objects |= 1 << UInt64(depth) } else { objects &= ~(1 << UInt64(depth)) }
        depth += 1
        if object { try memberName(input) }
        return true
    }

    private mutating func memberName(_ input: Span<UInt8>) throws(JSONError) {
        skipSpace(input)
        _ = try string(input)
        try expect(UInt8(ascii: ":"), input)
    }
}

/// The three words of JSON.
enum JSONLiteral {
    case `true`, `false`, null
}
