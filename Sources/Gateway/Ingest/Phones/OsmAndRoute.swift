/// `/osmand`: Traccar Client 8, 9 and 10, and the OsmAnd app's online tracking.
import EventLoop
import Tracking
import WebServer

/// The route.
struct OsmAndRoute {
    let phone: PhoneCall

    /// Takes a request of any of the four dialects. `?unit=kn|mps|kmh` says what a speed is measured in where the app cannot
    /// be told by what it sends; a heartbeat without a place is a sign of life.
    func receive() {
        let unit = phone.request.query("unit")
        let speedUnit = unit.flatMap { SpeedUnit(rawValue: $0) }
        guard unit == nil || speedUnit != nil else {
            // A speed in a unit that nobody has meant would be worse than a phone that has to be set up again.
            let units = SpeedUnit.allCases.map(\.rawValue).joined(separator: ", ")
            return phone.call.respond(Problem.response(400, "bad_request", "unit: expected one of \(units)"))
        }
        let assumedAccuracy = phone.assumedAccuracy
        if phone.isJSON {
            phone.take(
                { (body, batch) throws(PingDecodingError) in
                    try TraccarPings.decode(
                        body, into: &batch, maximumPings: PhoneCall.maximumPings, assumedAccuracy: assumedAccuracy)
                }, reply: { _ in Self.done })
        } else {
            let (fields, now) = (phone.fields, SystemClock.wallMicroseconds())
            let isQuery = phone.request.body.isEmpty
            phone.take(
                { _, batch in
                    OsmAndPings.decode(
                        fields, unit: speedUnit, zerosAreUnknown: isQuery, into: &batch,
                        assumedAccuracy: assumedAccuracy, now: now)
                }, reply: { _ in Self.done })
        }
    }

    /// All of these apps look at the status alone; Traccar Client takes text for a command.
    private static let done = WebResponse(status: 200)
}
