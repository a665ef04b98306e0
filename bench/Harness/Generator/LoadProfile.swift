/// The course of a run in time: it grows, settles, is measured, shrinks; and what may disturb it on the way.

/// Seconds of each phase, in their order.
struct LoadProfile {
    /// Connections and pings a second grow linearly. 0 opens everything beforehand.
    var ramp = 0.0
    /// At full load, not measured.
    var warmUp = 2.0
    /// At full load, measured.
    var steady = 6.0
    /// Everything ends linearly. 0 ends it at once.
    var drop = 0.0

    var total: Double { ramp + warmUp + steady + drop }
}

/// Connections that are cut at one moment and come back at evenly spread moments.
struct Storm {
    /// Seconds after the measured part's beginning.
    var at = 2.0
    /// Seconds within which they come back.
    var within = 5.0
    /// The part of the devices' and of the viewers' connections that is cut, 0 to 1.
    var devices = 1.0
    var viewers = 1.0
}

/// The moments of one run, in nanoseconds since 1970.
struct Timeline {
    /// The first ping; a multiple of 1 ms, so that every intended time is `recorded_at` and some microseconds.
    let start: Int64
    let ramp: Int64
    /// What is measured: pings whose intended time lies in it.
    let window: Range<Int64>
    let drop: Int64

    init(start: Int64, _ profile: LoadProfile) {
        self.start = start
        ramp = Int64(profile.ramp * 1e9)
        let measured = start + ramp + Int64(profile.warmUp * 1e9)
        window = measured..<(measured + Int64(profile.steady * 1e9))
        drop = Int64(profile.drop * 1e9)
    }

    var end: Int64 { window.upperBound + drop }
}
