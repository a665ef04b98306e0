/// `/gpslogger`: GPSLogger for Android, "Log to custom URL", with `%ALL` or the user's own template.
import Tracking
import WebServer

/// The route.
struct GPSLoggerRoute {
    let phone: PhoneCall

    /// Takes a position from the query, from a form's body, or from both.
    func receive() {
        let (fields, assumedAccuracy) = (phone.fields, phone.assumedAccuracy)
        phone.take(
            { _, batch in GPSLoggerPings.decode(fields, into: &batch, assumedAccuracy: assumedAccuracy) },
            reply: { _ in WebResponse(status: 200) })
    }
}
