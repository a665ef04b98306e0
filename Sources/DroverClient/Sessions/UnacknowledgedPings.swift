/// The pings a device has not had acknowledged, and the order in which they go out: what is new before what has gathered.

/// A ping on its way.
struct PendingPing {
    var report: PingReport
    var driver: Int32
    /// When it was handed over, microseconds of the monotonic clock; the first time where it is sent again.
    var sentAt: Int64
    /// Whether it was written to the present connection.
    var isSent = false
}

/// Three queues of labels over one table: what goes next, what goes when nothing else does, and what the present connection
/// has been given, in that order. An acknowledgement speaks for the last of them (API.md: "in order of arrival").
struct UnacknowledgedPings {
    private var pings: [Int64: PendingPing] = [:]
    private var live = LabelQueue()
    private var backlog = LabelQueue()
    private var sent = LabelQueue()
    private var nextLabel: Int64 = 1
    /// The most it holds.
    let capacity: Int

    /// Room for `capacity` pings.
    init(capacity: Int) {
        self.capacity = max(1, capacity)
    }

    /// Pings that are not settled.
    var count: Int { pings.count }
    var isFull: Bool { count >= capacity }
    /// Those that go next.
    var liveCount: Int { live.count }
    /// Those that wait for the live ones.
    var backlogCount: Int { backlog.count }
    /// Those that the present connection was given.
    var sentCount: Int { sent.count }

    /// Puts one behind the live ones and gives its label; nil where there is no room.
    mutating func append(_ ping: PendingPing) -> Int64? {
        guard !isFull else { return nil }
        let label = nextLabel
        nextLabel += 1
        pings[label] = ping
        live.append(label)
        return label
    }

    /// The ping with that label.
    subscript(label: Int64) -> PendingPing? { pings[label] }

    /// The label of the live or backlog ping that goes out at place `offset`.
    func label(at offset: Int, ofBacklog: Bool) -> Int64 { ofBacklog ? backlog[offset] : live[offset] }

    /// The first of the live or backlog pings were written to the connection.
    mutating func markSent(_ number: Int, ofBacklog: Bool) {
        for _ in 0..<number {
            guard let label = ofBacklog ? backlog.popFirst() : live.popFirst() else { return }
            pings[label]?.isSent = true
            sent.append(label)
        }
    }

    /// The connection is gone: all that is left has to be sent again.
    mutating func markAllUnsent() {
        (live, backlog, sent) = (LabelQueue(), LabelQueue(), LabelQueue())
        for label in pings.keys.sorted() {
            pings[label]?.isSent = false
            live.append(label)
        }
    }

    /// A connection begins: of the live pings only each driver's newest go first, and the others are backlog.
    mutating func putNewestFirst() {
        guard live.count > 1 else { return }
        var seen: Set<Int32> = []
        var newest: [Int64] = []
        var others: [Int64] = []
        for offset in stride(from: live.count - 1, through: 0, by: -1) {
            let label = live[offset]
            if let ping = pings[label], seen.insert(ping.driver).inserted {
                newest.append(label)
            } else {
                others.append(label)
            }
        }
        live = LabelQueue()
        for label in newest.reversed() { live.append(label) }
        for label in others.reversed() { backlog.append(label) }
    }

    /// Whether the present connection was given the ping with that label, which is not settled yet.
    func isSent(_ label: Int64) -> Bool { pings[label]?.isSent == true }

    /// Takes out what the connection was given first. Call up to the acknowledged label, which must be one `isSent` says
    /// yes to.
    mutating func popSent() -> (label: Int64, ping: PendingPing)? {
        guard let label = sent.popFirst(), let ping = pings.removeValue(forKey: label) else { return nil }
        return (label, ping)
    }
}

/// First in, first out, of labels.
private struct LabelQueue {
    private var labels: [Int64] = []
    private var head = 0

    var count: Int { labels.count - head }

    subscript(offset: Int) -> Int64 { labels[head + offset] }

    mutating func append(_ label: Int64) { labels.append(label) }

    mutating func popFirst() -> Int64? {
        guard head < labels.count else { return nil }
        defer {
            head += 1
            if head == labels.count {
                labels.removeAll(keepingCapacity: true)
                head = 0
            } else if head >= 256, head * 2 >= labels.count {
                labels.removeFirst(head)
                head = 0
            }
        }
        return labels[head]
    }
}
