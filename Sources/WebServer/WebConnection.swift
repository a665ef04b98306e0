/// One client's connection: HTTP first, perhaps a WebSocket later. The only place that writes to a socket.
import CLibwebsockets

/// What came of a write.
public enum WriteResult: Sendable {
    /// The library has taken the bytes.
    case taken
    /// Earlier bytes are still waiting; nothing was taken, `WebApplication.writable` follows.
    case busy
    /// The connection is closed or closing.
    case gone
}

/// A connection. Lives on the loop's thread; the library's user-data slot holds one retained reference, given in
/// `attach` and taken back at `LWS_CALLBACK_WSI_DESTROY`, the last callback a connection gets.
public final class WebConnection {
    /// Which of the library's states the connection is in.
    enum Phase {
        case http
        case webSocket
        /// Server-Sent Events: written like a WebSocket, heard of never.
        case eventStream
        case closing
        case closed
    }

    /// The library's handle; valid until the phase is `closed`.
    let wsi: OpaquePointer
    unowned(unsafe) let server: WebServer
    /// A small dense number, unique among the open connections.
    public let number: Int
    /// The socket's other end, and whether it is counted.
    let arrival: Arrival
    /// Who gets what comes over the WebSocket; nil before the upgrade.
    public internal(set) var session: WebSession?
    var phase = Phase.http
    /// A request and what belongs to it; apart from the connection, so that a WebSocket does not carry its room along.
    private var exchange: Exchange?
    /// A body or a fragmented message so far.
    var gathered: [UInt8] = []
    var expectedBody = 0
    /// Whether a request has been answered or read before.
    var isUsed = false
    /// The frames of the message so far, and what the one that is arriving still lacks.
    var fragments = 0
    var missing = 0
    var unseen = UnseenTraffic()
    /// The largest message this WebSocket may send.
    var maximumMessage = 16_384
    /// The code that the peer closed the WebSocket with (RFC 6455 section 7.4); 1005 where it gave none, 0 where it has not
    /// said goodbye.
    public internal(set) var peerCloseCode: UInt16 = 0
    /// When an unfinished body or message must be complete, in monotonic microseconds; 0 for none.
    var deadline: Int64 = 0
    /// The server's second in which the peer was last heard.
    var heardAt = 0
    /// Bytes the library had to queue since the socket last had room.
    private var queuedBytes = 0

    init(wsi: OpaquePointer, server: WebServer, number: Int, arrival: Arrival) {
        self.wsi = wsi
        self.server = server
        self.number = number
        self.arrival = arrival
    }

    // MARK: The current request

    private final class Exchange {
        var request: WebRequest?
        var attachment: AnyObject?
        var replyHeaders: [(String, String)] = []
        var onReply: ((WebResponse) -> Void)?
        var isHTTP11 = true
        var body: BodyStream?
    }

    private var currentExchange: Exchange {
        if let exchange { return exchange }
        let new = Exchange()
        exchange = new
        return new
    }

    /// The request whose body is being read or that waits for its reply.
    var request: WebRequest? {
        get { exchange?.request }
        set { currentExchange.request = newValue }
    }

    /// Whatever the application hangs on the current request.
    public var attachment: AnyObject? {
        get { exchange?.attachment }
        set { currentExchange.attachment = newValue }
    }

    /// Headers that the reply to the current request gets beside its own.
    public var replyHeaders: [(String, String)] {
        get { exchange?.replyHeaders ?? [] }
        set { currentExchange.replyHeaders = newValue }
    }

    /// Gets the reply to the current request in place of the client, once: it calls `respond` again, now or later, with
    /// that reply or another.
    public var onReply: ((WebResponse) -> Void)? {
        get { exchange?.onReply }
        set { currentExchange.onReply = newValue }
    }

    /// Whether the current request is of HTTP/1.1.
    var isHTTP11: Bool {
        get { exchange?.isHTTP11 ?? true }
        set { currentExchange.isHTTP11 = newValue }
    }

    /// The reply that is being streamed.
    var body: BodyStream? {
        get { exchange?.body }
        set { currentExchange.body = newValue }
    }

    /// No more requests come: the connection is a WebSocket, an event stream or gone.
    func endExchange() {
        exchange = nil
    }

    /// Whether bytes can still be written.
    public var isOpen: Bool { phase == .http || phase == .webSocket || phase == .eventStream }

    // MARK: WebSocket and event stream

    /// Whether earlier bytes still wait for the socket: what need not be queued behind them should wait for `writable`.
    public var isBackedUp: Bool { phase != .closed && lws_partial_buffered(wsi) != 0 }

    /// Writes whole frames that are headed already, unless earlier bytes wait: then nothing is taken, and the
    /// application is told when there is room. For what may be conflated.
    public func send(frames: Span<UInt8>) -> WriteResult {
        guard phase == .webSocket || phase == .eventStream else { return .gone }
        if lws_partial_buffered(wsi) != 0 {
            lws_callback_on_writable(wsi)
            return .busy
        }
        return phase == .webSocket ? write(frames) : write(EventStream.blocks(of: frames).span)
    }

    /// Writes whole frames even behind bytes that wait, up to the server's limit a connection; beyond that the
    /// connection is closed with 4408. For replies, which must not be dropped.
    public func sendQueued(frames: Span<UInt8>) {
        guard phase == .webSocket || phase == .eventStream else { return }
        if lws_partial_buffered(wsi) != 0 {
            queuedBytes += frames.count
            if queuedBytes > server.configuration.maximumQueuedBytes {
                close(code: 4408, reason: "reading too slowly")
                return
            }
            lws_callback_on_writable(wsi)
        }
        _ = phase == .webSocket ? write(frames) : write(EventStream.blocks(of: frames).span)
    }

    /// Sends one text message, queued.
    public func sendQueued(text: [UInt8]) {
        var frame = Self.header(opcode: 0x81, length: text.count)
        frame.append(contentsOf: text)
        sendQueued(frames: frame.span)
    }

    /// Says why and closes (RFC 6455 section 7.1): the close frame now, the socket when the peer answers or after 2 s.
    /// An event stream's last event is `close`, with the code and the reason.
    public func close(code: UInt16, reason: String) {
        switch phase {
        case .webSocket: break
        case .eventStream:
            if write(EventStream.close(code: code, reason: reason).span) == .taken { closeAfterFlush() }
            return
        case .http: return abort()
        // It was told already and has its two seconds.
        case .closing, .closed: return
        }
        var frame = Self.header(opcode: 0x88, length: min(reason.utf8.count, 123) + 2)
        frame.append(UInt8(code >> 8))
        frame.append(UInt8(code & 0xFF))
        frame.append(contentsOf: reason.utf8.prefix(123))
        _ = write(frame.span)
        guard phase == .webSocket else { return }
        phase = .closing
        lws_set_timeout(wsi, PENDING_TIMEOUT_CLOSE_ACK, 2)
    }

    /// Ends the connection without a word, as soon as the loop gets to it.
    public func abort() {
        guard phase != .closed else { return }
        phase = .closing
        endSoon()
    }

    /// A ping, unless bytes wait anyway. It carries a byte, since the library does not tell of a pong without any.
    /// On an event stream a comment.
    func ping() {
        guard lws_partial_buffered(wsi) == 0 else { return }
        let frame: [UInt8] = phase == .eventStream ? EventStream.heartbeat : [0x89, 1, UInt8(ascii: "?")]
        _ = write(frame.span)
    }

    func hasRoomAgain() {
        queuedBytes = 0
    }

    static func header(opcode: UInt8, length: Int) -> [UInt8] {
        switch length {
        case 0..<126: [opcode, UInt8(length)]
        case 126..<65_536: [opcode, 126, UInt8(length >> 8), UInt8(length & 0xFF)]
        default: [opcode, 127] + (0..<8).map { UInt8(length >> (56 - 8 * $0) & 0xFF) }
        }
    }

    /// The direct write: whole frames, on the service thread, no extension, HTTP/1.1 only, which are the conditions
    /// under which it is sound outside the library's WRITEABLE callback.
    func write(_ bytes: Span<UInt8>) -> WriteResult {
        let taken = bytes.withUnsafeBufferPointer { buffer in
            // LWS_WRITE_HTTP is LWS_WRITE_RAW by its other name (a macro that Swift cannot see). It only reads the
            // buffer; the C signature lacks the const.
            lws_write(wsi, UnsafeMutablePointer(mutating: buffer.baseAddress), buffer.count, LWS_WRITE_HTTP)
        }
        guard taken >= 0 else {
            abort()
            return .gone
        }
        return .taken
    }

    // MARK: HTTP

    /// Answers the current request. Does nothing where the client has gone meanwhile.
    public func respond(_ response: WebResponse) {
        guard phase == .http, let request else { return }
        if let onReply {
            self.onReply = nil
            return onReply(response)
        }
        self.request = nil
        gathered = []
        var response = response
        response.headers += replyHeaders
        replyHeaders = []
        if server.isLeaving { response.closes = true }
        response.secure(isEncrypted: server.isEncrypted)
        response.headers += server.configuration.allowedOrigins.headers(
            for: request.headers["origin"], host: request.headers["host"])
        let bytes = response.serialized(includesBody: request.method != .head)
        guard write(bytes.span) == .taken else { return }
        finishTransaction(closes: response.closes)
    }

    /// The current request is answered: the next may come, unless the connection ends here.
    func finishTransaction(closes: Bool) {
        // Outside the library's own callback its verdict "close now" cannot be returned, only asked for.
        if closes || lws_http_transaction_completed(wsi) != 0 {
            closeAfterFlush()
        }
    }

    /// Ends an HTTP connection once its reply is out.
    private func closeAfterFlush() {
        phase = .closing
        if lws_partial_buffered(wsi) != 0 {
            lws_set_timeout(wsi, PENDING_TIMEOUT_CLOSE_SEND, 5)
        } else {
            endSoon()
        }
    }

    private func endSoon() {
        lws_set_timeout(wsi, PENDING_TIMEOUT_CLOSE_SEND, LWS_TO_KILL_ASYNC)
        // Set outside its own callbacks, the library looks at its timeouts only after the next event: make one.
        lws_cancel_service(lws_get_context(wsi))
    }
}
