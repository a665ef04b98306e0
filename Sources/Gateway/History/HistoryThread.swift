/// A thread that can be waited for with a limit: the one thing a join cannot do.
import Glibc

/// Runs a closure on a thread of its own.
///
/// `@unchecked Sendable`: `ended` is only touched under `mutex`; mutex and condition are what POSIX makes for sharing, at
/// addresses that stay until `deinit`, which the thread's own reference keeps off until it has ended.
final class HistoryThread: @unchecked Sendable {
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var ended = false
    private let body: @Sendable () -> Void

    /// Starts it. Traps only where the system gives no thread.
    init(_ body: @escaping @Sendable () -> Void) {
        self.body = body
        pthread_mutex_init(mutex, nil)
        var attributes = pthread_condattr_t()
        pthread_condattr_init(&attributes)
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        pthread_cond_init(condition, &attributes)
        pthread_condattr_destroy(&attributes)
        // Signals belong to the event loop's thread; a new thread inherits the mask.
        var all = sigset_t()
        var before = sigset_t()
        sigfillset(&all)
        pthread_sigmask(SIG_SETMASK, &all, &before)
        var thread = pthread_t()
        let status = pthread_create(
            &thread, nil,
            { context in
                // Retained below for this thread, which gives the reference back when it ends.
                let owner = Unmanaged<HistoryThread>.fromOpaque(context!).takeRetainedValue()
                owner.body()
                owner.end()
                return nil
            }, Unmanaged.passRetained(self).toOpaque())
        pthread_sigmask(SIG_SETMASK, &before, nil)
        precondition(status == 0, "cannot start the history's thread: raise the limit on threads (ulimit -u)")
        pthread_detach(thread)
    }

    deinit {
        pthread_cond_destroy(condition)
        pthread_mutex_destroy(mutex)
        condition.deallocate()
        mutex.deallocate()
    }

    /// Waits until the thread has ended; false where it has not within that time.
    func waitForEnd(milliseconds: Int) -> Bool {
        var moment = timespec()
        clock_gettime(CLOCK_MONOTONIC, &moment)
        let nanoseconds = moment.tv_nsec + milliseconds % 1_000 * 1_000_000
        moment.tv_sec += milliseconds / 1_000 + nanoseconds / 1_000_000_000
        moment.tv_nsec = nanoseconds % 1_000_000_000
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        while !ended {
            if pthread_cond_timedwait(condition, mutex, &moment) == ETIMEDOUT { return ended }
        }
        return true
    }

    private func end() {
        pthread_mutex_lock(mutex)
        ended = true
        pthread_cond_broadcast(condition)
        pthread_mutex_unlock(mutex)
    }
}
