/// What happens to orders, told to who is not a viewer: a webhook's receiver, and the platform's own tables. Events wait in
/// Postgres, written there together with what they tell about, so that none is lost and each has one id for ever.
///
/// On threads and connections of its own, on every gateway: each takes events that no other has in hand. An order's events
/// are told in their order; one that cannot be told holds back its own order's alone.
import EventLoop
import Logging
import PostgresClient
import Synchronization
import WebhookClient

/// Made and stopped by the gateway; everything between is the thread's.
final class Outbox: Sendable {
    let counters = OutboxCounters()
    /// Threads end by themselves within this time, so that what a receiver took just now is marked, in microseconds.
    private static let grace: Int64 = 300_000

    private let signals: [HistorySignals]
    private let client: WebhookClient?
    private let threads: [HistoryThread]

    /// Starts.
    init(_ targets: OutboxTargets, _ configuration: Configuration, log: Logger) {
        let counters = self.counters
        var signals: [HistorySignals] = []
        var threads: [HistoryThread] = []
        client = targets.webhook.map { _ in WebhookClient() }
        if let webhook = targets.webhook, let client {
            let own = HistorySignals()
            signals.append(own)
            threads.append(
                HistoryThread {
                    let job = WebhookDelivery(
                        webhook: webhook, targets: targets, client: client, counters: counters, log: log)
                    OutboxWorker(configuration, own, log) { (store) throws(PostgresError) in try job.run(store) }.run()
                })
        }
        if let write = targets.write {
            let own = HistorySignals()
            signals.append(own)
            threads.append(
                HistoryThread {
                    let job = EventWriting(write, targets, own, counters, log)
                    OutboxWorker(configuration, own, log) { (store) throws(PostgresError) in try job.run(store) }.run()
                })
        }
        self.signals = signals
        self.threads = threads
    }

    /// There are new events. Any thread.
    func wake() {
        for signals in signals { signals.cutOff.wake() }
    }

    /// Gives up what is under way, which is told again at the next start, and waits for the threads' end; false where one
    /// did not end.
    @discardableResult
    func stop(withinMilliseconds milliseconds: Int = 500) -> Bool {
        for signals in signals { signals.stop(at: SystemClock.monotonicMicroseconds() + Self.grace) }
        client?.cancel()
        return threads.allSatisfy { $0.waitForEnd(milliseconds: milliseconds) }
    }
}

/// What the outbox has done: written on its thread, read by metrics and health.
final class OutboxCounters: Sendable {
    struct Values: Sendable {
        /// Events that the webhook's receiver took, attempts that failed, and events that were given up.
        var delivered = 0
        var failures = 0
        var givenUp = 0
        /// Events written into the platform's tables, and attempts that failed.
        var written = 0
        var writeFailures = 0
        /// Events that waited at the last look, and the age of the oldest in seconds.
        var waiting = 0
        var oldestSeconds = 0
        /// Why the last attempt failed; nil where it did not.
        var webhookError: String?
        var writeError: String?
    }

    private let values = Mutex(Values())

    var current: Values { values.withLock { $0 } }

    func change(_ body: (inout Values) -> Void) {
        values.withLock { body(&$0) }
    }
}
