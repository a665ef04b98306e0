/// `POST /locations`, also `PUT`: Transistorsoft's background-geolocation and a browser's own positions. The reply carries
/// a command by which the library reports as often as the gateway wants to hear from this driver.
import EventLoop
import Tracking
import WebServer

/// The route.
struct LocationsRoute {
    /// With the library's elastic distance filter a fix comes every `distanceFilter` × (speed ÷ 5 m/s) metres
    /// (flutter_background_geolocation, `Config.distanceFilter`): every `distanceFilter` ÷ 5 m/s seconds at any speed.
    /// `locationUpdateInterval` is Android's alone, and is ignored there while a distance filter is set.
    static let elasticMetresPerSecond = 5

    private let call: PhoneCall

    init(_ call: PhoneCall) {
        self.call = call
    }

    /// Takes the request's records; `?columns=` names the values of those that are arrays.
    func receive() {
        let columns = call.request.query("columns").map { LocationsPings.Columns($0) } ?? .none
        let accuracy = call.assumedAccuracy
        call.take { (input, batch) throws(PingDecodingError) in
            try LocationsPings.decode(
                input, into: &batch, columns: columns, maximumPings: PhoneCall.maximumPings, assumedAccuracy: accuracy)
        } reply: { _ in
            WebResponse(type: "application/json", body: Array(Self.reply(interval: interval).utf8))
        }
    }

    /// What is wished of a device, in milliseconds between two reports; 0 is no wish.
    private var interval: Int {
        let gateway = call.gateway
        guard let driver = call.driver.flatMap({ gateway.pipeline.drivers.index(of: $0) }) else { return 0 }
        return gateway.rates.interval(of: driver, now: SystemClock.wallMicroseconds())
    }

    /// Any 2xx is a success to the library; what the body says beyond that is for it to do. Said every time, so that a lost
    /// reply is made good by the next. `setConfig` names the setting as version 5 does and as those before it did.
    private static func reply(interval: Int) -> String {
        guard interval > 0 else { return "{\"success\":true}" }
        let metres = max(1, (interval * elasticMetresPerSecond + 500) / 1_000)
        let setting = "\"distanceFilter\":\(metres)"
        let command = "[\"setConfig\",{\(setting),\"geolocation\":{\(setting)}}]"
        return "{\"success\":true,\"background_geolocation\":[\(command)]}"
    }
}
