/// How one kind of server is spoken to: the seam between the generator and what it measures.
import Glibc

/// One step of getting in: what is sent, and what has to come before the next step. Messages that do not match are
/// passed over, so a server may say more than is waited for; a WebSocket close frame ends the attempt.
struct OpeningStep {
    var send: [UInt8]
    var framing: Framing
    /// The message's kind (see `Message`); nil is any.
    var kind: Int?
    /// What the payload has to contain; empty is anything.
    var containing: [UInt8]

    init(send: [UInt8], framing: Framing, kind: Int? = nil, containing: String = "") {
        self.send = send
        self.framing = framing
        self.kind = kind
        self.containing = Array(containing.utf8)
    }
}

/// What an answer to a device says.
enum Acknowledgement {
    /// Nothing about pings.
    case none
    /// Every ping of this socket up to this one, counted from 1.
    case cumulative(Int, hasRejections: Bool = false)
    /// The oldest frame that waits.
    case one(hasRejections: Bool = false)
    /// The oldest frame that waits was refused for now (429, 503): counted, not fatal.
    case refused
    /// An answer after which a run makes no sense, with its status or code.
    case failed(Int)
}

/// A kind of server. Its methods are called in the measuring loop: those that take a message must not allocate.
protocol Dialect {
    /// For the report.
    var name: String { get }
    var server: ServerAddress { get }
    /// Whether a device hears anything; without it a run does not wait for the end of its pings and has no latency of
    /// acknowledgements.
    var acknowledges: Bool { get }
    /// Frames of one socket that may wait for their acknowledgement: 1 where a request waits for its answer. Others
    /// wait in the generator; their latencies count from the intended time all the same.
    var framesInFlight: Int { get }
    var deviceFraming: Framing { get }
    var viewerFraming: Framing { get }

    /// What a socket that sends pings says first. `driver` is its first driver. Empty where nothing is to be said.
    func deviceOpening(driver: Int) -> [OpeningStep]
    /// What a socket that watches `drivers` says first. After the last step it is subscribed.
    func viewerOpening(drivers: [Int], maximumRate: Double?) -> [OpeningStep]
    func template(pingsPerFrame: Int) -> PingTemplate
    func acknowledgement(in message: Message) -> Acknowledgement
    /// Whether a message to a viewer carries new positions; a snapshot does not.
    func carriesPositions(_ message: Message) -> Bool
    /// What has to be sent back at once to a message that carries neither positions nor an acknowledgement, such as a
    /// pong; empty is nothing.
    func reply(to message: Message) -> [UInt8]
}

extension Dialect {
    var acknowledges: Bool { true }
    var framesInFlight: Int { .max }
    var deviceFraming: Framing { .webSocket }
    var viewerFraming: Framing { .webSocket }

    /// Text and binary frames of a WebSocket, publications of MQTT.
    func carriesPositions(_ message: Message) -> Bool {
        switch viewerFraming {
        case .webSocket: message.kind == 1 || message.kind == 2
        case .mqtt: message.kind & 0xF0 == 0x30
        case .http, .byte: true
        }
    }

    /// A WebSocket's ping (opcode 9) is answered.
    func reply(to message: Message) -> [UInt8] {
        message.kind == 9 ? ClientFrame.pong(Array(message.payload)) : []
    }

    /// Opens a device's socket and waits until it is in; for many at once there is an `Opening` each.
    func openDevice(driver: Int) throws(BenchError) -> Int32 {
        try Opening.play(deviceOpening(driver: driver), at: server)
    }

    /// The same for a viewer.
    func openViewer(drivers: [Int], maximumRate: Double? = nil) throws(BenchError) -> Int32 {
        try Opening.play(viewerOpening(drivers: drivers, maximumRate: maximumRate), at: server)
    }

    /// The request that turns a connection into a WebSocket. `headers` are whole lines with their ends.
    func webSocketRequest(_ path: String, subprotocol: String? = nil, headers: String = "") -> OpeningStep {
        let offer = subprotocol.map { "Sec-WebSocket-Protocol: \($0)\r\n" } ?? ""
        let request = """
            GET \(path) HTTP/1.1\r\nHost: \(server)\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\(offer)\(headers)\r\n
            """
        return OpeningStep(send: Array(request.utf8), framing: .http, kind: 101)
    }
}
