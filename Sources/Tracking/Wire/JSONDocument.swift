/// A small JSON document as a tree, for what is read seldom and must be read strictly: a JWT's header and claims, a file
/// of keys. Pings never come this way.

/// A JSON value. An object with a member twice cannot be expressed: of two readers that differ about which one counts,
/// one can be deceived.
public indirect enum JSONDocument: Equatable, Sendable {
    /// Members by name; no name stands twice.
    case object([String: JSONDocument])
    /// Elements in order.
    case array([JSONDocument])
    /// A string, its escapes resolved.
    case string(String)
    /// A number; infinite where it is too large for a `Double`.
    case number(Double)
    /// `true` or `false`.
    case boolean(Bool)
    /// `null`.
    case null

    /// Nil where the bytes are not one JSON text (RFC 8259) in UTF-8, hold a member twice, or are nested deeper than 32.
    public init?(_ bytes: Span<UInt8>) {
        var scanner = JSONScanner()
        do {
            self = try Self.value(&scanner, bytes, depth: 0)
            try scanner.expectEnd(bytes)
        } catch {
            return nil
        }
    }

    /// An object's member; nil where there is none or this is no object.
    public subscript(name: String) -> JSONDocument? {
        if case .object(let members) = self { members[name] } else { nil }
    }

    /// A string's text; nil of any other kind.
    public var string: String? {
        if case .string(let text) = self { text } else { nil }
    }

    /// A number's value; nil of any other kind.
    public var number: Double? {
        if case .number(let value) = self { value } else { nil }
    }

    /// The texts of an array that holds nothing but strings; nil of anything else.
    public var strings: [String]? {
        guard case .array(let elements) = self else { return nil }
        let texts = elements.compactMap(\.string)
        return texts.count == elements.count ? texts : nil
    }

    private static func value(
        _ scanner: inout JSONScanner, _ input: Span<UInt8>, depth: Int
    ) throws(JSONError) -> JSONDocument {
        switch scanner.peek(input) {
        case UInt8(ascii: "{"): return try object(&scanner, input, depth: depth)
        case UInt8(ascii: "["): return try array(&scanner, input, depth: depth)
        case UInt8(ascii: "\""): return .string(try text(&scanner, input))
        case UInt8(ascii: "t"), UInt8(ascii: "f"), UInt8(ascii: "n"):
            switch try scanner.literal(input) {
            case .true: return .boolean(true)
            case .false: return .boolean(false)
            case .null: return .null
            }
        default: return .number(try scanner.number(input).double)
        }
    }

    private static func object(
        _ scanner: inout JSONScanner, _ input: Span<UInt8>, depth: Int
    ) throws(JSONError) -> JSONDocument {
        guard depth < JSONScanner.maximumDepth else { throw .tooDeep(scanner.position) }
        try scanner.expect(UInt8(ascii: "{"), input)
        var members: [String: JSONDocument] = [:]
        if scanner.consume(UInt8(ascii: "}"), input) { return .object(members) }
        repeat {
            let name = try text(&scanner, input)
            try scanner.expect(UInt8(ascii: ":"), input)
            let member = try value(&scanner, input, depth: depth + 1)
            guard members.updateValue(member, forKey: name) == nil else { throw .syntax(scanner.position) }
        } while scanner.consume(UInt8(ascii: ","), input)
        try scanner.expect(UInt8(ascii: "}"), input)
        return .object(members)
    }

    private static func array(
        _ scanner: inout JSONScanner, _ input: Span<UInt8>, depth: Int
    ) throws(JSONError) -> JSONDocument {
        guard depth < JSONScanner.maximumDepth else { throw .tooDeep(scanner.position) }
        try scanner.expect(UInt8(ascii: "["), input)
        var elements: [JSONDocument] = []
        if scanner.consume(UInt8(ascii: "]"), input) { return .array(elements) }
        repeat {
            elements.append(try value(&scanner, input, depth: depth + 1))
        } while scanner.consume(UInt8(ascii: ","), input)
        try scanner.expect(UInt8(ascii: "]"), input)
        return .array(elements)
    }

    private static func text(_ scanner: inout JSONScanner, _ input: Span<UInt8>) throws(JSONError) -> String {
        let token = try scanner.string(input)
        var bytes: [UInt8] = []
        _ = JSONScanner.unescape(token, input) {
            bytes.append($0)
            return true
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
