/// The two servers in Python, `bench/peers/socketify` and `bench/peers/fastapi`: WebSockets on `/ingest…` and
/// `/track/DRIVER,…`, a ping a frame, and Drover's acknowledgements.

struct Socketify: Dialect {
    let name = "uWebSockets"
    let server: ServerAddress

    init(port: Int) { server = ServerAddress(port: port) }

    /// The topic is the connection's: a socket sends the pings of one driver.
    func deviceOpening(driver: Int) -> [OpeningStep] {
        [webSocketRequest("/ingest/\(PingTemplate.driverName(driver))")]
    }

    func viewerOpening(drivers: [Int], maximumRate: Double?) -> [OpeningStep] { [webSocketRequest(track(drivers))] }
    func template(pingsPerFrame: Int) -> PingTemplate { textFrame(pingsPerFrame) }
    func acknowledgement(in message: Message) -> Acknowledgement { asDrover(message) }
}

struct FastAPI: Dialect {
    let name = "FastAPI"
    let server: ServerAddress

    init(port: Int) { server = ServerAddress(port: port) }

    func deviceOpening(driver: Int) -> [OpeningStep] { [webSocketRequest("/ingest")] }
    func viewerOpening(drivers: [Int], maximumRate: Double?) -> [OpeningStep] { [webSocketRequest(track(drivers))] }
    func template(pingsPerFrame: Int) -> PingTemplate { textFrame(pingsPerFrame) }
    func acknowledgement(in message: Message) -> Acknowledgement { asDrover(message) }
}

extension Dialect {
    fileprivate func track(_ drivers: [Int]) -> String {
        "/track/" + drivers.map(PingTemplate.driverName).joined(separator: ",")
    }

    fileprivate func textFrame(_ pings: Int) -> PingTemplate {
        PingTemplate(frame: ClientFrame.text(PingTemplate.payload(pings: pings)))
    }

    fileprivate func asDrover(_ message: Message) -> Acknowledgement {
        DroverSocket(server: server, token: "").acknowledgement(in: message)
    }
}
