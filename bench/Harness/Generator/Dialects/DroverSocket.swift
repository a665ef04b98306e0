/// Drover over WebSocket: `/v1/ingest` and `/v1/track`.

struct DroverSocket: Dialect {
    let name = "drover"
    let server: ServerAddress
    let token: String

    init(port: Int, token: String) { self.init(server: ServerAddress(port: port), token: token) }

    init(server: ServerAddress, token: String) {
        self.server = server
        self.token = token
    }

    func deviceOpening(driver: Int) -> [OpeningStep] { [upgrade("/v1/ingest", "drover.ingest.v1"), hello] }

    func viewerOpening(drivers: [Int], maximumRate: Double?) -> [OpeningStep] {
        let rate = maximumRate.map { ",\"max_rate_hz\":\($0)" } ?? ""
        var frames: [UInt8] = []
        var id = 0
        var rest = drivers[...]
        while !rest.isEmpty {
            id += 1
            let subjects = rest.prefix(Self.subjectsPerFrame)
                .map { "\"driver:\(PingTemplate.driverName($0))\"" }.joined(separator: ",")
            frames += ClientFrame.text(Array("{\"id\":\(id),\"subscribe\":[\(subjects)]\(rate)}".utf8))
            rest = rest.dropFirst(Self.subjectsPerFrame)
        }
        // Answers come in the order of the frames: the last one's means that all are subscribed.
        let subscribe = OpeningStep(send: frames, framing: .webSocket, containing: "{\"id\":\(id),")
        return [upgrade("/v1/track", "drover.v1"), hello, subscribe]
    }

    func template(pingsPerFrame: Int) -> PingTemplate {
        PingTemplate(frame: ClientFrame.text(PingTemplate.payload(pings: pingsPerFrame)))
    }

    /// `{"ack":123,"rejected":[…]}`
    func acknowledgement(in message: Message) -> Acknowledgement {
        let payload = message.payload
        guard message.kind == 1, payload.count > 8, payload[2] == UInt8(ascii: "a") else {
            return message.kind == 8 ? .failed(Self.closeCode(message)) : .none
        }
        var value = 0
        var index = 7
        while index < payload.count {
            let digit = payload[index] &- UInt8(ascii: "0")
            if digit < 10 { value = value * 10 + Int(digit) } else if payload[index] != 0x20 { break }
            index += 1
        }
        return .cumulative(value, hasRejections: index < payload.count && payload[index] == UInt8(ascii: ","))
    }

    /// An answer to a subscription begins with its id; a push with `now`.
    func carriesPositions(_ message: Message) -> Bool {
        message.kind == 1 && message.payload.count > 2 && message.payload[2] != UInt8(ascii: "i")
    }

    /// Client frames are at most 16 KiB (API.md), and a subject takes 22 bytes.
    private static let subjectsPerFrame = 700

    private var hello: OpeningStep { OpeningStep(send: [], framing: .webSocket, containing: "\"hello\"") }

    private func upgrade(_ path: String, _ subprotocol: String) -> OpeningStep {
        webSocketRequest(path, subprotocol: subprotocol, headers: "Authorization: Bearer \(token)\r\n")
    }

    static func closeCode(_ message: Message) -> Int {
        message.payload.count < 2 ? 1005 : Int(message.payload[0]) << 8 | Int(message.payload[1])
    }
}

extension Dialect where Self == DroverSocket {
    /// A gateway on loopback, over WebSocket.
    static func gateway(port: Int, token: String) -> DroverSocket { DroverSocket(port: port, token: token) }
}
