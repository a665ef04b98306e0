/// The head of a connection's first request, byte by byte (RFC 9112), before libwebsockets gets to see it: what that
/// library cuts off silently is answered here.

/// Reads a request's line and headers, and says whether they may go on.
enum RequestHead {
    /// The most bytes of a head, as libwebsockets is set up to hold.
    static let maximumBytes = 16_384
    /// The most bytes of the request's target, and of one header.
    static let maximumLineBytes = 8_192
    /// The most headers.
    static let maximumHeaders = 100

    /// What to do with the connection.
    enum Verdict {
        /// More bytes are needed.
        case incomplete
        /// A sound request, whose head has this many bytes.
        case admit(bytes: Int)
        /// Answer and close.
        case refuse(DoorRefusal)
        /// Close without a word: what is spoken there is not HTTP/1.
        case drop(Stranger)
    }

    /// Who speaks something else.
    enum Stranger {
        case tls
        case http2
    }

    /// Judges what has arrived so far.
    static func judge(_ bytes: Span<UInt8>, maximumBody: Int) -> Verdict {
        if let stranger = stranger(bytes) { return .drop(stranger) }
        if let refusal = earlyRefusal(bytes) { return .refuse(refusal) }
        guard let end = endOfHead(bytes) else {
            return bytes.count >= maximumBytes ? .refuse(tooLong(bytes)) : .incomplete
        }
        guard end <= maximumBytes else { return .refuse(tooLong(bytes)) }
        guard let line = line(bytes, from: 0) else { return .incomplete }
        var facts = RequestFacts()
        if let refusal = requestLine(bytes.extracting(0..<line.end), &facts) { return .refuse(refusal) }
        if let refusal = headers(bytes.extracting(line.next..<end), &facts) { return .refuse(refusal) }
        if let refusal = DoorChecks.refusal(facts, maximumBody: maximumBody) { return .refuse(refusal) }
        return .admit(bytes: end)
    }

    // MARK: Early

    private static func stranger(_ bytes: Span<UInt8>) -> Stranger? {
        // RFC 8446 section 5.1: a handshake record, of version 3.x.
        if bytes.count >= 2, bytes[0] == 0x16, bytes[1] == 0x03 { return .tls }
        // RFC 9113 section 3.4.
        return bytes.count >= 12 && starts(bytes, with: "PRI * HTTP/2") ? .http2 : nil
    }

    /// What is no request from its first bytes on need not be waited for.
    private static func earlyRefusal(_ bytes: Span<UInt8>) -> DoorRefusal? {
        // One byte more tells whether it is TLS.
        if bytes.count == 1, bytes[0] == 0x16 { return nil }
        for index in 0..<min(bytes.count, 24) {
            if bytes[index] == UInt8(ascii: " ") { return index == 0 ? notARequest : nil }
            guard isToken(bytes[index]) else { return notARequest }
        }
        // Longer than any method.
        return bytes.count > 24 ? notARequest : nil
    }

    private static let notARequest = DoorRefusal.badRequest("this is not an HTTP request")

    /// Just behind the empty line; nil where that has not come. A bare LF ends a line too, as for the library.
    private static func endOfHead(_ bytes: Span<UInt8>) -> Int? {
        var index = 0
        while index < bytes.count {
            guard bytes[index] == 10 else {
                index += 1
                continue
            }
            if index + 1 < bytes.count, bytes[index + 1] == 10 { return index + 2 }
            if index + 2 < bytes.count, bytes[index + 1] == 13, bytes[index + 2] == 10 { return index + 3 }
            index += 1
        }
        return nil
    }

    /// Which part of a head that is too long makes it so.
    private static func tooLong(_ bytes: Span<UInt8>) -> DoorRefusal {
        guard let line = line(bytes, from: 0), line.end <= maximumLineBytes + 32 else { return targetTooLong }
        return headersTooLarge("the request's line and headers are larger than \(maximumBytes) bytes")
    }

    private static var targetTooLong: DoorRefusal {
        let detail = "the request's target is longer than \(maximumLineBytes) bytes"
        return DoorRefusal(status: 414, code: "uri_too_long", detail: detail)
    }

    private static func headersTooLarge(_ detail: String) -> DoorRefusal {
        DoorRefusal(status: 431, code: "headers_too_large", detail: detail)
    }

    // MARK: The line and the headers

    private static func requestLine(_ line: Span<UInt8>, _ facts: inout RequestFacts) -> DoorRefusal? {
        guard let first = position(of: 32, in: line, from: 0), let second = position(of: 32, in: line, from: first + 1)
        else { return notARequest }
        facts.method = text(line, 0..<first)
        guard second - first - 1 <= maximumLineBytes else { return targetTooLong }
        switch text(line, (second + 1)..<line.count) {
        case "HTTP/1.1": break
        case "HTTP/1.0": facts.isHTTP11 = false
        case let version where version.hasPrefix("HTTP/"):
            return DoorRefusal(status: 505, code: "http_version", detail: "the version here is HTTP/1.1")
        default: return notARequest
        }
        // RFC 9112 section 3.2.1; CONNECT, whose target is an authority, is refused for its method.
        guard facts.method == "CONNECT" || isTarget(line.extracting((first + 1)..<second)) else {
            return .badRequest("the request's target is not a path")
        }
        return nil
    }

    private static func isTarget(_ target: Span<UInt8>) -> Bool {
        guard target.count > 0, target[0] == UInt8(ascii: "/") else { return false }
        for index in target.indices {
            guard target[index] > 0x20, target[index] < 0x7F else { return false }
            guard target[index] == UInt8(ascii: "%") else { continue }
            guard index + 2 < target.count, let high = hexadecimal(target[index + 1]),
                let low = hexadecimal(target[index + 2]), high | low != 0
            else { return false }
        }
        return true
    }

    private static func headers(_ bytes: Span<UInt8>, _ facts: inout RequestFacts) -> DoorRefusal? {
        var start = 0
        var count = 0
        while let line = line(bytes, from: start), line.end > start {
            count += 1
            guard count <= maximumHeaders else {
                return headersTooLarge("there are more than \(maximumHeaders) headers")
            }
            guard line.end - start <= maximumLineBytes else {
                return headersTooLarge("a header is longer than \(maximumLineBytes) bytes")
            }
            if let refusal = header(bytes.extracting(start..<line.end), &facts) { return refusal }
            start = line.next
        }
        return nil
    }

    private static func header(_ line: Span<UInt8>, _ facts: inout RequestFacts) -> DoorRefusal? {
        // RFC 9112 sections 5.1 and 5.2: no blank before the colon, no line that continues the one before.
        guard let colon = position(of: UInt8(ascii: ":"), in: line, from: 0), colon > 0,
            (0..<colon).allSatisfy({ isToken(line[$0]) })
        else { return .badRequest("a header has no sound name") }
        for index in (colon + 1)..<line.count where line[index] < 0x20 && line[index] != 9 || line[index] == 0x7F {
            return .badRequest("a header holds a control character")
        }
        var value: String { trimmed(text(line, (colon + 1)..<line.count)) }
        switch text(line, 0..<colon).lowercased() {
        case "host": facts.hosts += value.isEmpty ? 2 : 1
        case "content-length": facts.lengths.append(value)
        case "transfer-encoding": facts.hasTransferEncoding = true
        case "upgrade": facts.upgrade = facts.upgrade.map { "\($0), \(value)" } ?? value
        case "connection": facts.connection += (facts.connection.isEmpty ? "" : ",") + value
        case "sec-websocket-version":
            facts.webSocketVersion = facts.webSocketVersion.map { "\($0), \(value)" } ?? value
        case "sec-websocket-key": facts.webSocketKeys.append(value)
        case "sec-websocket-protocol": facts.subprotocolBytes += value.utf8.count + (facts.subprotocolBytes > 0 ? 1 : 0)
        default: break
        }
        return nil
    }

    // MARK: Bytes

    /// The line that starts there: its end without CR and LF, and where the next one starts.
    private static func line(_ bytes: Span<UInt8>, from start: Int) -> (end: Int, next: Int)? {
        guard let feed = position(of: 10, in: bytes, from: start) else { return nil }
        return (feed > start && bytes[feed - 1] == 13 ? feed - 1 : feed, feed + 1)
    }

    private static func position(of byte: UInt8, in bytes: Span<UInt8>, from start: Int) -> Int? {
        var index = start
        while index < bytes.count {
            if bytes[index] == byte { return index }
            index += 1
        }
        return nil
    }

    private static func text(_ bytes: Span<UInt8>, _ range: Range<Int>) -> String {
        bytes.extracting(range).withUnsafeBufferPointer { String(decoding: $0, as: UTF8.self) }
    }

    private static func trimmed(_ text: String) -> String {
        let isBlank = { (character: Character) in character == " " || character == "\t" }
        return String(text.drop(while: isBlank).reversed().drop(while: isBlank).reversed())
    }

    private static func starts(_ bytes: Span<UInt8>, with text: StaticString) -> Bool {
        text.withUTF8Buffer { text in text.indices.allSatisfy { bytes[$0] == text[$0] } }
    }

    private static func hexadecimal(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        default: nil
        }
    }

    /// RFC 9110 section 5.6.2.
    private static func isToken(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        case UInt8(ascii: "!"), UInt8(ascii: "#"), UInt8(ascii: "$"), UInt8(ascii: "%"), UInt8(ascii: "&"),
            UInt8(ascii: "'"), UInt8(ascii: "*"), UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "."),
            UInt8(ascii: "^"), UInt8(ascii: "_"), UInt8(ascii: "`"), UInt8(ascii: "|"), UInt8(ascii: "~"):
            true
        default: false
        }
    }
}
