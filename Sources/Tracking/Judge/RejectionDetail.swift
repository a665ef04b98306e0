/// A refusal in words, with the limit and what was sent: for replies, never for logs (it may hold a position).

extension JudgeRules {
    /// One line that says what was wrong with `ping` and what is expected.
    public func detail(of reason: RejectionReason, for ping: Ping, now: Microseconds) -> String {
        switch reason {
        case .malformed: "not a ping"
        case .driverMismatch: "driver_id is not this credential's driver"
        case .coordinates:
            (-900_000_000...900_000_000).contains(ping.longitude)
                && (-1_800_000_000...1_800_000_000).contains(ping.latitude)
                ? "lat is beyond 90 degrees; lat and lng may be swapped"
                : "lat must be within 90, lng within 180 degrees"
        case .zeroIsland: "lat and lng are both 0, which broken receivers report"
        case .accuracy: "accuracy must be above 0 and below \(accuracy.below) m"
        case .future: "recorded_at is more than \(future.tolerance / 1_000_000) s ahead of the gateway"
        case .stale:
            // An instant in January 1970 is nearly always a count of seconds that was read as milliseconds.
            (0..<30 * 86_400_000_000).contains(ping.recordedAt)
                ? "recorded_at is in 1970; it is counted in milliseconds"
                : "recorded_at is more than \(stale.retention / 86_400_000_000) days ago"
        case .mock: "simulated positions are not accepted here"
        case .offShift: "recorded while the driver was off shift; only what lies within a shift is kept"
        case .jump: "too far from the last position for the time between; a third agreeing ping is accepted"
        }
    }
}
