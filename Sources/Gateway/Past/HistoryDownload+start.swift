/// An export as the reply to a request, whatever it is written in.
import PostgresClient
import Tracking
import WebServer

extension HistoryDownload {
    /// Reads the first page and begins the reply, or says why not.
    static func start(
        _ question: HistoryQuestion, _ encoder: PastEncoder, for call: SteeringCall, on connection: WebConnection,
        headers: [(String, String)]
    ) {
        let gateway = call.gateway
        guard let download = HistoryDownload(question, encoder, for: call.credential, gateway: gateway) else {
            return call.postgresIsAway()
        }
        guard gateway.downloads.add(download) else {
            return call.respond(
                Problem.unavailable("\(Downloads.limit) exports are under way, which is the most; try again"))
        }
        download.prepare { error in
            if let error {
                gateway.downloads.remove(download)
                return call.value(Result<Void, PostgresError>.failure(error)) {}
            }
            guard connection.openBody(headers: headers, source: download) else {
                return gateway.downloads.remove(download)
            }
        }
    }
}
