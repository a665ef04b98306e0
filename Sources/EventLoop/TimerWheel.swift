/// Thousands of deadlines that are a second apart at the finest, none of which costs anything until it is due.

/// A hashed timer wheel (Varghese and Lauck, SOSP 1987, scheme 6): a ring of slots, a second each, with a list of dense
/// numbers in each slot. Setting, moving and taking back a deadline are a few stores; a second costs as much as there is
/// due in it, however many wait. The lists are links in one array, so nothing is allocated once that has grown.
public struct TimerWheel {
    private struct Node {
        var next: Int32 = -1
        var previous: Int32 = -1
        /// The second it is due in; negative where it does not wait.
        var second: Int32 = -1
    }

    private var heads: [Int32]
    private var nodes: [Node] = []
    private var due: [Int] = []

    /// A wheel of `slots` seconds; deadlines may lie farther away, at the price of being passed over once a turn.
    public init(slots: Int) {
        heads = Array(repeating: -1, count: slots)
    }

    /// Whether nothing waits.
    public var isEmpty: Bool { heads.allSatisfy { $0 < 0 } }

    /// Wakes `number`, 0 or more, in `second`, or in the earlier one that it waits for already.
    public mutating func schedule(_ number: Int, in second: Int) {
        while nodes.count <= number { nodes.append(Node()) }
        if nodes[number].second >= 0 {
            guard second < Int(nodes[number].second) else { return }
            cancel(number)
        }
        let slot = second % heads.count
        nodes[number] = Node(next: heads[slot], previous: -1, second: Int32(second))
        if heads[slot] >= 0 { nodes[Int(heads[slot])].previous = Int32(number) }
        heads[slot] = Int32(number)
    }

    /// `number` waits for nothing any more.
    public mutating func cancel(_ number: Int) {
        guard number < nodes.count, nodes[number].second >= 0 else { return }
        let node = nodes[number]
        if node.previous >= 0 {
            nodes[Int(node.previous)].next = node.next
        } else {
            heads[Int(node.second) % heads.count] = node.next
        }
        if node.next >= 0 { nodes[Int(node.next)].previous = node.previous }
        nodes[number] = Node()
    }

    /// Takes out those who are due in `second`, all of them before the caller sees one, so that it may schedule them
    /// anew. Ask for every second, in order.
    public mutating func takeDue(in second: Int) -> [Int] {
        due.removeAll(keepingCapacity: true)
        var number = heads[second % heads.count]
        while number >= 0 {
            // Others in this slot are due a turn of the wheel later.
            if Int(nodes[Int(number)].second) <= second { due.append(Int(number)) }
            number = nodes[Int(number)].next
        }
        for number in due { cancel(number) }
        return due
    }
}
