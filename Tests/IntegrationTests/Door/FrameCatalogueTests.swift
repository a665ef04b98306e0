// The catalogue of bad input, part 3: frames. Rows 51, 63 and 64 take their time: see SlowInputTests.

import DroverClient
import Testing

extension Integration {
    @Suite("Bad input: frames")
    struct FrameCatalogue {
        /// What a device sends once it is in, and how its WebSocket ends.
        struct Row: CustomTestStringConvertible, Sendable {
            let number: Int
            let name: String
            let bytes: [UInt8]
            /// 1006: the connection ends without a close frame.
            let code: UInt16
            var testDescription: String { "#\(number) \(name)" }

            init(_ number: Int, _ name: String, _ frames: [UInt8]..., code: UInt16) {
                self.number = number
                self.name = name
                bytes = frames.flatMap(\.self)
                self.code = code
            }
        }

        /// A frame of a client. `flags` are FIN and RSV beside the opcode.
        private static func frame(_ flags: UInt8, _ payload: [UInt8] = []) -> [UInt8] {
            var frame = WebSocketProbe.header(opcode: 0, length: payload.count, isFinal: false)
            frame[0] = flags
            return frame + WebSocketProbe.masked(payload)
        }

        private static func text(_ payload: UInt8...) -> [UInt8] { frame(0x81, payload) }

        private static let space = UInt8(ascii: " ")

        static let rows: [Row] = [
            Row(52, "RSV1", frame(0xC1, [space]), code: 1002),
            Row(53, "RSV3", frame(0x91, [space]), code: 1002),
            Row(54, "opcode 3", frame(0x83, [space]), code: 1002),
            Row(54, "opcode 11", frame(0x8B, [space]), code: 1002),
            Row(55, "a ping in fragments", frame(0x09, [space]), code: 1002),
            // The library hangs up.
            Row(56, "a ping of 126 bytes", frame(0x89, [UInt8](repeating: space, count: 126)), code: 1006),
            Row(57, "a continuation of nothing", frame(0x80, [space]), code: 1002),
            Row(58, "text inside fragmented text", frame(0x01, [space]), frame(0x81, [space]), code: 1002),
            Row(59, "a length of 2^62", WebSocketProbe.header(opcode: 1, length: 1 << 62) + [space], code: 1009),
            Row(60, "a length with its top bit set", [0x81, 0xFF, 0x80, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4], code: 1006),
            Row(
                61, "a message over the limit", WebSocketProbe.header(opcode: 1, length: 262_145) + [space], code: 1009),
            Row(
                61, "a fragmented message over the limit",
                frame(0x01, [UInt8](repeating: space, count: 200_000)),
                frame(0x80, [UInt8](repeating: space, count: 62_145)), code: 1009),
            Row(
                62, "65 fragments", frame(0x01, [space]),
                (0..<64).flatMap { frame($0 == 63 ? 0x80 : 0, [space]) }, code: 1008),
            Row(65, "a binary frame", frame(0x82, [space]), code: 1003),
            Row(65, "a binary message in fragments", frame(0x02, [space]), frame(0x80, [space]), code: 1003),
            Row(66, "bytes that are no UTF-8", text(0xC3, 0x28), code: 1007),
            Row(67, "an overlong form", text(0xC0, 0xAF), code: 1007),
            Row(67, "a surrogate", text(0xED, 0xA0, 0x80), code: 1007),
            Row(67, "a character cut off at the end", text(0xE2, 0x82), code: 1007),
            Row(68, "close code 999", frame(0x88, [0x03, 0xE7]), code: 1002),
            Row(68, "close code 1005", frame(0x88, [0x03, 0xED]), code: 1002),
            Row(71, "an empty message", frame(0x81), code: 4400),
        ]

        @Test(arguments: rows) func `the close code is the catalogue's`(row: Row) throws {
            let shared = try SharedGateway.get()
            let socket = try shared.gateway.ingest(shared.key)
            socket.stream.send(row.bytes)
            #expect(try socket.closure().code == row.code)
            #expect(try shared.gateway.http("GET", "/healthz").status == 200)
        }

        @Test func `64 fragments are a message`() throws {
            let shared = try SharedGateway.get()
            let socket = try shared.gateway.ingest(shared.key)
            let ping = Array(TestPing("fragments", at: now(), sequence: 1).json.utf8)
            for index in 0..<64 {
                let end = index == 63 ? ping.count : index + 1
                socket.send(Array(ping[index..<end]), opcode: index == 0 ? 1 : 0, isFinal: index == 63)
            }
            #expect(try socket.json(with: "ack")["ack"].integer == 1)
        }

        @Test func `row 69: a close of one byte is answered`() throws {
            let shared = try SharedGateway.get()
            let socket = try shared.gateway.ingest(shared.key)
            // The library repeats the byte where RFC 6455 would have 1002; either ends it.
            socket.send([0x03], opcode: 8)
            #expect(try socket.stream.ends())
        }

        @Test func `row 70: what comes behind a close is not taken`() throws {
            let shared = try SharedGateway.get()
            let before = try shared.gateway.metric("drover_pings_received_total")
            let socket = try shared.gateway.ingest(shared.key)
            socket.send([0x03, 0xE8], opcode: 8)
            socket.send(TestPing("behind-the-close", at: now(), sequence: 1).json)
            let end = try socket.closure()
            #expect(end.code == 1000)
            #expect(end.texts.isEmpty)
            #expect(try shared.gateway.metric("drover_pings_received_total") == before)
        }

        @Test func `row 62: empty continuations cost nothing and change nothing`() throws {
            let shared = try SharedGateway.get()
            let socket = try shared.gateway.ingest(shared.key)
            let ping = Array(TestPing("continuations", at: now(), sequence: 1).json.utf8)
            socket.send(ping, isFinal: false)
            for _ in 0..<1_000 { socket.send([], opcode: 0, isFinal: false) }
            socket.send([], opcode: 0)
            // Either too many fragments, or, where the library does not tell of empty ones, a message.
            switch try socket.next() {
            case .close(let code, _): #expect(code == 1008)
            case .text(let text): #expect(text.contains("\"ack\":1"))
            case .end: Issue.record("ended without a word")
            }
        }
    }
}
