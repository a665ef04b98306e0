// The pthread that writes and syncs.

import Glibc

/// One thread that runs a worker until the exchange asks it to end.
struct JournalThread {
    private let thread: pthread_t

    /// Hands the worker over: nobody else may use it from here on.
    private final class Box {
        let worker: JournalWorker
        init(_ worker: JournalWorker) { self.worker = worker }
    }

    /// Starts the thread with all signals blocked, so that they arrive on the event loop's.
    init(_ worker: JournalWorker) throws(JournalError) {
        var all = sigset_t()
        var before = sigset_t()
        sigfillset(&all)
        pthread_sigmask(SIG_SETMASK, &all, &before)
        defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
        // Retained here, released by the thread, or below where it does not start.
        let box = Unmanaged.passRetained(Box(worker))
        var thread = pthread_t()
        let code = pthread_create(
            &thread, nil,
            { argument in
                // The pointer is the box retained above; the argument of a started thread is never nil.
                let box = Unmanaged<Box>.fromOpaque(argument.unsafelyUnwrapped).takeRetainedValue()
                box.worker.run()
                return nil
            }, box.toOpaque())
        guard code == 0 else {
            box.release()
            throw .threadNotStarted(code: code)
        }
        self.thread = thread
    }

    /// Waits for a thread that has ended its work.
    func join() { pthread_join(thread, nil) }

    /// Leaves a thread that hangs in the kernel to itself; it keeps what it uses alive.
    func detach() { pthread_detach(thread) }
}
