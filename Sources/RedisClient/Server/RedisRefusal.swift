/// What an error reply asks of us.

/// An error that something can be done about, by its first word (Redis' cluster specification, "Redirection and
/// resharding", and the errors of a server that is no primary or not ready).
enum RedisRefusal: Equatable {
    /// The slot belongs to another node, from now on.
    case moved(slot: Int, RedisAddress.Endpoint)
    /// This one command belongs to another node: the slot is on its way there.
    case ask(slot: Int, RedisAddress.Endpoint)
    /// The server is a replica: READONLY, MASTERDOWN.
    case notPrimary
    /// Try again in a moment: TRYAGAIN, CLUSTERDOWN, LOADING.
    case notNow
    /// Nothing can be written until somebody helps: OOM, NOREPLICAS, MISCONF.
    case cannotWrite

    /// Nil where asking again, or elsewhere, would not help. `host` is that of the server that said so, which may leave
    /// its own name out.
    init?(_ text: String, host: String) {
        let words = text.split(separator: " ", maxSplits: 3)
        switch words.first {
        case "MOVED", "ASK":
            guard words.count >= 3, let slot = Int(words[1]), 0..<HashSlot.count ~= slot,
                let colon = words[2].lastIndex(of: ":"), let port = UInt16(words[2][words[2].index(after: colon)...])
            else { return nil }
            let named = words[2][..<colon]
            let endpoint = RedisAddress.Endpoint.tcp(
                host: named.isEmpty || named == "?" ? host : String(named), port: port)
            self = words[0] == "MOVED" ? .moved(slot: slot, endpoint) : .ask(slot: slot, endpoint)
        case "READONLY", "MASTERDOWN": self = .notPrimary
        case "TRYAGAIN", "CLUSTERDOWN", "LOADING": self = .notNow
        case "OOM", "NOREPLICAS", "MISCONF": self = .cannotWrite
        default: return nil
        }
    }
}

/// Tells that commands were refused: soon at first, ever more rarely while that goes on, since whoever is told writes
/// everything again.
struct RefusalPace {
    private static let longestPause: Int64 = 8_000_000
    private var pause: Int64 = 1_000_000
    private var lastTold: Int64 = .min / 2
    private(set) var isPending = false

    mutating func refused() { isPending = true }

    /// Whether it is time to tell, at `now` in microseconds; asked about once a second.
    mutating func isDue(_ now: Int64) -> Bool {
        guard isPending, now - lastTold >= pause else { return false }
        pause = now - lastTold < 3 * pause ? min(2 * pause, Self.longestPause) : 1_000_000
        lastTold = now
        isPending = false
        return true
    }
}

/// The pause before the next attempt to connect: a random part of a growing span, short since hashes must be right within
/// a second of a server's return.
struct RetryPause {
    private static let longest = 500
    private var failures = 0

    /// In milliseconds.
    mutating func next() -> Int {
        failures = min(failures + 1, 10)
        return Int.random(in: 1...min(Self.longest, 20 << failures))
    }

    mutating func reset() { failures = 0 }

    /// Whether nothing has failed yet since the last success.
    var isFresh: Bool { failures == 0 }
}
