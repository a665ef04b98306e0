/// What a group of drivers does: how many, on how many sockets, how often, with what to catch up on.

struct FleetPlan {
    var drivers = 500
    /// Drivers share sockets evenly; at most `drivers`.
    var sockets = 500
    /// All drivers together.
    var pingsPerSecond = 10_000.0
    var pingsPerFrame = 1
    /// What each has to send first; then `sockets` is `drivers`.
    var backlog: Backlog?

    /// Old pings that a device sends as fast as they are acknowledged, before it goes on with new ones.
    struct Backlog {
        /// Seconds of the past, with a ping a second.
        var seconds = 3_600
        var pingsPerFrame = 100
        /// Frames that wait for their acknowledgement at the same time.
        var framesInFlight = 4

        /// Frames of one device.
        var frames: Int { (seconds + pingsPerFrame - 1) / pingsPerFrame }
    }

    /// Microseconds from a driver's frame to its next: a multiple of 1 ms, so that `recorded_at`, which is in
    /// milliseconds, tells the intended time to the microsecond.
    var period: Int64 {
        max(1, Int64((Double(drivers * pingsPerFrame) / pingsPerSecond * 1_000).rounded())) * 1_000
    }

    /// Microseconds within a period at which the driver's frame is due.
    func phase(of driver: Int) -> Int64 { Int64(driver) * period / Int64(drivers) }

    /// Where a driver stands in the ramp and in the drop, from 0 to 1: after its socket, so that connections and pings
    /// grow alike. Sockets are spread by the golden ratio: in the order of their numbers those would come together whose
    /// pings are due together, and the rate would swing with the period.
    func rank(of driver: Int) -> Double {
        let spread = Double(driver % sockets) * 0.618_033_988_749_895
        let shared = Double((drivers + sockets - 1) / sockets)
        return min(1, spread - spread.rounded(.down) + Double(driver / sockets) / shared / Double(sockets))
    }
}
