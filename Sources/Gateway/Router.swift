/// HTTP paths to handlers: one table, the permissions beside the paths.
import Tracking
import WebServer

/// Routes requests.
struct Router {
    unowned let gateway: Gateway

    /// What a path needs and does.
    private struct Route {
        let methods: [HTTPMethod]
        /// Nil: open to everybody.
        let permission: Permission?
        let handle: (WebRequest, Credential?, WebConnection) -> Void
    }

    /// Answers a request, now or later.
    func route(_ request: WebRequest, on connection: WebConnection) {
        let found = route(for: request)
        // What needs no credential is for everybody, as often as they like.
        if found == nil || found?.permission != nil {
            guard gateway.limits.admits(request, on: connection, isKnown: found != nil) else { return }
        }
        guard let route = found else {
            return connection.respond(Problem.response(404, "not_found", "there is nothing at \(request.path)"))
        }
        let isAllowed =
            route.methods.contains(request.method) || (request.method == .head && route.methods.contains(.get))
        guard isAllowed else {
            let allow = route.methods.map(\.rawValue).joined(separator: ", ")
            return connection.respond(
                Problem.response(405, "method_not_allowed", "allowed here: \(allow)", headers: [("Allow", allow)]))
        }
        guard let permission = route.permission else { return route.handle(request, nil, connection) }
        guard case .one(let token) = PresentedToken(request) else {
            return connection.respond(Problem.unauthenticated())
        }
        gateway.access.authenticate(token) { result in
            switch result {
            case .refused:
                gateway.limits.failed(request)
                connection.respond(Problem.unauthenticated())
            case .unavailable:
                connection.respond(
                    Problem.unavailable("this credential is not known here and Postgres is away; try again"))
            case .known(let credential):
                guard gateway.limits.admits(credential, request, on: connection) else { return }
                guard credential.permissions.contains(permission) else {
                    return connection.respond(Problem.forbidden(permission))
                }
                route.handle(request, credential, connection)
            }
        }
    }

    private func route(for request: WebRequest) -> Route? {
        let gateway = gateway
        switch request.path {
        case "/v1/pings":
            return Route(methods: [.post], permission: .writePings) { request, credential, connection in
                guard let credential else { return }
                PingsRoute(gateway: gateway).receive(request, from: credential, on: connection)
            }
        case "/v1/drivers":
            return Route(methods: [.get], permission: .readPositions) { request, _, connection in
                connection.respond(DriverRoutes(gateway: gateway).list(request))
            }
        case "/v1/ingest", "/v1/track":
            return Route(methods: [.get], permission: nil) { _, _, connection in
                connection.respond(
                    Problem.response(
                        426, "upgrade_required", "this is a WebSocket", headers: [("Upgrade", "websocket")]))
            }
        case "/healthz":
            return Route(methods: [.get], permission: nil) { _, _, connection in
                connection.respond(WebResponse(type: "application/json", body: Array("{\"status\":\"ok\"}".utf8)))
            }
        case "/readyz":
            return Route(methods: [.get], permission: nil) { _, _, connection in
                connection.respond(Readiness(gateway).response())
            }
        case "/metrics":
            let isTrusted = gateway.configuration.webMetricsFrom.split(separator: ",").contains {
                $0.filter { $0 != " " } == request.peer
            }
            return Route(methods: [.get], permission: isTrusted ? nil : .readMetrics) { _, _, connection in
                connection.respond(
                    WebResponse(type: "text/plain; version=0.0.4; charset=utf-8", body: Metrics(gateway).text()))
            }
        default:
            if let id = driverID(in: request.path, before: "/position") {
                return Route(methods: [.get], permission: .readPositions) { _, _, connection in
                    DriverRoutes(gateway: gateway).position(of: id, on: connection)
                }
            }
            guard let asset = gateway.assets.response(to: request) else { return nil }
            return Route(methods: [.get], permission: nil) { _, _, connection in connection.respond(asset) }
        }
    }

    /// The id in `/v1/drivers/{id}…`.
    private func driverID(in path: String, before suffix: String) -> DriverID? {
        let prefix = "/v1/drivers/"
        guard path.hasPrefix(prefix), path.hasSuffix(suffix), path.utf8.count > prefix.utf8.count + suffix.utf8.count
        else { return nil }
        return DriverID(String(path.dropFirst(prefix.count).dropLast(suffix.count)))
    }
}
