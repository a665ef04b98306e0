/// Askings that must not all be under way at once: log-ins come first, what is only looked at again waits behind them.

/// A queue that keeps a few askings under way. Each gets a closure to call when it is over. Lives on the loop's thread.
final class PacedAskings {
    typealias Asking = (_ isOver: @escaping () -> Void) -> Void

    /// Askings that may wait; what comes on top is refused.
    private let limit: Int
    /// How many are under way at once: enough to keep a connection busy, too few to be in others' way on it.
    private let width: Int
    private var first = FIFO()
    private var later = FIFO()
    private var underWay = 0
    private var isStarting = false

    init(width: Int = 32, limit: Int = 20_000) {
        (self.width, self.limit) = (width, limit)
    }

    /// Askings that wait.
    var waiting: Int { first.count + later.count }

    /// Adds one, before all that `canWait`. False where there is no room for it.
    func add(canWait: Bool = false, _ asking: @escaping Asking) -> Bool {
        guard (canWait ? later : first).count < limit else { return false }
        if canWait { later.append(asking) } else { first.append(asking) }
        next()
        return true
    }

    /// Also where askings are over at once, as when their store is away, thousands of them do not nest.
    private func next() {
        guard !isStarting else { return }
        isStarting = true
        defer { isStarting = false }
        while underWay < width, let asking = first.popFirst() ?? later.popFirst() {
            underWay += 1
            var isOver = false
            asking { [weak self] in
                guard !isOver else { return }
                isOver = true
                self?.underWay -= 1
                self?.next()
            }
        }
    }

    /// What came first goes first; taking is a constant cost in the long run.
    private struct FIFO {
        private var elements: [Asking] = []
        private var taken = 0

        var count: Int { elements.count - taken }

        mutating func append(_ asking: @escaping Asking) {
            elements.append(asking)
        }

        mutating func popFirst() -> Asking? {
            guard taken < elements.count else {
                elements.removeAll(keepingCapacity: true)
                taken = 0
                return nil
            }
            defer {
                taken += 1
                if taken > 1_024 {
                    elements.removeFirst(taken)
                    taken = 0
                }
            }
            return elements[taken]
        }
    }
}
