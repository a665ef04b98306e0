/// NATS over WebSocket: its text protocol in binary frames, a subject a driver.

struct NATS: Dialect {
    let name = "NATS"
    let server: ServerAddress
    /// Whether devices ask for `+OK` (CONNECT's `verbose`), as core NATS acknowledges in no other way.
    let acknowledges: Bool

    init(port: Int, acknowledges: Bool) {
        server = ServerAddress(port: port)
        self.acknowledges = acknowledges
    }

    func deviceOpening(driver: Int) -> [OpeningStep] { opening("", isVerbose: acknowledges) }

    func viewerOpening(drivers: [Int], maximumRate: Double?) -> [OpeningStep] {
        let subscriptions = drivers.enumerated()
            .map { "SUB driver.\(PingTemplate.driverName($1)) \($0 + 1)\r\n" }.joined()
        return opening(subscriptions, isVerbose: false)
    }

    func template(pingsPerFrame: Int) -> PingTemplate {
        let payload = PingTemplate.payload(pings: pingsPerFrame)
        let head = "PUB driver.\(PingTemplate.driverName(0)) \(payload.count)\r\n"
        return PingTemplate(frame: ClientFrame.binary(Array(head.utf8) + payload + [13, 10]))
    }

    func acknowledgement(in message: Message) -> Acknowledgement {
        guard isData(message), let first = message.payload.first else {
            return message.kind == 8 ? .failed(DroverSocket.closeCode(message)) : .none
        }
        switch first {
        case UInt8(ascii: "+"): return .one()
        case UInt8(ascii: "-"): return .failed(0)
        default: return .none
        }
    }

    func carriesPositions(_ message: Message) -> Bool {
        isData(message) && message.payload.first == UInt8(ascii: "M")
    }

    /// The protocol has pings of its own, besides the WebSocket's.
    func reply(to message: Message) -> [UInt8] {
        if message.kind == 9 { return ClientFrame.pong(Array(message.payload)) }
        let isPing = isData(message) && message.payload.count > 1 && message.payload[1] == UInt8(ascii: "I")
        return isPing ? ClientFrame.binary(Array("PONG\r\n".utf8)) : []
    }

    private func isData(_ message: Message) -> Bool { message.kind == 1 || message.kind == 2 }

    private func opening(_ subscriptions: String, isVerbose: Bool) -> [OpeningStep] {
        let connect = "CONNECT {\"verbose\":\(isVerbose),\"pedantic\":false,\"headers\":false}\r\n"
        return [
            webSocketRequest("/"), OpeningStep(send: [], framing: .webSocket, containing: "INFO"),
            OpeningStep(
                send: ClientFrame.binary(Array((connect + subscriptions + "PING\r\n").utf8)), framing: .webSocket,
                containing: "PONG"),
        ]
    }
}
