/// `/v1/orders/{id}`, where an order goes, and `/v1/orders/{id}/arrival`, when it will be there.
import EventLoop
import Tracking
import WebServer

/// The routes.
struct OrderRoutes {
    private let call: SteeringCall

    init(_ call: RouteCall, _ credential: Credential) {
        self.call = SteeringCall(call, credential)
    }

    private var store: OrderStore {
        OrderStore(postgres: call.gateway.postgres, schema: call.gateway.configuration.postgresSchema)
    }

    /// Goes on with the path's order, if it is within the credential's scope.
    private func order(then: @escaping (DriverID) -> Void) {
        call.answer { () throws(RequestRefusal) in
            let order = try call.id(0, "an order's id")
            call.within([.order(order)]) { then(order) }
        }
    }

    /// GET: an order of which nothing was said has no destination.
    func look() {
        order { order in
            store.destination(of: order) { answer in call.value(answer) { tell(order, $0) } }
        }
    }

    /// PUT: repeating it changes nothing.
    func change() {
        call.answer { () throws(RequestRefusal) in
            let body = try RequestBody(call.request)
            guard body.has("destination") else {
                throw .badRequest("destination is required: {\"lat\":…,\"lng\":…}, or null where nobody knows it")
            }
            let destination = try body.destination("destination")
            order { order in
                if let detail = managedElsewhere {
                    return call.respond(Problem.response(409, "managed_elsewhere", detail))
                }
                store.set(destination, of: order, by: call.origin) { answer in
                    call.value(answer) {
                        call.gateway.orders.changed(order)
                        tell(order, destination)
                    }
                }
            }
        }
    }

    /// GET of `arrival`: what this gateway knows of everybody who carries the order.
    func arrival() {
        order { order in
            let now = SystemClock.wallMicroseconds()
            let arrivals = call.gateway.arrivals.arrivals(of: order, now: now)
            guard !arrivals.isEmpty else {
                return call.respond(
                    Problem.response(
                        404, "not_found",
                        "nobody who carries this order has a position, or nobody has said where it goes"))
            }
            call.json { $0.arrivals(arrivals, precision: call.credential.precisionMetres, now: now) }
        }
    }

    /// Why the platform's own tables must say where orders go; nil where Drover's do.
    private var managedElsewhere: String? {
        let lookUps = call.gateway.configuration.system.lookUps
        if let statement = lookUps[.destinations] {
            return "the platform's own tables say where orders go (statement \(statement)): change it there"
        }
        return lookUps[.orderDrivers].map {
            "the platform's own tables say who carries orders (statement \($0)), so that they must also say where these"
                + " go: system.look_ups.destinations"
        }
    }

    private func tell(_ order: DriverID, _ destination: Destination?) {
        call.json { writer in
            writer.raw("{\"id\":")
            writer.id(order)
            writer.raw(",\"destination\":")
            if let destination {
                writer.raw("{\"lat\":")
                writer.fixed(Int64(destination.latitude), decimals: 7)
                writer.raw(",\"lng\":")
                writer.fixed(Int64(destination.longitude), decimals: 7)
                writer.raw("}}")
            } else {
                writer.raw("null}")
            }
        }
    }
}

extension RequestBody {
    /// A place, in degrees; nil where it is null.
    fileprivate func destination(_ name: String) throws(RequestRefusal) -> Destination? {
        guard let place = try nested(name) else { return nil }
        guard let latitude = try place.number("lat", in: -90...90),
            let longitude = try place.number("lng", in: -180...180),
            let destination = Destination(latitude: latitude, longitude: longitude)
        else { throw .badRequest("\(name) has lat and lng in degrees, and is not exactly 0,0") }
        return destination
    }
}
