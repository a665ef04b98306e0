/// What is said to the peers, against the letter of their protocols.
import Testing

@testable import drover_bench

@Suite struct PeerDialectTests {
    private static let payload = PingTemplate.payload(pings: 1)

    @Test func `an MQTT publication has its length, topic, identifier and ping`() throws {
        var template = MQTT(port: 1).template(pingsPerFrame: 1)
        template.set(driver: 42, frame: 258)
        let bytes = template.bytes
        let extent = try #require(bytes.withUnsafeBytes { Framing.mqtt.extent($0) })
        #expect(extent.kind == 0x32)
        #expect(extent.header + extent.length == bytes.count)
        let topic = Array("driver/bench-00042".utf8)
        #expect(Array(bytes[extent.header...].prefix(2 + topic.count)) == [0, UInt8(topic.count)] + topic)
        let identifier = extent.header + 2 + topic.count
        #expect(Array(bytes[identifier..<(identifier + 2)]) == [1, 3])
        #expect(bytes.count - identifier - 2 == Self.payload.count)
        #expect(bytes[(identifier + 2)...].starts(with: Array("{\"driver_id\":\"bench-00042\"".utf8)))
    }

    @Test func `a NATS publication says the ping's length and the driver twice`() throws {
        var template = NATS(port: 1, acknowledges: true).template(pingsPerFrame: 1)
        template.set(driver: 7, frame: 0)
        // Two bytes of header, two of length, four of mask.
        let text = String(decoding: template.bytes.dropFirst(8), as: UTF8.self)
        #expect(template.bytes[0] == 0x82)
        #expect(text.hasPrefix("PUB driver.bench-00007 \(Self.payload.count)\r\n{\"driver_id\":\"bench-00007\""))
        #expect(text.hasSuffix("}\r\n"))
        #expect(text.split(separator: "\r\n")[1].utf8.count == Self.payload.count)
    }

    @Test(arguments: [("+OK\r\n", true), ("PING\r\n", false), ("MSG driver.bench-00001 1 2\r\n{}\r\n", false)])
    func `NATS acknowledges by +OK alone`(text: String, isAcknowledged: Bool) {
        let answer = message(2, text) { NATS(port: 1, acknowledges: true).acknowledgement(in: $0) }
        if case .one(let hasRejections) = answer {
            #expect(isAcknowledged && !hasRejections)
        } else {
            #expect(!isAcknowledged)
        }
    }

    @Test(arguments: [("PING\r\n", false, true), ("PONG\r\n", false, false), ("MSG a 1 2\r\n{}\r\n", true, false)])
    func `a NATS viewer answers pings and counts messages`(text: String, isPosition: Bool, isAnswered: Bool) {
        let nats = NATS(port: 1, acknowledges: false)
        #expect(message(2, text) { nats.carriesPositions($0) } == isPosition)
        let reply = message(2, text) { nats.reply(to: $0) }
        #expect(reply == (isAnswered ? ClientFrame.binary(Array("PONG\r\n".utf8)) : []))
    }

    @Test func `Python's servers acknowledge as Drover does`() {
        for dialect: any Dialect in [Socketify(port: 1), FastAPI(port: 1)] {
            let answer = message(1, "{\"ack\":12}") { dialect.acknowledgement(in: $0) }
            guard case .cumulative(12, hasRejections: false) = answer else {
                Issue.record("\(dialect.name) does not read {\"ack\":12}")
                continue
            }
        }
    }

    private func message<Result>(_ kind: Int, _ text: String, _ body: (Message) -> Result) -> Result {
        let bytes = Array(text.utf8)
        return bytes.withUnsafeBytes { body(Message(kind: kind, payload: $0, size: $0.count + 2)) }
    }
}
