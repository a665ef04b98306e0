/// `/v1/orders/{id}/drivers` and `/v1/groups/{id}/drivers`: who carries an order, who belongs to a group. Every reply is the
/// list as it is now.
import PostgresClient
import Tracking

/// The routes of one kind.
struct AssignmentRoutes {
    private let call: SteeringCall
    private let kind: (DriverID) -> Subject

    /// `kind` makes a subject of the path's id.
    init(_ call: RouteCall, _ credential: Credential, _ kind: @escaping (DriverID) -> Subject) {
        self.call = SteeringCall(call, credential)
        self.kind = kind
    }

    private func subject() throws(RequestRefusal) -> Subject {
        kind(try call.id(0, "the id of an order or group"))
    }

    /// GET.
    func list() {
        call.answer { () throws(RequestRefusal) in
            let subject = try subject()
            call.within([subject]) {
                call.gateway.assignments.drivers(of: [subject]) { answer in
                    call.value(answer) { tell($0[subject] ?? []) }
                }
            }
        }
    }

    /// PUT of the list: these and no others, at one stroke.
    func replace() {
        call.answer { () throws(RequestRefusal) in
            let subject = try subject()
            var drivers: [DriverID] = []
            for name in try RequestBody(call.request).texts("drivers", 0...AssignmentStore.maximumDrivers) {
                guard let driver = DriverID(name) else {
                    throw .badSubject(
                        "\(name.prefix(100)) is no driver's id: 1 to 64 characters of A-Z a-z 0-9 _ . : -")
                }
                drivers.append(driver)
            }
            change(subject, .replace(drivers), naming: drivers)
        }
    }

    /// PUT of one driver.
    func add() {
        call.answer { () throws(RequestRefusal) in
            let driver = try call.id(1, "a driver's id")
            change(try subject(), .add(driver), naming: [driver])
        }
    }

    /// DELETE of one driver, who may be out of the credential's scope by now.
    func remove() {
        call.answer { () throws(RequestRefusal) in
            change(try subject(), .remove(try call.id(1, "a driver's id")), naming: [])
        }
    }

    private func change(_ subject: Subject, _ change: AssignmentStore.Change, naming drivers: [DriverID]) {
        call.within([subject] + drivers.map { .driver($0) }) {
            if let statement = call.gateway.assignments.platform?.statement(for: subject) {
                return call.respond(
                    Problem.response(
                        409, "managed_elsewhere",
                        "the platform's own tables say who the drivers are (statement \(statement)): change them there")
                )
            }
            call.gateway.assignments.change(subject, change, by: call.origin) { answer in
                call.value(answer) { tell($0) }
            }
        }
    }

    private func tell(_ drivers: [DriverID]) {
        call.json { writer in
            writer.raw("{\"drivers\":[")
            for (index, driver) in drivers.enumerated() {
                if index > 0 { writer.raw(",") }
                writer.id(driver)
            }
            writer.raw("]}")
        }
    }
}
