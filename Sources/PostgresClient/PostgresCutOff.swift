/// Ends what a blocking connection waits for, from another thread: how a frozen Postgres cannot delay a shutdown.
import EventLoop
import Glibc
import Synchronization

/// The latest moment until which connections that share it may wait. Any thread may move it; the thread that owns the
/// connections waits on it.
public final class PostgresCutOff: Sendable {
    /// Monotonic microseconds; the distant future until `set` is called.
    private let moment = Atomic<Int64>(.max)
    /// Whether somebody called `set` or `wake` since the last pause: a wait that takes the news off the socket must not
    /// keep it from the pause behind it.
    private let isWoken = Atomic<Bool>(false)
    /// A socket pair, of which one end becomes readable when the moment was moved; both are closed in `deinit`.
    private let reading: Int32
    private let writing: Int32

    /// Nothing is cut off yet. Traps only when the process has no descriptor left.
    public init() {
        var ends: [Int32] = [-1, -1]
        let kind = SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue
        precondition(
            socketpair(AF_UNIX, Int32(kind), 0, &ends) == 0,
            "cannot create a socket pair: raise the limit on open files (ulimit -n)")
        (reading, writing) = (ends[0], ends[1])
    }

    deinit {
        close(reading)
        close(writing)
    }

    /// Lets every wait end at `monotonicMicroseconds` at latest. Any thread.
    public func set(_ monotonicMicroseconds: Int64) {
        moment.store(monotonicMicroseconds, ordering: .releasing)
        wake()
    }

    /// Ends a `pause`, the next one where none is under way, and makes a wait look at the moment again. Any thread.
    public func wake() {
        isWoken.store(true, ordering: .releasing)
        // A full socket is readable already, so a refused write loses nothing.
        var byte: UInt8 = 1
        write(writing, &byte, 1)
    }

    /// The moment, in monotonic microseconds.
    public var deadline: Int64 { moment.load(ordering: .acquiring) }

    /// Waits for that long, or until somebody calls `set` or `wake`; not at all where that was done since the last pause.
    public func pause(milliseconds: Int) {
        var watched = pollfd(fd: reading, events: Int16(POLLIN), revents: 0)
        guard isWoken.load(ordering: .acquiring) || poll(&watched, 1, Int32(clamping: milliseconds)) > 0 else { return }
        // In this order: what comes in between ends the next pause.
        isWoken.store(false, ordering: .releasing)
        drain()
    }

    /// Waits until `socket` is ready for one of `events`; false where the earlier of `deadline` and the cut-off came first.
    func wait(socket: Int32, events: Int32, deadline: Int64) -> Bool {
        while true {
            let left = min(deadline, self.deadline) - SystemClock.monotonicMicroseconds()
            if left <= 0 { return false }
            var watched = (
                pollfd(fd: socket, events: Int16(events), revents: 0),
                pollfd(fd: reading, events: Int16(POLLIN), revents: 0)
            )
            let ready = withUnsafeMutableBytes(of: &watched) { bytes in
                poll(bytes.baseAddress!.assumingMemoryBound(to: pollfd.self), 2, Int32(clamping: (left + 999) / 1_000))
            }
            if ready <= 0 { continue }
            if watched.1.revents != 0 { drain() }
            if watched.0.revents != 0 { return true }
        }
    }

    private func drain() {
        var bytes = InlineArray<64, UInt8>(repeating: 0)
        while read(reading, &bytes, 64) == 64 {}
    }
}
