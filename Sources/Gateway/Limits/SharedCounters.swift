/// The counters in Redis that all processes of a gateway share: `limits.counter_key`, by default
/// `rate_limit:{client}:{endpoint}` (API.md, "Redis").
///
/// Nobody waits for Redis. What was used since the last tick is told in one write, and the replies say what everybody has
/// used: who is beyond the limit then is refused until the window ends. Redis away: each process has its own buckets.
import RedisClient
import Tracking

/// See the file's head. Lives on the loop's thread.
final class SharedCounters {
    /// The most counters of one tick, and the most clients that are refused: beyond it only local buckets count.
    private static let maximumClients = 100_000

    private struct Counter: Hashable {
        var client: String
        var endpoint: String
    }

    private let windowSeconds: Int
    private let pattern: KeyPattern
    private var used: [Counter: (requests: Int, allowed: Int64)] = [:]
    /// Until when a client is refused, in monotonic microseconds.
    private var refused: [String: Microseconds] = [:]

    /// `key` holds `{client}` and `{endpoint}`.
    init(windowSeconds: Int, key: String) {
        self.windowSeconds = windowSeconds
        pattern = KeyPattern(key)
    }

    /// The key of a client's counter.
    func key(_ client: String, _ endpoint: String) -> String {
        pattern.key { $0 == "client" ? client : endpoint }
    }

    /// What a client may use in a window: its rate throughout, and a burst. A second more, because a window begins with
    /// the tick that tells of its first request: whoever keeps to one process's bucket is never refused here.
    func allowed(_ limit: RateLimit) -> Int64 {
        limit.perSecond * Int64(windowSeconds + 1) + limit.burst
    }

    /// A client has made requests that count.
    func add(_ requests: Int, of client: String, endpoint: String, _ limit: RateLimit) {
        guard !limit.isUnlimited else { return }
        let counter = Counter(client: client, endpoint: endpoint)
        guard used.count < Self.maximumClients || used[counter] != nil else { return }
        used[counter, default: (0, allowed(limit))].requests += requests
    }

    /// How long a client is refused, in microseconds; 0 where it is not.
    func wait(_ client: String, now: Microseconds) -> Microseconds {
        guard !refused.isEmpty, let end = refused[client] else { return 0 }
        return max(0, end - now)
    }

    /// Tells Redis what was used, once a tick.
    func share(_ redis: RedisStore, now: @escaping () -> Microseconds) {
        if !refused.isEmpty {
            let moment = now()
            refused = refused.filter { $0.value > moment }
        }
        guard !used.isEmpty else { return }
        defer { used.removeAll(keepingCapacity: true) }
        guard redis.hasRoom else { return }
        for (counter, use) in used {
            let key = key(counter.client, counter.endpoint)
            let windowSeconds = windowSeconds
            // The life is set with the key and stays: INCRBY does not touch it. EXPIRE's NX would need Redis 7.
            redis.send(["SET", key, "0", "EX", "\(windowSeconds)", "NX"]) { _ in }
            redis.send(["INCRBY", key, "\(use.requests)"]) { [weak self] reply in
                guard case .integer(let total) = reply, total > use.allowed else { return }
                redis.send(["PTTL", key]) { reply in
                    self?.refuse(counter.client, for: reply, now())
                    // Without a life, since the SET failed for want of memory: it would refuse for ever.
                    if reply == .integer(-1) { redis.send(["EXPIRE", key, "\(windowSeconds)"]) { _ in } }
                }
            }
        }
    }

    private func refuse(_ client: String, for reply: RedisReply, _ now: Microseconds) {
        // Below zero the window has ended meanwhile.
        guard case .integer(let milliseconds) = reply, milliseconds > 0,
            refused.count < Self.maximumClients || refused[client] != nil
        else { return }
        refused[client] = max(refused[client] ?? 0, now + milliseconds * 1_000)
    }
}
