/// How current this process's memory of each driver is, where the driver's pings may come in through other gateways too.
import Tracking

/// What was heard of whom, and when. Part of `Pipeline`; the clock is whole seconds, so that a ping costs a store.
struct Recency {
    /// For how long a driver's memory is good enough to judge by, in seconds. Beyond it the hash is read before a ping is
    /// judged.
    static let life: Int32 = 10
    /// For how long it is good enough to be shown.
    static let freshness: Int32 = 1

    private struct Driver {
        var heardAt: Int32 = .min / 2
        /// Whether all that others publish of the driver arrives here.
        var isListened = false
    }

    /// Whether other gateways share the Redis; until that is known it is taken for granted.
    var isAccompanied = true
    /// The time, in seconds since the process began.
    var second: Int32 = 0
    private var drivers: [Driver] = []

    /// Makes room for one more driver.
    mutating func addDriver() {
        drivers.append(Driver())
    }

    /// The driver's newest position is known, here or by the hash. Hot path.
    @inline(__always)
    mutating func heard(_ driver: DriverIndex) {
        drivers[driver].heardAt = second
    }

    /// The hash is ahead of what is known here: it is read before the driver's next ping is judged.
    mutating func isBehind(_ driver: DriverIndex) {
        drivers[driver].heardAt = .min / 2
    }

    mutating func setListened(_ isListened: Bool, to driver: DriverIndex) {
        // Up to now it was: what is known is current for a while yet.
        if drivers[driver].isListened { heard(driver) }
        drivers[driver].isListened = isListened
    }

    /// Whether what is known of the driver is at most so many seconds behind what others know. Hot path.
    @inline(__always)
    func isCurrent(_ driver: DriverIndex, within seconds: Int32) -> Bool {
        !isAccompanied || drivers[driver].isListened || second &- drivers[driver].heardAt <= seconds
    }

    /// Whether nothing was heard of the driver for so many seconds.
    func isSilent(_ driver: DriverIndex, for seconds: Int32) -> Bool { second &- drivers[driver].heardAt >= seconds }

    /// The drivers that were heard of within so many seconds.
    func heard(within seconds: Int32) -> [DriverIndex] {
        drivers.indices.filter { second &- drivers[$0].heardAt <= seconds }
    }
}
