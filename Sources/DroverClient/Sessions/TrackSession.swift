/// A viewer on `GET /v1/track`: logs in, subscribes, hands on what is pushed, and resumes after every interruption at
/// the cursor it had.
import EventLoop

/// One viewer's connection and its successors. Not `Sendable`: belongs to the loop's thread.
///
/// ```swift
/// let viewer = TrackSession(network: network, gateway: try Endpoint("http://127.0.0.1:8080"), token: token)
/// viewer.onPosition = { position, _, _ in print(position.driverID, position.latitude, position.longitude) }
/// viewer.subscribe(["order:9f2"])
/// viewer.connect()
/// ```
public final class TrackSession {
    /// How the token is shown.
    public enum Login: Sendable {
        /// As `Authorization: Bearer` in the handshake.
        case handshake
        /// As the first frame, as a browser does that must not put it into the address.
        case firstFrame
    }

    /// What a session may do.
    public struct Options: Sendable {
        /// How the token is shown.
        public var login: Login
        /// The most pushes a second this viewer wants; nil leaves it to the gateway.
        public var maximumRateHertz: Double?
        /// For how long without a connection to go on trying; 0 gives up at once.
        public var patienceMilliseconds: Int

        /// By first frame, at the gateway's rate, a minute of patience.
        public init(login: Login = .firstFrame, maximumRateHertz: Double? = nil, patienceMilliseconds: Int = 60_000) {
            self.login = login
            self.maximumRateHertz = maximumRateHertz
            self.patienceMilliseconds = patienceMilliseconds
        }
    }

    /// Logged in.
    public var onConnected: () -> Void = {}
    /// The gateway's answer to a subscription; the positions of its snapshot have been handed on before.
    public var onSubscribed: (SubscriptionReply) -> Void = { _ in }
    /// A position, from a snapshot (`isSnapshot`) or a push, and the monotonic microsecond it was read at.
    public var onPosition: (LivePosition, _ isSnapshot: Bool, _ receivedAt: Int64) -> Void = { _, _, _ in }
    /// A driver is live, stale or offline now.
    public var onStatus: (DriverStatus) -> Void = { _ in }
    /// A driver has left a subject.
    public var onLeft: (_ driverID: String, _ subject: String) -> Void = { _, _ in }
    /// `assigned`, `arriving`, `arrived` or `ended`, at an epoch millisecond where the gateway says.
    public var onEvent: (_ type: String, _ subject: String, _ at: Int64?) -> Void = { _, _, _ in }
    /// The session ends in so many seconds unless it is renewed.
    public var onExpiring: (_ seconds: Int) -> Void = { _ in }
    /// A frame of ours was refused.
    public var onError: (_ id: Int64?, _ code: String, _ message: String) -> Void = { _, _, _ in }
    /// The connection is gone; another attempt follows in so many milliseconds.
    public var onInterrupted: (WebSocketClosure, _ retryMilliseconds: Int) -> Void = { _, _ in }
    /// The session is over and nothing more is tried.
    public var onEnded: (WebSocketClosure) -> Void = { _ in }

    /// Positions may have been missed while gateways could not hear each other: the newest of each driver follows.
    public var onMissed: () -> Void = {}
    /// The place in the stream up to which everything was received; empty before the first answer.
    public internal(set) var cursor = ""
    /// What is subscribed to, or will be once connected.
    public private(set) var subjects: [String] = []
    /// The last server time seen, epoch milliseconds; 0 before the first.
    public internal(set) var serverTime: Int64 = 0

    private let network: ClientNetwork
    private let endpoint: Endpoint
    private var token: String
    let options: Options
    var socket: WebSocketClient?
    var isReady = false
    private var isEnded = false
    private var nextID: Int64 = 1
    var loginID: Int64?
    /// The newest fix time of each driver that was seen: nothing older follows, whichever gateway tells it.
    var newest: [String: Int64] = [:]
    var reply = SubscriptionReply()
    private var backoff = Backoff()
    private var lastConnectedAt = SystemClock.monotonicMicroseconds()
    private var retryTimer: LoopTimer?

    /// Connects nothing yet.
    public init(network: ClientNetwork, gateway: Endpoint, token: String, options: Options = Options()) {
        self.network = network
        endpoint = gateway.appending("/v1/track")
        self.token = token
        self.options = options
    }

    /// Starts connecting.
    public func connect() {
        guard socket == nil, !isEnded else { return }
        lastConnectedAt = SystemClock.monotonicMicroseconds()
        openSocket()
    }

    /// Adds subjects; at once where it is connected, else as soon as it is.
    public func subscribe(_ subjects: [String]) {
        let fresh = subjects.filter { !self.subjects.contains($0) }
        self.subjects += fresh
        // A cursor says what this viewer has of what it watched; of a new subject it has nothing.
        if isReady, !fresh.isEmpty { sendSubscribe(fresh, cursor: "") }
    }

    /// Drops subjects.
    public func unsubscribe(_ subjects: [String]) {
        self.subjects.removeAll { subjects.contains($0) }
        if isReady {
            sendFrame {
                $0.append("\"unsubscribe\":"); write(subjects, to: $0)
            }
        }
    }

    /// Shows a new token in place of the old one, now and for later connections.
    public func renew(token: String) {
        self.token = token
        if isReady { sendLogin() }
    }

    /// Ends the session in order; `onEnded` follows where a connection is open.
    public func close() {
        stopRetrying()
        isEnded = true
        isReady = false
        socket?.close()
    }

    /// Drops the present connection, as a lost network would, and connects anew.
    public func reconnect(because reason: String) {
        guard let socket else { return }
        socket.abort()
        interrupted(WebSocketClosure(code: 1006, reason: reason))
    }

    private func openSocket() {
        let headers = options.login == .handshake ? [("Authorization", "Bearer \(token)")] : []
        let socket = WebSocketClient(
            network: network, endpoint: endpoint,
            options: WebSocketClient.Options(
                subprotocols: ["drover.v1"], headers: headers, maximumQueuedBytes: 64 << 10))
        self.socket = socket
        socket.onText = { [unowned self] in receive($0) }
        socket.onClose = { [self] in interrupted($0) }
        socket.connect()
    }

    private func interrupted(_ closure: WebSocketClosure) {
        socket = nil
        let now = SystemClock.monotonicMicroseconds()
        if isReady { lastConnectedAt = now }
        isReady = false
        let isPatient = now - lastConnectedAt < Int64(options.patienceMilliseconds) * 1000
        guard !isEnded, closure.isRetryable, isPatient else {
            isEnded = true
            stopRetrying()
            return onEnded(closure)
        }
        let wait = backoff.next(&network.random)
        let timer = retryTimer ?? LoopTimer(loop: network.loop) { [self] in openSocket() }
        retryTimer = timer
        timer.start(afterMilliseconds: wait)
        onInterrupted(closure, wait)
    }

    private func stopRetrying() {
        retryTimer?.close()
        retryTimer = nil
    }

    func becomeReady() {
        isReady = true
        backoff.reset()
        onConnected()
        if !subjects.isEmpty { sendSubscribe(subjects, cursor: cursor) }
    }

    private func receive(_ text: UnsafeRawBufferPointer) {
        guard read(text) else {
            reconnect(because: "the gateway sent something that is not JSON")
            return
        }
    }

    func sendLogin() {
        loginID = sendFrame {
            $0.append("\"token\":")
            $0.append(json: token)
        }
    }

    private func sendSubscribe(_ subjects: [String], cursor: String) {
        sendFrame { writer in
            writer.append("\"subscribe\":")
            write(subjects, to: writer)
            if !cursor.isEmpty {
                writer.append(",\"cursor\":")
                writer.append(json: cursor)
            }
            if let rate = options.maximumRateHertz {
                writer.append(",\"max_rate_hz\":")
                writer.append(rate, decimals: 3)
            }
        }
    }

    @discardableResult
    private func sendFrame(_ body: (ByteWriter) -> Void) -> Int64 {
        let writer = network.messageWriter
        writer.clear()
        writer.append("{\"id\":")
        writer.append(nextID)
        writer.append(UInt8(ascii: ","))
        body(writer)
        writer.append(UInt8(ascii: "}"))
        nextID += 1
        socket?.send(writer.bytes)
        return nextID - 1
    }

    private func write(_ subjects: [String], to writer: ByteWriter) {
        writer.append(UInt8(ascii: "["))
        for (index, subject) in subjects.enumerated() {
            if index > 0 { writer.append(UInt8(ascii: ",")) }
            writer.append(json: subject)
        }
        writer.append(UInt8(ascii: "]"))
    }
}
