/// Messages from servers, however the network cuts them.
import Glibc
import Testing

@testable import drover_bench

@Suite struct FramingTests {
    /// What came, as values.
    struct Received: Equatable {
        var kind: Int
        var payload: String
        var size: Int
    }

    /// Two connected sockets; the first is read without waiting.
    private func pair() throws -> (reader: Int32, writer: Int32) {
        var sockets: [Int32] = [-1, -1]
        try #require(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &sockets) == 0)
        Socket.makeNonBlocking(sockets[0])
        return (sockets[0], sockets[1])
    }

    /// Sends `bytes` in the given pieces and reads after each.
    private func received(_ bytes: [UInt8], cutAt cuts: [Int], _ framing: Framing) throws -> [Received] {
        let (reader, writer) = try pair()
        defer { for socket in [reader, writer] { close(socket) } }
        var frames = ServerFrames()
        var messages: [Received] = []
        var start = 0
        for end in cuts + [bytes.count] {
            try Socket.writeAll(Array(bytes[start..<end]), to: writer)
            start = end
            let outcome = frames.read(reader, framing) {
                messages.append(
                    Received(kind: $0.kind, payload: String(decoding: $0.payload, as: UTF8.self), size: $0.size))
            }
            #expect(outcome == .open)
        }
        shutdown(writer, Int32(SHUT_WR))
        let end = frames.read(reader, framing) { _ in }
        #expect(end == .ended)
        return messages
    }

    private static let http = Array(
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nX: content-length: 9\r\nCONTENT-LENGTH: 5\r\n\r\nhello"
            .utf8)
    private static let refusal = Array("HTTP/1.1 503 Busy\r\nRetry-After: 1\r\nContent-Length:0\r\n\r\n".utf8)
    private static let long = String(repeating: "x", count: 300)

    /// CONNACK, a publication whose length takes two bytes, PUBACK.
    private static let mqtt: [UInt8] =
        [0x20, 2, 0, 0] + [0x30, 0xAC, 0x02] + Array(long.utf8) + [0x40, 2, 0x12, 0x34]
    private static let webSocket: [UInt8] =
        [0x81, 2] + Array("hi".utf8) + [0x82, 126, 1, 44] + Array(long.utf8) + [0x89, 0]

    @Test func `an answer over HTTP is cut by its Content-Length, wherever reading was interrupted`() throws {
        let bytes = Self.http + Self.refusal
        for cut in 1..<bytes.count {
            let messages = try received(bytes, cutAt: [cut], .http)
            #expect(messages.map(\.kind) == [100, 200, 503], "cut at \(cut)")
            #expect(messages.map(\.payload) == ["", "hello", ""], "cut at \(cut)")
            #expect(messages.map(\.size).reduce(0, +) == bytes.count)
        }
        #expect(try received(bytes, cutAt: Array(1..<bytes.count), .http).count == 3)
    }

    @Test func `MQTT packets are cut by their length, wherever reading was interrupted`() throws {
        for cut in 1..<Self.mqtt.count {
            let messages = try received(Self.mqtt, cutAt: [cut], .mqtt)
            #expect(messages.map(\.kind) == [0x20, 0x30, 0x40], "cut at \(cut)")
            #expect(messages.map(\.size) == [4, 303, 4] && messages[1].payload == Self.long)
        }
        #expect(try received(Self.mqtt, cutAt: Array(1..<Self.mqtt.count), .mqtt).count == 3)
    }

    @Test func `WebSocket frames are cut by their length, wherever reading was interrupted`() throws {
        for cut in 1..<Self.webSocket.count {
            let messages = try received(Self.webSocket, cutAt: [cut], .webSocket)
            #expect(messages.map(\.kind) == [1, 2, 9], "cut at \(cut)")
            #expect(messages.map(\.payload) == ["hi", Self.long, ""])
        }
    }

    @Test func `an MQTT length of three and four bytes`() {
        let extent = { (bytes: [UInt8]) in bytes.withUnsafeBytes { Framing.mqtt.extent($0) } }
        #expect(extent([0x30, 0x80, 0x80, 0x01]) == Framing.Extent(kind: 0x30, header: 4, length: 16_384))
        #expect(extent([0x30, 0xFF, 0xFF, 0xFF, 0x7F]) == Framing.Extent(kind: 0x30, header: 5, length: 268_435_455))
        #expect(extent([0x30, 0xFF]) == nil)
    }
}
