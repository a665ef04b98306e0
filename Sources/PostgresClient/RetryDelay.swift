/// How long to wait before the next attempt.

/// Exponential back-off with full jitter: the n-th delay is uniform between 0 and min(longest, shortest · 2ⁿ), so that
/// many gateways do not come back at the same moment (M. Brooker, "Exponential Backoff And Jitter", AWS, 2015).
public struct RetryDelay: Sendable {
    private let shortest: Int
    private let longest: Int
    private var attempts = 0

    /// Bounds in milliseconds.
    public init(shortestMilliseconds: Int = 100, longestMilliseconds: Int = 5_000) {
        shortest = shortestMilliseconds
        longest = longestMilliseconds
    }

    /// The delay in milliseconds before the next attempt.
    public mutating func next(using random: inout some RandomNumberGenerator) -> Int {
        let ceiling = min(longest, shortest << min(attempts, 20))
        attempts += 1
        return Int.random(in: 0...ceiling, using: &random)
    }

    /// The delay before the next attempt, by the system's randomness.
    public mutating func next() -> Int {
        var random = SystemRandomNumberGenerator()
        return next(using: &random)
    }

    /// An attempt succeeded.
    public mutating func reset() {
        attempts = 0
    }
}
