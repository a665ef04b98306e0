/// What Overland for iOS is asked to set so that it reports as often as is wished: how often it sends, and how far apart
/// its fixes are. It takes the values of its own screens alone, and steps over others.
/// Source: Overland-iOS, GPSLogger/GLManager.m, `updateSettingsFromResponse:`.

/// See the file's head.
enum OverlandSettings {
    /// `send_interval`, in seconds.
    private static let sendIntervals = [
        (1, "1s"), (5, "5s"), (10, "10s"), (15, "15s"), (30, "30s"), (60, "1m"), (120, "2m"), (300, "5m"), (600, "10m"),
        (1_800, "30m"),
    ]
    /// `min_time` of `main` and of `trip`, in seconds.
    private static let leastTimes = [(1, "1s"), (5, "5s"), (10, "10s"), (30, "30s"), (60, "1m"), (300, "5m")]

    /// The reply to a batch. `milliseconds` is the wished report interval; 0 is no wish, and leaves the phone as it is set.
    static func reply(interval milliseconds: Int) -> String {
        guard milliseconds > 0 else { return #"{"result":"ok"}"# }
        let send = nearest(milliseconds, sendIntervals)
        let least = nearest(milliseconds, leastTimes)
        return #"{"result":"ok","set":{"send_interval":"\#(send)","main":{"min_time":"\#(least)"},"#
            + #""trip":{"min_time":"\#(least)"}}}"#
    }

    /// The value with the smallest ratio to what is wished.
    private static func nearest(_ milliseconds: Int, _ values: [(seconds: Int, name: String)]) -> String {
        func ratio(_ seconds: Int) -> Double {
            let quotient = Double(seconds) * 1_000 / Double(milliseconds)
            return max(quotient, 1 / quotient)
        }
        return values.min { ratio($0.seconds) < ratio($1.seconds) }?.name ?? ""
    }
}
