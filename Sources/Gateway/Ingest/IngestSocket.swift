/// A device or backend that streams pings over `GET /v1/ingest` (subprotocol drover.ingest.v1).
import EventLoop
import Journal
import Tracking
import WebServer

/// One such WebSocket.
final class IngestSocket: CredentialSession {
    /// Bytes of frames that may wait while the sender or its drivers are looked up.
    static let maximumParkedBytes = 1 << 20
    /// The most pings in a frame: what fits into 256 KiB.
    static let maximumPings = 6_000

    /// Who sends; nil until the credential was checked.
    private var sender: Sender?
    /// Whose pings they count as; kept like the sender.
    private(set) var allowance: RateLimits.PingAllowance?
    /// Whether frames wait: for the login, or for a driver that is looked up.
    private var isWaiting = true
    private var isResuming = false
    private var parked: [[UInt8]] = []
    private var parkedBytes = 0
    /// Pings received on this connection: the labels of those without a `seq`.
    private var received: Int64 = 0
    private var acknowledged: Int64 = 0
    private var isAcknowledgementDue = false
    private var rejections: [(lsn: UInt64, json: [UInt8])] = []
    /// Backlog that waits in the lane, and what came after it.
    var held = HeldFrames()
    /// What the handshake says of the device's app.
    var app: String?
    /// The time between two reports that the device was asked to keep, in milliseconds; 0 where nothing was asked.
    private(set) var toldInterval = 0
    /// Where a device's last sign of life is noted; nil for a backend.
    private var driverSession: DriverSessions.Slot?

    // MARK: Logging in

    override var permission: Permission { .writePings }

    override var greeting: String {
        "{\"hello\":{\"now\":\(SystemClock.wallMicroseconds() / 1_000),\"max_frame\":262144}}"
    }

    override func admit(_ credential: Credential, _ login: Login) {
        if let allowance { gateway.limits.release(allowance) }
        allowance = gateway.limits.hold(credential, now: SystemClock.wallMicroseconds())
        switch credential.party {
        case .viewer: connection.close(code: 4403, reason: "a viewer's credential sends no pings")
        case .backend: begin(.backend(ScopedDrivers(credential, gateway: gateway)), login)
        case .device(let id):
            let loaded = later { (session: IngestSocket, _: Void) in
                guard let driver = session.gateway.pipeline.drivers.index(of: id) else { return }
                session.begin(.device(driver, id), login)
            }
            gateway.directory.load([id]) { loaded(()) }
        }
    }

    private func begin(_ sender: Sender, _ login: Login) {
        self.sender = sender
        if case .device(let driver, _) = sender { gateway.pipeline.fanout.deviceConnected(driver) }
        if driverSession == nil, let device = credential.flatMap({ DriverSessionKey($0) }) {
            driverSession = gateway.driverSessions.connected(device, app: app, now: SystemClock.wallMicroseconds())
        }
        welcome(login)
        if case .device(let driver, _) = sender {
            gateway.rates.connected(self, of: driver, now: SystemClock.wallMicroseconds())
        }
        resume()
    }

    /// Asks the device to report so often from now on.
    func tell(interval milliseconds: Int) {
        toldInterval = milliseconds
        connection.sendQueued(text: Array("{\"rate\":{\"interval_ms\":\(milliseconds)}}".utf8))
    }

    override func closed() {
        super.closed()
        leaveLane()
        if let driverSession { gateway.driverSessions.disconnected(driverSession) }
        driverSession = nil
        if let allowance { gateway.limits.release(allowance) }
        allowance = nil
        guard case .device(let driver, _) = sender else { return }
        gateway.rates.disconnected(self, of: driver)
        // 1000 and 1001 are goodbyes (RFC 6455 section 7.4.1); all else may be a tunnel or a crash.
        let code = connection.peerCloseCode
        gateway.pipeline.fanout.deviceDisconnected(
            driver, saidGoodbye: code == 1000 || code == 1001, now: SystemClock.wallMicroseconds())
        gateway.flushSoon()
    }

    // MARK: Frames

    /// A frame has come. Hot path.
    override func received(_ message: Span<UInt8>) {
        if !isWaiting {
            if !take(message) {
                park(message)
                loadUnknown()
            }
        } else if sender != nil || isLoggingIn {
            park(message)
        } else if let frame = ClientFrame(message), let token = frame.token {
            logIn(token, .frame(id: frame.id))
        } else {
            connection.close(code: 4401, reason: "send a token with the handshake or in the first frame")
        }
    }

    private func park(_ message: Span<UInt8>) {
        isWaiting = true
        parkedBytes += message.count
        guard parkedBytes <= Self.maximumParkedBytes else {
            return connection.close(code: 1013, reason: "too much sent before it could be judged; retry")
        }
        var copy: [UInt8] = []
        copy.reserveCapacity(message.count)
        for index in message.indices { copy.append(message[index]) }
        parked.append(copy)
    }

    /// Looks the drivers up that `take` did not know, then goes on; at once where no store can be asked.
    private func loadUnknown() {
        guard let sender else { return }
        let loaded = later { (session: IngestSocket, isLoaded: Bool) in
            guard isLoaded else {
                return session.connection.close(code: 1013, reason: "drivers cannot be looked up now; retry")
            }
            session.resume()
        }
        gateway.load(gateway.pipeline.unknown, of: sender, then: loaded)
    }

    /// Goes on with the frames that waited, in order.
    private func resume() {
        isWaiting = false
        // Called by the loop below: it goes on by itself.
        guard !isResuming else { return }
        isResuming = true
        defer { isResuming = false }
        while !isWaiting, !parked.isEmpty, connection.isOpen {
            let next = parked[0]
            if take(next.span) {
                parkedBytes -= parked.removeFirst().count
            } else {
                isWaiting = true
                loadUnknown()
            }
        }
    }

    /// Decodes, judges and keeps a frame. False where it has to wait for its drivers: `loadUnknown` must follow.
    @inline(__always)
    private func take(_ message: Span<UInt8>) -> Bool {
        guard let sender, connection.isOpen else { return true }
        if message.count > BacklogLane.largeBytes, case .device(let driver, let id) = sender {
            setAside(message, of: driver, id)
            return true
        }
        let pipeline = gateway.pipeline
        do {
            try pipeline.decode(message, maximumPings: Self.maximumPings, allowsEnvelope: false)
        } catch {
            refuse(error)
            return true
        }
        guard pipeline.resolve(sender) else { return false }
        // What comes after a stop has begun is not taken; 1001 follows once all before it is acknowledged.
        guard gateway.isAccepting else { return true }
        if let obstacle = gateway.obstacle {
            connection.close(code: 1013, reason: obstacle + "; retry")
            return true
        }
        let now = SystemClock.wallMicroseconds()
        noteSignOfLife(now)
        let count = pipeline.batch.pings.count
        // A frame without pings counts as one, or it would be free.
        if let allowance, !gateway.limits.take(max(count, 1), allowance, now: now) {
            connection.close(code: 4429, reason: gateway.limits.refuse(count, allowance, now: now).closeReason)
            return true
        }
        pipeline.process(sender, now: now)
        guard count > 0 else { return true }
        guard held.isEmpty else {
            hold(now)
            return true
        }
        let lsn = pipeline.journal.appendedLSN
        if !pipeline.outcome.rejections.isEmpty {
            for rejection in rejectionsOfBatch(now) { note(rejection, lsn) }
        }
        let sequence = countIn(count, lastSequence: pipeline.batch.pings[count - 1].ping.sequence)
        gateway.acknowledgements.wait(for: lsn, frameOf: self, sequence: sequence, receivedAt: now)
        return true
    }

    /// The device is heard of.
    @inline(__always)
    func noteSignOfLife(_ now: Microseconds) {
        if let driverSession { gateway.driverSessions.heard(driverSession, now: now) }
    }

    /// Counts a frame's pings, in order of arrival; returns the label of the last one.
    @inline(__always)
    func countIn(_ count: Int, lastSequence: Int64?) -> Int64 {
        received += Int64(count)
        return lastSequence ?? received
    }

    func refuse(_ error: PingDecodingError) {
        var writer = JSONWriter()
        writer.raw("{\"error\":{\"code\":\"bad_request\",\"message\":")
        writer.string(error.detail)
        writer.raw(",\"retry\":false}}")
        connection.sendQueued(text: writer.bytes)
        connection.close(code: 4400, reason: error.detail)
    }

    // MARK: Acknowledgements

    /// The pings of the pipeline's batch that were not kept.
    func rejectionsOfBatch(_ now: Microseconds) -> [HeldFrames.Rejection] {
        let pipeline = gateway.pipeline
        return pipeline.outcome.rejections.map { rejection in
            let ping = pipeline.batch.pings[rejection.index].ping
            var writer = JSONWriter()
            writer.raw(",\"reason\":\"\(rejection.reason.name)\",\"detail\":")
            writer.string(
                rejection.defect?.description ?? gateway.rules.detail(of: rejection.reason, for: ping, now: now))
            writer.raw("}")
            return HeldFrames.Rejection(sequence: ping.sequence, index: rejection.index, rest: writer.bytes)
        }
    }

    /// The rejection goes with the acknowledgement that covers `lsn`. To be called before its frame is numbered.
    func note(_ rejection: HeldFrames.Rejection, _ lsn: UInt64) {
        var writer = JSONWriter()
        writer.raw("{\"seq\":")
        writer.integer(rejection.sequence ?? received + Int64(rejection.index) + 1)
        writer.bytes.append(contentsOf: rejection.rest)
        rejections.append((lsn, writer.bytes))
    }

    /// The acknowledgement reaches `sequence`. True the first time since it was last sent.
    @inline(__always)
    func raise(to sequence: Int64) -> Bool {
        acknowledged = sequence
        defer { isAcknowledgementDue = true }
        return !isAcknowledgementDue
    }

    /// Sends the acknowledgement, with the rejections it covers. Where the socket is full it stays due: it is
    /// cumulative, so the next one says it all.
    @inline(__always)
    func acknowledge(through lsn: UInt64) {
        let outcome = gateway.composeAcknowledgement { writer in
            writer.raw("{\"ack\":")
            writer.integer(acknowledged)
            if !rejections.isEmpty { appendRejections(through: lsn, to: &writer) }
            writer.raw("}")
        } send: {
            connection.send(frames: $0)
        }
        if outcome == .taken {
            isAcknowledgementDue = false
            if !rejections.isEmpty { rejections.removeAll { $0.lsn <= lsn } }
        }
    }

    private func appendRejections(through lsn: UInt64, to writer: inout JSONWriter) {
        var isFirst = true
        for rejection in rejections where rejection.lsn <= lsn {
            writer.raw(isFirst ? ",\"rejected\":[" : ",")
            writer.bytes.append(contentsOf: rejection.json)
            isFirst = false
        }
        if !isFirst { writer.raw("]") }
    }

    override func writable() {
        if isAcknowledgementDue { acknowledge(through: gateway.pipeline.journal.durableLSN) }
    }
}
