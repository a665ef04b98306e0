/// `GET /v1/drivers/{id}/history`: a driver's past in one of four formats, streamed.
import EventLoop
import PostgresClient
import Tracking
import WebServer

/// The route. A credential that is limited to subjects gets drivers within them, on the grid that it sees live.
struct HistoryRoute {
    private let call: SteeringCall
    private let connection: WebConnection

    init(_ call: RouteCall, _ credential: Credential) {
        self.call = SteeringCall(call, credential)
        connection = call.connection
    }

    /// GET, and HEAD, which says the same without asking Postgres for anything but who may know.
    func answer() {
        guard let driver = DriverID(call.parameters[0]) else { return call.respond(Problem.nothing(at: call.request)) }
        call.answer { () throws(RequestRefusal) in
            let question = try HistoryQuestion(call.request, of: driver, now: SystemClock.wallMicroseconds())
            call.within([.driver(driver)]) {
                guard call.request.method != .head else {
                    connection.openBody(headers: headers(question), source: BodySource())
                    return
                }
                HistoryDownload.start(
                    question, .track(TrackEncoder(question.format, of: driver)), for: call, on: connection,
                    headers: headers(question))
            }
        }
    }

    private func headers(_ question: HistoryQuestion) -> [(String, String)] {
        [
            ("Content-Type", question.format.mediaType),
            ("Content-Disposition", "attachment; filename=\"\(question.fileName)\""),
            ("Vary", "Accept"), ("Cache-Control", "no-store"),
        ]
    }
}
