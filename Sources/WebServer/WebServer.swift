/// libwebsockets on our own libuv loop: the context, the listening sockets, and an end in good order.
import CLibwebsockets
import CUV
public import EventLoop
import Glibc

/// How a server behaves at its door. Sizes in bytes.
public struct WebServerConfiguration: Sendable {
    /// An IPv4 or IPv6 address to listen on.
    public var address = "127.0.0.1"
    /// 0 takes any free port.
    public var port: UInt16 = 8_080
    /// Listening sockets that somebody else opened and keeps: nothing is opened then, and nothing is accepted until
    /// `WebServer.startAccepting(on:)` says on which.
    public var inheritedSockets: [Int32] = []
    /// The largest request body.
    public var maximumBodyBytes = 1 << 20
    /// The largest WebSocket message from a client, by path.
    public var maximumMessageBytes: [String: Int] = [:]
    /// The most that waits behind a slow reader for replies.
    public var maximumQueuedBytes = 4 << 20
    /// How long a body or a fragmented message may take, in seconds.
    public var messageDeadlineSeconds = 10
    /// How often every WebSocket is pinged, in seconds, and how long it may be silent after that.
    public var heartbeatSeconds = 25
    /// Proxies that `X-Forwarded-For` is believed of, and whose connections are not counted.
    public var trustedProxies = AddressRanges()
    /// The most connections of one address; 0 is any number.
    public var connectionsPerAddress = 0
    /// Whose connections are not counted either.
    public var exemptAddresses = AddressRanges()
    /// How long the reader of a streamed body may take nothing, in seconds.
    public var bodyPatienceSeconds = 60
    /// Pages of other hosts that may open WebSockets and read replies.
    public var allowedOrigins = AllowedOrigins()
    /// The certificate; nil is no TLS.
    public var certificate: CertificateFiles?
    /// Headers that requests are read for beside the usual ones, in small letters.
    public var furtherHeaders: [String] = []
    /// Subprotocols with the receive buffer each connection gets for them.
    public var subprotocols: [(name: String, receiveBytes: Int)] = []

    /// The defaults.
    public init() {}
}

/// Why a server could not start.
public struct WebServerError: Error, CustomStringConvertible {
    /// What happened and what to do.
    public let description: String
}

/// A web server on an event loop.
public final class WebServer {
    let loop: EventLoop
    let configuration: WebServerConfiguration
    let application: WebApplication
    /// The port in use, also where the configuration said 0.
    public private(set) var port: UInt16 = 0
    private var context: OpaquePointer?
    var vhost: OpaquePointer?
    /// By the number of their socket.
    private var listeners: [Int: Listener] = [:]
    var door: FrontDoor?
    var counts = ConnectionCounts()
    private var certificate: CertificateWatch?
    /// The second in which a stranger was last told of.
    var noticed = -1
    private var secondTimer: LoopTimer?
    private var shutdownTimer: LoopTimer?
    /// Counts seconds: a clock that costs a frame nothing to read.
    private(set) var second = 0
    private(set) var isStopping = false
    /// Whether `shutDown` has closed what it could.
    public private(set) var isShutDown = false
    /// How often a changed certificate is looked for.
    private static let certificateSeconds = 5
    /// C arrays the library keeps pointing into, and the strings inside them.
    private var protocolTable: UnsafeMutablePointer<lws_protocols>?
    private var names: [UnsafeMutablePointer<CChar>] = []
    /// All zeros: the library leaves idle peers to us. Its own timers walk a list of all connections for every pong.
    private let idlePolicy = UnsafeMutablePointer<lws_retry_bo_t>.allocate(capacity: 1)
    private let loops = UnsafeMutablePointer<UnsafeMutableRawPointer?>.allocate(capacity: 1)
    /// Open connections by number; the library's reference keeps them alive.
    private var connections: [Unmanaged<WebConnection>?] = []
    private var freeNumbers: [Int] = []
    /// When each connection is looked at next, by its number.
    private var wheel = TimerWheel(slots: 64)
    /// How many connections are open, HTTP and WebSocket.
    public private(set) var connectionCount = 0

    /// Creates the context on the calling thread, which must be the loop's: the library calls back at once.
    public init(
        loop: EventLoop, configuration: WebServerConfiguration, application: WebApplication
    ) throws(WebServerError) {
        self.loop = loop
        self.configuration = configuration
        self.application = application
        idlePolicy.initialize(to: lws_retry_bo_t())
        loops.initialize(to: UnsafeMutableRawPointer(loop.uvLoop))
        if let files = configuration.certificate { certificate = try CertificateWatch(files) }
        try createContext()
        door = makeDoor()
        if let inherited = configuration.inheritedSockets.first {
            port = ListeningSockets.port(of: inherited)
        } else {
            let sockets = try ListeningSockets(address: configuration.address, port: configuration.port)
            port = sockets.port
            try listen(on: 0, sockets.descriptors[0], ownsDescriptor: true)
        }
        secondTimer = LoopTimer(loop: loop) { [unowned self] in everySecond() }
        secondTimer?.start(afterMilliseconds: 1_000, everyMilliseconds: 1_000)
    }

    deinit {
        loops.deallocate()
        idlePolicy.deallocate()
        protocolTable?.deallocate()
        for name in names { free(name) }
    }

    private func createContext() throws(WebServerError) {
        let protocols = [("http", 2_048)] + configuration.subprotocols.map { ($0.name, $0.receiveBytes) }
        let table = UnsafeMutablePointer<lws_protocols>.allocate(capacity: protocols.count + 1)
        for (index, (name, receiveBytes)) in protocols.enumerated() {
            guard let copy = strdup(name) else { continue }
            names.append(copy)
            // tx_packet_size: 0 would cap every write at the receive buffer's size.
            (table + index).initialize(
                to: lws_protocols(
                    name: copy, callback: webServerCallback, per_session_data_size: 0, rx_buffer_size: receiveBytes,
                    id: 0, user: nil, tx_packet_size: 65_536))
        }
        (table + protocols.count).initialize(to: lws_protocols())
        protocolTable = table

        lws_set_log_level(LLL_ERR | LLL_WARN, webServerLog)
        var info = lws_context_creation_info()
        info.port = CONTEXT_PORT_NO_LISTEN
        info.protocols = UnsafePointer(table)
        info.options =
            (configuration.certificate == nil ? 0 : UInt64(LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT))
            | UInt64(LWS_SERVER_OPTION_EXPLICIT_VHOSTS) | UInt64(LWS_SERVER_OPTION_LIBUV)
            | UInt64(LWS_SERVER_OPTION_VALIDATE_UTF8) | UInt64(LWS_SERVER_OPTION_UV_NO_SIGSEGV_SIGFPE_SPIN)
        info.foreign_loops = loops
        info.user = Unmanaged.passUnretained(self).toOpaque()
        info.pt_serv_buf_size = 32_768
        info.max_http_header_data = 16_384
        info.keepalive_timeout = 60
        info.retry_and_idle_policy = UnsafePointer(idlePolicy)
        info.timeout_secs = 10
        info.server_string = nil
        guard let context = lws_create_context(&info) else {
            throw WebServerError(
                description: "cannot start libwebsockets on libuv. Install the Debian package libwebsockets-evlib-uv.")
        }
        self.context = context
        guard let vhost = createVirtualHost(context, &info) else {
            throw WebServerError(description: "libwebsockets refused the virtual host; see its own log lines above")
        }
        self.vhost = vhost
    }

    private func createVirtualHost(_ context: OpaquePointer, _ info: inout lws_context_creation_info) -> OpaquePointer?
    {
        guard let files = configuration.certificate else { return lws_create_vhost(context, &info) }
        // The library has TLS only where the host is a listening one by name.
        info.port = CONTEXT_PORT_NO_LISTEN_SERVER
        // OpenSSL's SSL_OP_NO_SSLv3, NO_TLSv1, NO_TLSv1_1, NO_COMPRESSION, NO_RENEGOTIATION: TLS 1.2 and 1.3.
        info.ssl_options_set = 0x0200_0000 | 0x0400_0000 | 0x1000_0000 | 0x2_0000 | 0x4000_0000
        return files.chain.withCString { chain in
            files.key.withCString { key in
                // HTTP/2 is compiled into the library, and not served.
                "http/1.1".withCString { protocols in
                    info.ssl_cert_filepath = chain
                    info.ssl_private_key_filepath = key
                    info.alpn = protocols
                    return lws_create_vhost(context, &info)
                }
            }
        }
    }

    // MARK: Sockets

    /// Accepts on an inherited socket, by its place in `inheritedSockets`, until told otherwise.
    public func startAccepting(on number: Int) throws(WebServerError) {
        guard !isStopping, listeners[number] == nil, configuration.inheritedSockets.indices.contains(number) else {
            return
        }
        try listen(on: number, configuration.inheritedSockets[number], ownsDescriptor: false)
    }

    /// Accepts nothing more on an inherited socket: somebody else does.
    public func stopAccepting(on number: Int) {
        listeners.removeValue(forKey: number)?.close()
    }

    private func listen(on number: Int, _ descriptor: Int32, ownsDescriptor: Bool) throws(WebServerError) {
        listeners[number] = try Listener(loop: loop, descriptor: descriptor, ownsDescriptor: ownsDescriptor) {
            [unowned self] arrival in welcome(arrival)
        }
    }

    // MARK: Connections

    func attach(_ wsi: OpaquePointer, _ arrival: Arrival) -> WebConnection {
        let number = freeNumbers.popLast() ?? connections.count
        let connection = WebConnection(wsi: wsi, server: self, number: number, arrival: arrival)
        let reference = Unmanaged.passRetained(connection)
        if number == connections.count { connections.append(reference) } else { connections[number] = reference }
        lws_set_opaque_user_data(wsi, reference.toOpaque())
        connectionCount += 1
        return connection
    }

    func detach(_ connection: WebConnection) {
        left(connection.arrival)
        wheel.cancel(connection.number)
        connections[connection.number]?.release()
        connections[connection.number] = nil
        freeNumbers.append(connection.number)
        connectionCount -= 1
    }

    /// Calls `body` with the open connection of that number, without touching its reference count.
    @inline(__always)
    public func withConnection<Result>(_ number: Int, _ body: (WebConnection) -> Result) -> Result? {
        connections[number]?._withUnsafeGuaranteedRef { body($0) }
    }

    /// Calls `body` with every open connection.
    public func forEachConnection(_ body: (WebConnection) -> Void) {
        for reference in connections {
            if let connection = reference?.takeUnretainedValue() { body(connection) }
        }
    }

    /// Once a second: what should have been complete by now and is not, and who has fallen silent.
    private func everySecond() {
        second += 1
        if second % Self.certificateSeconds == 0 { lookAtCertificate() }
        let now = SystemClock.monotonicMicroseconds()
        for number in wheel.takeDue(in: second) {
            withConnection(number) { visit($0, now: now) }
        }
    }

    private func lookAtCertificate() {
        guard let context, let outcome = certificate?.look(context) else { return }
        switch outcome {
        case .unchanged: break
        case .renewed: application.notice("the certificate was read again")
        case .unusable(let reason): application.notice(reason)
        }
    }

    /// A connection's turn: its heartbeat, its silence, its unfinished message.
    private func visit(_ connection: WebConnection, now: Int64) {
        if connection.deadline != 0, connection.deadline < now {
            connection.deadline = 0
            if connection.phase == .webSocket {
                connection.close(code: 4408, reason: "message not finished in time")
            } else {
                var response = application.problem(
                    status: 408, code: "timeout", detail: "the body did not arrive in time")
                response.closes = true
                connection.respond(response)
            }
        }
        if connection.phase == .webSocket || connection.phase == .eventStream { beat(connection) }
        if connection.phase == .webSocket { lookForUnseen(connection) }
        connection.body?.look(second: second, patience: configuration.bodyPatienceSeconds)
        schedule(connection, now: now)
    }

    private func lookForUnseen(_ connection: WebConnection) {
        guard let received = UnseenTraffic.read(lws_get_socket_fd(connection.wsi)) else { return }
        let finding = connection.unseen.look(
            received: received, missing: connection.missing, second: second,
            patience: configuration.messageDeadlineSeconds, isEncrypted: isEncrypted
        )
        switch finding {
        case .nothing: break
        case .flood: connection.close(code: 4429, reason: "too many pings")
        case .halfFrame: connection.close(code: 4408, reason: "message not finished in time")
        case .unmasked: connection.close(code: 1002, reason: "a client masks its frames")
        }
    }

    /// Pings a WebSocket in its turn; one that has not been heard for two heartbeats and five seconds is gone.
    private func beat(_ connection: WebConnection) {
        // Nothing can be heard over an event stream: the kernel finds out that its reader is gone.
        if connection.phase == .webSocket, second > silence(of: connection) {
            connection.close(code: 4408, reason: "silent")
        } else if (second + connection.number) % configuration.heartbeatSeconds == 0 {
            connection.ping()
        }
    }

    /// The last second in which the connection may still be silent.
    private func silence(of connection: WebConnection) -> Int {
        connection.heardAt + 2 * configuration.heartbeatSeconds + 5
    }

    /// Sets when the connection is looked at next: at its heartbeat, whose phase differs from number to number so that
    /// not all come in one second, when its silence ends it, or when its message is overdue.
    func schedule(_ connection: WebConnection, now: Int64) {
        switch connection.phase {
        case .webSocket:
            wheel.schedule(
                connection.number,
                in: min(
                    heartbeat(of: connection), max(second, silence(of: connection)) + 1,
                    second + configuration.messageDeadlineSeconds))
        case .eventStream: wheel.schedule(connection.number, in: heartbeat(of: connection))
        case .http: if connection.body != nil { wheel.schedule(connection.number, in: second + 1) }
        case .closing, .closed: break
        }
        if connection.deadline != 0 {
            wheel.schedule(connection.number, in: second + 1 + Int(max(0, connection.deadline - now) / 1_000_000))
        }
    }

    /// The second of the connection's next heartbeat.
    private func heartbeat(of connection: WebConnection) -> Int {
        let heartbeat = configuration.heartbeatSeconds
        return second + heartbeat - (second + connection.number) % heartbeat
    }

    // MARK: The end

    /// Accepts nothing more; connections go on.
    public func stopAccepting() {
        for listener in listeners.values { listener.close() }
        listeners = [:]
    }

    /// Tells every WebSocket 1001, waits for their answers up to `milliseconds`, then destroys the context. When
    /// `EventLoop.run()` has returned, call `finish()`.
    public func shutDown(withinMilliseconds milliseconds: Int) {
        guard !isStopping else { return }
        stopAccepting()
        isStopping = true
        door?.close()
        forEachConnection { connection in
            if connection.phase == .webSocket || connection.phase == .eventStream {
                connection.close(code: 1001, reason: "shutting down")
            } else if connection.request == nil, connection.body == nil {
                connection.abort()
            }
        }
        let deadline = SystemClock.monotonicMicroseconds() + Int64(milliseconds) * 1_000
        shutdownTimer = LoopTimer(loop: loop) { [unowned self] in
            guard connectionCount == 0 || SystemClock.monotonicMicroseconds() >= deadline else { return }
            shutdownTimer?.close()
            secondTimer?.close()
            if let context { lws_context_destroy(context) }
            isShutDown = true
        }
        shutdownTimer?.start(afterMilliseconds: 10, everyMilliseconds: 10)
    }

    /// The second half of the context's destruction on a foreign loop, once that loop has ended.
    public func finish() {
        if let context { lws_context_destroy(context) }
        context = nil
    }
}
