/// Many clients' buckets in one bounded table.
import Tracking

/// Buckets by client, all with the same limit. A client that is not there has a full bucket, so only those that were used
/// lately take up room.
struct BucketTable<Client: Hashable> {
    /// What each bucket holds.
    let limit: RateLimit

    private struct Entry {
        var client: Client
        var bucket: TokenBucket
        /// Connections that keep this entry's index.
        var holders: Int32
    }

    private let capacity: Int
    private var indices: [Client: Int32] = [:]
    /// Nil where an index is free.
    private var entries: [Entry?] = []
    private var free: [Int32] = []

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
        let entry = Entry(client: client, bucket: TokenBucket(limit, now: now), holders: 0)
        let index = free.popLast() ?? Int32(entries.count)
        if index == entries.count { entries.append(entry) } else { entries[Int(index)] = entry }
        indices[client] = index
        return Int(index)
    }

    /// Keeps a client's bucket where it is until as many `release`s.
    mutating func hold(_ client: Client, now: Microseconds) -> Int {
        let index = index(of: client, now: now)
        entries[index]?.holders += 1
        return index
    }

    /// Ends a `hold`. The bucket stays until room is needed, so that reconnecting fills nothing.
    mutating func release(_ index: Int) {
        entries[index]?.holders -= 1
    }

    /// A client's bucket.
    @inline(__always)
    subscript(index: Int) -> TokenBucket {
        get {
            guard let entry = entries[index] else { preconditionFailure("the bucket is neither held nor just found") }
            return entry.bucket
        }
        set { entries[index]?.bucket = newValue }
    }

    /// Takes tokens from a bucket whose index is held: integers only.
    @inline(__always)
    mutating func take(_ count: Int, at index: Int, now: Microseconds) -> Bool {
        entries[index]?.bucket.take(count, limit, now: now) ?? true
    }

    private mutating func makeRoom(_ now: Microseconds) {
        for index in entries.indices where entries[index]?.bucket.isFull(limit, now: now) == true { forget(index) }
        // A look at the whole table must make room for many, or a flood of new clients would pay for one each time.
        let most = capacity * 9 / 10
        for index in entries.indices where indices.count > most { forget(index) }
    }

    private mutating func forget(_ index: Int) {
        guard let entry = entries[index], entry.holders == 0 else { return }
        indices[entry.client] = nil
        entries[index] = nil
        free.append(Int32(index))
    }
}
