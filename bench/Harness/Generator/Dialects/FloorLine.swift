/// The floor's own way in: one line, one byte back, then frames as at the gateway.

struct FloorLine: Dialect {
    let name = "floor"
    let server: ServerAddress

    init(port: Int) { server = ServerAddress(port: port) }

    func deviceOpening(driver: Int) -> [OpeningStep] { [line("D\(driver)\n")] }

    /// A floor knows one driver a viewer: the first.
    func viewerOpening(drivers: [Int], maximumRate: Double?) -> [OpeningStep] { [line("V\(drivers[0])\n")] }

    func template(pingsPerFrame: Int) -> PingTemplate {
        PingTemplate(frame: ClientFrame.text(PingTemplate.payload(pings: pingsPerFrame)))
    }

    func acknowledgement(in message: Message) -> Acknowledgement {
        DroverSocket(server: server, token: "").acknowledgement(in: message)
    }

    private func line(_ text: String) -> OpeningStep {
        OpeningStep(send: Array(text.utf8), framing: .byte, kind: Int(UInt8(ascii: "+")))
    }
}

extension Dialect where Self == FloorLine {
    static func floor(port: Int) -> FloorLine { FloorLine(port: port) }
}
