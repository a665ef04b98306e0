/// WebSocket paths to sessions: one table, as `Route.table` is for the rest.
import EventLoop
import WebServer

/// A path that WebSockets are at.
struct SocketPath: Sendable {
    /// The subprotocol spoken there; nil where none is.
    let subprotocol: String?
    /// Makes the session of a handshake that is accepted.
    fileprivate let open: @Sendable (WebRequest, WebConnection, Gateway) -> CredentialSession

    /// Every one of them. `asyncapi.yaml` describes each.
    static let table = [
        "/v1/ingest": SocketPath(subprotocol: "drover.ingest.v1") { request, connection, gateway in
            let session = IngestSocket(connection, gateway: gateway, token: PresentedToken(request))
            session.app = DriverSessions.app(request)
            return session
        },
        "/v1/track": SocketPath(subprotocol: "drover.v1") { request, connection, gateway in
            TrackSocket(connection, gateway: gateway, token: PresentedToken(request))
        },
        "/ws/last": SocketPath(subprotocol: nil) { request, connection, gateway in
            RecorderSocket(
                connection, gateway: gateway, token: PresentedToken(request), limit: RecorderLimit(request))
        },
    ]

    /// Whether a handshake becomes a WebSocket. Its credential is looked at once it is one, since a browser cannot see an
    /// HTTP status.
    static func decide(_ request: WebRequest, on connection: WebConnection, of gateway: Gateway) -> UpgradeDecision {
        guard let path = table[request.path] else {
            let paths = table.keys.sorted().joined(separator: ", ")
            return .refuse(Problem.response(404, "not_found", "WebSockets are at \(paths)"))
        }
        let offered = request.subprotocols
        if let subprotocol = path.subprotocol, !offered.isEmpty, !offered.contains(subprotocol) {
            return .refuse(Problem.response(400, "bad_request", "the subprotocol here is \(subprotocol)"))
        }
        if let refusal = gateway.limits.refusal(ofHandshake: request) { return .refuse(refusal) }
        let session = path.open(request, connection, gateway)
        session.client = NetworkAddress(request.peer)
        return .accept(session)
    }
}
