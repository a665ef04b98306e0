/// The pings a device has not had acknowledged, in order: a ring that grows to what was needed and then stays.

/// A ping on its way.
struct PendingPing {
    var report: PingReport
    var driver: Int32
    /// When it was handed over, microseconds of the monotonic clock; the first time where it is sent again.
    var sentAt: Int64
}

/// First in, first out; sequence numbers are consecutive. The first `sent` of them have been written to the present
/// connection.
struct UnacknowledgedPings {
    private var ring: [PendingPing?]
    private var head = 0
    /// The most it holds.
    let capacity: Int
    private(set) var count = 0
    /// The sequence number of the oldest.
    private(set) var firstSequence: Int64 = 1
    private(set) var sent = 0

    /// Room for `capacity` pings.
    init(capacity: Int) {
        self.capacity = max(1, capacity)
        // Most of thousands of simulated phones never have more than a few on their way.
        ring = Array(repeating: nil, count: min(self.capacity, 8))
    }

    var isFull: Bool { count == capacity }
    var unsent: Int { count - sent }
    var nextSequence: Int64 { firstSequence + Int64(count) }

    /// Puts one at the end and gives its sequence number; nil where the ring is full.
    mutating func append(_ ping: PendingPing) -> Int64? {
        guard !isFull else { return nil }
        if count == ring.count { grow() }
        ring[(head + count) % ring.count] = ping
        count += 1
        return nextSequence - 1
    }

    private mutating func grow() {
        var larger = [PendingPing?](repeating: nil, count: min(capacity, ring.count * 2))
        for offset in 0..<count { larger[offset] = ring[(head + offset) % ring.count] }
        ring = larger
        head = 0
    }

    /// The ping with that sequence number.
    subscript(sequence: Int64) -> PendingPing? {
        let offset = sequence - firstSequence
        guard offset >= 0, offset < count else { return nil }
        return ring[(head + Int(offset)) % ring.count]
    }

    /// The next unsent one's sequence number.
    var firstUnsent: Int64 { firstSequence + Int64(sent) }

    mutating func markSent(_ number: Int) { sent += number }

    /// The connection is gone: all that is left has to be sent again.
    mutating func markAllUnsent() { sent = 0 }

    /// Takes the oldest out where its number is at most `sequence`. One that was not sent on this connection cannot be
    /// acknowledged by it.
    mutating func popFirst(through sequence: Int64) -> (sequence: Int64, ping: PendingPing)? {
        guard sent > 0, firstSequence <= sequence, let ping = ring[head] else { return nil }
        let popped = firstSequence
        head = (head + 1) % ring.count
        count -= 1
        sent -= 1
        firstSequence += 1
        return (popped, ping)
    }
}
