/// The native JSON ping, decoded straight from the socket's bytes into `Ping`: the first step of the hot path.
///
/// The document is checked to its last byte before anything is reported, so a caller never keeps half of a request
/// whose other half is not JSON. What is JSON but not a ping becomes a `PingDefect` of that element alone.

/// Why a whole document was refused.
public enum PingDecodingError: Error, Equatable {
    /// Not JSON (RFC 8259, strictly) at this byte.
    case notJSON(offset: Int)
    /// JSON, but neither a ping nor a list of pings.
    case notPings
    /// JSON nested deeper than Drover reads, at this byte.
    case tooDeep(offset: Int)
    /// More pings than allowed.
    case tooMany(limit: Int)

    /// One line for the sender.
    public var detail: String {
        switch self {
        case .notJSON(let offset): "not valid JSON at byte \(offset)"
        case .notPings: "expected a ping object, an array of pings, or {\"pings\":[…]}"
        case .tooDeep(let offset): "nested deeper than \(JSONScanner.maximumDepth) levels at byte \(offset)"
        case .tooMany(let limit): "more than \(limit) pings in one request"
        }
    }
}

/// Decodes native pings.
public enum PingDecoder {
    /// More members than this in one ping are a defect; the native ping has thirteen.
    public static let maximumMembers = 48

    /// Replaces the contents of `batch` by the pings in `input`: an object, an array of objects, or, where
    /// `allowsEnvelope`, `{"pings":[…]}`. On an error `batch` holds nothing.
    public static func decode(
        _ input: Span<UInt8>, into batch: inout PingBatch, maximumPings: Int, allowsEnvelope: Bool
    ) throws(PingDecodingError) {
        batch.removeAll()
        var decoder = NativePingReader()
        do {
            try decoder.document(input, into: &batch, maximumPings: maximumPings, allowsEnvelope: allowsEnvelope)
        } catch {
            batch.removeAll()
            switch error {
            case .json(.syntax(let offset)): throw .notJSON(offset: offset)
            case .json(.tooDeep(let offset)): throw .tooDeep(offset: offset)
            case .notPings: throw .notPings
            case .tooMany: throw .tooMany(limit: maximumPings)
            }
        }
    }
}

private enum ReadingError: Error {
    case json(JSONError)
    case notPings
    case tooMany
}

/// One walk over a document.
private struct NativePingReader {
    private var scanner = JSONScanner()

    mutating func document(
        _ input: Span<UInt8>, into batch: inout PingBatch, maximumPings: Int, allowsEnvelope: Bool
    ) throws(ReadingError) {
        switch scanner.peek(input) {
        case UInt8(ascii: "{"):
            var ping = DecodedPing()
            var isEnvelope = false
            var envelopeMembers = 0
            var members = MemberRegister()
            try syntax { (scanner) throws(JSONError) in try scanner.expect(UInt8(ascii: "{"), input) }
            if !scanner.consume(UInt8(ascii: "}"), input) {
                repeat {
                    let isUsual = try syntax { (scanner) throws(JSONError) in
                        try scanner.usualMember(of: &ping, &members, input)
                    }
                    if isUsual { continue }
                    let key = try syntax { (scanner) throws(JSONError) in try MemberKey(&scanner, input) }
                    if key.isPings { envelopeMembers += 1 }
                    if allowsEnvelope, key.isPings, !isEnvelope, scanner.peek(input) == UInt8(ascii: "[") {
                        isEnvelope = true
                        try array(input, into: &batch, maximumPings: maximumPings)
                    } else {
                        try syntax { (scanner) throws(JSONError) in
                            try scanner.member(key, of: &ping, &members, input)
                        }
                    }
                } while scanner.consume(UInt8(ascii: ","), input)
                try syntax { (scanner) throws(JSONError) in try scanner.expect(UInt8(ascii: "}"), input) }
            }
            if isEnvelope {
                guard envelopeMembers == 1 else {
                    try syntax { (scanner) throws(JSONError) in try scanner.expectEnd(input) }
                    throw .notPings
                }
            } else {
                members.complete(&ping)
                batch.pings.append(ping)
            }
        case UInt8(ascii: "["):
            try array(input, into: &batch, maximumPings: maximumPings)
        default:
            // Say "not JSON" where that is the trouble, "not pings" only of good JSON.
            try syntax { (scanner) throws(JSONError) in
                try scanner.skipValue(input)
                try scanner.expectEnd(input)
            }
            throw .notPings
        }
        try syntax { (scanner) throws(JSONError) in try scanner.expectEnd(input) }
    }

    private mutating func array(
        _ input: Span<UInt8>, into batch: inout PingBatch, maximumPings: Int
    ) throws(ReadingError) {
        try syntax { (scanner) throws(JSONError) in try scanner.expect(UInt8(ascii: "["), input) }
        if scanner.consume(UInt8(ascii: "]"), input) { return }
        repeat {
            guard batch.pings.count < maximumPings else { throw .tooMany }
            var ping = DecodedPing()
            try syntax { (scanner) throws(JSONError) in try scanner.element(&ping, input) }
            batch.pings.append(ping)
        } while scanner.consume(UInt8(ascii: ","), input)
        try syntax { (scanner) throws(JSONError) in try scanner.expect(UInt8(ascii: "]"), input) }
    }

    @inline(__always)
    private mutating func syntax<Result>(
        _ body: (inout JSONScanner) throws(JSONError) -> Result
    ) throws(ReadingError) -> Result {
        do { return try body(&scanner) } catch { throw .json(error) }
    }
}

extension JSONScanner {
    /// An array's element: a ping object, or anything else, which is a defect.
    @inline(__always)
    fileprivate mutating func element(_ ping: inout DecodedPing, _ input: Span<UInt8>) throws(JSONError) {
        guard consume(UInt8(ascii: "{"), input) else {
            ping.defect = .notAnObject
            return try skipValue(input)
        }
        var members = MemberRegister()
        if !consume(UInt8(ascii: "}"), input) {
            repeat {
                if try usualMember(of: &ping, &members, input) { continue }
                try member(try MemberKey(&self, input), of: &ping, &members, input)
            } while consume(UInt8(ascii: ","), input)
            try expect(UInt8(ascii: "}"), input)
        }
        members.complete(&ping)
    }
}
