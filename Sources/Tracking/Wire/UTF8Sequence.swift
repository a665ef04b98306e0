/// Multi-byte UTF-8, as strict as RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF.
enum UTF8Sequence {
    /// How many bytes the well-formed sequence at `offset` has (2 to 4), or 0 where there is none.
    static func length(_ input: Span<UInt8>, at offset: Int) -> Int {
        let first = input[offset]
        let count: Int
        var lowest: UInt8 = 0x80
        var highest: UInt8 = 0xBF
        switch first {
        case 0xC2...0xDF: count = 2
        case 0xE0...0xEF:
            count = 3
            if first == 0xE0 { lowest = 0xA0 }
            if first == 0xED { highest = 0x9F }
        case 0xF0...0xF4:
            count = 4
            if first == 0xF0 { lowest = 0x90 }
            if first == 0xF4 { highest = 0x8F }
        default: return 0
        }
        guard offset + count <= input.count, (lowest...highest).contains(input[offset + 1]) else { return 0 }
        for index in 2..<max(count, 2) where input[offset + index] & 0xC0 != 0x80 { return 0 }
        return count
    }

    /// Hands `body` the UTF-8 of a scalar value, until it answers false; returns its last answer.
    static func encode(_ scalar: UInt32, _ body: (UInt8) -> Bool) -> Bool {
        func continuation(_ shift: UInt32) -> UInt8 { 0x80 | UInt8(scalar >> shift & 0x3F) }
        switch scalar {
        case 0..<0x80:
            return body(UInt8(scalar))
        case 0x80..<0x800:
            return body(0xC0 | UInt8(scalar >> 6)) && body(continuation(0))
        case 0x800..<0x10000:
            return body(0xE0 | UInt8(scalar >> 12)) && body(continuation(6)) && body(continuation(0))
        default:
            return body(0xF0 | UInt8(scalar >> 18)) && body(continuation(12)) && body(continuation(6))
                && body(continuation(0))
        }
    }
}
