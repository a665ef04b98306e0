/// `POST /v1/pings`: one to a thousand pings, answered once every one of them is durable or judged.
import EventLoop
import Journal
import Tracking
import WebServer

/// The route.
struct PingsRoute {
    /// The most pings in a request (API.md).
    static let maximumPings = 1_000

    unowned let gateway: Gateway

    /// A request whose credential has `pings:write`.
    func receive(_ request: WebRequest, from credential: Credential, on connection: WebConnection) {
        if let problem = mediaTypeProblem(request) { return connection.respond(problem) }
        switch credential.party {
        case .viewer: connection.respond(Problem.forbidden(.writePings))
        case .backend: take(request, .backend(ScopedDrivers(credential, gateway: gateway)), credential, connection)
        case .device(let id):
            if let device = DriverSessionKey(credential) {
                gateway.driverSessions.requested(
                    device, app: DriverSessions.app(request), now: SystemClock.wallMicroseconds())
            }
            gateway.directory.load([id]) {
                guard let driver = gateway.pipeline.drivers.index(of: id) else { return }
                take(request, .device(driver, id), credential, connection)
            }
        }
    }

    private func mediaTypeProblem(_ request: WebRequest) -> WebResponse? {
        if let encoding = request.headers["content-encoding"], encoding.lowercased() != "identity" {
            return Problem.response(415, "media_type", "bodies are not decompressed here; send them as they are")
        }
        let type = mediaType(request)
        guard type == "application/json" || type.hasSuffix("+json") else {
            return Problem.response(
                415, "media_type", "pings are sent as application/json or \(GeoJSONPositions.mediaType)")
        }
        return nil
    }

    private func mediaType(_ request: WebRequest) -> String {
        let type = request.headers["content-type"]?.split(separator: ";").first?.lowercased() ?? "application/json"
        return type.filter { $0 != " " }
    }

    private func decode(_ request: WebRequest) throws(PingDecodingError) {
        let pipeline = gateway.pipeline
        if mediaType(request) == GeoJSONPositions.mediaType {
            try pipeline.decodeFeatures(request.body.span, maximumPings: Self.maximumPings)
        } else {
            try pipeline.decode(request.body.span, maximumPings: Self.maximumPings, allowsEnvelope: true)
        }
    }

    private func take(
        _ request: WebRequest, _ sender: Sender, _ credential: Credential, _ connection: WebConnection
    ) {
        let pipeline = gateway.pipeline
        do {
            try decode(request)
        } catch {
            return connection.respond(refusal(error, of: request))
        }
        guard !pipeline.batch.pings.isEmpty else {
            return connection.respond(Problem.response(400, "bad_request", "no pings in the request"))
        }
        if case .device(_, let own) = sender,
            pipeline.batch.pings.contains(where: { $0.driver != nil && $0.driver != own })
        {
            return connection.respond(
                Problem.response(
                    403, "driver_mismatch", "driver_id is not this credential's driver; nothing was stored"))
        }
        guard pipeline.resolve(sender) else {
            gateway.load(pipeline.unknown, of: sender) { isLoaded in
                guard isLoaded else {
                    return connection.respond(
                        Problem.unavailable("drivers cannot be looked up now; nothing was stored"))
                }
                take(request, sender, credential, connection)
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
        gateway.acknowledgements.wait(
            for: pipeline.journal.appendedLSN,
            reply: PendingReply(serial: gateway.nextSerial(), response: response(now)), on: connection, receivedAt: now)
    }

    private func refusal(_ error: PingDecodingError, of request: WebRequest) -> WebResponse {
        switch error {
        case .notPings where mediaType(request) == GeoJSONPositions.mediaType:
            Problem.response(
                400, "bad_request", "expected a GeoJSON Feature, a FeatureCollection or an array of Features")
        case .notJSON: Problem.response(400, "malformed_json", error.detail)
        case .notPings, .tooDeep: Problem.response(400, "bad_request", error.detail)
        case .tooMany: Problem.response(413, "too_many_pings", error.detail)
        }
    }

    private func response(_ now: Microseconds) -> WebResponse {
        let outcome = gateway.pipeline.outcome
        var writer = JSONWriter()
        writer.raw("{\"accepted\":\(outcome.accepted),\"late\":\(outcome.late),\"duplicate\":\(outcome.duplicate)")
        writer.raw(",\"clamped\":\(outcome.clamped),\"rejected\":[")
        for (position, rejection) in outcome.rejections.enumerated() {
            let ping = gateway.pipeline.batch.pings[rejection.index].ping
            if position > 0 { writer.raw(",") }
            writer.raw("{\"index\":\(rejection.index),\"reason\":\"\(rejection.reason.name)\",\"detail\":")
            writer.string(
                rejection.defect?.description ?? gateway.rules.detail(of: rejection.reason, for: ping, now: now))
            writer.raw("}")
        }
        writer.raw("]}")
        return WebResponse(type: "application/json", body: writer.bytes)
    }
}
