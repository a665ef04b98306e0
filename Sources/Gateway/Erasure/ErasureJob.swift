/// Erasures as a job of the maintenance.
import EventLoop

extension MaintenanceJob {
    /// Looks every two seconds, and at once where the bus or a request here says so. A run does pieces for a short while
    /// and lets the other jobs have their turn in between.
    static func erasures(_ configuration: Configuration) -> MaintenanceJob {
        MaintenanceJob(name: "erasures", interval: 2_000_000) { session in
            let executor = ErasureExecutor(
                session.connection, session.configuration, cutOff: session.cutOff)
            let end = SystemClock.monotonicMicroseconds() + 500_000
            while SystemClock.monotonicMicroseconds() < end {
                guard try executor.advance() == .advanced else { return false }
            }
            return true
        }
    }
}
