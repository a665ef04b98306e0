/// A device, or a backend that speaks for many drivers, on `GET /v1/ingest`: sends pings, keeps what is not
/// acknowledged, and comes back after every interruption until it is.
import EventLoop

/// What a gateway has settled about one ping.
public struct PingOutcome: Sendable {
    /// The number `send` gave.
    public let sequence: Int64
    /// The number `addDriver` gave.
    public let driver: Int
    /// The ping's fix time in epoch milliseconds.
    public let recordedAt: Int64
    /// When it was first handed to `send`, microseconds of `SystemClock.monotonicMicroseconds()`.
    public let sentAt: Int64
    /// When the acknowledgement was read, on the same clock.
    public let settledAt: Int64
    /// Why it was judged away, and the gateway's words; nil where it was kept (accepted, late or a duplicate).
    public let rejection: (reason: String, detail: String)?
}

/// One ingest connection and its successors.
///
/// Sequence numbers count from 1 through the session's whole life, so that after a reconnection the same ping has the
/// same number. They are labels: what is acknowledged follows the order in which pings were sent on a connection, and after
/// an interruption each driver's newest is sent first. Not `Sendable`: belongs to the loop's thread.
///
/// ```swift
/// let phone = IngestSession(network: network, gateway: try Endpoint("http://127.0.0.1:8080"), token: token)
/// phone.onSettled = { print("kept:", $0.rejection == nil) }
/// phone.onRate = { interval in locationSource.interval = interval }
/// phone.connect()
/// phone.send(PingReport(latitude: 43.6532, longitude: -79.3832, accuracy: 5))
/// ```
public final class IngestSession {
    /// What a session may do and hold.
    public struct Options: Sendable {
        /// How many pings may be unacknowledged; above that `send` refuses.
        public var window: Int
        /// The most pings in one frame; 1 sends each as an object of its own, more as arrays.
        public var pingsPerFrame: Int
        /// For how long without a connection to go on trying; 0 gives up at once.
        public var patienceMilliseconds: Int
        /// Whether each driver's newest ping goes first when a connection begins, and what has gathered follows behind
        /// whatever is new, so that a driver is on the map at once. Otherwise all goes in the order of `send`, as a
        /// recording should. The gateway takes what comes behind a newer ping for history alone (`late`).
        public var newestFirst: Bool

        /// 1,000 pings on their way, each in a frame of its own, a minute of patience, newest first.
        public init(
            window: Int = 1000, pingsPerFrame: Int = 1, patienceMilliseconds: Int = 60_000, newestFirst: Bool = true
        ) {
            self.window = window
            self.pingsPerFrame = max(1, pingsPerFrame)
            self.patienceMilliseconds = patienceMilliseconds
            self.newestFirst = newestFirst
        }
    }

    /// A connection is there and the gateway has said hello.
    public var onConnected: () -> Void = {}
    /// The connection is gone; another attempt follows in so many milliseconds.
    public var onInterrupted: (WebSocketClosure, _ retryMilliseconds: Int) -> Void = { _, _ in }
    /// A ping is settled: durable, or rejected. In the order in which they were sent, once for each.
    public var onSettled: (PingOutcome) -> Void = { _ in }
    /// The window was full, and half of it is free again.
    public var onRoom: () -> Void = {}
    /// The gateway asks for another time between two reports, in milliseconds; 0 leaves it to the device. A device that can
    /// should take its fixes that far apart; what it sends more often goes out together.
    public var onRate: (_ intervalMilliseconds: Int) -> Void = { _ in }
    /// The session is over and nothing more is tried; what is unacknowledged stays so.
    public var onEnded: (WebSocketClosure) -> Void = { _ in }

    /// How often a connection was lost after it had been there.
    public private(set) var interruptions = 0
    /// The gateway's wish for the time between two frames; 0 is none.
    public private(set) var rateIntervalMilliseconds = 0

    /// Backlog goes in frames of so many pings, and so many may be unacknowledged: the gateway works it off at leisure.
    private static let backlogPerFrame = 500
    private static let backlogWindow = 1_000

    private let network: ClientNetwork
    private let endpoint: Endpoint
    private let token: String
    private let options: Options
    private var socket: WebSocketClient?
    private var isReady = false
    private var isEnded = false
    private var pending: UnacknowledgedPings
    private var wasFull = false
    private var isFlushWanted = false
    private var rejections: [Int64: (reason: String, detail: String)] = [:]
    private var drivers: [[UInt8]] = []
    /// The number without an id, once it is needed.
    private var ownDriver: Int?
    private var backoff = Backoff()
    private var lastConnectedAt = SystemClock.monotonicMicroseconds()
    private var retryTimer: LoopTimer?
    private var rateTimer: LoopTimer?
    private var nextFrameAt: Int64 = 0
    private var maximumFrameBytes = 262_144

    /// Connects nothing yet.
    ///
    /// - Parameters:
    ///   - gateway: the gateway's address; its path is a prefix.
    ///   - token: sent as `Authorization: Bearer`.
    public init(network: ClientNetwork, gateway: Endpoint, token: String, options: Options = Options()) {
        self.network = network
        endpoint = gateway.appending("/v1/ingest")
        self.token = token
        self.options = options
        pending = UnacknowledgedPings(capacity: options.window)
    }

    /// Makes a driver known and gives its number for `send`. An empty id leaves `driver_id` out: a device's own
    /// credential says who it is.
    public func addDriver(_ id: String) -> Int {
        let writer = ByteWriter()
        if !id.isEmpty { writer.append(json: id) }
        drivers.append(Array(writer.bytes))
        return drivers.count - 1
    }

    /// How many pings are not settled yet.
    public var unsettled: Int { pending.count }

    /// True while the gateway listens.
    public var isConnected: Bool { isReady }

    /// How many more `send` would take now.
    public var room: Int { isEnded ? 0 : pending.capacity - pending.count }

    /// Starts connecting.
    public func connect() {
        guard socket == nil, !isEnded else { return }
        lastConnectedAt = SystemClock.monotonicMicroseconds()
        openSocket()
    }

    /// Takes a ping over and gives its sequence number; nil where the window is full or the session is over.
    ///
    /// It goes out when a frame is full, or with `flush()`.
    @discardableResult
    public func send(_ report: PingReport, driver: Int) -> Int64? {
        let ping = PendingPing(report: report, driver: Int32(driver), sentAt: SystemClock.monotonicMicroseconds())
        guard !isEnded, let sequence = pending.append(ping) else { return nil }
        if pending.isFull { wasFull = true }
        if pending.liveCount >= options.pingsPerFrame { pump(everything: false) }
        return sequence
    }

    /// The same for a device, whose credential says which driver it is.
    @discardableResult
    public func send(_ report: PingReport) -> Int64? {
        let driver = ownDriver ?? addDriver("")
        ownDriver = driver
        return send(report, driver: driver)
    }

    /// Sends what `send` has gathered, as soon as the connection takes it.
    public func flush() {
        isFlushWanted = true
        pump(everything: true)
    }

    /// Ends the session in order; `onEnded` follows where a connection is open.
    public func close() {
        stopTimers()
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
        let socket = WebSocketClient(
            network: network, endpoint: endpoint,
            options: WebSocketClient.Options(
                subprotocols: ["drover.ingest.v1"], headers: [("Authorization", "Bearer \(token)")],
                maximumQueuedBytes: 512 << 10))
        self.socket = socket
        socket.onText = { [unowned self] in receive($0) }
        socket.onDrained = { [unowned self] in pump(everything: isFlushWanted) }
        socket.onClose = { [self] in interrupted($0) }
        socket.connect()
    }

    private func interrupted(_ closure: WebSocketClosure) {
        socket = nil
        let now = SystemClock.monotonicMicroseconds()
        if isReady {
            interruptions += 1
            lastConnectedAt = now
        }
        isReady = false
        pending.markAllUnsent()
        rejections.removeAll(keepingCapacity: true)
        let isPatient = now - lastConnectedAt < Int64(options.patienceMilliseconds) * 1000
        guard !isEnded, closure.isRetryable, isPatient else {
            isEnded = true
            stopTimers()
            return onEnded(closure)
        }
        let wait = backoff.next(&network.random)
        let timer = retryTimer ?? LoopTimer(loop: network.loop) { [self] in openSocket() }
        retryTimer = timer
        timer.start(afterMilliseconds: wait)
        onInterrupted(closure, wait)
    }

    private func stopTimers() {
        retryTimer?.close()
        rateTimer?.close()
        retryTimer = nil
        rateTimer = nil
    }

    private func receive(_ text: UnsafeRawBufferPointer) {
        guard let message = IngestMessage(text) else {
            reconnect(because: "the gateway sent something that is not JSON")
            return
        }
        if let hello = message.hello {
            maximumFrameBytes = hello.maximumFrame
            isReady = true
            isFlushWanted = true
            if options.newestFirst { pending.putNewestFirst() }
            onConnected()
        }
        if let interval = message.rateIntervalMilliseconds { rateChanged(interval) }
        message.forEachRejection { rejection in
            guard pending[rejection.sequence] != nil else { return }
            rejections[rejection.sequence] = (rejection.reason, rejection.detail)
        }
        if let acknowledged = message.acknowledged { settle(through: acknowledged) }
        pump(everything: isFlushWanted)
        if wasFull, pending.count <= pending.capacity / 2 {
            wasFull = false
            onRoom()
        }
    }

    private func settle(through acknowledged: Int64) {
        let now = socket?.receivedAt ?? SystemClock.monotonicMicroseconds()
        backoff.reset()
        // A label that this connection was not given cannot be acknowledged by it.
        guard pending.isSent(acknowledged) else { return }
        while let (sequence, ping) = pending.popSent() {
            let rejection = rejections.isEmpty ? nil : rejections.removeValue(forKey: sequence)
            onSettled(
                PingOutcome(
                    sequence: sequence, driver: Int(ping.driver), recordedAt: ping.report.recordedAt,
                    sentAt: ping.sentAt, settledAt: now, rejection: rejection))
            if sequence == acknowledged { break }
        }
    }

    /// Writes frames while there is something to write and the socket takes it: what is new first, then what has gathered.
    private func pump(everything: Bool) {
        guard isReady, let socket else { return }
        // With a rate to keep, frames are rare and so carry what has gathered.
        let perFrame = rateIntervalMilliseconds > 0 ? max(options.pingsPerFrame, 500) : options.pingsPerFrame
        while pending.liveCount > 0, socket.canSend, everything || pending.liveCount >= perFrame {
            guard mayWriteNow() else { break }
            guard write(perFrame, ofBacklog: false, to: socket) else { return }
        }
        if pending.liveCount == 0 { isFlushWanted = false }
        while pending.backlogCount > 0, socket.canSend, pending.sentCount < Self.backlogWindow {
            guard write(Self.backlogPerFrame, ofBacklog: true, to: socket) else { return }
        }
    }

    private func write(_ limit: Int, ofBacklog: Bool, to socket: WebSocketClient) -> Bool {
        let written = encodeFrame(limit, ofBacklog: ofBacklog)
        guard socket.send(network.messageWriter.bytes) else { return false }
        pending.markSent(written, ofBacklog: ofBacklog)
        return true
    }

    /// Another interval counts from the last frame on, so that a device that is watched from now on is seen at once.
    private func rateChanged(_ interval: Int) {
        guard interval != rateIntervalMilliseconds else { return }
        if nextFrameAt > 0 { nextFrameAt += Int64(interval - rateIntervalMilliseconds) * 1000 }
        rateIntervalMilliseconds = interval
        rateTimer?.stop()
        onRate(interval)
    }

    private func mayWriteNow() -> Bool {
        guard rateIntervalMilliseconds > 0 else { return true }
        let now = SystemClock.monotonicMicroseconds()
        guard now < nextFrameAt else {
            nextFrameAt = now + Int64(rateIntervalMilliseconds) * 1000
            return true
        }
        isFlushWanted = true
        let timer = rateTimer ?? LoopTimer(loop: network.loop) { [self] in pump(everything: true) }
        rateTimer = timer
        if !timer.isActive { timer.start(afterMilliseconds: Int((nextFrameAt - now) / 1000) + 1) }
        return false
    }

    /// The next pings, live ones or backlog, as one frame; how many they are.
    private func encodeFrame(_ limit: Int, ofBacklog: Bool) -> Int {
        let writer = network.messageWriter
        writer.clear()
        let most = min(limit, ofBacklog ? pending.backlogCount : pending.liveCount)
        let isArray = most > 1
        if isArray { writer.append(UInt8(ascii: "[")) }
        var number = 0
        while number < most {
            let sequence = pending.label(at: number, ofBacklog: ofBacklog)
            guard let ping = pending[sequence] else { break }
            let before = writer.count
            if number > 0 { writer.append(UInt8(ascii: ",")) }
            drivers[Int(ping.driver)].withUnsafeBytes {
                ping.report.write(to: writer, driver: $0, sequence: sequence)
            }
            if writer.count + 1 > maximumFrameBytes, number > 0 {
                writer.truncate(to: before)
                break
            }
            number += 1
        }
        if isArray { writer.append(UInt8(ascii: "]")) }
        return number
    }
}
