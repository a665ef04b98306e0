/// Timers, descriptors, signals and wake-ups on a loop: each one libuv handle with one closure.
import CUV

/// Runs a closure once or repeatedly, after a delay in milliseconds.
public final class LoopTimer: LoopHandle {
    private let body: () -> Void

    /// A stopped timer.
    public init(loop: EventLoop, _ body: @escaping () -> Void) {
        self.body = body
        super.init(uv_timer_t.self) { uv_timer_init(loop.uvLoop, $0) }
    }

    /// Starts or restarts it: first after `milliseconds`, then every `everyMilliseconds` where that is not 0.
    public func start(afterMilliseconds milliseconds: Int, everyMilliseconds: Int = 0) {
        guard isOpen else { return }
        // libuv counts from its cached time of the turn's beginning; a long turn must not shorten the delay.
        let handle = handle(as: uv_timer_t.self)
        uv_update_time(handle.pointee.loop)
        uv_timer_start(
            handle, { loopOwner($0!.pointee.data, as: LoopTimer.self).body() }, UInt64(max(0, milliseconds)),
            UInt64(max(0, everyMilliseconds)))
    }

    /// Stops it; it can be started again.
    public func stop() {
        guard isOpen else { return }
        uv_timer_stop(handle(as: uv_timer_t.self))
    }

    /// Whether a call is due.
    public var isActive: Bool {
        isOpen && uv_is_active(base) != 0
    }
}

/// What a descriptor is ready for.
public struct LoopReadiness: OptionSet, Sendable {
    /// The union of the bits below.
    public let rawValue: Int32
    /// libuv's own bit set.
    public init(rawValue: Int32) { self.rawValue = rawValue }
    /// Data, a connection to accept, or the end of the stream.
    public static let readable = LoopReadiness(rawValue: Int32(UV_READABLE.rawValue))
    /// Room in the send buffer, or a finished connect.
    public static let writable = LoopReadiness(rawValue: Int32(UV_WRITABLE.rawValue))
}

/// Watches a descriptor that somebody else owns. Close this before the descriptor is closed.
public final class LoopPoll: LoopHandle {
    private let body: (LoopReadiness) -> Void
    private var watched: LoopReadiness = []

    /// Watches nothing yet. An error on the descriptor is reported as readable and writable, so that the next read or
    /// write tells what it is.
    public init(
        loop: EventLoop, descriptor: Int32, _ body: @escaping (LoopReadiness) -> Void
    ) throws(EventLoopError) {
        self.body = body
        try super.init(uv_poll_t.self, throwing: { uv_poll_init(loop.uvLoop, $0, descriptor) })
    }

    /// Watches for exactly `readiness`; an empty set stops.
    public func watch(_ readiness: LoopReadiness) {
        guard isOpen, readiness != watched else { return }
        watched = readiness
        let handle = handle(as: uv_poll_t.self)
        if readiness.isEmpty {
            uv_poll_stop(handle)
            return
        }
        uv_poll_start(handle, readiness.rawValue) { poll, status, events in
            let owner = loopOwner(poll!.pointee.data, as: LoopPoll.self)
            if status < 0 { owner.reportError() } else { owner.body(LoopReadiness(rawValue: events)) }
        }
    }

    /// libuv stops a handle whose descriptor has an error before it calls back. The bytes that came before the error are
    /// read first, so the owner may not have met it yet: unless it has closed the handle, the watch goes on.
    private func reportError() {
        let wanted = watched
        watched = []
        body([.readable, .writable])
        if isOpen, watched.isEmpty { watch(wanted) }
    }
}

/// Runs a closure on the loop whenever the process gets a signal.
public final class LoopSignal: LoopHandle {
    private let body: () -> Void

    /// Starts watching `number`; does not keep the loop alive.
    public init(loop: EventLoop, number: Int32, _ body: @escaping () -> Void) {
        self.body = body
        super.init(uv_signal_t.self) { uv_signal_init(loop.uvLoop, $0) }
        uv_signal_start(
            handle(as: uv_signal_t.self), { signal, _ in loopOwner(signal!.pointee.data, as: LoopSignal.self).body() },
            number)
        unreference()
    }
}

/// Lets another thread wake the loop. Several wakes before the loop gets there run the closure once.
///
/// `@unchecked Sendable`: `wake()` is `uv_async_send`, the one libuv call that is safe from any thread; the owner must
/// stop other threads before it calls `close()`, which like everything else belongs to the loop's thread.
public final class LoopWakeUp: LoopHandle, @unchecked Sendable {
    private let body: () -> Void

    /// Does not keep the loop alive unless `keepsLoopAlive`.
    public init(loop: EventLoop, keepsLoopAlive: Bool = false, _ body: @escaping () -> Void) {
        self.body = body
        super.init(uv_async_t.self) {
            uv_async_init(loop.uvLoop, $0) { loopOwner($0!.pointee.data, as: LoopWakeUp.self).body() }
        }
        if !keepsLoopAlive { unreference() }
    }

    /// Makes the loop run the closure soon. Any thread.
    public func wake() {
        uv_async_send(handle(as: uv_async_t.self))
    }
}

/// The end-of-turn hook of a loop.
public final class LoopEndOfTurn: LoopHandle {
    private let body: () -> Void

    package init(loop: EventLoop, body: @escaping () -> Void) {
        self.body = body
        super.init(uv_prepare_t.self) { uv_prepare_init(loop.uvLoop, $0) }
        uv_prepare_start(handle(as: uv_prepare_t.self)) { loopOwner($0!.pointee.data, as: LoopEndOfTurn.self).body() }
        unreference()
    }
}
