/// Frames, messages and the WebSocket client against a server of the test's own.
import DroverClient
import EventLoop
import Testing

@Suite struct WebSocketFrameTests {
    @Test(arguments: [0, 1, 7, 8, 125, 126, 127, 65535, 65536, 70001], [nil, UInt32(0xA1B2_C3D4), 0])
    func `a frame of any length is read as it was written, in any pieces`(length: Int, mask: UInt32?) throws {
        let payload = (0..<length).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        let writer = ByteWriter()
        payload.withUnsafeBytes { WebSocketFrame.write(.binary, $0, mask: mask, to: writer) }
        let header = length < 126 ? 2 : length < 65536 ? 4 : 10
        #expect(writer.count == header + (mask == nil ? 0 : 4) + length)
        for piece in [1, 2, 3, 1000, Int.max] where length < 1000 || piece > 10 {
            var reader = WebSocketMessageReader(maximumMessageBytes: 1 << 20, expectsMask: mask != nil)
            var received: [[UInt8]] = []
            var bytes = Array(writer.bytes)[...]
            while !bytes.isEmpty {
                // A copy, since unmasking is done in place.
                let part = Array(bytes.prefix(piece))
                try part.withUnsafeBytes {
                    try reader.read($0) {
                        received.append(Array($0.payload)); return true
                    }
                }
                bytes = bytes.dropFirst(part.count)
            }
            #expect(received == [payload])
        }
    }

    @Test func `the mask is applied byte by byte from its first`() {
        let writer = ByteWriter()
        Array("abcdefghijk".utf8).withUnsafeBytes {
            WebSocketFrame.write(.text, $0, mask: UInt32(littleEndian: 0x0403_0201), to: writer)
        }
        let expected = "abcdefghijk".utf8.enumerated().map { $0.element ^ UInt8($0.offset % 4 + 1) }
        #expect(Array(writer.bytes) == [0x81, 0x8B, 1, 2, 3, 4] + expected)
    }

    @Test func `a fragmented message is put together around the ping inside it`() throws {
        let bytes: [UInt8] = [0x01, 2, 65, 66, 0x89, 1, 33, 0x00, 1, 67, 0x80, 1, 68]
        var reader = WebSocketMessageReader(maximumMessageBytes: 100)
        var seen: [String] = []
        try bytes.withUnsafeBytes {
            try reader.read($0) {
                seen.append("\($0.opcode) \(String(decoding: $0.payload, as: UTF8.self))")
                return true
            }
        }
        #expect(seen == ["ping !", "text ABCD"])
    }

    @Test(
        arguments: [
            ([0xC1, 0], 1002), ([0x83, 0], 1002), ([0x81, 0x80, 0, 0, 0, 0], 1002), ([0x80, 0], 1002),
            ([0x09, 0], 1002), ([0x89, 126, 0, 126], 1002), ([0x81, 126, 0, 125], 1002), ([0x81, 126, 1, 0], 1009),
            ([0x01, 0, 0x81, 0], 1002), ([0x81, 127, 0x80, 0, 0, 0, 0, 0, 0, 0], 1009),
        ] as [([UInt8], UInt16)])
    func `what breaks RFC 6455 is refused with its code`(bytes: [UInt8], code: UInt16) {
        var reader = WebSocketMessageReader(maximumMessageBytes: 200)
        let violation = #expect(throws: WebSocketViolation.self) {
            try bytes.withUnsafeBytes { try reader.read($0) { _ in true } }
        }
        #expect(violation?.code == code)
    }

    @Test func `the handshake's answer is the one of RFC 6455`() {
        #expect(WebSocketHandshake.accept(for: "dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
    }
}

@Suite struct WebSocketClientTests {
    let loop = EventLoop()
    let server: TestWebSocketServer
    let network: ClientNetwork

    init() throws {
        server = try TestWebSocketServer(loop: loop)
        network = ClientNetwork(loop: loop)
    }

    func client(_ options: WebSocketClient.Options = .init()) throws -> WebSocketClient {
        WebSocketClient(
            network: network, endpoint: try Endpoint(server.listener.address + "/v1/x?y=1"), options: options)
    }

    @Test func `a message goes there and back, a ping is answered, a close is echoed`() throws {
        defer { server.listener.close() }
        var closure: WebSocketClosure?
        var received: [String] = []
        var controls: [[UInt8]] = []
        server.onText = { connection, text in
            connection.send(.text, Array(text.utf8.prefix(3)), isFinal: false)
            connection.send(.continuation, Array(text.utf8.dropFirst(3)))
        }
        server.onControl = { controls.append([$1.rawValue] + $2) }
        let client = try client(.init(subprotocols: ["drover.v1", "bearer.t"], headers: [("X-Test", "yes")]))
        client.onOpen = { client.send("hello there") }
        client.onText = { received.append(String(decoding: $0, as: UTF8.self)) }
        client.onClose = { closure = $0 }
        client.connect()
        server.listener.run { received.count == 1 }
        #expect(received == ["hello there"])
        #expect(client.subprotocol == "drover.v1")
        #expect(client.receivedAt > 0)
        let connection = try #require(server.listener.connections.first)
        #expect(connection.request.hasPrefix("GET /v1/x?y=1 HTTP/1.1\r\n"))
        #expect(connection.request.contains("\r\nX-Test: yes\r\n"))
        connection.send(.ping, Array("are you there".utf8))
        server.listener.run { controls == [[10] + Array("are you there".utf8)] }
        connection.close(4429)
        server.listener.run { closure != nil && controls.count == 2 }
        #expect(closure == WebSocketClosure(code: 4429, reason: ""))
        #expect(controls[1] == [8, 0x11, 0x4D])
    }

    @Test func `messages above what one read gives arrive whole`() throws {
        defer { server.listener.close() }
        let large = String(repeating: "0123456789", count: 15_000)
        var received = ""
        server.onText = { $0.send($1) }
        let client = try client()
        client.onOpen = { client.send(large) }
        client.onText = { received = String(decoding: $0, as: UTF8.self) }
        client.connect()
        server.listener.run { !received.isEmpty }
        #expect(received == large)
        client.abort()
    }

    @Test func `a full queue refuses, and says when it is empty again`() throws {
        defer { server.listener.close() }
        var drained = 0
        var arrived = 0
        var refused = 0
        let client = try client(.init(maximumQueuedBytes: 300_000))
        let message = String(repeating: "x", count: 100_000)
        client.onOpen = {
            for _ in 0..<100 where !client.send(message) { refused += 1 }
        }
        client.onDrained = { drained += 1 }
        server.onText = { arrived += $1.utf8.count == 100_000 ? 1 : 0 }
        client.connect()
        server.listener.run { drained > 0 && arrived + refused == 100 }
        #expect(refused > 0)
        #expect(client.canSend)
        client.abort()
    }

    @Test(arguments: [(401, false), (403, false), (404, false), (429, true), (503, true)])
    func `a refused handshake tells its status`(status: Int, isRetryable: Bool) throws {
        defer { server.listener.close() }
        server.refusal = "HTTP/1.1 \(status) No\r\nContent-Length: 4\r\n\r\nwhy?"
        var closure: WebSocketClosure?
        let client = try client()
        client.onClose = { closure = $0 }
        client.connect()
        server.listener.run { closure != nil }
        #expect(closure == WebSocketClosure(code: 1006, reason: "why?", httpStatus: status))
        #expect(closure?.isRetryable == isRetryable)
    }

    @Test func `nobody listening is a closure that names the address`() throws {
        server.listener.close()
        var closure: WebSocketClosure?
        let client = try client()
        client.onClose = { closure = $0 }
        client.connect()
        server.listener.run { closure != nil }
        #expect(closure?.description == "cannot reach \(server.listener.address)/v1/x: Connection refused")
    }

    @Test func `a server that never answers the handshake is given up`() throws {
        let silent = try TestListener(loop: loop)
        defer { silent.close() }
        var closure: WebSocketClosure?
        let client = WebSocketClient(
            network: network, endpoint: try Endpoint(silent.address), options: .init(handshakeMilliseconds: 30))
        client.onClose = { closure = $0 }
        client.connect()
        silent.run { closure != nil }
        #expect(closure?.reason == "no handshake within 30 ms")
    }

    @Test(arguments: [
        "", "127.0.0.1:80", "https://x:1", "http://:80", "http://127.0.0.1:0", "http://user:pw@127.0.0.1:1",
    ])
    func `an address that cannot be used says why`(text: String) {
        let error = #expect(throws: DroverClientError.self) { try Endpoint(text) }
        #expect(error?.description.contains("pw") == false)
    }
}
