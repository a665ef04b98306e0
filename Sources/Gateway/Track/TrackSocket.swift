/// A viewer on `GET /v1/track` (subprotocol drover.v1) or `/v1/track/events`: logs in, subscribes, is told.
import EventLoop
import Tracking
import WebServer

/// One such viewer. Over an event stream the same frames go out as events, and none come in.
final class TrackSocket: CredentialSession {
    /// The most positions that one answer tells again, some 2 MB: it goes out at once, and whoever could not take it would
    /// come back with the same cursor for ever. Beyond it a snapshot is shown, page by page.
    private static let maximumReplay = 10_000
    /// Frames of at most 16 KiB that may wait behind one.
    private static let maximumWaiting = 64

    private(set) var viewer: ViewerIndex?
    /// Whether a frame waits for a store or for room to be answered, and what came behind it.
    private var isBusy = false
    private var waiting: [ClientFrame] = []
    private lazy var frames = FrameAllowance(gateway.limits.viewerFrames, now: SystemClock.monotonicMicroseconds())
    /// The part of an answer that waits for room on the socket.
    private var unsent: SubscriptionAnswer?
    /// Orders of that answer: when they arrive is told behind it.
    private var greeted: [DriverID] = []
    /// Orders whose end the viewer has heard of: where they go out of its sight for that reason, it is not told again.
    var toldEnded: Set<Subject> = []

    // MARK: Logging in

    override var permission: Permission { .readPositions }

    override var greeting: String {
        "{\"hello\":{\"now\":\(SystemClock.wallMicroseconds() / 1_000),"
            + "\"heartbeat_s\":\(gateway.configuration.webHeartbeatSeconds),\(terms)}}"
    }

    override func admit(_ credential: Credential, _ login: Login) {
        if let viewer {
            gateway.pipeline.fanout.setPrecision(credential.precisionMetres, of: viewer)
            reauthorize()
        } else {
            viewer = gateway.pipeline.fanout.openViewer(
                handle: connection.number, precision: credential.precisionMetres)
        }
        welcome(login)
        takeNext()
    }

    override func closed() {
        super.closed()
        leave()
    }

    /// Watches nothing any more: the connection is closed, or the process ends and waits for no peer's goodbye.
    func leave() {
        if let viewer {
            note(.ended, subjects(of: viewer))
            gateway.pipeline.fanout.closeViewer(viewer, now: SystemClock.wallMicroseconds())
        }
        viewer = nil
    }

    override func expiring(inSeconds seconds: Int64) {
        connection.sendQueued(text: Array("{\"expiring\":{\"in_s\":\(seconds)}}".utf8))
    }

    override func expired() {
        if let viewer { tellEnded(subjects(of: viewer)) }
    }

    override func credentialChanged(from old: Credential) {
        guard let viewer, let credential else { return }
        gateway.pipeline.fanout.setPrecision(credential.precisionMetres, of: viewer)
        reauthorize()
        if old.scope != credential.scope || old.expiresAt != credential.expiresAt {
            connection.sendQueued(text: Array("{\"terms\":{\(terms)}}".utf8))
        }
    }

    // MARK: Frames

    override func writable() {
        if unsent != nil { answerFurther() }
        if let viewer, unsent == nil { gateway.tellMissed(viewer) }
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
            subscribe(id, subjects, cursor: frame.cursor, rate: frame.maximumRate)
        } else if let subjects = frame.unsubscribe {
            unsubscribe(id, subjects)
        } else {
            error(id, "bad_request", "expected token, subscribe or unsubscribe")
        }
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

    // MARK: Subscribing

    /// How many subjects this viewer may watch.
    private var subjectLimit: Int {
        credential?.party == .viewer
            ? gateway.configuration.liveSubjectsPerSession : gateway.configuration.liveSubjectsPerKey
    }

    /// Watches subjects and answers with a snapshot or, from a cursor on, with what was missed. `id` is nil on an event
    /// stream, where nobody asked.
    func subscribe(_ id: Int64?, _ names: [String], cursor: String?, rate: Double?) {
        guard viewer != nil, let credential else { return }
        var wanted: [Subject] = []
        var refused: [(name: String, code: String)] = []
        // A name twice is one subject, and one member of the answer.
        var named: Set<String> = []
        // Answered under the name that was asked by, which may be the platform's.
        var asked: [Subject: String] = [:]
        for name in names where named.insert(name).inserted {
            guard let subject = gateway.configuration.system.words.subject(name) else {
                refused.append((name, "bad_subject"))
                continue
            }
            if asked.updateValue(name, forKey: subject) == nil { wanted.append(subject) }
        }
        guard hasRoom(for: wanted) else {
            return error(id, "limit", "at most \(subjectLimit) subjects on one connection")
        }
        isBusy = true
        let request = SubscriptionRequest(
            id: id, cursor: cursor.flatMap { Cursor($0) }, rate: rate, asked: asked, credential: credential)
        authorize(wanted, refused, request)
    }

    private func authorize(
        _ wanted: [Subject], _ refused: [(name: String, code: String)], _ request: SubscriptionRequest
    ) {
        let refusedBefore = refused
        let authorized = later { (session: TrackSocket, forbidden: Set<Subject>?) in
            guard let forbidden else { return session.cannotAnswer(request.id) }
            let refused =
                refusedBefore + wanted.filter(forbidden.contains).map { (request.asked[$0] ?? $0.name, "forbidden") }
            session.load(wanted.filter { !forbidden.contains($0) }, refused, request)
        }
        gateway.authorization.refused(wanted, for: request.credential, then: authorized)
    }

    /// Whether the viewer may watch these too; what it watches already is not counted again.
    private func hasRoom(for wanted: [Subject]) -> Bool {
        guard let viewer else { return false }
        let count = gateway.pipeline.fanout.subjectCount(of: viewer)
        if count + wanted.count <= subjectLimit { return true }
        return count + Set(wanted).subtracting(subjects(of: viewer)).count <= subjectLimit
    }

    private func cannotAnswer(_ id: Int64?) {
        error(id, "unavailable", "Postgres cannot be asked who is meant; try again", retry: true)
        takeNext()
    }

    /// Brings the drivers, and who carries the orders and belongs to the groups, into this process.
    private func load(
        _ subjects: [Subject], _ refused: [(name: String, code: String)], _ request: SubscriptionRequest
    ) {
        if subjects.isEmpty, !refused.isEmpty {
            error(request.id, "forbidden", "none of these subjects is open to you")
            return takeNext()
        }
        let drivers = subjects.compactMap { if case .driver(let id) = $0 { id } else { nil } }
        let current = later { (session: TrackSocket, _: Void) in session.watch(subjects, refused, request) }
        let opened = later { (session: TrackSocket, isOpen: Bool) in
            guard isOpen else { return session.cannotAnswer(request.id) }
            let pipeline = session.gateway.pipeline
            let members = subjects.flatMap { pipeline.fanout.topic($0).map { pipeline.fanout.members(of: $0) } ?? [] }
            session.gateway.directory.refresh(members.map { pipeline.drivers.id(of: $0) }) { current(()) }
        }
        // The orders and groups last: what nobody watches yet is let go of after a while.
        let loaded = later { (session: TrackSocket, _: Void) in session.gateway.memberships.load(subjects, then: opened)
        }
        let boxes = subjects.compactMap { if case .area(let area) = $0 { area.box } else { nil } }
        gateway.areaCells.bring(boxes) { [gateway] in gateway.directory.refresh(drivers) { loaded(()) } }
    }

    private func watch(
        _ subjects: [Subject], _ refused: [(name: String, code: String)], _ request: SubscriptionRequest
    ) {
        guard let viewer, let credential else { return }
        // What permitted it has changed while the stores were asked.
        if credential !== request.credential {
            var again = request
            again.credential = credential
            return authorize(subjects, refused, again)
        }
        let pipeline = gateway.pipeline
        if let rate = request.rate { pipeline.fanout.setRate(rate, of: viewer) }
        let now = SystemClock.wallMicroseconds()
        var parts: [SubscriptionAnswer.Part] = []
        var room = Self.maximumReplay
        for subject in subjects {
            let name = request.asked[subject] ?? subject.name
            switch subject {
            case .driver(let id):
                guard let driver = pipeline.drivers.index(of: id) else { continue }
                if pipeline.fanout.watch(driver, by: viewer) { note(.started, [subject]) }
                let replays = replays([driver], nil, request.cursor, &room)
                parts.append(SubscriptionAnswer.Part(name, nil, [driver], replays: replays))
            case .order, .group, .area:
                let topic = pipeline.fanout.openTopic(subject, now: now)
                if pipeline.fanout.subscribe(viewer, to: topic) { note(.started, [subject]) }
                let members = pipeline.fanout.members(of: topic)
                let replays = replays(members, topic, request.cursor, &room)
                parts.append(SubscriptionAnswer.Part(name, topic, members, replays: replays))
            }
        }
        greeted = subjects.compactMap { if case .order(let order) = $0 { order } else { nil } }
        unsent = SubscriptionAnswer(id: request.id, parts: parts, refused: refused)
        gateway.areaCells.look()
        answerFurther()
        gateway.flushSoon()
    }

    /// Each driver's missed positions; nil where any of them, or a departure from the topic, cannot be told again. `room`
    /// is how many positions the answer still takes.
    private func replays(
        _ drivers: [DriverIndex], _ topic: TopicIndex?, _ cursor: Cursor?, _ room: inout Int
    ) -> [[Position]]? {
        let fanout = gateway.pipeline.fanout
        guard let cursor, topic.map({ fanout.canResume($0, from: cursor) }) ?? true else { return nil }
        var replays: [[Position]] = []
        var left = room
        for driver in drivers {
            guard let replay = fanout.replay(driver, of: topic, from: cursor), replay.count <= left else { return nil }
            left -= replay.count
            replays.append(replay)
        }
        room = left
        return replays
    }

    /// Sends as much of the answer as the socket takes; goes on with the next frame once all of it is out.
    private func answerFurther() {
        guard let viewer, let answer = unsent else { return }
        let pipeline = gateway.pipeline
        repeat {
            connection.sendQueued(text: answer.nextFrame(for: viewer, pipeline.fanout, pipeline.drivers))
        } while !answer.isComplete && connection.isOpen && (answer.isReplay || !connection.isBackedUp)
        unsent = answer.isComplete ? nil : answer
        guard unsent == nil else { return }
        if !greeted.isEmpty { gateway.orders.pushes.greet(self, greeted) }
        greeted = []
        takeNext()
    }

    // MARK: Letting go

    private func unsubscribe(_ id: Int64, _ names: [String]) {
        var writer = JSONWriter()
        writer.raw("{\"id\":\(id),\"unsubscribed\":[")
        var isFirst = true
        for name in names {
            guard let subject = gateway.configuration.system.words.subject(name), unwatch(subject) else { continue }
            note(.ended, [subject])
            if !isFirst { writer.raw(",") }
            writer.string(name)
            isFirst = false
        }
        writer.raw("]}")
        connection.sendQueued(text: writer.bytes)
    }

    private func unwatch(_ subject: Subject) -> Bool {
        guard let viewer else { return false }
        let pipeline = gateway.pipeline
        let now = SystemClock.wallMicroseconds()
        if case .driver(let id) = subject {
            guard let driver = pipeline.drivers.index(of: id) else { return false }
            return pipeline.fanout.unwatch(driver, by: viewer, now: now)
        }
        guard let topic = pipeline.fanout.topic(subject) else { return false }
        return pipeline.fanout.unsubscribe(viewer, from: topic, now: now)
    }

    private func subjects(of viewer: ViewerIndex) -> [Subject] {
        let pipeline = gateway.pipeline
        return pipeline.fanout.topics(of: viewer)
            + pipeline.fanout.driversNamed(by: viewer).map { .driver(pipeline.drivers.id(of: $0)) }
    }

    /// The credential, or who belongs to what it is limited to, has changed: what it does not permit any more ends.
    func reauthorize() {
        guard let viewer, let credential, credential.scope != nil else { return }
        let subjects = subjects(of: viewer)
        let authorized = later { (session: TrackSocket, forbidden: Set<Subject>?) in
            // Where nobody can be asked, the next look does it.
            let ended = subjects.filter { forbidden?.contains($0) == true && session.unwatch($0) }
            session.note(.ended, ended)
            session.tellEnded(ended)
        }
        gateway.authorization.refused(subjects, for: credential, then: authorized)
    }

    /// What others published may have been missed: cursors of before are void, and the newest of each driver follows.
    func tellInterrupted() {
        guard let viewer else { return }
        var writer = JSONWriter()
        writer.raw("{\"now\":\(SystemClock.wallMicroseconds() / 1_000),\"recovered\":false,\"subjects\":[")
        for (offset, subject) in subjects(of: viewer).enumerated() {
            if offset > 0 { writer.raw(",") }
            writer.string(subject.name)
        }
        writer.raw("]}")
        connection.sendQueued(text: writer.bytes)
    }

    /// For the platform's own trail of who watched whom.
    private func note(_ action: Watching.Action, _ subjects: [Subject]) {
        guard let watching = gateway.watching, let credential, credential.userID != nil else { return }
        let pipeline = gateway.pipeline
        for subject in subjects {
            let topic = pipeline.fanout.topic(subject)
            var drivers = (topic.map { pipeline.fanout.members(of: $0) } ?? []).map { pipeline.drivers.id(of: $0) }
            if case .driver(let id) = subject { drivers = [id] }
            watching.note(action, subject, by: credential, drivers)
        }
    }

    private func tellEnded(_ ended: [Subject]) {
        let subjects = ended.filter { toldEnded.remove($0) == nil }
        guard !subjects.isEmpty else { return }
        let at = SystemClock.wallMicroseconds() / 1_000
        var writer = JSONWriter()
        writer.raw("{\"events\":[")
        for (offset, subject) in subjects.enumerated() {
            writer.raw(offset == 0 ? "{\"type\":\"ended\",\"subject\":" : ",{\"type\":\"ended\",\"subject\":")
            writer.string(subject.name)
            writer.raw(",\"at\":\(at)}")
        }
        writer.raw("]}")
        connection.sendQueued(text: writer.bytes)
    }
}

/// What a viewer asks for beside the subjects.
private struct SubscriptionRequest {
    let id: Int64?
    let cursor: Cursor?
    let rate: Double?
    /// The names that the subjects were asked by.
    let asked: [Subject: String]
    /// What the subjects were, or are being, authorized with.
    var credential: Credential
}
