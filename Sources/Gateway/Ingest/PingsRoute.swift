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
        PingIntake(
            gateway: gateway, request: request, credential: credential, connection: connection,
            decode: { _ in decode(request) }, reply: response
        ).start()
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

    /// Fills the batch, or says why not.
    private func decode(_ request: WebRequest) -> WebResponse? {
        let pipeline = gateway.pipeline
        do {
            if mediaType(request) == GeoJSONPositions.mediaType {
                try pipeline.decodeFeatures(request.body.span, maximumPings: Self.maximumPings)
            } else {
                try pipeline.decode(request.body.span, maximumPings: Self.maximumPings, allowsEnvelope: true)
            }
        } catch {
            return refusal(error, of: request)
        }
        return pipeline.batch.pings.isEmpty
            ? Problem.response(400, "bad_request", "no pings in the request") : nil
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
