/// A WebSocket from the client's side, on the loop.
import EventLoop

/// Why a WebSocket is over.
public struct WebSocketClosure: Sendable, Equatable, CustomStringConvertible {
    /// The close code of the other side; 1006 where the connection broke or never came about.
    public let code: UInt16
    /// The other side's words, or what happened.
    public let reason: String
    /// The HTTP status with which the handshake was refused; nil where it was not.
    public let httpStatus: Int?

    package init(code: UInt16, reason: String, httpStatus: Int? = nil) {
        self.code = code
        self.reason = reason
        self.httpStatus = httpStatus
    }

    /// True where another attempt may succeed (API.md, "The live WebSocket": 1001, 1013, 4408 and 4429 say retry, the
    /// other 44xx do not; a broken rule of RFC 6455 would break again).
    public var isRetryable: Bool {
        if let httpStatus { return httpStatus == 408 || httpStatus == 429 || httpStatus >= 500 }
        return switch code {
        case 1002, 1003, 1007...1010: false
        case 4408, 4429: true
        case 4400...4499: false
        default: true
        }
    }

    /// Code and reason in a line.
    public var description: String {
        if let httpStatus { return "HTTP \(httpStatus)\(reason.isEmpty ? "" : ": \(reason)")" }
        return code == 1006 ? reason : "closed with \(code)\(reason.isEmpty ? "" : ": \(reason)")"
    }
}

/// One WebSocket. It lives from `connect()` until `onClose` has been called or `abort()`; used once.
///
/// Text that is received is handed on as it came, without a check of its UTF-8.
public final class WebSocketClient {
    /// What a connection may do and hold.
    public struct Options: Sendable {
        /// Offered to the server, which picks one; the credential form `bearer.TOKEN` may be among them.
        public var subprotocols: [String]
        /// More request headers, `Authorization` for instance.
        public var headers: [(name: String, value: String)]
        /// The bound of what waits to be sent.
        public var maximumQueuedBytes: Int
        /// The longest message that is taken.
        public var maximumMessageBytes: Int
        /// How long connecting and the handshake may take.
        public var handshakeMilliseconds: Int

        /// The usual bounds: 1 MiB out, 16 MiB in, 10 s.
        public init(
            subprotocols: [String] = [], headers: [(name: String, value: String)] = [],
            maximumQueuedBytes: Int = 1 << 20, maximumMessageBytes: Int = 16 << 20, handshakeMilliseconds: Int = 10_000
        ) {
            self.subprotocols = subprotocols
            self.headers = headers
            self.maximumQueuedBytes = maximumQueuedBytes
            self.maximumMessageBytes = maximumMessageBytes
            self.handshakeMilliseconds = handshakeMilliseconds
        }
    }

    private enum Phase { case idle, connecting, open, closing, closed }

    /// The handshake is done.
    public var onOpen: () -> Void = {}
    /// A text or binary message; its bytes are valid during the call only.
    public var onText: (_ message: UnsafeRawBufferPointer) -> Void = { _ in }
    /// The queue that made `canSend` false is empty again.
    public var onDrained: () -> Void = {}
    /// It is over; comes once, and not after `abort()`.
    public var onClose: (WebSocketClosure) -> Void = { _ in }
    /// When the bytes of the present message were read, in microseconds of `SystemClock.monotonicMicroseconds()`.
    public private(set) var receivedAt: Int64 = 0
    /// The subprotocol the server picked, or empty.
    public private(set) var subprotocol = ""

    private let network: ClientNetwork
    private let endpoint: Endpoint
    private let options: Options
    private let connection: StreamConnection
    private var phase = Phase.idle
    private var reader: WebSocketMessageReader
    private var handshake: (response: HTTPResponseParser, accept: String)?
    private var timer: LoopTimer?
    private var closure: WebSocketClosure?

    /// Connects nothing yet.
    public init(network: ClientNetwork, endpoint: Endpoint, options: Options = Options()) {
        self.network = network
        self.endpoint = endpoint
        self.options = options
        connection = StreamConnection(network: network, maximumQueuedBytes: options.maximumQueuedBytes)
        reader = WebSocketMessageReader(maximumMessageBytes: options.maximumMessageBytes)
    }

    /// True between `onOpen` and the beginning of the end.
    public var isOpen: Bool { phase == .open }

    /// True where a message of usual size would be sent or queued now.
    public var canSend: Bool { isOpen && connection.queuedBytes <= options.maximumQueuedBytes / 2 }

    /// Starts; `onOpen` or `onClose` follows, after this has returned.
    public func connect() {
        precondition(phase == .idle, "a WebSocketClient is used once; make another to connect again")
        phase = .connecting
        let timer = LoopTimer(loop: network.loop) { [self] in timeOut() }
        self.timer = timer
        do {
            try connection.connect(to: endpoint, owner: self)
            timer.start(afterMilliseconds: options.handshakeMilliseconds)
        } catch {
            closure = WebSocketClosure(code: 1006, reason: "\(error)")
            timer.start(afterMilliseconds: 0)
        }
    }

    /// Sends one text message; false where it is not open or the queue is full, and then nothing was sent.
    @discardableResult
    public func send(_ message: UnsafeRawBufferPointer) -> Bool {
        isOpen && sendFrame(.text, message)
    }

    /// The same for a string.
    @discardableResult
    public func send(_ message: String) -> Bool {
        var message = message
        return message.withUTF8 { send(UnsafeRawBufferPointer($0)) }
    }

    /// Starts the closing handshake; `onClose` comes when the other side has answered, after two seconds at the latest.
    public func close(code: UInt16 = 1000, reason: String = "") {
        switch phase {
        case .open:
            phase = .closing
            sendClose(code, reason)
            let timer = LoopTimer(loop: network.loop) { [self] in timeOut() }
            self.timer = timer
            timer.start(afterMilliseconds: 2000)
        case .connecting: finish(WebSocketClosure(code: 1006, reason: "closed before it was open"))
        case .idle, .closing, .closed: break
        }
    }

    /// Drops the connection at once, with no further call.
    public func abort() {
        phase = .closed
        timer?.close()
        timer = nil
        connection.close()
    }

    private func finish(_ closure: WebSocketClosure) {
        guard phase != .closed else { return }
        abort()
        onClose(closure)
    }

    private func timeOut() {
        let what =
            phase == .closing ? "no answer to the close" : "no handshake within \(options.handshakeMilliseconds) ms"
        finish(closure ?? WebSocketClosure(code: 1006, reason: what))
    }

    private func sendFrame(_ opcode: WebSocketOpcode, _ payload: UnsafeRawBufferPointer) -> Bool {
        let writer = network.frameWriter
        writer.clear()
        // The mask keeps scripts from forging another protocol through a proxy (RFC 6455, 10.3). What we send is our
        // own JSON, so a fast generator is enough.
        WebSocketFrame.write(opcode, payload, mask: UInt32(truncatingIfNeeded: network.random.next()), to: writer)
        return connection.write(writer.bytes)
    }

    private func sendClose(_ code: UInt16, _ reason: String) {
        // 1006 and its like stand for the absence of a code and never go over the wire (RFC 6455, 7.4.1).
        let payload =
            code == 1005 || code == 1006 ? [] : [UInt8(code >> 8), UInt8(code & 0xFF)] + reason.utf8.prefix(123)
        payload.withUnsafeBytes { _ = sendFrame(.close, $0) }
    }

    private func handle(_ message: WebSocketMessageReader.Message) {
        switch message.opcode {
        case .text, .binary: onText(message.payload)
        case .ping: _ = sendFrame(.pong, message.payload)
        case .pong, .continuation: break
        case .close:
            let payload = message.payload
            let code = payload.count >= 2 ? UInt16(payload[0]) << 8 | UInt16(payload[1]) : 1005
            let reason = String(decoding: payload.dropFirst(2), as: UTF8.self)
            if phase == .open { sendClose(code, "") }
            finish(WebSocketClosure(code: code, reason: reason))
        }
    }
}

extension WebSocketClient: StreamConnectionOwner {
    func connectionOpened() {
        let key = WebSocketHandshake.key(&network.random)
        handshake = (HTTPResponseParser(), WebSocketHandshake.accept(for: key))
        var request = "GET \(endpoint.path.isEmpty ? "/" : endpoint.path) HTTP/1.1\r\nHost: \(endpoint.authority)\r\n"
        request += "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        request += "Sec-WebSocket-Key: \(key)\r\n"
        if !options.subprotocols.isEmpty {
            request += "Sec-WebSocket-Protocol: \(options.subprotocols.joined(separator: ", "))\r\n"
        }
        for header in options.headers { request += "\(header.name): \(header.value)\r\n" }
        request += "\r\n"
        request.withUTF8 { _ = connection.write(UnsafeRawBufferPointer($0)) }
    }

    func connectionReceived(_ bytes: UnsafeRawBufferPointer) {
        receivedAt = SystemClock.monotonicMicroseconds()
        let frames = handshake == nil ? bytes : readHandshake(bytes)
        guard let frames, phase == .open || phase == .closing else { return }
        do {
            try reader.read(frames) { message in
                handle(message)
                return phase == .open || phase == .closing
            }
        } catch {
            sendClose(error.code, error.reason)
            finish(WebSocketClosure(code: error.code, reason: "the server sent \(error.reason)"))
        }
    }

    /// What follows the response's head, once that is complete and right.
    private func readHandshake(_ bytes: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
        do {
            guard let used = try handshake?.response.feed(bytes, isUpgrade: true) else { return nil }
            guard let response = handshake?.response.response else { return nil }
            guard response.status == 101 else {
                let reason = String(decoding: response.body.prefix(200), as: UTF8.self)
                finish(WebSocketClosure(code: 1006, reason: reason, httpStatus: response.status))
                return nil
            }
            guard response.header("Sec-WebSocket-Accept") == handshake?.accept,
                response.header("Upgrade")?.lowercased() == "websocket"
            else { throw DroverClientError.badReply(endpoint.description, problem: "a wrong WebSocket handshake") }
            let picked = response.header("Sec-WebSocket-Protocol") ?? ""
            guard picked.isEmpty || options.subprotocols.contains(picked) else {
                throw DroverClientError.badReply(endpoint.description, problem: "a subprotocol nobody offered")
            }
            subprotocol = picked
            handshake = nil
            timer?.close()
            timer = nil
            phase = .open
            onOpen()
            return UnsafeRawBufferPointer(rebasing: bytes[used...])
        } catch {
            finish(WebSocketClosure(code: 1002, reason: "\(error)"))
            return nil
        }
    }

    func connectionDrained() {
        if phase == .open { onDrained() }
    }

    func connectionEnded(_ reason: String?) {
        if let status = handshake?.response.response?.status {
            return finish(WebSocketClosure(code: 1006, reason: "", httpStatus: status))
        }
        let words = phase == .connecting ? "cannot reach \(endpoint): \(reason ?? "closed during the handshake")" : nil
        finish(WebSocketClosure(code: 1006, reason: words ?? reason ?? "the connection was lost"))
    }
}
