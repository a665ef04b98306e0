/// Many clients' buckets in one bounded table.
import Tracking

/// Buckets by client, all with the same limit. A client that is not there has a full bucket, so only those that were used
/// lately take up room.
struct BucketTable<Client: Hashable> {
    /// What each bucket holds.
    let limit: RateLimit

    private var capacity: Int
    private var indices: [Client: Int32] = [:]
    /// By index, apart from what names them, so that taking from one touches integers only.
    private var buckets: [TokenBucket] = []
    private var holders: [Holders] = []
    private var free: [Int32] = []

    /// Who an index belongs to; nobody where it is free.
    private struct Holders {
        var client: Client?
        /// Connections that keep the index.
        var count = 0
    }

    /// - Parameter capacity: clients; beyond it full buckets are forgotten, and where those are less than a tenth, others
    ///   too. Held ones are not, so that connections bound them.
    init(_ limit: RateLimit, capacity: Int = 100_000) {
        self.limit = limit
        self.capacity = capacity
    }

    /// Clients in the table.
    var count: Int { indices.count }

    /// The index of a client's bucket, which is made where it is missing. It is valid until the next call, or while held.
    mutating func index(of client: Client, now: Microseconds) -> Int {
        if let known = indices[client] { return Int(known) }
        if indices.count >= capacity { makeRoom(now) }
        let index = Int(free.popLast() ?? Int32(buckets.count))
        if index == buckets.count {
            buckets.append(TokenBucket(limit, now: now))
            holders.append(Holders(client: client))
        } else {
            buckets[index] = TokenBucket(limit, now: now)
            holders[index] = Holders(client: client)
        }
        indices[client] = Int32(index)
        return index
    }

    /// Keeps a client's bucket where it is until as many `release`s.
    mutating func hold(_ client: Client, now: Microseconds) -> Int {
        let index = index(of: client, now: now)
        holders[index].count += 1
        return index
    }

    /// Ends a `hold`. The bucket stays until room is needed, so that reconnecting fills nothing.
    mutating func release(_ index: Int) {
        holders[index].count -= 1
    }

    /// The bucket of an index that is held or was just found.
    subscript(index: Int) -> TokenBucket {
        get { buckets[index] }
        set { buckets[index] = newValue }
    }

    /// Takes tokens from such a bucket. Hot path.
    @inline(__always)
    mutating func take(_ count: Int, at index: Int, now: Microseconds) -> Bool {
        buckets[index].take(count, limit, now: now)
    }

    private mutating func makeRoom(_ now: Microseconds) {
        for index in buckets.indices where buckets[index].isFull(limit, now: now) { forget(index) }
        // A look at the whole table must make room for many, or a flood of new clients would pay for one each time.
        let most = capacity * 9 / 10
        for index in buckets.indices where indices.count > most { forget(index) }
        // Nearly all are held: connections bound them, and the next look may wait until there are more of those.
        if indices.count > most { capacity = indices.count * 10 / 9 + 1 }
    }

    private mutating func forget(_ index: Int) {
        guard let client = holders[index].client, holders[index].count == 0 else { return }
        indices[client] = nil
        holders[index].client = nil
        free.append(Int32(index))
    }
}
