/// `/v1/drivers/{id}/devices`: tokens for the phones and trackers that report for a driver.
import PostgresClient
import Tracking
import WebServer

/// The routes.
struct DeviceRoutes {
    private let call: SteeringCall

    init(_ call: RouteCall, _ credential: Credential) {
        self.call = SteeringCall(call, credential)
    }

    private var store: DeviceStore { DeviceStore(call.gateway) }

    /// Goes on with the path's driver, if it is within the credential's scope.
    private func driver(then: @escaping (DriverID) -> Void) {
        call.answer { () throws(RequestRefusal) in
            let driver = try call.id(0, "a driver's id")
            call.within([.driver(driver)]) { then(driver) }
        }
    }

    /// GET.
    func list() {
        driver { driver in
            store.list(driver) { answer in
                call.value(answer) { devices in
                    call.json { writer in
                        writer.raw("{\"devices\":[")
                        for (index, device) in devices.enumerated() {
                            if index > 0 { writer.raw(",") }
                            device.append(to: &writer)
                        }
                        writer.raw("]}")
                    }
                }
            }
        }
    }

    /// What is asked for with a new device.
    private struct Wish {
        let name: String?
        let encryptionKey: String?
        /// The apps whose set-up is to be answered; nil is all of them.
        let apps: Set<String>?
        /// Whether their links are to be drawn.
        let drawsCodes: Bool

        init(_ body: RequestBody) throws(RequestRefusal) {
            name = try body.text("name", atMost: 100)
            let isEncrypted = try body.flag("encryption")
            let key = try body.text("encryption_key", atMost: 32)
            // The key of libsodium's secretbox, which OwnTracks uses without deriving one from a passphrase.
            guard key?.utf8.count ?? 1 <= 32 else { throw .badRequest("encryption_key has 1 to 32 bytes") }
            guard key == nil || isEncrypted != false else {
                throw .badRequest("encryption is false beside an encryption_key: send one of them")
            }
            encryptionKey = key ?? (isEncrypted == true ? Token.makePassphrase() : nil)
            apps = try body.has("apps") ? Set(body.texts("apps", 0...AppSetUp.names.count)) : nil
            if let unknown = apps?.subtracting(AppSetUp.names).sorted().first {
                throw .badRequest(
                    "\(unknown.prefix(100)) is none of the apps: \(AppSetUp.names.joined(separator: ", "))")
            }
            drawsCodes = try body.flag("qr") ?? false
        }
    }

    /// POST: 201 with the token, which is shown this once, and with how each app is set up with it.
    func create() {
        call.answer { () throws(RequestRefusal) in
            let wish = try Wish(RequestBody(call.request))
            driver { driver in make(driver, wish) }
        }
    }

    private func make(_ driver: DriverID, _ wish: Wish) {
        let id = Token.makeID()
        let token = Token.make(.device)
        guard let hash = Token.hash(token) else { return call.postgresIsAway() }
        store.create(
            id: id, hash: hash, driver: driver, name: wish.name, encryptionKey: wish.encryptionKey, by: call.origin
        ) { answer in
            call.value(answer) {
                let setUp = DeviceSetUp(
                    address: PublicAddress(call.gateway.configuration, call.request).text, driver: driver, device: id,
                    token: token, encryptionKey: wish.encryptionKey)
                call.json(201, headers: [("Location", "/v1/drivers/\(driver.string)/devices/\(id)")]) { writer in
                    writer.raw("{\"id\":\"\(id)\",\"token\":\"\(token)\"")
                    if let key = wish.encryptionKey {
                        writer.raw(",\"encryption_key\":")
                        writer.string(key)
                    }
                    writer.raw(",\"enroll_url\":")
                    writer.string(setUp.enrolURL)
                    if wish.drawsCodes { AppSetUp.append(code: setUp.enrolURL, title: "Set-up page", to: &writer) }
                    writer.raw(",\"apps\":")
                    AppSetUp.append(
                        AppSetUp.all(for: setUp, wish.apps), to: &writer, drawsCodes: wish.drawsCodes)
                    writer.raw("}")
                }
            }
        }
    }

    /// DELETE: 204, also where it was revoked before. Its sockets here are closed now, everywhere else by the bus.
    func revoke() {
        let device = call.parameters[1]
        driver { driver in
            let missing = Problem.response(404, "not_found", "this driver has no such device")
            // A parameter of Postgres ends at a zero byte.
            guard !device.utf8.contains(0) else { return call.respond(missing) }
            store.revoke(device, of: driver, by: call.origin) { answer in
                call.value(answer) { isThere in
                    guard isThere else { return call.respond(missing) }
                    call.gateway.revoke(device)
                    call.respond(WebResponse(status: 204))
                }
            }
        }
    }
}

extension Device {
    fileprivate func append(to writer: inout JSONWriter) {
        writer.raw("{\"id\":")
        writer.string(id)
        if let name {
            writer.raw(",\"name\":")
            writer.string(name)
        }
        writer.raw(",\"created_at\":\"\(Timestamp.string(createdAt))\"")
        if let revokedAt { writer.raw(",\"revoked_at\":\"\(Timestamp.string(revokedAt))\"") }
        if let lastSeen { writer.raw(",\"last_seen\":\"\(Timestamp.string(lastSeen))\"") }
        if let connectedSince { writer.raw(",\"connected_since\":\"\(Timestamp.string(connectedSince))\"") }
        if let appVersion {
            writer.raw(",\"app_version\":")
            writer.string(appVersion)
        }
        writer.raw("}")
    }
}
