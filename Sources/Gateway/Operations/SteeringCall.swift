/// What the routes that steer have in common: ids in the path, the credential's scope, and answers about Postgres.
import Logging
import PostgresClient
import Tracking
import WebServer

/// A request by which a backend steers.
struct SteeringCall {
    private let call: RouteCall
    /// Who asks; it has the route's permission.
    let credential: Credential

    init(_ call: RouteCall, _ credential: Credential) {
        self.call = call
        self.credential = credential
    }

    var gateway: Gateway { call.gateway }
    var request: WebRequest { call.request }
    /// What stands in the path's braces.
    var parameters: [String] { call.parameters }
    /// For the audit trail.
    var origin: AuditOrigin { AuditOrigin(credential, request) }

    /// Answers, now or later.
    func respond(_ response: WebResponse) {
        call.respond(response)
    }

    /// Runs `body` and answers what it throws.
    func answer(_ body: () throws(RequestRefusal) -> Void) {
        do throws(RequestRefusal) {
            try body()
        } catch {
            respond(error.response)
        }
    }

    /// The id at a place of the path.
    func id(_ place: Int, _ what: String) throws(RequestRefusal) -> DriverID {
        guard let id = DriverID(parameters[place]) else {
            throw .badSubject("\(what) is 1 to 64 characters of A-Z a-z 0-9 _ . : -")
        }
        return id
    }

    /// Goes on where all subjects are within the credential's scope, else answers 403 or 503.
    func within(_ subjects: [Subject], then: @escaping () -> Void) {
        gateway.authorization.refused(subjects, for: credential) { refused in
            guard let refused else { return postgresIsAway() }
            if refused.isEmpty { then() } else { respond(Problem.forbidden(refused)) }
        }
    }

    /// Goes on with what Postgres gave, else answers 503.
    func value<Value>(_ answer: Result<Value, PostgresError>, then: (Value) -> Void) {
        switch answer {
        case .success(let value): then(value)
        case .failure(let error):
            if ![.connection, .transient, .interrupted].contains(error.kind) {
                // Without the path: it may name a driver whose telemetry is being erased.
                gateway.log.error("Postgres refuses", metadata: ["reason": "\(error)", "method": "\(request.method)"])
            }
            postgresIsAway()
        }
    }

    /// 503.
    func postgresIsAway() {
        respond(Problem.unavailable("Postgres is away or busy, so this cannot be done now; send it again"))
    }

    /// 200, or another status, with JSON that no cache keeps.
    func json(_ status: Int = 200, headers: [(String, String)] = [], _ write: (inout JSONWriter) -> Void) {
        var writer = JSONWriter()
        write(&writer)
        respond(
            WebResponse(
                status: status, type: "application/json", body: writer.bytes,
                headers: headers + [("Cache-Control", "no-store")]))
    }
}
