/// The one event loop of a process: a libuv loop that runs sockets, stores and timers on the thread that calls `run()`.
///
/// Everything here but `WakeUp.wake()` belongs to that thread. The handles (`LoopTimer`, `LoopPoll`, …) each own one
/// libuv handle; see `LoopHandle` for who frees what.
package import CUV

/// A libuv loop and what hangs on it.
///
/// Not `Sendable`: created, used and destroyed on one thread.
public final class EventLoop {
    /// The C loop, for libraries that adopt a foreign one (libwebsockets). Ours to destroy.
    package let uvLoop: UnsafeMutablePointer<uv_loop_t>
    private var endOfTurnHook: LoopEndOfTurn?

    /// Makes a loop. Traps only when the kernel has no descriptor left for its epoll instance.
    public init() {
        uvLoop = .allocate(capacity: 1)
        let status = uv_loop_init(uvLoop)
        precondition(status == 0, "cannot create an event loop: \(EventLoopError(code: status))")
    }

    deinit {
        // Let handles that were closed but not yet reported finish; one left open is a programming error we only log by
        // leaking the loop's few hundred bytes, since freeing it under a live handle would be worse.
        _ = uv_run(uvLoop, UV_RUN_NOWAIT)
        if uv_loop_close(uvLoop) == 0 { uvLoop.deallocate() }
    }

    /// Runs until no handle is left open or `stop()` is called.
    public func run() {
        _ = uv_run(uvLoop, UV_RUN_DEFAULT)
    }

    /// Handles what is ready now without waiting; true while there are open handles.
    @discardableResult
    public func runReady() -> Bool {
        uv_run(uvLoop, UV_RUN_NOWAIT) != 0
    }

    /// Waits for one round of events and handles it.
    @discardableResult
    public func runOnce() -> Bool {
        uv_run(uvLoop, UV_RUN_ONCE) != 0
    }

    /// Makes `run()` return after the current turn.
    public func stop() {
        uv_stop(uvLoop)
    }

    /// Calls `body` at the end of every turn, just before the loop waits for events: the place where what a turn has
    /// gathered is written in one go. One hook a loop; it does not keep the loop alive.
    public func atEndOfTurn(_ body: @escaping () -> Void) {
        precondition(endOfTurnHook == nil, "a loop has one end-of-turn hook; call both bodies from it")
        endOfTurnHook = LoopEndOfTurn(loop: self, body: body)
    }

    /// Removes the end-of-turn hook, so that the loop can be destroyed.
    public func removeEndOfTurnHook() {
        endOfTurnHook?.close()
        endOfTurnHook = nil
    }
}

/// Why libuv refused something.
public struct EventLoopError: Error, CustomStringConvertible {
    /// libuv's (negative) error number, which is `-errno` on Linux.
    public let code: Int32

    package init(code: Int32) {
        self.code = code
    }

    /// libuv's own words for the code.
    public var description: String {
        String(cString: uv_strerror(code))
    }
}
