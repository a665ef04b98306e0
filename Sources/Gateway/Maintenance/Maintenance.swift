/// What must be done in Postgres now and then (partitions, archives, the roll-up, erasures), on a thread and a connection
/// of its own, by one process of those that share a schema: whoever holds an advisory lock. If it ends, another one does.
import EventLoop
import Logging
import PostgresClient

/// Made and stopped by the gateway; everything between is the thread's.
final class Maintenance: Sendable {
    let counters: MaintenanceCounters
    private let signals = HistorySignals()
    private let thread: HistoryThread

    /// Starts. `jobs` run in their order where several are due.
    init(_ configuration: Configuration, _ jobs: [MaintenanceJob], log: Logger) {
        let counters = MaintenanceCounters(jobs.map(\.name))
        self.counters = counters
        let signals = self.signals
        thread = HistoryThread {
            MaintenanceWorker(configuration, jobs, counters, signals, log).run()
        }
    }

    /// The jobs look at once whether there is something to do, here where this process does them. Any thread.
    func wake() {
        signals.cutOff.wake()
    }

    /// Gives up what is under way, which can be done again, and waits for the thread's end; false where it did not end.
    @discardableResult
    func stop(withinMilliseconds milliseconds: Int = 500) -> Bool {
        signals.stop(at: SystemClock.monotonicMicroseconds())
        return thread.waitForEnd(milliseconds: milliseconds)
    }
}
