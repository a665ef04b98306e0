/// Why a viewer sees a driver: the subjects that lead to it, kept once for all edges with the same ones.

/// Interned sets of subjects. An edge holds a set's number; the members of a group of thousands share one.
struct SubjectSets: Sendable {
    /// Nothing leads to the driver: there is no edge.
    static let none: Int32 = -1
    /// `driver:ID` alone, which needs no entry in the table.
    static let direct: Int32 = 0
    /// Stands for `driver:ID` among the topics of a set.
    static let directTopic: Int32 = -1

    private struct Entry: Sendable {
        /// Ascending; `directTopic` comes first.
        var topics: [Int32]
        /// The topics' names as JSON, `"order:9f2","group:east"`, without `driver:ID`.
        var names: [UInt8]
        var edges = 0
    }

    private var entries = [Entry(topics: [directTopic], names: [])]
    private var index: [[Int32]: Int32] = [[directTopic]: direct]
    private var free: [Int32] = []

    /// How many sets there are.
    var count: Int { entries.count - free.count }

    /// The set with one topic more.
    mutating func adding(_ topic: Int32, to set: Int32, of known: [FanoutTopic]) -> Int32 {
        if set == Self.none, topic == Self.directTopic { return Self.direct }
        var topics = set == Self.none ? [] : entries[Int(set)].topics
        guard !topics.contains(topic) else { return set }
        topics.insert(topic, at: topics.firstIndex { $0 > topic } ?? topics.count)
        return replace(set, by: topics, of: known)
    }

    /// The set with one topic less.
    mutating func removing(_ topic: Int32, from set: Int32, of known: [FanoutTopic]) -> Int32 {
        guard set != Self.none else { return set }
        let topics = entries[Int(set)].topics.filter { $0 != topic }
        return replace(set, by: topics, of: known)
    }

    /// An edge with the set is gone.
    mutating func release(_ set: Int32) {
        guard set > Self.direct else { return }
        entries[Int(set)].edges -= 1
        guard entries[Int(set)].edges == 0 else { return }
        index[entries[Int(set)].topics] = nil
        entries[Int(set)] = Entry(topics: [], names: [])
        free.append(set)
    }

    /// Whether the topic is in the set.
    func contains(_ topic: Int32, in set: Int32) -> Bool {
        set != Self.none && entries[Int(set)].topics.contains(topic)
    }

    /// Appends `,"subjects":[…]` of a driver seen through the set.
    @inline(__always)
    func append(_ set: Int32, _ id: DriverID, to writer: inout JSONWriter) {
        writer.raw(",\"subjects\":[")
        if set == Self.direct || entries[Int(set)].topics[0] == Self.directTopic {
            writer.raw("\"driver:")
            writer.bytes.append(addingCapacity: id.text.count) { id.text.append(to: &$0) }
            writer.raw("\"")
            if set != Self.direct { writer.raw(",") }
        }
        if set != Self.direct { writer.bytes.append(contentsOf: entries[Int(set)].names) }
        writer.raw("]")
    }

    private mutating func replace(_ set: Int32, by topics: [Int32], of known: [FanoutTopic]) -> Int32 {
        defer { release(set) }
        guard !topics.isEmpty else { return Self.none }
        if let interned = index[topics] {
            if interned != Self.direct { entries[Int(interned)].edges += 1 }
            return interned
        }
        var names: [UInt8] = []
        for topic in topics where topic != Self.directTopic {
            if !names.isEmpty { names.append(UInt8(ascii: ",")) }
            names += known[Int(topic)].name
        }
        let entry = Entry(topics: topics, names: names, edges: 1)
        if let reused = free.popLast() {
            entries[Int(reused)] = entry
            index[topics] = reused
            return reused
        }
        entries.append(entry)
        index[topics] = Int32(entries.count - 1)
        return Int32(entries.count - 1)
    }
}
