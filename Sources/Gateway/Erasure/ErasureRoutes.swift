/// `DELETE /v1/drivers/{id}/telemetry` and `GET /v1/erasures/{id}`.
import EventLoop
import Tracking
import WebServer

/// The routes.
struct ErasureRoutes {
    private let call: SteeringCall

    init(_ call: RouteCall, _ credential: Credential) {
        self.call = SteeringCall(call, credential)
    }

    private var store: ErasureStore { ErasureStore(call.gateway) }

    /// DELETE: 200 with the receipt where it is done within three seconds, else 202 with how far it is.
    func erase() {
        // Before anything is asked: up to here it reaches.
        let reachesTo = SystemClock.wallMicroseconds()
        call.answer { () throws(RequestRefusal) in
            let driver = try call.id(0, "a driver's id")
            let keeps: Bool
            switch call.request.query("registration") {
            case nil: keeps = false
            case "keep": keeps = true
            default: throw .badRequest("registration is keep, or is left out to erase devices, orders and groups too")
            }
            call.within([.driver(driver)]) { request(driver, reachesTo, keeps) }
        }
    }

    private func request(_ driver: DriverID, _ reachesTo: Microseconds, _ keeps: Bool) {
        store.request(driver, reachesTo: reachesTo, keepsRegistration: keeps, by: call.origin) { answer in
            call.value(answer) { made in
                let gateway = call.gateway
                for device in made.devices { gateway.revoke(device) }
                gateway.erasures.look()
                gateway.maintenance?.wake()
                gateway.bus?.publish(.erasure(made.id))
                gateway.erasures.await(made.id) { tell(made.id, whereUnknown: nil) }
            }
        }
    }

    /// GET: the receipt, or how far it is. A key that is limited to subjects sees its own requests: whose an erasure was is
    /// known to nobody afterwards.
    func look() {
        let missing = Problem.response(404, "not_found", "there is no such erasure")
        guard call.parameters[0].utf8.count <= 64, !call.parameters[0].utf8.contains(0) else {
            return call.respond(missing)
        }
        tell(call.parameters[0], whereUnknown: missing)
    }

    /// `whereUnknown` is nil for the answer to a request, which is 202 until it is done.
    private func tell(_ id: String, whereUnknown missing: WebResponse?) {
        store.find(id) { answer in
            // What was asked for is under way, whether or not Postgres can tell how far it is.
            if missing == nil, (try? answer.get()) == nil {
                return call.json(202, headers: Self.location(id)) {
                    $0.raw("{\"id\":\"\(id)\",\"state\":\"journals\"}")
                }
            }
            call.value(answer) { erasure in
                let isOurs = call.credential.scope == nil || erasure?.requestedBy == call.credential.id
                guard let erasure, isOurs else { return call.respond(missing ?? Problem.nothing(at: call.request)) }
                let isOver = erasure.receipt != nil || missing != nil
                call.json(isOver ? 200 : 202, headers: isOver ? [] : Self.location(id)) { $0.raw(erasure.document) }
            }
        }
    }

    private static func location(_ id: String) -> [(String, String)] { [("Location", "/v1/erasures/\(id)")] }
}
