/// MQTT 3.1.1 over TCP: devices publish at QoS 1, viewers subscribe at QoS 0, a topic a driver.

struct MQTT: Dialect {
    let name = "MQTT"
    let server: ServerAddress

    init(port: Int) { server = ServerAddress(port: port) }

    let deviceFraming = Framing.mqtt
    let viewerFraming = Framing.mqtt

    func deviceOpening(driver: Int) -> [OpeningStep] { [connect] }

    func viewerOpening(drivers: [Int], maximumRate: Double?) -> [OpeningStep] {
        let topics = drivers.flatMap { Self.text("driver/\(PingTemplate.driverName($0))") + [0] }
        // SUBSCRIBE with packet identifier 1, answered by SUBACK (parts 3.8 and 3.9).
        return [connect, OpeningStep(send: Self.packet(0x82, [0, 1] + topics), framing: .mqtt, kind: 0x90)]
    }

    func template(pingsPerFrame: Int) -> PingTemplate {
        let topic = Self.text("driver/\(PingTemplate.driverName(0))")
        let payload = PingTemplate.payload(pings: pingsPerFrame)
        // PUBLISH at QoS 1: topic, packet identifier, payload (part 3.3).
        let frame = Self.packet(0x32, topic + [0, 1] + payload)
        return PingTemplate(frame: frame, identifier: frame.count - payload.count - 2)
    }

    /// PUBACK; they come in the order of the publications (part 4.6).
    func acknowledgement(in message: Message) -> Acknowledgement { message.kind == 0x40 ? .one() : .none }

    /// Keep-alive is off, so that the server asks for nothing.
    func reply(to message: Message) -> [UInt8] { [] }

    /// CONNECT with a clean session, no keep-alive and a client identifier of the server's choice, answered by CONNACK
    /// (parts 3.1 and 3.2).
    private var connect: OpeningStep {
        let bytes = Self.packet(0x10, Self.text("MQTT") + [4, 2, 0, 0] + Self.text(""))
        return OpeningStep(send: bytes, framing: .mqtt, kind: 0x20)
    }

    /// A fixed header with the length in groups of seven bits (part 2.2.3), and the rest.
    private static func packet(_ kind: UInt8, _ rest: [UInt8]) -> [UInt8] {
        var header = [kind]
        var length = rest.count
        repeat {
            header.append(UInt8(length & 0x7F) | (length > 0x7F ? 0x80 : 0))
            length >>= 7
        } while length > 0
        return header + rest
    }

    /// UTF-8 with its length in two bytes (part 1.5.3).
    private static func text(_ text: String) -> [UInt8] {
        [UInt8(text.utf8.count >> 8), UInt8(text.utf8.count & 0xFF)] + Array(text.utf8)
    }
}
