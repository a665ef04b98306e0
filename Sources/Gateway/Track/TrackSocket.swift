/// A viewer on `GET /v1/track` (subprotocol drover.v1): logs in, subscribes, is told.
import EventLoop
import Tracking
import WebServer

/// One such WebSocket.
final class TrackSocket: CredentialSession {
    /// Positions in one frame of a snapshot; longer ones go on with `"more":true`.
    private static let snapshotPage = 500
    /// Frames of at most 16 KiB that may wait behind one.
    private static let maximumWaiting = 64

    private(set) var viewer: ViewerIndex?
    /// Whether a frame waits for a store, and what came behind it.
    private var isBusy = false
    private var waiting: [ClientFrame] = []
    private lazy var frames = FrameAllowance(gateway.limits.viewerFrames, now: SystemClock.monotonicMicroseconds())

    // MARK: Logging in

    override var permission: Permission { .readPositions }

    override var greeting: String {
        "{\"hello\":{\"now\":\(SystemClock.wallMicroseconds() / 1_000),"
            + "\"heartbeat_s\":\(gateway.configuration.webHeartbeatSeconds),\"expires_at\":null}}"
    }

    override func admit(_ credential: Credential, _ login: Login) {
        if viewer == nil { viewer = gateway.pipeline.fanout.openViewer(handle: connection.number) }
        welcome(login)
        takeNext()
    }

    override func closed() {
        super.closed()
        if let viewer { gateway.pipeline.fanout.closeViewer(viewer) }
        viewer = nil
    }

    // MARK: Frames

    override func writable() {
        if let viewer { gateway.tellMissed(viewer) }
    }

    /// A frame has come. Frames are answered in their order, also where one has to wait for a store.
    override func received(_ message: Span<UInt8>) {
        let allowed = frames.take(gateway.limits.viewerFrames, now: SystemClock.monotonicMicroseconds())
        guard allowed == .taken else { return refuse(message, isFlooding: allowed == .flooding) }
        guard let frame = ClientFrame(message) else {
            return error(nil, "bad_request", "a frame is a JSON object")
        }
        guard isBusy || isLoggingIn else { return take(frame) }
        guard waiting.count < Self.maximumWaiting else {
            return connection.close(code: 4429, reason: "too many frames before the first was answered")
        }
        waiting.append(frame)
    }

    /// A frame beyond `limits.viewer_frames_per_s`.
    private func refuse(_ message: Span<UInt8>, isFlooding: Bool) {
        gateway.limits.count(.viewer)
        let rate = gateway.limits.viewerFrames.perSecond
        if isFlooding { return connection.close(code: 4429, reason: "more than \(rate) frames/s") }
        let id = ClientFrame(message)?.id
        error(id, "rate", "more than \(rate) frames/s; send it again later", retry: true)
    }

    /// The frame that had to wait is answered: goes on with what came behind it.
    private func takeNext() {
        isBusy = false
        while !isBusy, !isLoggingIn, !waiting.isEmpty, connection.isOpen { take(waiting.removeFirst()) }
    }

    private func take(_ frame: ClientFrame) {
        guard let id = frame.id else {
            return error(nil, "bad_request", "a frame carries an \"id\" number, which its answer repeats")
        }
        if let token = frame.token {
            logIn(token, .frame(id: id))
        } else if viewer == nil {
            error(id, "unauthenticated", "log in first: {\"id\":1,\"token\":\"…\"}")
        } else if let subjects = frame.subscribe {
            subscribe(id, subjects, rate: frame.maximumRate)
        } else if let subjects = frame.unsubscribe {
            unsubscribe(id, subjects)
        } else {
            error(id, "bad_request", "expected token, subscribe or unsubscribe")
        }
    }

    private func subscribe(_ id: Int64, _ names: [String], rate: Double?) {
        guard let viewer else { return }
        let limit = gateway.configuration.liveSubjectsPerKey
        guard gateway.pipeline.fanout.watchCount(of: viewer) + names.count <= limit else {
            return error(id, "limit", "at most \(limit) subjects on one connection")
        }
        var drivers: [DriverID] = []
        var refused: [String] = []
        for name in names {
            if case .driver(let driver) = Subject(name) { drivers.append(driver) } else { refused.append(name) }
        }
        if drivers.isEmpty, !refused.isEmpty {
            return error(id, "forbidden", "none of these subjects is open to you; a subject is driver:ID here")
        }
        isBusy = true
        let loaded = later { (session: TrackSocket, _: Void) in
            session.watch(drivers, answering: id, refused, rate: rate)
            session.takeNext()
        }
        gateway.directory.load(drivers) { loaded(()) }
    }

    private func watch(_ drivers: [DriverID], answering id: Int64, _ refused: [String], rate: Double?) {
        guard let viewer else { return }
        let pipeline = gateway.pipeline
        if let rate { pipeline.fanout.setRate(rate, of: viewer) }
        let indices = drivers.compactMap { pipeline.drivers.index(of: $0) }
        for driver in indices { _ = pipeline.fanout.watch(driver, by: viewer) }
        snapshot(id, indices, refused)
        gateway.flushSoon()
    }

    /// Answers a subscription with the newest positions, in pages.
    private func snapshot(_ id: Int64, _ drivers: [DriverIndex], _ refused: [String]) {
        var start = 0
        repeat {
            let end = min(start + Self.snapshotPage, drivers.count)
            var writer = JSONWriter()
            writer.raw("{\"id\":\(id),\"subscribed\":{")
            for (offset, driver) in drivers[start..<end].enumerated() {
                writer.raw(offset == 0 ? "\"driver:" : ",\"driver:")
                writer.raw(gateway.pipeline.drivers.id(of: driver).string)
                writer.raw("\":{\"recovered\":false,\"positions\":[")
                _ = gateway.pipeline.fanout.appendPosition(of: driver, gateway.pipeline.drivers, to: &writer)
                writer.raw("]}")
            }
            writer.raw("},\"refused\":{")
            for (offset, name) in refused.enumerated() where start == 0 {
                if offset > 0 { writer.raw(",") }
                writer.string(name)
                writer.raw(":\"bad_subject\"")
            }
            writer.raw("},\"now\":")
            writer.integer(SystemClock.wallMicroseconds() / 1_000)
            writer.raw(",\"cursor\":\"")
            gateway.pipeline.fanout.appendCursor(to: &writer)
            writer.raw(end < drivers.count ? "\",\"more\":true}" : "\"}")
            connection.sendQueued(text: writer.bytes)
            start = end
        } while start < drivers.count
    }

    private func unsubscribe(_ id: Int64, _ names: [String]) {
        guard let viewer else { return }
        var writer = JSONWriter()
        writer.raw("{\"id\":\(id),\"unsubscribed\":[")
        var isFirst = true
        for name in names {
            guard case .driver(let driverID) = Subject(name),
                let driver = gateway.pipeline.drivers.index(of: driverID),
                gateway.pipeline.fanout.unwatch(driver, by: viewer)
            else { continue }
            if !isFirst { writer.raw(",") }
            writer.string(name)
            isFirst = false
        }
        writer.raw("]}")
        connection.sendQueued(text: writer.bytes)
    }

    private func error(_ id: Int64?, _ code: String, _ message: String, retry: Bool = false) {
        var writer = JSONWriter()
        writer.raw("{")
        if let id { writer.raw("\"id\":\(id),") }
        writer.raw("\"error\":{\"code\":\"\(code)\",\"message\":")
        writer.string(message)
        writer.raw(",\"retry\":\(retry)}}")
        connection.sendQueued(text: writer.bytes)
    }
}
