/// `/v1/drivers/{id}`: whether a driver is in service. One who is not is off shift: his pings do not count, and he is shown
/// nowhere, on every gateway.
import Tracking
import WebServer

/// The routes.
struct DriverStateRoutes {
    private let call: SteeringCall

    init(_ call: RouteCall, _ credential: Credential) {
        self.call = SteeringCall(call, credential)
    }

    private var store: DriverStateStore { DriverStateStore(call.gateway) }

    /// Goes on with the path's driver, if it is within the credential's scope.
    private func driver(then: @escaping (DriverID) -> Void) {
        call.answer { () throws(RequestRefusal) in
            let driver = try call.id(0, "a driver's id")
            call.within([.driver(driver)]) { then(driver) }
        }
    }

    /// GET: a driver of whom nothing was said is active.
    func look() {
        driver { driver in
            store.state(of: driver) { answer in call.value(answer) { answer in respond(driver, answer) } }
        }
    }

    /// PUT: repeating it changes nothing.
    func change() {
        call.answer { () throws(RequestRefusal) in
            guard let isActive = try RequestBody(call.request).flag("is_active") else {
                throw .badRequest("is_active is required: true or false")
            }
            driver { driver in
                store.set(isActive, driver, by: call.origin) { answer in
                    call.value(answer) { state in
                        call.gateway.driverStateChanged(driver)
                        respond(driver, state)
                    }
                }
            }
        }
    }

    private func respond(_ driver: DriverID, _ state: DriverState?) {
        call.json { writer in
            writer.raw("{\"id\":")
            writer.id(driver)
            writer.raw(",\"is_active\":\(state?.isActive ?? true)")
            if let state { writer.raw(",\"changed_at\":\"\(Timestamp.string(state.changedAt))\"") }
            writer.raw("}")
        }
    }
}
