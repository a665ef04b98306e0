/// `/metrics` and `/readyz`: of this process, or of all workers where it is one of several.
import WebServer

extension RouteCall {
    /// Answers `/metrics`.
    func tellMetrics() {
        guard let format = MetricsFormat(request) else {
            return respond(Problem.response(400, "bad_request", "format is text or ndjson"))
        }
        guard let worker = gateway.worker else { return respond(Metrics(gateway).page(format), as: format) }
        worker.ask(.metrics) { answer in
            // A page of one worker in place of all would look as if everything had been lost and found again.
            guard let answer else { return respond(Problem.unavailable("the supervisor does not answer")) }
            respond(MetricsPage.shown(answer, as: format, timestamp: Metrics.timestamp), as: format)
        }
    }

    /// Answers `/readyz`.
    func tellReadiness() {
        guard let worker = gateway.worker else { return respond(Readiness(gateway).response()) }
        worker.ask(.readiness) { answer in
            var readiness = answer.map { Readiness(report: $0) } ?? Readiness(gateway)
            if answer == nil { readiness.add("workers", "the supervisor does not answer") }
            respond(readiness.response())
        }
    }

    private func respond(_ page: String, as format: MetricsFormat) {
        respond(WebResponse(type: format.mediaType, body: Array(page.utf8)))
    }
}
