/// Posts events to the webhook's receiver.
import EventLoop
import Logging
import PostgresClient
import Tracking
import WebhookClient

/// The webhook's thread.
struct WebhookDelivery {
    /// How often it looks for events that nobody has told it of, such as another gateway's, and the shortest pause while
    /// events wait, in seconds.
    private static let look = 1.0
    private static let shortestLook = 0.2
    /// The pause after the first failed attempt and the longest one, in milliseconds, and for how long an event is tried, in
    /// microseconds: three days, as a receiver that broke on a Friday is repaired on a Monday.
    private static let firstPause = 500
    private static let longestPause = 3_600_000
    private static let patience: Microseconds = 3 * 86_400_000_000

    let webhook: OutboxTargets.Webhook
    let targets: OutboxTargets
    let client: WebhookClient
    let counters: OutboxCounters
    let log: Logger

    /// Posts what is due and gives the pause until the next look, in milliseconds.
    func run(_ store: OutboxStore) throws(PostgresError) -> Int {
        if try deliver(store) { return 0 }
        let waiting = try store.waiting(webhook.types)
        counters.change {
            $0.waiting = waiting.count
            $0.oldestSeconds = waiting.oldest
        }
        // Who is due already is in another gateway's hands, or behind an event of its order that is not due.
        return Int(min(Self.look, max(Self.shortestLook, waiting.next ?? Self.look)) * 1_000)
    }

    /// Posts what is due; true where there may be more.
    private func deliver(_ store: OutboxStore) throws(PostgresError) -> Bool {
        try store.connection.transaction { () throws(PostgresError) -> Bool in
            let events = try store.takeUndelivered(webhook.types)
            guard !events.isEmpty else { return false }
            let now = SystemClock.wallMicroseconds()
            let outcomes = client.post(events.map { webhook.request($0, status: targets.status, now: now) })
            for (event, outcome) in zip(events, outcomes) where outcome != .cancelled {
                try mark(event, outcome, store, now)
            }
            return true
        }
    }

    private func mark(
        _ event: OutboxEvent, _ outcome: WebhookOutcome, _ store: OutboxStore, _ now: Microseconds
    ) throws(PostgresError) {
        guard let problem = outcome.problem else {
            try store.delivered(event.number)
            let wasFailing = counters.current.webhookError != nil
            counters.change {
                $0.delivered += 1
                $0.webhookError = nil
            }
            if wasFailing { log.notice("the webhook's receiver takes events again") }
            return
        }
        let isOver = now - event.at > Self.patience
        try store.failed(event.number, problem, afterMilliseconds: isOver ? nil : Self.pause(after: event.attempts))
        let isNews = counters.current.webhookError == nil
        counters.change {
            $0.failures += 1
            if isOver { $0.givenUp += 1 }
            $0.webhookError = problem
        }
        if isNews { log.warning("the webhook's receiver does not take events", metadata: ["reason": "\(problem)"]) }
        if isOver {
            log.error(
                "an event is given up after three days; its row of order_events tells what it was",
                metadata: ["event": "\(event.id)"])
        }
    }

    /// Half of the pause is fixed and half by chance, so that a receiver that comes back is not met by all at once.
    private static func pause(after attempts: Int) -> Int {
        let pause = min(longestPause, firstPause << min(attempts, 16))
        return pause / 2 + Int.random(in: 0...pause / 2)
    }
}
