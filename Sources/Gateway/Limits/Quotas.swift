/// Keys' own limits: so many requests in a period (`{"requests":1000,"period":900000}`), counted in windows of that length
/// which begin with the first request, as platforms count them. All gateways of a Redis share a key's window.
import RedisClient
import Tracking

/// See the file's head. Lives on the loop's thread; times are monotonic microseconds.
final class Quotas {
    /// The endpoint in the counter's key: a quota is about all of them together.
    static let endpoint = "all"
    /// The most clients at once; beyond it windows that have ended are forgotten, then any.
    private static let maximumClients = 100_000

    private struct Window {
        var quota: RequestQuota
        var endsAt: Microseconds
        /// Requests in this window, as far as this gateway knows.
        var used: Int64 = 0
        /// Those of them that Redis was not told of.
        var untold: Int64 = 0
    }

    /// What a client has left.
    struct Standing {
        var remaining: Int64
        /// Until the window ends.
        var wait: Microseconds
    }

    private var windows: [String: Window] = [:]
    /// Clients with something that Redis was not told of.
    private var untold: Set<String> = []

    /// Takes one request; false, and nothing is counted, where the window is used up.
    func take(_ client: String, _ quota: RequestQuota, now: Microseconds) -> (isTaken: Bool, standing: Standing) {
        var window = windows[client] ?? begin(quota, now)
        if window.endsAt <= now || window.quota != quota { window = begin(quota, now) }
        let isTaken = window.used < quota.requests
        if isTaken {
            window.used += 1
            window.untold += 1
            untold.insert(client)
        }
        if windows.count >= Self.maximumClients, windows[client] == nil { makeRoom(now) }
        windows[client] = window
        return (isTaken, Standing(remaining: max(0, quota.requests - window.used), wait: window.endsAt - now))
    }

    private func begin(_ quota: RequestQuota, _ now: Microseconds) -> Window {
        Window(quota: quota, endsAt: now + quota.periodMilliseconds * 1_000)
    }

    private func makeRoom(_ now: Microseconds) {
        windows = windows.filter { $0.value.endsAt > now }
        if windows.count >= Self.maximumClients { windows.removeAll() }
        untold = untold.filter { windows[$0] != nil }
    }

    /// Tells Redis what was used since the last call, and learns what all gateways have seen. Redis away: this gateway's
    /// own count goes on.
    func share(_ redis: RedisStore, key: (String) -> String, now: @escaping () -> Microseconds) {
        guard !untold.isEmpty else { return }
        defer { untold.removeAll(keepingCapacity: true) }
        let moment = now()
        for client in untold {
            guard let window = windows[client], window.untold > 0 else { continue }
            windows[client]?.untold = 0
            guard redis.hasRoom, window.endsAt > moment else { continue }
            let key = key(client)
            let life = max(1, (window.endsAt - moment) / 1_000)
            // The first gateway's window is everybody's: the life is set with the key and stays.
            redis.send(["SET", key, "0", "PX", "\(life)", "NX"]) { _ in }
            var total: Int64?
            redis.send(["INCRBY", key, "\(window.untold)"]) { if case .integer(let number) = $0 { total = number } }
            redis.send(["PTTL", key]) { [weak self] reply in
                guard let total, case .integer(let left) = reply else { return }
                // Without a life, since the SET failed for want of memory or the key ended meanwhile.
                if left == -1 { redis.send(["PEXPIRE", key, "\(life)"]) { _ in } }
                self?.learn(client, total: total, endsAt: now() + (left > 0 ? left : life) * 1_000)
            }
        }
    }

    private func learn(_ client: String, total: Int64, endsAt: Microseconds) {
        guard var window = windows[client] else { return }
        // Of one and the same window nobody knows of more than there was: a Redis that was emptied gives nothing back.
        let isSame = abs(window.endsAt - endsAt) < 2_000_000
        window.used = isSame ? max(window.used, total + window.untold) : total + window.untold
        window.endsAt = endsAt
        windows[client] = window
    }
}
