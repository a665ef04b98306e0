/// `GET /api/0/version`, `/api/0/list`, `/api/0/last`: the interface of OwnTracks' Recorder
/// (https://github.com/owntracks/recorder, API.md), so that its viewers show drivers as they are.
import Crypto
import Foundation
import Tracking
import WebServer

/// The routes. A credential that is limited to subjects is answered with what lies within them.
struct RecorderRoutes {
    /// What viewers show as the Recorder's version.
    static let version = "Drover 1"

    private let call: SteeringCall
    private let limit: RecorderLimit

    init(_ call: RouteCall, _ credential: Credential) {
        self.call = SteeringCall(call, credential)
        limit = RecorderLimit(call.request)
    }

    /// What answers here.
    func tellVersion() {
        answer { writer in
            writer.raw("{\"version\":")
            writer.string(Self.version)
            writer.raw("}")
        }
    }

    /// The users; a user's devices; or a device's files, of which there are none.
    func list() {
        guard limit.user != nil else { return answer(["\(OwnTracksLocation.user)"]) }
        guard limit.device == nil else { return answer([]) }
        visible { drivers in
            let pipeline = call.gateway.pipeline
            answer(drivers.map { pipeline.drivers.id(of: $0).string }.sorted())
        }
    }

    private func answer(_ results: [String]) {
        answer { writer in
            writer.raw("{\"results\":[")
            for (index, result) in results.enumerated() {
                if index > 0 { writer.raw(",") }
                writer.string(result)
            }
            writer.raw("]}")
        }
    }

    /// The newest position of each driver; `fields` are the members that are wanted.
    func last() {
        let fields = call.request.query("fields").map { Set($0.split(separator: ",").map(String.init)) }
        let precision = call.credential.precisionMetres
        visible { drivers in
            let pipeline = call.gateway.pipeline
            answer { writer in
                writer.raw("[")
                let start = writer.bytes.count
                for driver in drivers {
                    guard let position = pipeline.fanout.position(of: driver) else { continue }
                    if writer.bytes.count > start { writer.raw(",\n") }
                    OwnTracksLocation(position.coarsened(to: precision), of: pipeline.drivers.id(of: driver))
                        .append(to: &writer, .recorder, fields: fields)
                }
                writer.raw("]")
            }
        }
    }

    private func visible(then: @escaping ([DriverIndex]) -> Void) {
        let gateway = call.gateway
        limit.drivers(gateway) { drivers in
            VisibleDrivers(gateway: gateway).among(drivers, for: call.credential) { drivers in
                guard let drivers else { return call.postgresIsAway() }
                then(drivers)
            }
        }
    }

    /// Answers with JSON, or, where the viewer has that very text already, with 304.
    private func answer(_ write: (inout JSONWriter) -> Void) {
        var writer = JSONWriter()
        write(&writer)
        let hash = SHA256.hash(data: Data(writer.bytes)).prefix(16).map { String(format: "%02x", $0) }.joined()
        let headers = [("ETag", "\"\(hash)\""), ("Cache-Control", "private, no-cache")]
        if call.request.headers["if-none-match"]?.contains(hash) == true {
            return call.respond(WebResponse(status: 304, headers: headers))
        }
        call.respond(WebResponse(type: "application/json; charset=utf-8", body: writer.bytes, headers: headers))
    }
}
