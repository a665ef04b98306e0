/// The one C callback: unwraps who is meant, makes one call a reason, and turns the outcome into the library's signal
/// (0 goes on, -1 closes).
import CLibwebsockets
import EventLoop
import Glibc
import Synchronization

/// `lws_callback_function` of every protocol.
func webServerCallback(
    _ wsi: OpaquePointer?, _ reason: lws_callback_reasons, _ user: UnsafeMutableRawPointer?,
    _ input: UnsafeMutableRawPointer?, _ length: Int
) -> Int32 {
    guard let wsi else { return 0 }
    switch reason {
    case LWS_CALLBACK_RECEIVE:
        return connection(of: wsi)?.receive(input, length) ?? -1
    case LWS_CALLBACK_SERVER_WRITEABLE, LWS_CALLBACK_HTTP_WRITEABLE:
        connection(of: wsi)?.writable()
        return 0
    case LWS_CALLBACK_HTTP:
        return connection(of: wsi)?.begin(HeaderReader(wsi: wsi)) ?? -1
    case LWS_CALLBACK_HTTP_BODY:
        return connection(of: wsi)?.body(input, length) ?? -1
    case LWS_CALLBACK_HTTP_BODY_COMPLETION:
        return connection(of: wsi)?.bodyComplete() ?? -1
    case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE:
        return connection(of: wsi)?.confirmUpgrade(HeaderReader(wsi: wsi)) ?? -1
    case LWS_CALLBACK_RAW_ADOPT:
        // The library makes a raw connection of a CONNECT request and asks nobody.
        return connection(of: wsi)?.refuseTunnel() ?? -1
    case LWS_CALLBACK_ESTABLISHED:
        return connection(of: wsi)?.established() ?? -1
    case LWS_CALLBACK_RECEIVE_PONG:
        connection(of: wsi)?.pong(length)
        return 0
    case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
        // Our own close was answered: end it. Otherwise the library answers.
        guard let connection = connection(of: wsi) else { return 0 }
        let code = UnsafeRawBufferPointer(start: input, count: length)
        connection.peerCloseCode = code.count >= 2 ? UInt16(code[0]) << 8 | UInt16(code[1]) : 1_005
        return connection.phase == .closing ? -1 : 0
    case LWS_CALLBACK_WSI_DESTROY:
        connection(of: wsi)?.destroyed()
        return 0
    default:
        return 0
    }
}

/// `lws_set_log_level`'s emitter. The library's log is global, so it goes to standard error; its lines of level WARN
/// and ERR name no secrets. At most one a second: strangers could fill a disk with them.
func webServerLog(_ level: Int32, _ line: UnsafePointer<CChar>?) {
    let second = Int(SystemClock.monotonicMicroseconds() / 1_000_000)
    guard let line, lastLogSecond.exchange(second, ordering: .relaxed) != second else { return }
    let text = "libwebsockets: " + String(cString: line)
    _ = Array(text.utf8).withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
}

private let lastLogSecond = Atomic(-1)

/// Nil for a moment while the library adopts a socket, and for its own handles.
private func connection(of wsi: OpaquePointer) -> WebConnection? {
    // Set by `WebServer.attach`, which retains; released only in `destroyed`, after the last callback.
    lws_get_opaque_user_data(wsi).map { Unmanaged<WebConnection>.fromOpaque($0).takeUnretainedValue() }
}

extension WebConnection {
    // MARK: HTTP

    /// A request's headers are complete.
    fileprivate func begin(_ reader: HeaderReader) -> Int32 {
        let further = server.configuration.furtherHeaders
        guard phase == .http, body == nil,
            var request = WebRequest(reader, peer: client(reader), furtherHeaders: further)
        else { return -1 }
        isUsed = true
        let facts = RequestFacts(reader, method: request.method)
        isHTTP11 = facts.isHTTP11
        let maximumBody = server.configuration.maximumBodyBytes
        if let refusal = DoorChecks.refusal(facts, maximumBody: maximumBody) { return refuse(refusal, request) }
        if request.method == .options, reader.has("access-control-request-method:") { return preflight(request) }
        let length = DoorChecks.length(facts, maximumBody: maximumBody).contentLength
        request.body = []
        self.request = request
        expectedBody = length
        if length == 0 { return bodyComplete() }
        gathered = []
        gathered.reserveCapacity(length)
        startDeadline()
        return 0
    }

    fileprivate func body(_ input: UnsafeMutableRawPointer?, _ length: Int) -> Int32 {
        // The library tells of a body even where its length is given as 0.
        if length == 0 { return 0 }
        guard let input, request != nil, gathered.count + length <= expectedBody else { return -1 }
        gathered.append(contentsOf: UnsafeRawBufferPointer(start: input, count: length))
        return 0
    }

    fileprivate func bodyComplete() -> Int32 {
        guard expectedBody >= 0, var request else { return 0 }
        // Once a request: a length that is given as 0 comes here from `begin` and from the library.
        expectedBody = -1
        deadline = 0
        request.body = gathered
        gathered = []
        self.request = request
        // The reply may take as long as the stores do; the application has its own deadlines.
        lws_set_timeout(wsi, NO_PENDING_TIMEOUT, 0)
        server.application.receive(request, on: self)
        return 0
    }

    /// A browser asks whether a page of another host may send what it wants to send.
    private func preflight(_ request: WebRequest) -> Int32 {
        guard let refusal = refusal(forOriginOf: request) else {
            self.request = request
            respond(WebResponse(status: 204, headers: AllowedOrigins.preflightHeaders))
            return 0
        }
        return refuse(refusal, request)
    }

    private func refusal(forOriginOf request: WebRequest) -> DoorRefusal? {
        let origins = server.configuration.allowedOrigins
        guard origins.standing(of: request.headers["origin"], host: request.headers["host"]) == .foreign else {
            return nil
        }
        return DoorRefusal(
            status: 403, code: "origin", detail: "pages of this origin are not in web.allowed_origins")
    }

    /// Answers and closes: what follows on the connection cannot be trusted.
    private func refuse(_ refusal: DoorRefusal, _ request: WebRequest) -> Int32 {
        self.request = request
        var response = server.response(to: refusal)
        response.closes = true
        respond(response)
        return 0
    }

    fileprivate func refuseTunnel() -> Int32 {
        let refusal = DoorRefusal(status: 405, code: "method_not_allowed", detail: "this is not a proxy")
        return refuse(
            refusal, WebRequest(method: .connect, path: "", query: [], headers: [:], peer: "\(arrival.address)"))
    }

    /// Who asks: the socket's other end, or who that speaks for.
    private func client(_ reader: HeaderReader) -> String {
        let forwarded = ForwardedFor(trusted: server.configuration.trustedProxies)
        return forwarded.client(peer: arrival.address, header: reader.value(WSI_TOKEN_X_FORWARDED_FOR)).description
    }

    // MARK: WebSocket

    /// The most frames that a message may come in.
    private static let maximumFragments = 64

    fileprivate func confirmUpgrade(_ reader: HeaderReader) -> Int32 {
        guard let request = WebRequest(reader, peer: client(reader)) else { return -1 }
        if let refusal = DoorChecks.upgrade(RequestFacts(reader, method: request.method)) {
            _ = refuse(refusal, request)
            return -1
        }
        if let refusal = refusal(forOriginOf: request) {
            _ = refuse(refusal, request)
            return -1
        }
        let known = server.configuration.subprotocols.map(\.name)
        if !request.subprotocols.isEmpty, !request.subprotocols.contains(where: known.contains) {
            _ = refuse(
                DoorRefusal(
                    status: 400, code: "bad_request",
                    detail: "the subprotocols here are \(known.joined(separator: ", "))"),
                request)
            return -1
        }
        switch server.application.upgrade(request, on: self) {
        case .accept(let session):
            self.session = session
            maximumMessage = server.configuration.maximumMessageBytes[request.path] ?? 16_384
            return 0
        case .refuse(var response):
            self.request = request
            response.closes = true
            respond(response)
            return -1
        }
    }

    fileprivate func pong(_ length: Int) {
        unseen.sawFrame(length)
        heardAt = server.second
    }

    fileprivate func writable() {
        hasRoomAgain()
        if phase == .http { body?.writable() }
        if phase == .webSocket || phase == .eventStream { session?.writable() }
    }

    fileprivate func established() -> Int32 {
        endExchange()
        phase = .webSocket
        heardAt = server.second
        let isFirst = !isUsed && arrival.headBytes > 0
        let descriptor = lws_get_socket_fd(wsi)
        unseen.begin(
            head: isFirst ? arrival.headBytes : nil,
            received: UnseenTraffic.read(descriptor) ?? UnseenTraffic.received(descriptor) ?? 0, second: server.second)
        server.schedule(self, now: SystemClock.monotonicMicroseconds())
        session?.opened()
        return 0
    }

    /// A message or a piece of one. Hot path.
    fileprivate func receive(_ input: UnsafeMutableRawPointer?, _ length: Int) -> Int32 {
        guard phase == .webSocket else { return 0 }
        heardAt = server.second
        let bytes = UnsafeRawBufferPointer(start: input, count: length)
        if lws_is_first_fragment(wsi) != 0, lws_is_final_fragment(wsi) != 0 {
            guard lws_frame_is_binary(wsi) == 0 else { return refuseBinary() }
            unseen.sawFrame(length)
            session?.received(bytes.bindMemory(to: UInt8.self).span)
            return 0
        }
        return gather(bytes)
    }

    private func gather(_ bytes: UnsafeRawBufferPointer) -> Int32 {
        guard lws_frame_is_binary(wsi) == 0 else { return refuseBinary() }
        if deadline == 0 { startDeadline() }
        if missing == 0 {
            fragments += 1
            unseen.sawFrame(bytes.count + Int(clamping: lws_remaining_packet_payload(wsi)))
            guard fragments <= Self.maximumFragments else {
                close(code: 1008, reason: "a message may have at most \(Self.maximumFragments) fragments")
                return 0
            }
        }
        missing = Int(clamping: lws_remaining_packet_payload(wsi))
        guard gathered.count + bytes.count + missing <= maximumMessage else {
            gathered = []
            close(code: 1009, reason: "messages here are at most \(maximumMessage) bytes")
            return 0
        }
        gathered.append(contentsOf: bytes)
        guard lws_is_final_fragment(wsi) != 0 else { return 0 }
        deadline = 0
        fragments = 0
        let message = gathered
        gathered = []
        session?.received(message.span)
        return 0
    }

    /// What has begun to arrive must be complete in time.
    private func startDeadline() {
        let now = SystemClock.monotonicMicroseconds()
        deadline = now + Int64(server.configuration.messageDeadlineSeconds) * 1_000_000
        server.schedule(self, now: now)
    }

    private func refuseBinary() -> Int32 {
        close(code: 1003, reason: "frames here are JSON text")
        return 0
    }

    // MARK: The end

    fileprivate func destroyed() {
        phase = .closed
        session?.closed()
        session = nil
        body?.cancel()
        endExchange()
        lws_set_opaque_user_data(wsi, nil)
        server.detach(self)
    }
}
