/// Which node owns which slot, as one node told it.

/// The answer to CLUSTER SLOTS (Redis 7's documentation of that command).
struct ClusterMap: Equatable {
    typealias Endpoint = RedisAddress.Endpoint

    /// The nodes that own slots, each once.
    private(set) var primaries: [Endpoint] = []
    /// Their replicas: they can be asked too.
    private(set) var replicas: [Endpoint] = []
    /// By slot: the owner's place in `primaries`; negative where nobody owns it.
    private(set) var owners = [Int16](repeating: -1, count: HashSlot.count)

    init() {}

    /// Nil where it is no answer, or one without any slot. `host` is that of the node that was asked, for nodes that leave
    /// theirs out.
    init?(_ reply: RedisReply, host: String) {
        guard let ranges = reply.elements else { return nil }
        for range in ranges {
            guard let parts = range.elements, parts.count >= 3, case .integer(let first) = parts[0],
                case .integer(let last) = parts[1], first >= 0, first <= last, last < HashSlot.count,
                let primary = Self.endpoint(parts[2], host)
            else { continue }
            let owner = index(of: primary)
            for slot in Int(first)...Int(last) { owners[slot] = owner }
            for replica in parts.dropFirst(3).compactMap({ Self.endpoint($0, host) })
            where !replicas.contains(replica) { replicas.append(replica) }
        }
        if primaries.isEmpty { return nil }
    }

    func owner(of slot: Int) -> Endpoint? {
        let owner = owners[slot]
        return owner < 0 ? nil : primaries[Int(owner)]
    }

    /// A node said that the slot is another's now.
    mutating func move(_ slot: Int, to endpoint: Endpoint) {
        owners[slot] = index(of: endpoint)
    }

    private mutating func index(of endpoint: Endpoint) -> Int16 {
        if let index = primaries.firstIndex(of: endpoint) { return Int16(index) }
        primaries.append(endpoint)
        return Int16(primaries.count - 1)
    }

    private static func endpoint(_ reply: RedisReply, _ host: String) -> Endpoint? {
        guard let parts = reply.elements, parts.count >= 2, case .integer(let number) = parts[1],
            let port = UInt16(exactly: number)
        else { return nil }
        // Nil, empty and ? say: where you asked me.
        let named = parts[0].text ?? ""
        return .tcp(host: named.isEmpty || named == "?" ? host : named, port: port)
    }
}
