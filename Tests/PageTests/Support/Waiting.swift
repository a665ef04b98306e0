// How tests wait: for a condition, with a deadline.

import EventLoop
import Glibc

/// A condition did not come about in time.
struct OutOfTime: Error, CustomStringConvertible {
    let description: String
}

/// How long anything may take before a test gives up, in seconds; far above what it takes on a busy machine.
let patience = 60

/// Waits until `condition` holds; throws what was waited for where that takes too long.
func eventually(_ what: String, _ condition: () throws -> Bool) throws {
    let deadline = SystemClock.monotonicMicroseconds() + Int64(patience) * 1_000_000
    while try !condition() {
        guard SystemClock.monotonicMicroseconds() < deadline else {
            throw OutOfTime(description: "not within \(patience) s: \(what)")
        }
        poll(nil, 0, 5)
    }
}
