/// `GET /api/0/locations`: a driver's past as OwnTracks' Recorder gives it, streamed like every export.
import EventLoop
import PostgresClient
import Tracking
import WebServer

/// The route.
struct RecorderLocationsRoute {
    private let call: SteeringCall
    private let connection: WebConnection

    init(_ call: RouteCall, _ credential: Credential) {
        self.call = SteeringCall(call, credential)
        connection = call.connection
    }

    /// GET, and HEAD, which asks Postgres for nothing but who may know.
    func answer() {
        call.answer { () throws(RequestRefusal) in
            guard let question = try RecorderQuestion(call.request, now: SystemClock.wallMicroseconds()) else {
                return call.json { $0.raw("{\"data\":[],\"count\":0,\"status\":200}") }
            }
            call.within([.driver(question.driver)]) {
                guard call.request.method != .head else {
                    connection.openBody(headers: headers(question), source: BodySource())
                    return
                }
                guard let limit = question.limit else { return start(question, question.range) }
                findStart(of: limit, question)
            }
        }
    }

    private func start(_ question: RecorderQuestion, _ range: Range<Microseconds>) {
        let encoder = OwnTracksTrackEncoder(
            question.format, of: question.driver, version: RecorderRoutes.version, fields: question.fields)
        HistoryDownload.start(
            HistoryQuestion(of: question.driver, in: range), .ownTracks(encoder), for: call, on: connection,
            headers: headers(question))
    }

    private func headers(_ question: RecorderQuestion) -> [(String, String)] {
        [("Content-Type", question.format.mediaType), ("Cache-Control", "no-store")]
    }

    /// The newest `limit` points begin at the fix time of the oldest of them.
    private func findStart(of limit: Int, _ question: RecorderQuestion) {
        let schema = quotedIdentifier(call.gateway.configuration.historySchemaName)
        let sql = """
            SELECT (extract(epoch FROM recorded_at) * 1000000)::bigint FROM \(schema).driver_location_events
            WHERE driver_id = $1 AND recorded_at >= $2 AND recorded_at < $3
            ORDER BY recorded_at DESC OFFSET \(limit - 1) LIMIT 1
            """
        let range = question.range
        let parameters = [
            question.driver.string, Timestamp.fineString(range.lowerBound), Timestamp.fineString(range.upperBound),
        ]
        call.gateway.past.askNow(sql, parameters) { answer in
            call.value(answer) { rows in
                let first = rows.count == 1 ? rows.integer(0, 0) : nil
                start(question, (first ?? range.lowerBound)..<range.upperBound)
            }
        }
    }
}
