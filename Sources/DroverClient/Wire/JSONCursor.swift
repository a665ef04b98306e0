/// Reads a gateway's JSON in one pass and without an allocation.
///
/// Made for frames of a known shape: it walks forward, skips what nobody asked for, and after anything that is not JSON
/// `isBroken` is true and every further question is answered with nil.

/// A place in a JSON text.
struct JSONCursor {
    private let text: UnsafeRawBufferPointer
    private(set) var position = 0
    /// True once the text turned out not to be JSON, or not of the shape that was asked for.
    private(set) var isBroken = false

    init(_ text: UnsafeRawBufferPointer) { self.text = text }

    /// A cursor at an earlier `position` of the same text.
    init(_ text: UnsafeRawBufferPointer, at position: Int) {
        self.text = text
        self.position = position
    }

    /// The next byte that is not white space.
    mutating func peek() -> UInt8? {
        while position < text.count {
            let byte = text[position]
            if byte > 0x20 { return byte }
            position += 1
        }
        return nil
    }

    private mutating func take(_ byte: UInt8) -> Bool {
        guard !isBroken, peek() == byte else { return false }
        position += 1
        return true
    }

    private mutating func fail() { isBroken = true }

    /// Enters an object or an array; false (and broken) where there is none.
    mutating func enterObject() -> Bool { enter(UInt8(ascii: "{")) }
    mutating func enterArray() -> Bool { enter(UInt8(ascii: "[")) }

    private mutating func enter(_ bracket: UInt8) -> Bool {
        if take(bracket) { return true }
        fail()
        return false
    }

    /// The next member's name, or nil behind the object's end. Names are compared as written, escapes and all.
    mutating func nextKey() -> UnsafeRawBufferPointer? {
        guard continues(to: UInt8(ascii: "}")), let key = string() else { return nil }
        if take(UInt8(ascii: ":")) { return key }
        fail()
        return nil
    }

    /// True while there is another element; leaves the array otherwise.
    mutating func nextElement() -> Bool { continues(to: UInt8(ascii: "]")) }

    private mutating func continues(to end: UInt8) -> Bool {
        guard !isBroken, let byte = peek() else {
            fail()
            return false
        }
        if byte == end {
            position += 1
            return false
        }
        if byte == UInt8(ascii: ",") { position += 1 }
        return true
    }

    /// A string's bytes as written, without the quotes; escapes stay escapes.
    mutating func string() -> UnsafeRawBufferPointer? {
        guard take(UInt8(ascii: "\"")) else {
            fail()
            return nil
        }
        let start = position
        while position < text.count {
            switch text[position] {
            case UInt8(ascii: "\""):
                position += 1
                return UnsafeRawBufferPointer(rebasing: text[start..<(position - 1)])
            case UInt8(ascii: "\\"): position += 2
            default: position += 1
            }
        }
        fail()
        return nil
    }

    /// A string with its escapes resolved.
    mutating func unescapedString() -> String? {
        string().map(JSONCursor.unescape)
    }

    static func unescape(_ raw: UnsafeRawBufferPointer) -> String {
        guard raw.contains(UInt8(ascii: "\\")) else { return String(decoding: raw, as: UTF8.self) }
        var units: [UInt16] = []
        var plain: [UInt8] = []
        func flush() {
            units += Array(String(decoding: plain, as: UTF8.self).utf16)
            plain.removeAll()
        }
        var index = 0
        while index < raw.count {
            guard raw[index] == UInt8(ascii: "\\"), index + 1 < raw.count else {
                plain.append(raw[index])
                index += 1
                continue
            }
            let escape = raw[index + 1]
            index += 2
            switch escape {
            case UInt8(ascii: "n"): plain.append(10)
            case UInt8(ascii: "t"): plain.append(9)
            case UInt8(ascii: "r"): plain.append(13)
            case UInt8(ascii: "b"): plain.append(8)
            case UInt8(ascii: "f"): plain.append(12)
            case UInt8(ascii: "u"):
                flush()
                let digits = String(decoding: raw[index..<min(index + 4, raw.count)], as: UTF8.self)
                units.append(UInt16(digits, radix: 16) ?? 0xFFFD)
                index += 4
            default: plain.append(escape)
            }
        }
        flush()
        return String(decoding: units, as: UTF16.self)
    }

    /// A number; nil for `null`, broken for anything else.
    mutating func number() -> Double? {
        guard !isBroken, let first = peek() else {
            fail()
            return nil
        }
        if first == UInt8(ascii: "n") {
            skipValue()
            return nil
        }
        let start = position
        while position < text.count, isNumberByte(text[position]) { position += 1 }
        let value = decimal(UnsafeRawBufferPointer(rebasing: text[start..<position]))
        if value == nil { fail() }
        return value
    }

    /// A whole number, rounded where it is not whole.
    mutating func integer() -> Int64? {
        number().flatMap { abs($0) < 9e15 ? Int64($0.rounded()) : nil }
    }

    /// `true` or `false`; nil and broken for anything else.
    mutating func boolean() -> Bool? {
        switch peek() {
        case UInt8(ascii: "t"): skipValue(); return true
        case UInt8(ascii: "f"): skipValue(); return false
        default: fail(); return nil
        }
    }

    private func isNumberByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "+"), UInt8(ascii: "."),
            UInt8(ascii: "e"), UInt8(ascii: "E"):
            true
        default: false
        }
    }

    /// Passes over the next value, whatever it is, and gives its text.
    @discardableResult
    mutating func skipValue() -> UnsafeRawBufferPointer {
        guard !isBroken, let first = peek() else {
            fail()
            return UnsafeRawBufferPointer(start: nil, count: 0)
        }
        let start = position
        switch first {
        case UInt8(ascii: "\""): _ = string()
        case UInt8(ascii: "{"), UInt8(ascii: "["):
            var depth = 0
            repeat {
                guard position < text.count else {
                    fail()
                    break
                }
                switch text[position] {
                case UInt8(ascii: "\""):
                    _ = string()
                    continue
                case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
                case UInt8(ascii: "}"), UInt8(ascii: "]"): depth -= 1
                default: break
                }
                position += 1
            } while depth > 0 && !isBroken
        default:
            while position < text.count, isScalarByte(text[position]) { position += 1 }
            if position == start { fail() }
        }
        let end = min(position, text.count)
        return UnsafeRawBufferPointer(rebasing: text[min(start, end)..<end])
    }

    private func isScalarByte(_ byte: UInt8) -> Bool {
        isNumberByte(byte) || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
    }
}

/// True where the bytes are exactly `text`.
@inline(__always)
func == (bytes: UnsafeRawBufferPointer, text: StaticString) -> Bool {
    bytes.count == text.utf8CodeUnitCount
        && UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount).elementsEqual(bytes)
}

/// A decimal number's value, or nil where the bytes are none.
///
/// Up to 15 digits and 22 places the division of two exact values is correctly rounded (Clinger 1990, the fast path of
/// every strtod); the rest goes to the standard library.
func decimal(_ bytes: UnsafeRawBufferPointer) -> Double? {
    var index = 0
    let isNegative = bytes.first == UInt8(ascii: "-")
    if isNegative { index = 1 }
    var digits = 0
    var places = 0
    var mantissa: UInt64 = 0
    var isFraction = false
    while index < bytes.count {
        let byte = bytes[index]
        if byte == UInt8(ascii: "."), !isFraction, digits > 0 {
            isFraction = true
        } else if byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9"), digits < 15 {
            mantissa = mantissa * 10 + UInt64(byte - UInt8(ascii: "0"))
            digits += 1
            if isFraction { places += 1 }
        } else {
            let text = String(decoding: bytes, as: UTF8.self)
            // Swift also reads words such as `inf` and hexadecimal, which are no decimal numbers.
            guard !text.contains(where: { $0.isLetter && $0 != "e" && $0 != "E" }) else { return nil }
            return Double(text).flatMap { $0.isFinite ? $0 : nil }
        }
        index += 1
    }
    guard digits > 0, !isFraction || places > 0 else { return nil }
    let value = Double(mantissa) / powersOfTen[places]
    return isNegative ? -value : value
}

private let powersOfTen: [Double] = [
    1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
]
