/// `/overland`: Overland for iOS and Android, and GPSLogger's Dawarich sender under Dawarich's own path.
import EventLoop
import Tracking
import WebServer

/// The route.
struct OverlandRoute {
    let phone: PhoneCall

    /// Takes a batch of Features. The phone deletes them when it reads `"result":"ok"`, and keeps them for ever otherwise.
    func receive() {
        let assumedAccuracy = phone.assumedAccuracy
        phone.take(
            { (body, batch) throws(PingDecodingError) in
                try OverlandPings.decode(
                    body, into: &batch, maximumPings: PhoneCall.maximumPings, assumedAccuracy: assumedAccuracy)
            },
            reply: { _ in success })
    }

    /// What makes the phone delete the batch, and how often it should report where it is a driver's own: said every time, so
    /// that a lost reply is made good by the next.
    private var success: WebResponse {
        let gateway = phone.gateway
        let driver = phone.driver.flatMap { gateway.pipeline.drivers.index(of: $0) }
        let interval = driver.map { gateway.rates.interval(of: $0, now: SystemClock.wallMicroseconds()) } ?? 0
        return WebResponse(type: "application/json", body: Array(OverlandSettings.reply(interval: interval).utf8))
    }

    /// Answers Overland's question who is there, the `name` of which it shows above the map.
    func greet() {
        var writer = JSONWriter()
        writer.raw("{\"name\":\"Drover\"")
        if let driver = phone.driver {
            writer.raw(",\"driver_id\":")
            writer.id(driver)
        }
        writer.raw("}")
        phone.call.respond(WebResponse(type: "application/json", body: writer.bytes))
    }
}
