/// How long to wait before the next attempt: doubling, with full jitter (Brooker, "Exponential Backoff and Jitter",
/// 2015), so that thousands of devices do not come back in step after a gateway's restart.

/// The waits of one connection.
struct Backoff {
    private let firstMilliseconds: Int
    private let longestMilliseconds: Int
    private var attempt = 0

    init(firstMilliseconds: Int = 100, longestMilliseconds: Int = 5000) {
        self.firstMilliseconds = firstMilliseconds
        self.longestMilliseconds = longestMilliseconds
    }

    /// The next wait in milliseconds, at least a tenth of the present ceiling.
    mutating func next(_ random: inout SeededRandom) -> Int {
        let ceiling = min(longestMilliseconds, firstMilliseconds << min(attempt, 16))
        attempt += 1
        return Int.random(in: max(1, ceiling / 10)...ceiling, using: &random)
    }

    /// After success the next wait is short again.
    mutating func reset() { attempt = 0 }
}
