/// The two clocks: wall time for what is stored and shown, monotonic time for delays and deadlines.
import Glibc

/// Reads the system's clocks. The pure core never does; time is an argument there.
public enum SystemClock {
    /// Microseconds since 1970-01-01T00:00:00Z.
    public static func wallMicroseconds() -> Int64 {
        microseconds(of: CLOCK_REALTIME)
    }

    /// Microseconds since some fixed moment; never goes back, whatever happens to the wall clock.
    public static func monotonicMicroseconds() -> Int64 {
        microseconds(of: CLOCK_MONOTONIC)
    }

    private static func microseconds(of clock: clockid_t) -> Int64 {
        var now = timespec()
        clock_gettime(clock, &now)
        return Int64(now.tv_sec) &* 1_000_000 &+ Int64(now.tv_nsec) / 1_000
    }
}
