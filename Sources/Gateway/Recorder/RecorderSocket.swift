/// A viewer on `GET /ws/last`, the WebSocket of OwnTracks' Recorder: it sends `LAST` and gets one location a driver and the
/// word back; from its log-in on it gets each new position.
import EventLoop
import Tracking
import WebServer

/// One such viewer. Its backlog is a set of drivers, of each of which the newest is told when the socket has room. Whether it
/// may see a driver is asked each time before it is told.
final class RecorderSocket: CredentialSession {
    /// Drivers in one write.
    private static let page = 200

    private let limit: RecorderLimit
    private var pending: Set<DriverIndex> = []
    /// Whether `LAST` was asked for and is to be sent back.
    private var owesEcho = false
    private var isAsking = false
    /// Whether the drivers that `LAST` is about are being looked up.
    private var isLooking = false
    /// Since when the socket has had no room, in monotonic microseconds.
    private var blockedSince: Microseconds?
    private lazy var frames = FrameAllowance(gateway.limits.viewerFrames, now: SystemClock.monotonicMicroseconds())

    init(_ connection: WebConnection, gateway: Gateway, token: PresentedToken, limit: RecorderLimit) {
        self.limit = limit
        super.init(connection, gateway: gateway, token: token)
    }

    override var permission: Permission { .readPositions }
    // The protocol has no greeting.
    override var greeting: String { "" }

    override func admit(_ credential: Credential, _ login: Login) {
        gateway.recorder.add(self)
        welcome(login)
        if owesEcho { tellLast() }
    }

    override func closed() {
        super.closed()
        gateway.recorder.remove(self)
    }

    override func received(_ message: Span<UInt8>) {
        guard frames.take(gateway.limits.viewerFrames, now: SystemClock.monotonicMicroseconds()) == .taken else {
            gateway.limits.count(.viewer)
            return connection.close(code: 4429, reason: "more than \(gateway.limits.viewerFrames.perSecond) frames/s")
        }
        let last: StaticString = "LAST"
        guard message.count == last.utf8CodeUnitCount,
            last.withUTF8Buffer({ word in word.indices.allSatisfy { word[$0] == message[$0] } })
        else { return }
        owesEcho = true
        if credential != nil { tellLast() }
    }

    override func writable() {
        drain()
    }

    /// What is new: of everybody.
    func hear(_ news: [DriverIndex]) {
        for driver in news where limit.allows(gateway.pipeline.drivers.id(of: driver)) { pending.insert(driver) }
        drain()
        let now = SystemClock.monotonicMicroseconds()
        guard connection.isBackedUp else { return blockedSince = nil }
        let since = blockedSince ?? now
        blockedSince = since
        if now - since > Int64(gateway.configuration.liveSlowViewerSeconds) * 1_000_000 {
            connection.close(code: 4408, reason: "reading too slowly")
        }
    }

    private func tellLast() {
        let found = later { (session: RecorderSocket, drivers: [DriverIndex]) in
            session.pending.formUnion(drivers)
            session.isLooking = false
            session.drain()
        }
        isLooking = true
        limit.drivers(gateway, then: found)
    }

    /// Tells what is pending, as much as the socket takes.
    private func drain() {
        guard !isAsking, let credential, connection.isOpen, !connection.isBackedUp else { return }
        let drivers = Array(pending.prefix(Self.page))
        guard !drivers.isEmpty else {
            guard owesEcho, !isLooking else { return }
            owesEcho = false
            return connection.sendQueued(text: Array("LAST".utf8))
        }
        isAsking = true
        let answered = later { (session: RecorderSocket, visible: [DriverIndex]?) in
            session.isAsking = false
            // Where nobody can be asked, they wait for the next look.
            guard let visible, session.tell(visible) else { return }
            session.pending.subtract(drivers)
            session.drain()
        }
        VisibleDrivers(gateway: gateway).among(drivers, for: credential, then: answered)
    }

    /// False where the socket has no room: nothing was told then.
    private func tell(_ drivers: [DriverIndex]) -> Bool {
        guard let credential else { return false }
        let pipeline = gateway.pipeline
        var bytes: [UInt8] = []
        var writer = JSONWriter()
        for driver in drivers {
            guard let position = pipeline.fanout.position(of: driver) else { continue }
            writer.removeAll()
            let payload = WebSocketFrame.reserve(&writer.bytes)
            OwnTracksLocation(position.coarsened(to: credential.precisionMetres), of: pipeline.drivers.id(of: driver))
                .append(to: &writer, .recorder)
            let start = WebSocketFrame.close(&writer.bytes, payload: payload)
            bytes.append(contentsOf: writer.bytes[start...])
        }
        return bytes.isEmpty || connection.send(frames: bytes.span) == .taken
    }
}
