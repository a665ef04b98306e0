/// Drover over HTTP: devices POST to `/v1/pings` on a connection that is kept alive; viewers are on WebSockets.
import CLinux

struct DroverHTTP: Dialect {
    let name = "drover over HTTP"
    let server: ServerAddress
    let token: String

    init(port: Int, token: String) { self.init(server: ServerAddress(port: port), token: token) }

    init(server: ServerAddress, token: String) {
        self.server = server
        self.token = token
    }

    let framesInFlight = 1
    let deviceFraming = Framing.http

    func deviceOpening(driver: Int) -> [OpeningStep] { [] }

    func viewerOpening(drivers: [Int], maximumRate: Double?) -> [OpeningStep] {
        viewers.viewerOpening(drivers: drivers, maximumRate: maximumRate)
    }

    func template(pingsPerFrame: Int) -> PingTemplate {
        let payload = PingTemplate.payload(pings: pingsPerFrame)
        let head = """
            POST /v1/pings HTTP/1.1\r\nHost: \(server)\r\nAuthorization: Bearer \(token)\r\n\
            Content-Type: application/json\r\nContent-Length: \(payload.count)\r\n\r\n
            """
        return PingTemplate(frame: Array(head.utf8) + payload)
    }

    func acknowledgement(in message: Message) -> Acknowledgement {
        switch message.kind {
        case 200: .one(hasRejections: !Self.hasNoRejections(message.payload))
        case 100..<200: .none
        case 429, 503: .refused
        default: .failed(message.kind)
        }
    }

    func carriesPositions(_ message: Message) -> Bool { viewers.carriesPositions(message) }

    private static let none: StaticString = "\"rejected\":[]"

    private static func hasNoRejections(_ payload: UnsafeRawBufferPointer) -> Bool {
        drover_find(payload.baseAddress, payload.count, none.utf8Start, none.utf8CodeUnitCount) != nil
    }

    private var viewers: DroverSocket { DroverSocket(server: server, token: token) }
}
