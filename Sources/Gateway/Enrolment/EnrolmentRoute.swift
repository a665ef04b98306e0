/// `GET /v1/enrolment`: what the page `/enroll` shows a device's bearer: how each app is set up with the token that the
/// request came with.
import Tracking
import WebServer

/// The route.
struct EnrolmentRoute {
    private let call: SteeringCall

    init(_ call: RouteCall, _ credential: Credential) {
        self.call = SteeringCall(call, credential)
    }

    /// GET, for a device alone: it may know its own secrets.
    func answer() {
        guard case .device(let driver) = call.credential.party, case .one(let token) = PresentedToken(call.request)
        else {
            return call.respond(
                Problem.response(403, "forbidden", "this is for a device's own token, as POST …/devices gives it"))
        }
        let id = call.credential.id
        guard !id.hasPrefix("jwt:") else { return respond(driver, nil, token, nil) }
        DeviceStore(call.gateway).encryptionKey(of: id) { answer in
            call.value(answer) { key in respond(driver, id, token, key) }
        }
    }

    private func respond(_ driver: DriverID, _ device: String?, _ token: String, _ key: String?) {
        let setUp = DeviceSetUp(
            address: PublicAddress(call.gateway.configuration, call.request).text, driver: driver, device: device,
            token: token, encryptionKey: key)
        call.json { writer in
            writer.raw("{\"driver_id\":")
            writer.id(driver)
            writer.raw(",\"enroll_url\":")
            writer.string(setUp.enrolURL)
            AppSetUp.append(code: setUp.enrolURL, title: "This page", to: &writer)
            writer.raw(",\"apps\":")
            AppSetUp.append(AppSetUp.all(for: setUp), to: &writer, drawsCodes: true)
            writer.raw("}")
        }
    }
}
