/// nginx with nchan: WebSockets on `/pub/DRIVER` and `/sub/DRIVER`, a ping a frame.

struct Nchan: Dialect {
    let name = "nchan"
    let server: ServerAddress

    init(port: Int) { server = ServerAddress(port: port) }

    /// The topic is the connection's: a socket sends the pings of one driver.
    func deviceOpening(driver: Int) -> [OpeningStep] { [webSocketRequest("/pub/\(PingTemplate.driverName(driver))")] }

    func viewerOpening(drivers: [Int], maximumRate: Double?) -> [OpeningStep] {
        [webSocketRequest("/sub/\(PingTemplate.driverName(drivers[0]))")]
    }

    func template(pingsPerFrame: Int) -> PingTemplate {
        PingTemplate(frame: ClientFrame.text(PingTemplate.payload(pings: pingsPerFrame)))
    }

    /// Each message is answered in some 110 bytes: `queued messages: 0`, the last request, subscribers, the id.
    func acknowledgement(in message: Message) -> Acknowledgement {
        switch message.kind {
        case 1: .one()
        case 8: .failed(DroverSocket.closeCode(message))
        default: .none
        }
    }
}
