/// epoll, bare: the harness and its floors must cost less than what they measure.
import CLinux
import Glibc

/// One epoll instance. Level-triggered; each descriptor carries a number of the caller's.
struct Poller: ~Copyable {
    private let descriptor: Int32
    private let events: UnsafeMutablePointer<epoll_event>
    private static let capacity: Int32 = 1_024

    /// Traps only when the process has no descriptor left.
    init() {
        drover_sharpen_timers()
        descriptor = epoll_create1(0)
        precondition(descriptor >= 0, "no descriptor is left for epoll; raise ulimit -n")
        events = .allocate(capacity: Int(Self.capacity))
    }

    deinit {
        events.deallocate()
        close(descriptor)
    }

    /// Watches for input, and for room where `writable`.
    func add(_ socket: Int32, number: Int, writable: Bool = false) { set(EPOLL_CTL_ADD, socket, number, writable) }

    /// Changes what a socket is watched for.
    func change(_ socket: Int32, number: Int, writable: Bool) { set(EPOLL_CTL_MOD, socket, number, writable) }

    private func set(_ operation: Int32, _ socket: Int32, _ number: Int, _ writable: Bool) {
        let events = EPOLLIN.rawValue | (writable ? EPOLLOUT.rawValue : 0)
        _ = drover_epoll_set(descriptor, operation, socket, events, UInt32(number))
    }

    /// Stops watching.
    func remove(_ socket: Int32) {
        _ = drover_epoll_set(descriptor, EPOLL_CTL_DEL, socket, 0, 0)
    }

    /// Waits at most `nanoseconds` (for ever below 0) and calls `body` with the number of each ready descriptor.
    func wait(nanoseconds: Int64, _ body: (Int) throws -> Void) rethrows {
        let count = drover_epoll_wait(descriptor, events, Self.capacity, nanoseconds)
        guard count > 0 else { return }
        for index in 0..<Int(count) { try body(Int(drover_epoll_number(events + index))) }
    }
}
