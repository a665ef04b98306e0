/// `GET /v1/groups`: which groups there are, for a dispatcher to choose from.
import Tracking

/// The route.
struct GroupsRoute {
    private let call: SteeringCall

    init(_ call: RouteCall, _ credential: Credential) {
        self.call = SteeringCall(call, credential)
    }

    /// Groups in the order of their ids with the number of their drivers; for a limited credential those that it names.
    func list() {
        call.gateway.assignments.groups(within: call.credential.scope) { answer in
            call.value(answer) { groups in
                call.json { writer in
                    writer.raw("{\"groups\":[")
                    for (index, group) in groups.enumerated() {
                        writer.raw(index == 0 ? "{\"id\":" : ",{\"id\":")
                        writer.id(group.id)
                        writer.raw(",\"drivers\":\(group.drivers)}")
                    }
                    writer.raw("]}")
                }
            }
        }
    }
}
