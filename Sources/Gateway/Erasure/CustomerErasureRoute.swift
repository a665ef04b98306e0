/// `DELETE /v1/customers/{id}/tracking`.
import PostgresClient
import RedisClient
import Tracking
import WebServer

/// The route.
struct CustomerErasureRoute {
    private let call: SteeringCall

    init(_ call: RouteCall, _ credential: Credential) {
        self.call = SteeringCall(call, credential)
    }

    /// 200 with a receipt, once the platform's statement and Drover's have both ended. The platform's comes first: as long
    /// as it fails nothing is said to be done.
    func erase() {
        let customer = call.parameters[0]
        guard CustomerErasure.isID(customer) else {
            return call.respond(Problem.response(400, "bad_request", "a customer's id is 1 to 200 bytes"))
        }
        // Whose an order is nobody here knows, so that no list of subjects can permit it.
        guard call.credential.scope == nil else {
            return call.respond(
                Problem.response(403, "forbidden", "a credential that is limited to subjects cannot erase a customer"))
        }
        ErasureStore(call.gateway).secret { answer in
            call.value(answer) { secret in
                guard let erasure = CustomerErasure(customer, secret: secret, origin: call.origin) else { return }
                runPlatform(erasure) { isConfigured in finish(erasure, isConfigured) }
            }
        }
    }

    private func runPlatform(_ erasure: CustomerErasure, then: @escaping (Bool) -> Void) {
        let gateway = call.gateway
        guard let write = gateway.configuration.system.writes[.eraseCustomer], let database = gateway.systemDatabase
        else { return then(false) }
        database.run(write.statement, ["customer": .text(erasure.customer)]) { answer in
            call.value(answer) { _ in then(true) }
        }
    }

    private func finish(_ erasure: CustomerErasure, _ isConfigured: Bool) {
        let gateway = call.gateway
        let schema = quotedIdentifier(gateway.configuration.postgresSchema)
        gateway.postgres.askNow(CustomerErasure.statement(schema), erasure.parameters) { answer in
            call.value(answer) { rows in
                for row in 0..<rows.count {
                    if let hash = rows.text(row, 1) { gateway.access.copies.remove(hash) }
                    if let id = rows.text(row, 0) { gateway.revoke(id) }
                }
                if let key = erasure.arrivalsKey(gateway.configuration) { gateway.redis?.send(["DEL", key]) { _ in } }
                gateway.end(user: erasure.customer)
                call.json { $0.raw(erasure.receipt(sessions: rows.count, platform: isConfigured)) }
            }
        }
    }
}

extension Gateway {
    /// Closes what a platform's user has open here; other gateways look when the platform's tables change, and every
    /// `access.refresh_s`.
    fileprivate func end(user: String) {
        var credentials: Set<String> = []
        server?.forEachConnection { connection in
            if let credential = (connection.session as? CredentialSession)?.credential, credential.userID == user {
                credentials.insert(credential.id)
            }
        }
        for credential in credentials { revoke(credential) }
        // Nor does he stay in memory or in the file beside the journal; where that cannot be written, its lines end with
        // the credentials.
        _ = access.platform?.erase(user: user)
        access.refresh()
    }
}
