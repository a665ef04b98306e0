// A phone with OwnTracks, byte for byte: the requests of the iOS and the Android app in their HTTP mode.

import DroverClient
import Foundation
import LocalServers
import Testing

/// One phone of a driver.
struct OwnTracksPhone {
    enum System: CaseIterable {
        case iOS, android
    }

    let gateway: RunningGateway
    let system: System
    let token: String
    var path = "/pub"
    var device = "phone"

    /// The request's head and body as the app writes them.
    func request(_ body: String) -> String {
        let length = body.utf8.count
        let credential = base64("jane:\(token)")
        let lines =
            switch system {
            case .iOS:
                [
                    "POST \(path) HTTP/1.1", "Host: 127.0.0.1:\(gateway.port)", "Content-Type: application/json",
                    "X-Limit-U: jane", "X-Limit-D: \(device)", "Accept: */*", "Authorization: Basic \(credential)",
                    "Accept-Language: en-CA,en-US;q=0.9,en;q=0.8", "Accept-Encoding: gzip, deflate",
                    "User-Agent: OwnTracks/18.4.1 CFNetwork/1568.200.51 Darwin/24.1.0", "Content-Length: \(length)",
                    "Connection: keep-alive",
                ]
            case .android:
                [
                    "POST \(path) HTTP/1.1", "X-Limit-U: jane", "X-Limit-D: \(device)",
                    "Authorization: Basic \(credential)", "User-Agent: Owntracks-Android/gms/420503000",
                    "Content-Type: application/json; charset=utf-8", "Content-Length: \(length)",
                    "Host: 127.0.0.1:\(gateway.port)", "Connection: Keep-Alive", "Accept-Encoding: gzip",
                ]
            }
        return (lines + ["", body]).joined(separator: "\r\n")
    }

    /// Sends it over a connection of its own.
    func send(_ body: String) throws -> RawReply {
        let stream = try ByteStream(port: gateway.port)
        stream.send(request(body))
        return try #require(try stream.takeReply(within: 20))
    }

    /// Sends what must be taken, and gives the reply's body.
    func publish(_ body: String, sourceLocation: SourceLocation = #_sourceLocation) throws -> String {
        let reply = try send(body)
        #expect(reply.status == 200, "\(reply)", sourceLocation: sourceLocation)
        #expect(reply.headers["content-type"] == "application/json", sourceLocation: sourceLocation)
        return reply.body
    }

    /// A location with what both apps always send. `more` is raw JSON of more members, with a comma before.
    static func location(at seconds: Int64, latitude: Double = 43.6532, more: String = "") -> String {
        "{\"_type\":\"location\",\"tid\":\"ne\",\"lat\":\(latitude),\"lon\":-79.3832,\"tst\":\(seconds),\"acc\":8,"
            + "\"topic\":\"owntracks/jane/phone\"\(more)}"
    }
}
