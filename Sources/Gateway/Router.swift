/// HTTP paths to handlers: one table, the permissions beside the paths.
import Tracking
import WebServer

/// A request that has found its route.
struct RouteCall {
    let gateway: Gateway
    let request: WebRequest
    let connection: WebConnection
    /// What stands in the path where the pattern has a name in braces, in order.
    var parameters: [String] = []

    /// Answers, now or later.
    func respond(_ response: WebResponse) {
        connection.respond(response)
    }
}

/// What a method on a path needs and does.
struct Route: Sendable {
    let method: HTTPMethod
    /// With names in braces for parts that vary.
    let path: String
    /// Nil: open to everybody.
    let permission: Permission?
    /// Phone apps call it, which know no 429.
    var isOfPhones = false
    /// Whom it is open to all the same.
    fileprivate let isOpen: @Sendable (RouteCall) -> Bool
    fileprivate let handle: @Sendable (RouteCall, Credential?) -> Void

    /// A route that is open to everybody.
    init(_ method: HTTPMethod, _ path: String, handle: @escaping @Sendable (RouteCall) -> Void) {
        (self.method, self.path, permission) = (method, path, nil)
        isOpen = { _ in true }
        self.handle = { call, _ in handle(call) }
    }

    /// A route that needs a permission.
    init(
        _ method: HTTPMethod, _ path: String, _ permission: Permission,
        handle: @escaping @Sendable (RouteCall, Credential) -> Void
    ) {
        (self.method, self.path, self.permission) = (method, path, permission)
        isOpen = { _ in false }
        self.handle = { call, credential in if let credential { handle(call, credential) } }
    }

    /// A route that needs a permission, save for those whom `isOpen` lets in.
    init(
        _ method: HTTPMethod, _ path: String, _ permission: Permission,
        unless isOpen: @escaping @Sendable (RouteCall) -> Bool, handle: @escaping @Sendable (RouteCall) -> Void
    ) {
        (self.method, self.path, self.permission, self.isOpen) = (method, path, permission, isOpen)
        self.handle = { call, _ in handle(call) }
    }
}

extension Route {
    /// Every path of the API; the pages' are in `Assets`. HEAD is answered as GET is. `openapi.yaml` describes each.
    static let table = [
        // In.
        Route(.post, "/v1/pings", .writePings) { call, credential in
            PingsRoute(gateway: call.gateway).receive(call.request, from: credential, on: call.connection)
        },
        Route(.post, "/v1/webhooks/{name}", .writePings) { WebhookRoute($0, $1).receive() },
        Route(.get, "/v1/ingest") { $0.respond(Problem.upgradeRequired()) },
        .phone(.post, "/locations") { LocationsRoute($0).receive() },
        .phone(.put, "/locations") { LocationsRoute($0).receive() },

        // In, of phone apps.
        .phone(.post, "/overland") { OverlandRoute(phone: $0).receive() },
        .phone(.get, "/overland") { OverlandRoute(phone: $0).greet() },
        .phone(.post, "/api/v1/overland/batches") { OverlandRoute(phone: $0).receive() },
        .phone(.get, "/api/v1/overland/batches") { OverlandRoute(phone: $0).greet() },
        .phone(.get, "/osmand") { OsmAndRoute(phone: $0).receive() },
        .phone(.post, "/osmand") { OsmAndRoute(phone: $0).receive() },
        .phone(.get, "/gpslogger") { GPSLoggerRoute(phone: $0).receive() },
        .phone(.post, "/gpslogger") { GPSLoggerRoute(phone: $0).receive() },
        .phone(.post, "/pub") { OwnTracksRoute($0).receive() },
        .phone(.post, "/owntracks") { OwnTracksRoute($0).receive() },
        .phone(.post, "/api/v1/owntracks/points") { OwnTracksRoute($0).receive() },

        // Out.
        Route(.get, "/v1/track") { $0.respond(Problem.upgradeRequired()) },
        Route(.get, "/v1/track/events", .readPositions) { call, credential in
            EventsRoute(gateway: call.gateway).open(call.request, for: credential, on: call.connection)
        },
        Route(.get, "/v1/drivers", .readPositions) { call, credential in
            DriverRoutes(gateway: call.gateway).list(call.request, for: credential, on: call.connection)
        },
        Route(.get, "/v1/groups", .readPositions) { GroupsRoute($0, $1).list() },
        Route(.get, "/v1/drivers/{id}/position", .readPositions) { call, credential in
            guard let id = DriverID(call.parameters[0]) else { return call.respond(Problem.nothing(at: call.request)) }
            DriverRoutes(gateway: call.gateway).position(
                of: id, call.request, for: credential, on: call.connection)
        },
        Route(.get, "/v1/orders/{id}/arrival", .readPositions) { OrderRoutes($0, $1).arrival() },
        Route(.get, "/v1/drivers/{id}/history", .readHistory) { HistoryRoute($0, $1).answer() },
        Route(.get, "/v1/drivers/{id}/trips", .readHistory) { TripsRoute($0, $1).answer() },
        Route(.get, "/api/0/version", .readPositions) { RecorderRoutes($0, $1).tellVersion() },
        Route(.get, "/api/0/list", .readPositions) { RecorderRoutes($0, $1).list() },
        Route(.get, "/api/0/last", .readPositions) { RecorderRoutes($0, $1).last() },
        Route(.get, "/api/0/locations", .readHistory) { RecorderLocationsRoute($0, $1).answer() },
        Route(.get, "/ws/last") { $0.respond(Problem.upgradeRequired()) },
        Route(.get, "/fleet.geojson", .readPositions) { FleetFeed($0, $1).answer() },
        Route(.get, "/gtfs-rt/vehicle-positions.pb", .readPositions) { VehiclePositionsFeed($0, $1).answer() },
        Route(.get, "/mds/vehicles/status", .readPositions) { VehicleStatusFeed($0, $1).list() },
        Route(.get, "/mds/vehicles/status/{device_id}", .readPositions) { VehicleStatusFeed($0, $1).look() },

        // Steering: sessions, assignments, drivers' states, devices.
        Route(.post, "/v1/tracking-sessions", .writeSessions) { SessionRoutes($0, $1).create() },
        Route(.get, "/v1/tracking-sessions", .writeSessions) { SessionRoutes($0, $1).list() },
        Route(.get, "/v1/tracking-sessions/{id}", .writeSessions) { SessionRoutes($0, $1).look() },
        Route(.delete, "/v1/tracking-sessions/{id}", .writeSessions) { SessionRoutes($0, $1).revoke() },
        Route(.get, "/v1/orders/{id}/drivers", .writeAssignments) { AssignmentRoutes($0, $1, Subject.order).list() },
        Route(.put, "/v1/orders/{id}/drivers", .writeAssignments) { AssignmentRoutes($0, $1, Subject.order).replace() },
        Route(.put, "/v1/orders/{id}/drivers/{driver}", .writeAssignments) {
            AssignmentRoutes($0, $1, Subject.order).add()
        },
        Route(.delete, "/v1/orders/{id}/drivers/{driver}", .writeAssignments) {
            AssignmentRoutes($0, $1, Subject.order).remove()
        },
        Route(.get, "/v1/orders/{id}", .writeAssignments) { OrderRoutes($0, $1).look() },
        Route(.put, "/v1/orders/{id}", .writeAssignments) { OrderRoutes($0, $1).change() },
        Route(.get, "/v1/groups/{id}/drivers", .writeAssignments) { AssignmentRoutes($0, $1, Subject.group).list() },
        Route(.put, "/v1/groups/{id}/drivers", .writeAssignments) { AssignmentRoutes($0, $1, Subject.group).replace() },
        Route(.put, "/v1/groups/{id}/drivers/{driver}", .writeAssignments) {
            AssignmentRoutes($0, $1, Subject.group).add()
        },
        Route(.delete, "/v1/groups/{id}/drivers/{driver}", .writeAssignments) {
            AssignmentRoutes($0, $1, Subject.group).remove()
        },
        Route(.get, "/v1/drivers/{id}", .writeAssignments) { DriverStateRoutes($0, $1).look() },
        Route(.put, "/v1/drivers/{id}", .writeAssignments) { DriverStateRoutes($0, $1).change() },
        Route(.get, "/v1/drivers/{id}/devices", .writeDevices) { DeviceRoutes($0, $1).list() },
        Route(.post, "/v1/drivers/{id}/devices", .writeDevices) { DeviceRoutes($0, $1).create() },
        Route(.delete, "/v1/drivers/{id}/devices/{device}", .writeDevices) { DeviceRoutes($0, $1).revoke() },
        Route(.get, "/v1/enrolment", .writePings) { EnrolmentRoute($0, $1).answer() },

        // Erasing.
        Route(.delete, "/v1/drivers/{id}/telemetry", .eraseTelemetry) { ErasureRoutes($0, $1).erase() },
        Route(.delete, "/v1/customers/{id}/tracking", .eraseTelemetry) { CustomerErasureRoute($0, $1).erase() },
        Route(.get, "/v1/erasures/{id}", .eraseTelemetry) { ErasureRoutes($0, $1).look() },

        // For whoever runs the gateway.
        Route(.get, "/healthz") {
            $0.respond(WebResponse(type: "application/json", body: Array("{\"status\":\"ok\"}".utf8)))
        },
        Route(.get, "/readyz") { $0.tellReadiness() },
        Route(.get, "/metrics", .readMetrics, unless: \.comesFromMetricsAddress) { $0.tellMetrics() },
    ]
}

extension RouteCall {
    /// Whether the peer may read metrics without a credential.
    fileprivate var comesFromMetricsAddress: Bool {
        gateway.configuration.webMetricsFrom.split(separator: ",").contains { $0.filter { $0 != " " } == request.peer }
    }
}

/// Routes requests.
struct Router {
    unowned let gateway: Gateway

    /// The table by path, for paths that do not vary.
    private static let fixed = Dictionary(grouping: Route.table.filter { !$0.path.contains("{") }, by: \.path)
    /// The others, with the parts of their path.
    private static let patterns = Dictionary(grouping: Route.table.filter { $0.path.contains("{") }, by: \.path)
        .map { (parts: $0.key.split(separator: "/").map(String.init), routes: $0.value) }

    /// Answers a request, now or later.
    func route(_ request: WebRequest, on connection: WebConnection) {
        var call = RouteCall(gateway: gateway, request: request, connection: connection)
        guard let routes = Self.fixed[request.path] ?? Self.match(&call) else { return page(call) }
        if routes.contains(where: \.isOfPhones) {
            let connection = connection
            connection.onReply = { [weak connection] in connection?.respond(PhoneCall.translate($0)) }
        }
        // What needs no credential is for everybody, as often as they like.
        if routes.contains(where: { $0.permission != nil && !$0.isOpen(call) }) {
            guard gateway.limits.admits(request, on: connection, isKnown: true) else { return }
        }
        let method = request.method == .head ? .get : request.method
        guard let route = routes.first(where: { $0.method == method }) else {
            return refuse(call, allowing: routes.map(\.method))
        }
        guard let permission = route.permission, !route.isOpen(call) else { return route.handle(call, nil) }
        guard case .one(let token) = PresentedToken(request) else { return call.respond(Problem.unauthenticated()) }
        let matched = call
        gateway.access.authenticate(token) { result in
            switch result {
            case .refused:
                gateway.limits.failed(request)
                matched.respond(Problem.unauthenticated())
            case .unavailable:
                matched.respond(
                    Problem.unavailable("this credential is not known here and Postgres is away; try again"))
            case .known(let credential):
                guard gateway.limits.admits(credential, request, on: connection) else { return }
                guard credential.permissions.contains(permission) else {
                    return matched.respond(Problem.forbidden(permission))
                }
                route.handle(matched, credential)
            }
        }
    }

    /// The routes of the pattern that the path fits, with what stands in its braces.
    private static func match(_ call: inout RouteCall) -> [Route]? {
        guard call.request.path.hasPrefix("/v1/") || call.request.path.hasPrefix("/mds/") else { return nil }
        let parts = call.request.path.dropFirst().split(separator: "/", omittingEmptySubsequences: false)
        for pattern in patterns where pattern.parts.count == parts.count {
            let pairs = zip(pattern.parts, parts)
            guard pairs.allSatisfy({ $0.hasPrefix("{") ? !$1.isEmpty : $0 == $1 }) else { continue }
            call.parameters = pairs.filter { $0.0.hasPrefix("{") }.map { String($0.1) }
            return pattern.routes
        }
        return nil
    }

    private func page(_ call: RouteCall) {
        guard let asset = gateway.assets.response(to: call.request) else {
            guard gateway.limits.admits(call.request, on: call.connection, isKnown: false) else { return }
            return call.respond(Problem.nothing(at: call.request))
        }
        guard call.request.method == .get || call.request.method == .head else { return refuse(call, allowing: [.get]) }
        call.respond(asset)
    }

    private func refuse(_ call: RouteCall, allowing methods: [HTTPMethod]) {
        let allow = methods.map(\.rawValue).joined(separator: ", ")
        call.respond(Problem.response(405, "method_not_allowed", "allowed here: \(allow)", headers: [("Allow", allow)]))
    }
}
