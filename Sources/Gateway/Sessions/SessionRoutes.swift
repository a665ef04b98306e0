/// `/v1/tracking-sessions`: a backend opens the live map to a customer or a dispatcher, and closes it.
import EventLoop
import Tracking
import WebServer

/// The routes.
struct SessionRoutes {
    private static let maximumPrecision = 100_000
    private static let maximumListed = 1_000

    private let call: SteeringCall

    init(_ call: RouteCall, _ credential: Credential) {
        self.call = SteeringCall(call, credential)
    }

    private var store: TrackingSessionStore { TrackingSessionStore(call.gateway) }

    /// POST: 201 with the token, which is shown this once.
    func create() {
        call.answer { () throws(RequestRefusal) in
            let configuration = call.gateway.configuration
            let body = try RequestBody(call.request)
            var subjects: [Subject] = []
            for name in try body.texts("subjects", 1...configuration.liveSubjectsPerSession) {
                guard let subject = configuration.system.words.subject(name) else {
                    throw .badSubject(
                        "\(name.prefix(100)) is no subject: driver:ID, order:ID, group:ID or "
                            + "area:minLat,minLng,maxLat,maxLng")
                }
                subjects.append(subject)
            }
            let longest = configuration.accessSessionMaximumTTLSeconds
            let seconds =
                try body.integer("ttl_s", in: 1...longest) ?? min(configuration.accessSessionTTLSeconds, longest)
            let precision = try body.integer("precision_m", in: 0...Self.maximumPrecision) ?? 0
            let customer = try body.text("customer_id", atMost: 200)
            call.within(subjects) { make(subjects, customer, precision, seconds) }
        }
    }

    private func make(_ subjects: [Subject], _ customer: String?, _ precision: Int, _ seconds: Int) {
        let id = Token.makeID()
        let token = Token.make(.session)
        guard let hash = Token.hash(token) else { return call.postgresIsAway() }
        // Whole milliseconds, as the copy in Redis and every reply have them.
        let expiresAt = (SystemClock.wallMicroseconds() / 1_000 + Int64(seconds) * 1_000) * 1_000
        store.create(
            id: id, hash: hash, subjects: subjects, customer: customer, precision: precision, expiresAt: expiresAt,
            by: call.origin
        ) { answer in
            call.value(answer) {
                let session = Credential(
                    session: id, subjects: subjects.map(\.name), expiresAt: expiresAt, precision: Int64(precision))
                if let session { call.gateway.access.copies.store(hash, session) }
                call.json(201, headers: [("Location", "/v1/tracking-sessions/\(id)")]) { writer in
                    writer.raw("{\"id\":\"\(id)\",\"token\":\"\(token)\",\"expires_at\":")
                    writer.string(Timestamp.string(expiresAt))
                    writer.raw(",\"map_url\":")
                    writer.string(mapURL(token))
                    writer.raw("}")
                }
            }
        }
    }

    /// The token stands in the fragment, which no browser sends to anybody.
    private func mapURL(_ token: String) -> String {
        "\(PublicAddress(call.gateway.configuration, call.request).text)/map#token=\(token)"
    }

    /// GET: sessions within the credential's scope and those it made itself, the newest first. A page may hold fewer than
    /// `limit`; `next` is there as long as there may be more.
    func list() {
        call.answer { () throws(RequestRefusal) in
            var filter = TrackingSessionStore.Filter()
            filter.after = call.request.query("after")
            filter.customer = call.request.query("customer_id")
            switch call.request.query("active") {
            case nil: break
            case "true": filter.isActive = true
            case "false": filter.isActive = false
            default: throw .badRequest("active is true or false")
            }
            if let text = call.request.query("limit") {
                guard let limit = Int(text), (1...Self.maximumListed).contains(limit) else {
                    throw .badRequest("limit is a number from 1 to \(Self.maximumListed)")
                }
                filter.limit = limit
            }
            store.list(filter) { answer in
                call.value(answer) { sessions in
                    let next = sessions.count == filter.limit ? sessions.last?.id : nil
                    visible(sessions) { visible in call.json { Self.append(visible, next: next, to: &$0) } }
                }
            }
        }
    }

    private static func append(_ sessions: [TrackingSession], next: String?, to writer: inout JSONWriter) {
        let now = SystemClock.wallMicroseconds()
        writer.raw("{\"sessions\":[")
        for (index, session) in sessions.enumerated() {
            if index > 0 { writer.raw(",") }
            session.append(to: &writer, now: now)
        }
        writer.raw("]")
        if let next {
            writer.raw(",\"next\":")
            writer.string(next)
        }
        writer.raw("}")
    }

    /// Those that the credential may know of, or 503.
    private func visible(_ sessions: [TrackingSession], then: @escaping ([TrackingSession]) -> Void) {
        let foreign = sessions.filter { $0.createdBy != call.credential.id }
        let subjects = Set(foreign.flatMap(\.subjects)).compactMap { Subject($0) }
        call.gateway.authorization.refused(subjects, for: call.credential) { refused in
            guard let refused else { return call.postgresIsAway() }
            let hidden = Set(refused.map(\.name))
            then(sessions.filter { $0.createdBy == call.credential.id || hidden.isDisjoint(with: $0.subjects) })
        }
    }

    /// The session that the path names, where the credential may know of it; else 404.
    private func session(then: @escaping (TrackingSession) -> Void) {
        let missing = Problem.response(404, "not_found", "there is no such tracking session")
        // A parameter of Postgres ends at a zero byte; no id has one, nor is one this long.
        guard call.parameters[0].utf8.count <= 64, !call.parameters[0].utf8.contains(0) else {
            return call.respond(missing)
        }
        store.find(call.parameters[0]) { answer in
            call.value(answer) { session in
                guard let session else { return call.respond(missing) }
                visible([session]) { visible in
                    if let session = visible.first { then(session) } else { call.respond(missing) }
                }
            }
        }
    }

    /// GET of one.
    func look() {
        session { session in call.json { session.append(to: &$0, now: SystemClock.wallMicroseconds()) } }
    }

    /// DELETE: 204, also where it was revoked before. Its sockets here are closed now, everywhere else by the bus.
    func revoke() {
        session { session in
            store.revoke(session.id, by: call.origin) { answer in
                call.value(answer) { hash in
                    if let hash { call.gateway.access.copies.remove(hash) }
                    call.gateway.revoke(session.id)
                    call.respond(WebResponse(status: 204))
                }
            }
        }
    }
}
