/// The way from the journal to Postgres, on a thread of its own, so that a slow COPY never delays an acknowledgement.
import EventLoop
import Journal
import PostgresClient
import Synchronization

/// Takes durable records off the journal and writes them into the history, in batches, exactly once.
///
/// Made and stopped by the gateway; everything between is the thread's. What it does shows in `counters`.
final class HistoryWriter: Sendable {
    /// What it has done and what is in its way.
    let counters: HistoryCounters
    private let store: JournalStore
    private let signals: HistorySignals
    private let thread: HistoryThread

    /// Starts writing.
    convenience init(_ configuration: HistoryConfiguration, from store: JournalStore) {
        self.init(store) { counters, signals in
            HistoryWorker(configuration, store, counters, signals).run()
        }
    }

    /// For a profile that keeps no history: lets the journal forget what is durable, since nobody else will read it.
    convenience init(discardingFrom store: JournalStore) {
        self.init(store) { counters, signals in
            counters.set(.ready)
            var position = store.waitForRecords(after: 0, timeoutMilliseconds: 0)
            store.release(through: position)
            counters.lastCommittedLSN.store(position, ordering: .releasing)
            while !signals.isStopping {
                let durable = store.waitForRecords(after: position, timeoutMilliseconds: 1_000)
                guard durable > position else {
                    // A journal that has ended does not wait; do not spin.
                    signals.cutOff.pause(milliseconds: 10)
                    continue
                }
                store.release(through: durable)
                counters.recordsDiscarded.wrappingAdd(durable - position, ordering: .relaxed)
                counters.lastCommittedLSN.store(durable, ordering: .releasing)
                position = durable
            }
        }
    }

    private init(_ store: JournalStore, _ body: @escaping @Sendable (HistoryCounters, HistorySignals) -> Void) {
        let counters = HistoryCounters()
        let signals = HistorySignals()
        self.store = store
        self.counters = counters
        self.signals = signals
        thread = HistoryThread {
            body(counters, signals)
            counters.set(.stopped)
        }
    }

    /// Asks the thread to write what is durable by now, as long as Postgres answers, and to end within
    /// `flushDeadlineMilliseconds`. Does not wait. Any thread.
    func requestStop(flushDeadlineMilliseconds: Int = 3_000) {
        // A quarter, at most 200 ms, is left for giving up the connection and ending the thread.
        let patience = flushDeadlineMilliseconds - min(200, flushDeadlineMilliseconds / 4)
        signals.stop(at: SystemClock.monotonicMicroseconds() + Int64(patience) * 1_000)
        store.wake()
    }

    /// Stops, and waits until the thread has ended. Returns within the deadline, whatever Postgres does; false where the
    /// thread has not ended, which only a name server that does not answer can bring about.
    @discardableResult
    func stop(flushDeadlineMilliseconds: Int = 3_000) -> Bool {
        requestStop(flushDeadlineMilliseconds: flushDeadlineMilliseconds)
        return thread.waitForEnd(milliseconds: flushDeadlineMilliseconds)
    }
}

/// How the gateway reaches the writer's thread.
final class HistorySignals: Sendable {
    /// Bounds everything the thread waits for in Postgres, and ends its pauses.
    let cutOff = PostgresCutOff()
    private let stopping = Atomic<Bool>(false)

    /// Whether the thread shall end.
    var isStopping: Bool { stopping.load(ordering: .acquiring) }

    /// Lets the thread end by that moment, in monotonic microseconds.
    func stop(at moment: Int64) {
        stopping.store(true, ordering: .releasing)
        cutOff.set(moment)
    }
}
