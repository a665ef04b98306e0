/// Tells a bad row from a bad schema: a few refused rows are set aside, a flood of them stops the writer, since setting
/// everything aside would empty the journal into a table that nobody reads.

/// Counts the dead letters among the last rows.
public struct DeadLetterGuard: Sendable {
    /// Rows that are looked back on.
    public static let window: UInt64 = 10_000
    /// As many may always be set aside.
    public static let allowance = 10
    /// Above the allowance: at most one row in so many.
    public static let oneIn: UInt64 = 100

    private var rows: UInt64 = 0
    /// The ordinal of each dead letter, ascending. Bounded, since old ones go when one comes and the window allows few.
    private var deadLetters: [UInt64] = []

    /// Nothing seen yet.
    public init() {}

    /// Rows have been stored.
    public mutating func stored(_ count: Int) {
        rows += UInt64(count)
    }

    /// Whether one more row may be set aside now.
    public var allowsAnother: Bool {
        let count = deadLetters.count { $0 >= windowStart } + 1
        return count <= Self.allowance || UInt64(count) * Self.oneIn <= min(rows + 1, Self.window)
    }

    /// A row has been set aside.
    public mutating func setAside() {
        let start = windowStart
        deadLetters.removeAll { $0 < start }
        deadLetters.append(rows)
        rows += 1
    }

    /// The first row of a window that ends with the next one.
    private var windowStart: UInt64 { rows >= Self.window ? rows + 1 - Self.window : 0 }
}
