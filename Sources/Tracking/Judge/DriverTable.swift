/// Driver ids and their dense numbers: the one hash look-up a ping may cost.

/// Maps ids to indices from 0 and back. Grows only; erasure forgets contents, not numbers.
public struct DriverTable: Sendable {
    private var ids: [DriverID] = []
    /// Open addressing with linear probing: index + 1, or 0 for empty. Never more than half full.
    private var slots: [UInt32]
    private let seed: UInt64

    /// An empty table. `seed` keeps outsiders from choosing ids that collide.
    public init(seed: UInt64) {
        self.seed = seed
        slots = Array(repeating: 0, count: 1_024)
    }

    /// How many drivers have a number.
    public var count: Int { ids.count }

    /// The id of a number.
    public func id(of index: DriverIndex) -> DriverID { ids[index] }

    /// The number of an id, if it has one.
    public func index(of id: DriverID) -> DriverIndex? {
        let slot = slot(for: id)
        return slots[slot] == 0 ? nil : Int(slots[slot]) - 1
    }

    /// Gives `id` the next number; it must not have one.
    public mutating func add(_ id: DriverID) -> DriverIndex {
        if (ids.count + 1) * 2 > slots.count { grow() }
        let slot = slot(for: id)
        precondition(slots[slot] == 0, "a driver has one number")
        ids.append(id)
        slots[slot] = UInt32(ids.count)
        return ids.count - 1
    }

    private mutating func grow() {
        slots = Array(repeating: 0, count: slots.count * 2)
        for (index, id) in ids.enumerated() { slots[slot(for: id)] = UInt32(index + 1) }
    }

    /// Where `id` stands, or the empty slot where it would.
    private func slot(for id: DriverID) -> Int {
        var slot = Int(truncatingIfNeeded: id.text.mixed(seed: seed)) & (slots.count - 1)
        while slots[slot] != 0, ids[Int(slots[slot]) - 1] != id { slot = (slot + 1) & (slots.count - 1) }
        return slot
    }
}
