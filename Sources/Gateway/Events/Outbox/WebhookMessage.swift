/// One event as an HTTP request, signed as Standard Webhooks has it (github.com/standard-webhooks, specification 1.0.0):
/// the receiver checks HMAC-SHA256 over id, time and body, and knows a repetition by the id.
import Crypto
import Foundation
import Tracking
import WebhookClient

extension OutboxTargets.Webhook {
    /// The request that tells of the event. `now` is when it is sent, in wall microseconds: a receiver refuses what was
    /// signed long ago.
    func request(_ event: OutboxEvent, status: (String) -> String, now: Microseconds) -> WebhookRequest {
        var writer = JSONWriter()
        fields.append(event.source(status: status, now: now), to: &writer)
        let seconds = "\(now / 1_000_000)"
        var headers = [
            (name: "Content-Type", value: "application/json"), (name: "Webhook-Id", value: event.id),
            (name: "Webhook-Timestamp", value: seconds),
        ]
        if let secret {
            headers.append(
                (name: "Webhook-Signature", value: Self.signature(event.id, seconds, writer.bytes, secret: secret)))
        }
        return WebhookRequest(url: url, headers: headers, body: writer.bytes, timeoutMilliseconds: timeoutMilliseconds)
    }

    /// `v1,` and the signature in Base64.
    static func signature(_ id: String, _ seconds: String, _ body: [UInt8], secret: [UInt8]) -> String {
        var code = HMAC<SHA256>(key: SymmetricKey(data: secret))
        code.update(data: Data("\(id).\(seconds).".utf8))
        code.update(data: body)
        return "v1," + Data(code.finalize()).base64EncodedString()
    }
}
