// The catalogue's slow rows: those who say nothing, or a little, or too much, all at the same time beside a device that
// behaves and must notice nothing of them.

import DroverClient
import Glibc
import Testing

extension Integration {
    @Suite("Bad input: slow")
    struct SlowInput {
        /// Somebody who does not behave, and how that must end.
        private final class Offender {
            let name: String
            let stream: ByteStream
            /// What it goes on sending.
            let drip: (ByteStream) -> Void
            var hasEnded = false

            init(_ name: String, _ stream: ByteStream, drip: @escaping (ByteStream) -> Void = { _ in }) {
                self.name = name
                self.stream = stream
                self.drip = drip
            }

            func turn() {
                guard !hasEnded else { return }
                drip(stream)
                hasEnded = stream.hasEnded()
            }
        }

        @Test func `each of them ends in time, and a device that behaves notices nothing`() throws {
            let gateway = try RunningGateway(settings: ["web.message_deadline_s": "2", "web.heartbeat_s": "1"])
            let key = try gateway.key()
            let device = try gateway.ingest(key)
            func request(_ text: String) throws -> ByteStream {
                let stream = try ByteStream(port: gateway.port)
                stream.send(text)
                return stream
            }
            let half = try gateway.ingest(key)
            half.stream.send([0x81])
            let flood = try gateway.ingest(key)
            let unmasked = try gateway.ingest(key)
            let ping = TestPing("unmasked", at: now(), sequence: 1).json
            unmasked.stream.send([0x81, 126, 0, UInt8(ping.utf8.count)] + Array(ping.utf8))
            let fragments = try gateway.ingest(key)
            fragments.send(Array("[".utf8), isFinal: false)
            let large = try gateway.ingest(key)
            large.stream.send(WebSocketProbe.header(opcode: 1, length: 5_000) + [UInt8](repeating: 0x20, count: 3_000))
            // Less than the library hands over at once.
            let little = try gateway.ingest(key)
            little.stream.send(WebSocketProbe.header(opcode: 1, length: 500) + [UInt8](repeating: 0x20, count: 3))
            let silent = try gateway.viewer(key)
            let nothing = try request("")
            let lines = try request("GET /healthz HTTP/1.1\r\n")
            let post = "POST /v1/pings HTTP/1.1\r\nHost: a\r\nX-Api-Key: \(key)\r\nContent-Length: 1000\r\n\r\n["
            let body = try request(post)
            let quiet = try request(post)
            let kept = try request("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(try kept.takeReply()?.status == 200)
            kept.send("GET /heal")
            let pings = (0..<200).flatMap { _ in WebSocketProbe.header(opcode: 9, length: 0) }
            let offenders = [
                Offender("row 1, no bytes", nothing), Offender("row 2, header lines", lines) { $0.send("X: y\r\n") },
                Offender("row 42, a body", body) { $0.send(" ") }, Offender("row 42, half a body", quiet),
                Offender("row 51, no mask", unmasked.stream), Offender("row 63, half a header", half.stream),
                Offender("row 64, pings", flood.stream) { $0.send(pings) },
                Offender("fragments", fragments.stream), Offender("half a frame", large.stream),
                Offender("a little of a frame", little.stream),
                Offender("no pong", silent.stream), Offender("half a later request", kept),
            ]
            let sent = try stream(
                from: device, until: { offenders.allSatisfy(\.hasEnded) }, eachTurn: { offenders.forEach { $0.turn() } }
            )
            for offender in offenders { #expect(offender.hasEnded, "\(offender.name)") }

            #expect(try nothing.takeReply() == nil)
            for stream in [lines, body, quiet] {
                let reply = try #require(try stream.takeReply())
                #expect(reply.status == 408)
                #expect(try JSON(parsing: reply.body)["code"].string == "timeout")
            }
            for (name, socket, code) in [
                ("half", half, UInt16(4408)), ("flood", flood, 4429), ("fragments", fragments, 4408),
                ("large", large, 4408), ("little", little, 4408), ("silent", silent, 4408),
            ] {
                let end = try socket.closure()
                #expect(end.code == code, "\(name): \(end)")
            }
            // The library has delivered it; what it hides is found out afterwards.
            let end = try unmasked.closure()
            #expect(end.code == 1002)
            #expect(end.texts.contains { $0.contains("\"ack\":1") })
            #expect(try gateway.metric("drover_pings_received_total") == sent + 1)
            try gateway.awaitHistory()
            try gateway.expectConservation()
        }

        /// A device's pings in every form that is allowed, each of which must be acknowledged; returns how many.
        private func stream(
            from device: WebSocketProbe, until isOver: () -> Bool, eachTurn: () -> Void
        ) throws -> Int {
            let limit = Deadline(seconds: 25)
            var sequence = 0
            let start = now() - 4_000_000
            while !isOver(), !limit.isOver {
                eachTurn()
                // A hundred turns a second at most: its own pings are no flood.
                poll(nil, 0, 10)
                let count = sequence % 7 == 0 ? 200 : 1
                let pings = (0..<count).map { index in
                    TestPing(
                        "well-behaved", at: start + Int64(sequence + index + 1) * 1_000,
                        sequence: Int64(sequence + index + 1))
                }
                sequence += count
                let text = Array(TestPing.array(pings).utf8)
                switch sequence % 3 {
                case 0: device.send(text)
                case 1:
                    device.send(Array(text.prefix(10)), isFinal: false)
                    device.send(Array("still here".utf8), opcode: 9)
                    device.send(Array(text.dropFirst(10)), opcode: 0)
                default:
                    device.send([], opcode: 10)
                    device.send(text)
                }
                while try device.json(with: "ack")["ack"].integer != Int64(sequence) {}
            }
            return sequence
        }
    }
}
