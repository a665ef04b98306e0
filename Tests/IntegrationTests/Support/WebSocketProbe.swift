// A WebSocket written frame by frame, so that a test can break every rule of RFC 6455, and reads what comes back.

import Testing

/// One WebSocket from the client's side, blocking.
final class WebSocketProbe {
    enum Message {
        case text(String)
        case close(code: UInt16, reason: String)
        /// The connection ended without a close frame.
        case end
    }

    let stream: ByteStream
    /// The handshake's reply.
    let reply: RawReply

    /// Asks for an upgrade; `reply.status` says whether it came about.
    init(
        port: Int, _ target: String, token: String? = nil, subprotocols: String? = nil, headers: [String] = [],
        receiveBytes: Int32? = nil
    ) throws {
        stream = try ByteStream(port: port, receiveBytes: receiveBytes)
        var lines = [
            "GET \(target) HTTP/1.1", "Host: 127.0.0.1:\(port)", "Upgrade: websocket", "Connection: Upgrade",
            "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        ]
        if let token { lines.append("Authorization: Bearer \(token)") }
        if let subprotocols { lines.append("Sec-WebSocket-Protocol: \(subprotocols)") }
        stream.send((lines + headers).map { $0 + "\r\n" }.joined() + "\r\n")
        reply = try #require(try stream.takeReply(), "the handshake was answered")
    }

    /// Sends a frame, masked as a client must.
    func send(_ payload: [UInt8], opcode: UInt8 = 1, isFinal: Bool = true) {
        stream.send(Self.header(opcode: opcode, length: payload.count, isFinal: isFinal) + Self.masked(payload))
    }

    func send(_ text: String) {
        send(Array(text.utf8))
    }

    static func header(opcode: UInt8, length: Int, isFinal: Bool = true) -> [UInt8] {
        var bytes = [(isFinal ? 0x80 : 0) | opcode]
        switch length {
        case 0..<126: bytes.append(0x80 | UInt8(length))
        case 126..<65_536: bytes += [0x80 | 126, UInt8(length >> 8), UInt8(length & 0xFF)]
        default: bytes += [0x80 | 127] + (0..<8).map { UInt8(length >> (56 - 8 * $0) & 0xFF) }
        }
        return bytes + mask
    }

    static func masked(_ payload: [UInt8]) -> [UInt8] {
        payload.enumerated().map { $0.element ^ mask[$0.offset % 4] }
    }

    private static let mask: [UInt8] = [0x12, 0x34, 0x56, 0x78]

    /// The next message; pings are answered.
    func next(within seconds: Double = 10) throws -> Message {
        while true {
            guard let head = try stream.take(2, within: seconds) else { return .end }
            var length = Int(head[1] & 0x7F)
            if length >= 126 {
                guard let more = try stream.take(length == 126 ? 2 : 8, within: seconds) else { return .end }
                length = more.reduce(0) { $0 << 8 | Int($1) }
            }
            guard let payload = try stream.take(length, within: seconds) else { return .end }
            switch head[0] & 0x0F {
            case 1: return .text(String(decoding: payload, as: UTF8.self))
            case 8:
                send(Array(payload.prefix(2)), opcode: 8)
                guard payload.count >= 2 else { return .close(code: 1005, reason: "") }
                return .close(
                    code: UInt16(payload[0]) << 8 | UInt16(payload[1]),
                    reason: String(decoding: payload.dropFirst(2), as: UTF8.self))
            case 9: send(payload, opcode: 10)
            default: continue
            }
        }
    }

    /// Reads up to the next ping and answers it, as a browser does by itself.
    func answerPing(within seconds: Double = 10) throws {
        while let head = try stream.take(2, within: seconds) {
            let payload = try #require(try stream.take(Int(head[1] & 0x7F), within: seconds))
            if head[0] & 0x0F == 9 { return send(payload, opcode: 10) }
        }
        throw StreamEnded(description: "the gateway has ended a viewer that answers its pings")
    }

    /// The next message, which must be JSON text. What a device is asked to report is passed over.
    func json(within seconds: Double = 10, sourceLocation: SourceLocation = #_sourceLocation) throws -> JSON {
        while true {
            let message = try anyJSON(within: seconds, sourceLocation: sourceLocation)
            if message["rate"].isNull { return message }
        }
    }

    private func anyJSON(within seconds: Double, sourceLocation: SourceLocation) throws -> JSON {
        let message = try next(within: seconds)
        guard case .text(let text) = message else {
            Issue.record("expected text, got \(message)", sourceLocation: sourceLocation)
            throw StreamEnded(description: "expected text, got \(message)")
        }
        return try JSON(parsing: text)
    }

    /// The first message that has the member `name`; others before it are dropped.
    func json(
        with name: String, within seconds: Double = 10, sourceLocation: SourceLocation = #_sourceLocation
    ) throws -> JSON {
        while true {
            let message = try anyJSON(within: seconds, sourceLocation: sourceLocation)
            if !message[name].isNull { return message }
        }
    }

    /// Reads to the end and gives the close code, 1006 where there was none, and the texts before it but for what a device
    /// is asked to report.
    func closure(within seconds: Double = 10) throws -> (code: UInt16, texts: [String]) {
        var texts: [String] = []
        while true {
            switch try next(within: seconds) {
            case .text(let text) where text.hasPrefix("{\"rate\":"): continue
            case .text(let text): texts.append(text)
            case .close(let code, _): return (code, texts)
            case .end: return (1006, texts)
            }
        }
    }
}
