/// Server-Sent Events (WHATWG HTML, "Server-sent events"): what a session writes as WebSocket frames goes out as the
/// blocks of an event stream, so that a viewer's session need not know over which of the two it is watched.
import CLibwebsockets
import EventLoop

/// Turns WebSocket text frames into the blocks of an event stream.
enum EventStream {
    /// The members of a push or an answer that give an event its name; others are `message`.
    private static let names: [StaticString] = [
        "positions", "status", "left", "events", "arrivals", "expiring", "recovered", "subscribed", "error",
    ]

    /// A comment: what keeps proxies and clients from taking a quiet stream for a dead one.
    static let heartbeat = Array(":\n\n".utf8)

    /// The head of the reply. The stream ends with the connection, since nobody knows its length.
    static func head(_ headers: [(String, String)]) -> [UInt8] {
        var head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
        head += "X-Accel-Buffering: no\r\nConnection: close\r\n"
        for (name, value) in headers { head += "\(name): \(value)\r\n" }
        return Array((head + "\r\n").utf8)
    }

    /// The last event before the end: a WebSocket's close code and reason.
    static func close(code: UInt16, reason: String) -> [UInt8] {
        var block = "event: close\ndata: {\"code\":\(code),\"reason\":\""
        for scalar in reason.unicodeScalars {
            switch scalar {
            case "\"": block += "\\\""
            case "\\": block += "\\\\"
            case _ where scalar.value < 0x20: block += " "
            default: block.unicodeScalars.append(scalar)
            }
        }
        return Array((block + "\"}\n\n").utf8)
    }

    /// The blocks for whole, unmasked frames as a server writes them. Frames that are not text have no event.
    static func blocks(of frames: Span<UInt8>) -> [UInt8] {
        var blocks: [UInt8] = []
        blocks.reserveCapacity(frames.count + 64)
        var position = 0
        while position + 2 <= frames.count {
            let opcode = frames[position] & 0x0F
            var length = Int(frames[position + 1] & 0x7F)
            position += 2
            if length >= 126 {
                let size = length == 126 ? 2 : 8
                guard position + size <= frames.count else { break }
                length = 0
                for _ in 0..<size {
                    length = length << 8 | Int(frames[position])
                    position += 1
                }
            }
            guard length <= frames.count - position else { break }
            if opcode == 1 { appendBlock(frames.extracting(position..<(position + length)), to: &blocks) }
            position += length
        }
        return blocks
    }

    private static func appendBlock(_ payload: Span<UInt8>, to blocks: inout [UInt8]) {
        blocks.append(contentsOf: "event: ".utf8)
        append(name(of: payload), to: &blocks)
        if let cursor = cursor(of: payload) {
            blocks.append(contentsOf: "\nid: ".utf8)
            append(payload.extracting(cursor), to: &blocks)
        }
        blocks.append(contentsOf: "\ndata: ".utf8)
        for index in payload.indices {
            // A line's end may stand between two tokens of JSON only, where a space says the same.
            let byte = payload[index]
            blocks.append(byte == 10 || byte == 13 ? 32 : byte)
        }
        blocks.append(contentsOf: "\n\n".utf8)
    }

    private static func append(_ bytes: Span<UInt8>, to blocks: inout [UInt8]) {
        for index in bytes.indices { blocks.append(bytes[index]) }
    }

    private static func append(_ text: StaticString, to blocks: inout [UInt8]) {
        text.withUTF8Buffer { blocks.append(contentsOf: $0) }
    }

    /// The first known member of the object itself, not of one inside it.
    private static func name(of payload: Span<UInt8>) -> StaticString {
        var depth = 0
        var index = 0
        while index < payload.count {
            switch payload[index] {
            case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
            case UInt8(ascii: "}"), UInt8(ascii: "]"): depth -= 1
            case UInt8(ascii: "\""):
                let start = index + 1
                index = endOfString(payload, from: start)
                let isMember = index + 1 < payload.count && payload[index + 1] == UInt8(ascii: ":")
                if depth == 1, isMember, let name = known(payload.extracting(start..<index)) { return name }
            default: break
            }
            index += 1
        }
        return "message"
    }

    /// Where the string's closing quote stands.
    private static func endOfString(_ payload: Span<UInt8>, from start: Int) -> Int {
        var index = start
        while index < payload.count, payload[index] != UInt8(ascii: "\"") {
            index += payload[index] == UInt8(ascii: "\\") ? 2 : 1
        }
        return min(index, payload.count)
    }

    private static func known(_ text: Span<UInt8>) -> StaticString? {
        names.first { name in
            name.withUTF8Buffer { bytes in
                bytes.count == text.count && text.indices.allSatisfy { bytes[$0] == text[$0] }
            }
        }
    }

    /// The range of the cursor's characters where the payload ends with `"cursor":"…"}`.
    private static func cursor(of payload: Span<UInt8>) -> Range<Int>? {
        let end = payload.count - 2
        guard end > 0, payload[end] == UInt8(ascii: "\""), payload[end + 1] == UInt8(ascii: "}") else { return nil }
        var start = end
        while start > 0, payload[start - 1] != UInt8(ascii: "\"") { start -= 1 }
        let key = Array("\"cursor\":\"".utf8)
        guard start >= key.count, key.indices.allSatisfy({ payload[start - key.count + $0] == key[$0] }) else {
            return nil
        }
        return start..<end
    }
}

extension WebConnection {
    /// Answers the current request with an event stream that `session` writes: its frames become events from here on.
    /// A client cannot send anything over it. Returns false where the client has gone meanwhile.
    public func openEventStream(session: WebSession, headers: [(String, String)] = []) -> Bool {
        guard phase == .http, let request else { return false }
        endExchange()
        gathered = []
        var head = WebResponse(status: 200, headers: headers + [("Cache-Control", "no-store")])
        head.secure(isEncrypted: server.isEncrypted)
        head.headers += server.configuration.allowedOrigins.headers(
            for: request.headers["origin"], host: request.headers["host"])
        guard write(EventStream.head(head.headers).span) == .taken else { return false }
        phase = .eventStream
        self.session = session
        // The library keeps a request's 16 KiB of headers until it is answered, which this one never is for it. What the
        // client sends from here on it drops.
        lws_http_headers_detach(wsi)
        lws_set_timeout(wsi, NO_PENDING_TIMEOUT, 0)
        server.schedule(self, now: SystemClock.monotonicMicroseconds())
        return true
    }
}
