// How tests wait: for a condition, with a deadline, never for a time.

import EventLoop
import Glibc
import Testing

/// A condition did not come about in time.
struct OutOfTime: Error, CustomStringConvertible {
    let description: String
}

/// Waits until `condition` holds; throws what was waited for where that takes longer than `seconds`.
func eventually(_ what: String, within seconds: Double = 30, _ condition: () throws -> Bool) throws {
    let deadline = Deadline(seconds: seconds)
    while try !condition() {
        guard !deadline.isOver else { throw OutOfTime(description: "not within \(seconds) s: \(what)") }
        poll(nil, 0, 5)
    }
}

/// Waits until `read` gives something.
func awaitValue<Value>(_ what: String, within seconds: Double = 30, _ read: () throws -> Value?) throws -> Value {
    var value: Value?
    try eventually(what, within: seconds) {
        value = try read()
        return value != nil
    }
    return try #require(value)
}

/// What the API promises within a second. A machine that is busy with other tests may once be late, the gateway that
/// is late three times in a row does not keep its promise. `prepare` starts each try.
func withinASecond(_ what: String, prepare: (_ attempt: Int) throws -> Void, _ condition: () throws -> Bool) throws {
    for attempt in 0..<3 {
        try prepare(attempt)
        let deadline = Deadline(seconds: 1)
        while !deadline.isOver {
            if try condition() { return }
            poll(nil, 0, 2)
        }
    }
    throw OutOfTime(description: "three times not within a second: \(what)")
}

/// A moment on the monotonic clock.
struct Deadline {
    private let at: Int64

    init(seconds: Double) {
        at = SystemClock.monotonicMicroseconds() + Int64(seconds * 1_000_000)
    }

    var isOver: Bool { SystemClock.monotonicMicroseconds() >= at }

    /// What is left, for poll(2).
    var milliseconds: Int32 { Int32(clamping: max(0, (at - SystemClock.monotonicMicroseconds() + 999) / 1_000)) }
}

/// The wall clock in epoch milliseconds.
func now() -> Int64 {
    SystemClock.wallMicroseconds() / 1_000
}

/// Whether tests that take minutes are wanted.
let wantsLongTests = getenv("DROVER_LONG_TESTS").map { String(cString: $0) } == "1"
