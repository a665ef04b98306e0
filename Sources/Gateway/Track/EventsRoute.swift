/// `GET /v1/track/events?subject=…`: the live pushes as Server-Sent Events, for clients that cannot have a WebSocket.
import Tracking
import WebServer

/// The route. What can be refused is refused as HTTP, before the stream begins.
struct EventsRoute {
    unowned let gateway: Gateway

    /// Opens a stream for a credential with `positions:read`. `Last-Event-ID`, or `cursor` in the address, resumes.
    func open(_ request: WebRequest, for credential: Credential, on connection: WebConnection) {
        let names = request.query.filter { $0.name == "subject" }.map(\.value)
        let subjects = names.compactMap { gateway.configuration.system.words.subject($0) }
        guard !names.isEmpty, subjects.count == names.count else {
            return connection.respond(
                Problem.response(
                    400, "bad_subject", "name at least one: ?subject=order:ID, driver:ID, group:ID or area:…"))
        }
        let rate = request.query("max_rate_hz").map { Double($0) }
        if let rate, rate.map({ $0.isFinite && $0 > 0 }) != true {
            return connection.respond(Problem.response(400, "bad_request", "max_rate_hz is a number above 0"))
        }
        guard gateway.isAccepting else { return connection.respond(Problem.unavailable("shutting down")) }
        let cursor = request.headers["last-event-id"] ?? request.query("cursor")
        gateway.authorization.refused(subjects, for: credential) { [gateway] refused in
            guard let refused else {
                return connection.respond(Problem.unavailable("Postgres cannot be asked who is meant; try again"))
            }
            guard refused.count < Set(subjects).count else {
                return connection.respond(
                    Problem.response(403, "forbidden", "none of these subjects is open to this credential"))
            }
            let session = TrackSocket(connection, gateway: gateway, token: .none)
            guard connection.openEventStream(session: session) else { return }
            session.take(credential, .handshake)
            session.subscribe(nil, names, cursor: cursor, rate: rate ?? nil)
        }
    }
}
