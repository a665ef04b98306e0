// A mutex with two conditions, whose timed wait follows the monotonic clock. Synchronization.Mutex has no conditions.

import Glibc

/// Which of the monitor's conditions is meant.
enum MonitorCondition {
    /// There may be something to do for the journal's thread.
    case work
    /// Something became durable, was woken, failed or ended.
    case progress
}

/// Owns a pthread mutex and two pthread conditions, destroyed with it.
///
/// Unchecked: the three live at fixed addresses from `init` to `deinit` and are only given to the pthread calls that take
/// them from any thread.
final class Monitor: @unchecked Sendable {
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let work = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private let progress = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

    init() {
        pthread_mutex_init(mutex, nil)
        var attributes = pthread_condattr_t()
        pthread_condattr_init(&attributes)
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        pthread_cond_init(work, &attributes)
        pthread_cond_init(progress, &attributes)
        pthread_condattr_destroy(&attributes)
    }

    deinit {
        pthread_cond_destroy(progress)
        pthread_cond_destroy(work)
        pthread_mutex_destroy(mutex)
        progress.deallocate()
        work.deallocate()
        mutex.deallocate()
    }

    /// Runs `body` with the mutex held.
    func withLock<Result, Failure: Error>(_ body: () throws(Failure) -> Result) throws(Failure) -> Result {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return try body()
    }

    /// Gives the mutex up until the condition is signalled or the monotonic instant `deadline` (µs) has come. With the mutex
    /// held, in a loop that looks at what it waits for.
    func wait(for condition: MonitorCondition, until deadline: Int64?) {
        guard let deadline else {
            pthread_cond_wait(pointer(condition), mutex)
            return
        }
        var time = timespec(tv_sec: Int(deadline / 1_000_000), tv_nsec: Int(deadline % 1_000_000) * 1000)
        pthread_cond_timedwait(pointer(condition), mutex, &time)
    }

    /// Wakes everybody who waits for the condition.
    func signal(_ condition: MonitorCondition) { pthread_cond_broadcast(pointer(condition)) }

    private func pointer(_ condition: MonitorCondition) -> UnsafeMutablePointer<pthread_cond_t> {
        switch condition {
        case .work: work
        case .progress: progress
        }
    }

    /// Microseconds of the monotonic clock.
    static func now() -> Int64 {
        var now = timespec()
        clock_gettime(CLOCK_MONOTONIC, &now)
        return Int64(now.tv_sec) * 1_000_000 + Int64(now.tv_nsec) / 1000
    }
}
