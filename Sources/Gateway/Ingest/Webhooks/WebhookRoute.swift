/// `POST /v1/webhooks/{name}`: another platform's event that holds a driver's position. It becomes a native ping, and
/// everything after that is as for a ping; what is added is that an event that is sent again changes nothing.
///
/// The event's key in Redis is set first, for as long as the ping is on its way; once the ping is durable or judged the key
/// lasts. A ping that cannot be taken takes the key away again, so that the sender's retry is not lost; if the gateway dies
/// in between, the key does so by itself.
import Foundation
import RedisClient
import Tracking
import WebServer

/// One request.
struct WebhookRoute {
    /// How long an event may be on its way, in seconds: longer than any acknowledgement takes.
    private static let pendingSeconds = 30
    private static let pending = "pending"

    private let call: RouteCall
    private let credential: Credential

    init(_ call: RouteCall, _ credential: Credential) {
        self.call = call
        self.credential = credential
    }

    private var gateway: Gateway { call.gateway }

    /// Answers the request.
    func receive() {
        guard let webhook = gateway.orders.webhooks[call.parameters[0]] else {
            return call.respond(Problem.nothing(at: call.request))
        }
        if let signature = webhook.signature {
            guard let value = call.request.headers[signature.header], signature.isOf(call.request.body, value) else {
                return call.respond(
                    Problem.response(401, "unauthenticated", "\(signature.header) is not this body's signature"))
            }
        }
        guard let document = JSONDocument(call.request.body.span), case .object = document else {
            return call.respond(
                Problem.response(400, "malformed_json", "the body is not a JSON object, or has a member twice"))
        }
        guard let key = webhook.key(of: document) else {
            return call.respond(
                Problem.response(
                    400, "bad_request", "the event has no id at \(webhook.event.parts.joined(separator: "."))"))
        }
        findDriver(webhook, document) { driver in
            once(key, lastingSeconds: webhook.lifeSeconds) { take(webhook.ping(document, of: driver)) }
        }
    }

    // MARK: Whose position

    private func findDriver(
        _ webhook: WebhookTranslation, _ document: JSONDocument, then: @escaping (String) -> Void
    ) {
        guard let named = webhook.driver.text(in: document) else {
            return call.respond(
                Problem.response(
                    400, "bad_request", "nobody is named at \(webhook.driver.parts.joined(separator: "."))"))
        }
        guard let statement = webhook.driverStatement else { return then(named) }
        guard let database = gateway.systemDatabase else { return unavailable("the platform's database is away") }
        let platform = webhook.platform?.find(in: document)
        database.run(statement, ["driver": .text(named), "platform": .text(platform)]) { answer in
            guard case .success(let rows) = answer else { return unavailable("the platform's database is away") }
            guard let driver = rows.lookUpRows.first.flatMap({ $0["driver_id"] }) else {
                return call.respond(Problem.response(404, "not_found", "the platform knows nobody of that name"))
            }
            then(driver)
        }
    }

    // MARK: Once

    /// Runs `body`, whose reply is sent once the key lasts; or answers that the event was here before.
    private func once(_ key: String, lastingSeconds: Int, _ body: @escaping () -> Void) {
        guard let redis = gateway.redis, redis.isReady else { return redisIsAway() }
        redis.send(["SET", key, Self.pending, "NX", "EX", "\(Self.pendingSeconds)"]) { reply in
            switch reply {
            case .status:
                call.connection.onReply = { response in settle(key, lastingSeconds, response) }
                body()
            case .null: repeated(key)
            default: redisIsAway()
            }
        }
    }

    private func settle(_ key: String, _ seconds: Int, _ response: WebResponse) {
        guard let redis = gateway.redis, redis.isReady else {
            // The key goes by itself, and the judge knows a repetition by its time.
            return call.respond(response)
        }
        let command = response.status == 200 ? ["SET", key, "taken", "EX", "\(seconds)"] : ["DEL", key]
        redis.send(command) { _ in call.respond(response) }
    }

    private func repeated(_ key: String) {
        guard let redis = gateway.redis, redis.isReady else { return redisIsAway() }
        redis.send(["GET", key]) { reply in
            switch reply.text {
            case Self.pending?, nil: unavailable("this event is being taken just now")
            default:
                call.respond(WebResponse(type: "application/json", body: Array("{\"duplicate\":true}".utf8)))
            }
        }
    }

    private func redisIsAway() {
        unavailable("Redis is away, so whether this event was here before is not known")
    }

    private func unavailable(_ reason: String) {
        call.respond(Problem.unavailable(reason + "; nothing was stored, send it again"))
    }

    // MARK: The ping

    private func take(_ ping: [UInt8]) {
        var request = call.request
        request.body = ping
        request.headers["content-type"] = "application/json"
        PingsRoute(gateway: gateway).receive(request, from: credential, on: call.connection)
    }
}
