/// Tells the server to give up a statement whose answer nobody waits for any more.
import CPostgres
import Glibc

/// A request to end what a connection runs.
enum PostgresCancel {
    /// Sends the request for what `handle` runs now. libpq can only do that blocking, over a connection of its own, so it
    /// has a thread of its own, which ends with it; there is one for each question that ran out of time, and after that
    /// question the connection is given up, so there are never many.
    static func send(_ handle: borrowing PostgresHandle) {
        guard let request = PQgetCancel(handle.pointer) else { return }
        var thread = pthread_t()
        let status = pthread_create(
            &thread, nil,
            { request in
                // A `PGcancel` is self-contained and, says libpq's manual, safe to use from any thread. It is this
                // thread's alone from here on.
                let request = OpaquePointer(request)
                var reason = [CChar](repeating: 0, count: 256)
                _ = PQcancel(request, &reason, Int32(reason.count))
                PQfreeCancel(request)
                return nil
            }, UnsafeMutableRawPointer(request))
        if status == 0 { pthread_detach(thread) } else { PQfreeCancel(request) }
    }
}
