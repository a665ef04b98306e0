/// A request's pings on their way from its body to the reply, which waits until every one of them is durable or judged. In
/// every format the way is the same: what differs is how the body is read and what the reply says.
import EventLoop
import Journal
import Tracking
import WebServer

/// One request.
struct PingIntake {
    unowned let gateway: Gateway
    let request: WebRequest
    let credential: Credential
    let connection: WebConnection
    /// What a device's payload calls itself is a label and names nobody. Otherwise it must be the credential's driver.
    var namesAreLabels = false
    /// Fills the pipeline's batch, or says why not. Is called again where drivers had to be looked up.
    let decode: (Pipeline) -> WebResponse?
    /// The reply, once the batch was judged, at the given instant.
    let reply: (Microseconds) -> WebResponse

    /// Takes the request of a credential that has `pings:write`.
    func start() {
        switch credential.party {
        case .viewer: connection.respond(Problem.forbidden(.writePings))
        case .backend: take(.backend(ScopedDrivers(credential, gateway: gateway)))
        case .device(let id):
            if let device = DriverSessionKey(credential) {
                gateway.driverSessions.requested(
                    device, app: DriverSessions.app(request), now: SystemClock.wallMicroseconds())
            }
            gateway.directory.load([id]) {
                guard let driver = gateway.pipeline.drivers.index(of: id) else { return }
                take(.device(driver, id))
            }
        }
    }

    private func take(_ sender: Sender) {
        if request.body.count > BacklogLane.largeBytes, case .device(let driver, let id) = sender {
            return setAside(driver, id)
        }
        let pipeline = gateway.pipeline
        guard read(sender) else { return }
        guard pipeline.resolve(sender) else {
            gateway.load(pipeline.unknown, of: sender) { isLoaded in
                guard isLoaded else {
                    return connection.respond(
                        Problem.unavailable("drivers cannot be looked up now; nothing was stored"))
                }
                take(sender)
            }
            return
        }
        if case .backend = sender, pipeline.namesForeignDriver {
            return connection.respond(
                Problem.response(
                    403, "driver_mismatch", "a driver_id is not within this credential's subjects; nothing was stored"))
        }
        if let obstacle = gateway.obstacle {
            return connection.respond(Problem.unavailable(obstacle + "; nothing was stored, send it again"))
        }
        let now = SystemClock.wallMicroseconds()
        let limits = gateway.limits
        let allowance = limits.hold(credential, now: now)
        defer { limits.release(allowance) }
        guard limits.take(pipeline.batch.pings.count, allowance, now: now) else {
            let standing = limits.refuse(pipeline.batch.pings.count, allowance, now: now)
            return connection.respond(standing.pingsProblem)
        }
        pipeline.process(sender, now: now)
        answer(now, receivedAt: now)
    }

    /// Fills the batch. False where it cannot be taken, which the client has heard then.
    private func read(_ sender: Sender) -> Bool {
        let pipeline = gateway.pipeline
        if let refusal = decode(pipeline) {
            connection.respond(refusal)
            return false
        }
        guard case .device(_, let own) = sender else { return true }
        if namesAreLabels {
            pipeline.dropNames()
        } else if pipeline.batch.pings.contains(where: { $0.driver != nil && $0.driver != own }) {
            connection.respond(
                Problem.response(
                    403, "driver_mismatch", "driver_id is not this credential's driver; nothing was stored"))
            return false
        }
        return true
    }

    /// The reply waits for what was judged.
    private func answer(_ now: Microseconds, receivedAt: Microseconds) {
        gateway.acknowledgements.wait(
            for: gateway.pipeline.journal.appendedLSN,
            reply: PendingReply(serial: gateway.nextSerial(), response: reply(now)), on: connection,
            receivedAt: receivedAt)
    }

    /// Puts a device's large request into the backlog lane.
    private func setAside(_ driver: DriverIndex, _ id: DriverID) {
        let now = SystemClock.wallMicroseconds()
        let allowance = gateway.limits.hold(credential, now: now)
        gateway.lane.add(
            BacklogEntry(
                driver: driver, id: id, byteCount: request.body.count, allowance: allowance, waitsForAllowance: false,
                decode: { read(.device(driver, id)) },
                judged: { judgedAt in answer(judgedAt, receivedAt: now) },
                refused: { refusal in
                    switch refusal {
                    case .unavailable(let reason):
                        connection.respond(Problem.unavailable(reason + "; send it again"))
                    case .rate(let standing): connection.respond(standing.pingsProblem)
                    }
                },
                ended: { gateway.limits.release(allowance) }))
    }
}
