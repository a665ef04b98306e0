/// What a replay came to.

/// The totals of one replay.
public struct ReplayReport: Sendable, Equatable {
    /// Pings in the files.
    public internal(set) var total = 0
    /// Handed to the gateway at least once.
    public internal(set) var sent = 0
    /// Settled by the gateway: durable, or judged away.
    public internal(set) var acknowledged = 0
    /// Of these, judged away, by reason.
    public internal(set) var rejected: [String: Int] = [:]
    /// How often the connection was lost and made anew.
    public internal(set) var interruptions = 0
    /// Why it was lost the last time; nil where it never was.
    public internal(set) var lastInterruption: String?
    /// From the first to the last acknowledgement.
    public internal(set) var seconds = 0.0
    /// Why it ended before its time; nil where it did not.
    public internal(set) var failure: String?

    /// Acknowledged and not rejected: accepted, late or duplicate.
    public var kept: Int { acknowledged - rejected.values.reduce(0, +) }

    /// 0 where every ping of the files was acknowledged, else 1.
    public var exitCode: Int32 { failure == nil && acknowledged == total ? 0 : 1 }

    /// One line a fact, as the command prints it.
    public var lines: [String] {
        var lines = ["sent          \(sent) of \(total)", "acknowledged  \(acknowledged)", "kept          \(kept)"]
        for (reason, count) in rejected.sorted(by: { ($1.value, $0.key) < ($0.value, $1.key) }) {
            lines.append("rejected      \(count)  \(reason)")
        }
        if interruptions > 0 { lines.append("interruptions \(interruptions)  last: \(lastInterruption ?? "unknown")") }
        let rate = seconds > 0 ? Double(acknowledged) / seconds : 0
        lines.append("seconds       \(oneDecimal(seconds))")
        lines.append("pings/s       \(oneDecimal(rate))")
        if let failure { lines.append("failed        \(failure)") }
        return lines
    }
}
