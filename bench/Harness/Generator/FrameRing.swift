/// The frames of one socket that are not acknowledged yet, oldest first: those that are sent, then those that wait.

/// One frame of pings.
struct OutgoingFrame {
    /// The intended time in nanoseconds; of a backlog's frame when it was made.
    var due: Int64
    /// The number of its last ping on this connection, counted from 1; set when it is sent.
    var last = 0
    var driver: Int32
    /// Which of the driver's frames.
    var round: Int32
    var pings: Int32
    var isBacklog = false
}

/// A ring that grows by doubling up to a limit, and never shrinks: in a steady run it allocates nothing.
struct FrameRing {
    /// The most frames that wait at one socket; a generator that had more would measure its own memory.
    static let limit = 4_096
    private var storage: [OutgoingFrame] = []
    private var head = 0
    private(set) var count = 0
    /// How many of them are sent.
    private(set) var sent = 0

    var isEmpty: Bool { count == 0 }
    var hasUnsent: Bool { sent < count }
    /// The oldest; there has to be one.
    var first: OutgoingFrame { storage[head] }
    /// The oldest that is not sent; there has to be one.
    var firstUnsent: OutgoingFrame { storage[(head + sent) & (storage.count - 1)] }

    /// False where the ring has reached its limit.
    mutating func append(_ frame: OutgoingFrame) -> Bool {
        if count == storage.count {
            guard count < Self.limit else { return false }
            grow(frame)
        }
        storage[(head + count) & (storage.count - 1)] = frame
        count += 1
        return true
    }

    /// The oldest unsent frame is sent now and ends with ping `last`.
    mutating func markSent(last: Int) {
        storage[(head + sent) & (storage.count - 1)].last = last
        sent += 1
    }

    /// Takes the oldest, which has to be sent.
    mutating func removeFirst() -> OutgoingFrame {
        let frame = storage[head]
        head = (head + 1) & (storage.count - 1)
        count -= 1
        sent -= 1
        return frame
    }

    mutating func removeAll() {
        head = 0
        count = 0
        sent = 0
    }

    private mutating func grow(_ filler: OutgoingFrame) {
        var larger: [OutgoingFrame] = []
        larger.reserveCapacity(max(4, storage.count * 2))
        for index in 0..<count { larger.append(storage[(head + index) & (storage.count - 1)]) }
        while larger.count < max(4, storage.count * 2) { larger.append(filler) }
        storage = larger
        head = 0
    }
}
