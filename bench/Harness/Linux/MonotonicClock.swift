/// The one clock of a run: wall time that cannot jump, in nanoseconds.
import Glibc

/// Monotonic time moved to the wall's zero once, at start-up: good for schedules and as a ping's `recorded_at`.
struct RunClock {
    private let offset: Int64

    init() { offset = Self.read(CLOCK_REALTIME) - Self.read(CLOCK_MONOTONIC) }

    /// Nanoseconds since 1970.
    var now: Int64 { Self.read(CLOCK_MONOTONIC) + offset }

    private static func read(_ clock: clockid_t) -> Int64 {
        var time = timespec()
        clock_gettime(clock, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }
}
