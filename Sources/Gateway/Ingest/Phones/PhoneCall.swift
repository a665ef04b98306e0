/// What the routes of all phone apps have in common: the app hears its own success however its points were judged, since a
/// refusal would make it delete them or send them for ever. Only a wrong credential (401), overload (503) and a document
/// that is none of the app's (400) are told.
import Tracking
import WebServer

/// A request of a phone app whose credential has `pings:write`.
struct PhoneCall {
    /// The most points in a request: what fits into its 1 MiB.
    static let maximumPings = 10_000

    let call: RouteCall
    let credential: Credential

    init(_ call: RouteCall, _ credential: Credential) {
        self.call = call
        self.credential = credential
    }

    var gateway: Gateway { call.gateway }
    var request: WebRequest { call.request }
    /// Metres, for apps that send 0 or nothing where they do not know their accuracy.
    var assumedAccuracy: Float { Float(gateway.configuration.phonesAssumedAccuracyMetres) }

    /// The driver of a device's credential; nil for a backend's key.
    var driver: DriverID? {
        if case .device(let id) = credential.party { id } else { nil }
    }

    /// Decodes the body, judges, keeps; the reply is sent once everything is durable or judged. `decode` may be called more
    /// than once. An empty batch is in order: a sign of life, or a message that is no position.
    func take(
        _ decode: @escaping (Span<UInt8>, inout PingBatch) throws(PingDecodingError) -> Void,
        reply: @escaping (BatchOutcome) -> WebResponse
    ) {
        let (gateway, request) = (gateway, request)
        PingIntake(
            gateway: gateway, request: request, credential: credential, connection: call.connection,
            namesAreLabels: true,
            decode: { pipeline in
                do throws(PingDecodingError) {
                    try pipeline.decode(request.body.span, by: decode)
                    return nil
                } catch {
                    return Self.refusal(error, at: request.path)
                }
            },
            reply: { _ in reply(gateway.pipeline.outcome) }
        ).start()
    }

    private static func refusal(_ error: PingDecodingError, at path: String) -> WebResponse {
        switch error {
        case .notJSON: Problem.response(400, "malformed_json", error.detail)
        case .notPings: Problem.response(400, "bad_request", "this is not what the apps at \(path) send")
        case .tooDeep: Problem.response(400, "bad_request", error.detail)
        case .tooMany: Problem.response(413, "too_many_pings", error.detail)
        }
    }

    /// The replies of phones' routes. A phone takes 429 for any other 4xx, and deletes what it sent or stops there; 503 is
    /// what it sends again after.
    static func translate(_ response: WebResponse) -> WebResponse {
        guard response.status == 429 else { return response }
        var response = response
        response.status = 503
        return response
    }
}

extension Route {
    /// A route of a phone app.
    static func phone(
        _ method: HTTPMethod, _ path: String, handle: @escaping @Sendable (PhoneCall) -> Void
    ) -> Route {
        var route = Route(method, path, .writePings) { handle(PhoneCall($0, $1)) }
        route.isOfPhones = true
        return route
    }
}
