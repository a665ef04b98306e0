/// Values as phone apps write them in queries, forms and quotes.

/// Readers of such values. Nil is what cannot be read.
enum PhoneText {
    /// Epoch numbers below this are seconds, from here on milliseconds: in seconds it is the year 5138, in milliseconds
    /// 1973, before there was a phone to say either.
    private static let firstMilliseconds: Int64 = 100_000_000_000

    /// A decimal number, as in JSON.
    static func number(_ text: ShortText) -> JSONNumber? {
        withBytes(of: text) { bytes in
            var scanner = JSONScanner()
            guard let number = try? scanner.number(bytes), scanner.position == bytes.count else { return nil }
            return number
        }
    }

    /// `true`, `false`, `1` or `0`, in any case of letters.
    static func flag(_ text: ShortText) -> Bool? {
        switch text.string.lowercased() {
        case "true", "1": true
        case "false", "0": false
        default: nil
        }
    }

    /// Epoch seconds or milliseconds.
    static func instant(_ number: JSONNumber) -> Microseconds {
        number.scaled(by: 0) < firstMilliseconds ? number.scaled(by: 6) : number.scaled(by: 3)
    }

    /// Epoch seconds or milliseconds; RFC 3339, also with a zone without its colon (`-0700`), as Overland's README has it;
    /// `yyyy-MM-dd HH:mm:ss` in UTC, as Traccar's server reads it.
    static func instant(_ text: ShortText) -> Microseconds? {
        if let number = number(text) { return instant(number) }
        if let instant = Timestamp.parse(text) { return instant }
        var spelled = ShortText()
        let count = text.count
        let hasBareZone = count > 5 && (text[count - 5] == UInt8(ascii: "+") || text[count - 5] == UInt8(ascii: "-"))
        for index in 0..<count {
            // RFC 3339, section 5.6: a T between date and time.
            guard spelled.append(index == 10 && text[index] == 0x20 ? UInt8(ascii: "T") : text[index]) else {
                return nil
            }
            if hasBareZone, index == count - 3, !spelled.append(UInt8(ascii: ":")) { return nil }
        }
        if let instant = Timestamp.parse(spelled) { return instant }
        guard !hasBareZone, spelled.append(UInt8(ascii: "Z")) else { return nil }
        return Timestamp.parse(spelled)
    }

    private static func withBytes<Result>(of text: ShortText, _ body: (Span<UInt8>) -> Result) -> Result {
        var bytes = InlineArray<64, UInt8>(repeating: 0)
        for index in 0..<text.count { bytes[index] = text[index] }
        return body(bytes.span.extracting(0..<text.count))
    }
}
