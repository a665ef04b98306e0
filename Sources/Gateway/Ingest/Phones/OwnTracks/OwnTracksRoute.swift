/// `POST /pub`, `/owntracks`, `/api/v1/owntracks/points`: the OwnTracks apps in their HTTP mode, with and without a
/// passphrase (https://owntracks.org/booklet/tech/http/).
import Foundation
import Logging
import Sodium
import Tracking
import WebServer

/// The route. Whatever a message is, the reply is an array: where the device's friends are. An iPhone deletes what gets a
/// 4xx, so what cannot be read yet is 503.
struct OwnTracksRoute {
    private let call: PhoneCall

    init(_ call: PhoneCall) {
        self.call = call
    }

    /// A message in the clear, an encrypted one, or an empty body, which is how a friend is deleted.
    func receive() {
        let body = call.request.body
        guard let data = OwnTracksEnvelope.data(body.span) else {
            let isEmpty = body.allSatisfy { [0x20, 0x09, 0x0A, 0x0D].contains($0) }
            return take(isEmpty ? Array("[]".utf8) : body, secret: nil)
        }
        guard let box = Data(base64Encoded: Data(data), options: .ignoreUnknownCharacters) else {
            return refuse("the data of an encrypted message is not Base64")
        }
        guard call.driver != nil else {
            return refuse("a backend's key has no passphrase; send what is encrypted with a device's token")
        }
        open(Array(box))
    }

    private func open(_ box: [UInt8], isAnew: Bool = false) {
        let keys = call.gateway.ownTracks.keys
        let device = call.credential.id
        keys.find(device) { answer in
            switch answer {
            case .unavailable:
                call.call.respond(
                    Problem.unavailable("Postgres cannot be asked for this device's passphrase; send it again"))
            case .none:
                refuse(
                    "no passphrase of this device is known here: make a device with one, by POST "
                        + "/v1/drivers/{id}/devices {\"encryption\":true}, or switch the app's encryption off")
            case .key(let secret):
                if let message = secret.open(box) { return take(message, secret: secret) }
                // It may have been changed where the devices are kept.
                guard !isAnew else {
                    return refuse("the app's passphrase is not the one that this device was given: enter that one")
                }
                keys.forget(device)
                open(box, isAnew: true)
            }
        }
    }

    /// 503, for the app to keep what it has until somebody has done what the log says.
    private func refuse(_ reason: String) {
        if call.gateway.ownTracks.mayComplain(of: call.credential.id) {
            call.gateway.log.warning(
                "an encrypted message of OwnTracks cannot be read, and waits on the phone",
                metadata: ["device": "\(call.credential.id)", "reason": "\(reason)"])
        }
        call.call.respond(Problem.unavailable(reason))
    }

    private func take(_ message: [UInt8], secret: SecretBox?) {
        let driver = label
        let (call, accuracy) = (call, call.assumedAccuracy)
        call.gateway.ownTracks.friends.find(of: call.driver) { friends in
            call.take(
                { (_, batch) throws(PingDecodingError) in
                    try OwnTracksPings.decode(
                        message.span, into: &batch, maximumPings: PhoneCall.maximumPings, assumedAccuracy: accuracy,
                        driver: driver)
                },
                reply: { _ in Self.response(friends, call.gateway, secret) })
        }
    }

    /// What the request calls its device: `X-Limit-D` or `?d=`. The app writes `device` where nothing was entered.
    private var label: DriverID? {
        let name = call.request.headers["x-limit-d"] ?? call.request.query("d")
        return name.flatMap { $0 == "device" ? nil : DriverID($0) }
    }

    private static func response(_ friends: [DriverID], _ gateway: Gateway, _ secret: SecretBox?) -> WebResponse {
        var writer = JSONWriter()
        OwnTracksFriends.append(friends, gateway.pipeline, to: &writer)
        if let secret {
            let data = Data(secret.seal(writer.bytes)).base64EncodedString()
            writer.removeAll()
            OwnTracksEnvelope.append(data: data, to: &writer)
        }
        return WebResponse(type: "application/json", body: writer.bytes)
    }
}
