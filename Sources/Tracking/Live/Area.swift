/// Boxes on the globe: what dispatchers watch, and how a moving driver finds the boxes around it.

/// A box between two parallels and two meridians, in degrees times 10⁷; where its west is east of its east it spans the
/// antimeridian.
public struct Box: Hashable, Sendable {
    /// The southern parallel.
    public let south: Degrees7
    /// The western meridian.
    public let west: Degrees7
    /// The northern parallel.
    public let north: Degrees7
    /// The eastern meridian.
    public let east: Degrees7

    /// A box from its sides.
    public init(south: Degrees7, west: Degrees7, north: Degrees7, east: Degrees7) {
        self.south = south
        self.west = west
        self.north = north
        self.east = east
    }

    /// Whether a place is inside, its border included.
    @inline(__always)
    public func contains(latitude: Degrees7, longitude: Degrees7) -> Bool {
        guard south <= latitude, latitude <= north else { return false }
        return west <= east ? west <= longitude && longitude <= east : longitude >= west || longitude <= east
    }

    /// Whether all of another box is inside.
    public func contains(_ other: Box) -> Bool {
        guard south <= other.south, other.north <= north else { return false }
        switch (west <= east, other.west <= other.east) {
        case (true, true), (false, false): return west <= other.west && other.east <= east
        case (false, true): return other.west >= west || other.east <= east
        case (true, false): return west == -1_800_000_000 && east == 1_800_000_000
        }
    }

    /// One box, or the two of which one that spans the antimeridian is made.
    public var parts: [Box] {
        west <= east
            ? [self]
            : [
                Box(south: south, west: west, north: north, east: 1_800_000_000),
                Box(south: south, west: -1_800_000_000, north: north, east: east),
            ]
    }
}

/// A box with the name it was given.
public struct Area: Hashable, Sendable {
    /// What it spans.
    public let box: Box
    /// As it was written.
    public let text: String

    /// `minLat,minLng,maxLat,maxLng` in degrees; nil where it is not that or not on the globe.
    public init?(_ text: String) {
        // Longer numbers than these say nothing more.
        guard text.utf8.count <= 100 else { return nil }
        let parts = text.split(separator: ",", omittingEmptySubsequences: false)
        let numbers = parts.compactMap { part -> Double? in
            guard part.utf8.allSatisfy(Self.isDecimal), let value = Double(part), value.isFinite else { return nil }
            return value
        }
        guard parts.count == 4, numbers.count == 4, numbers[0] <= numbers[2], abs(numbers[0]) <= 90,
            abs(numbers[2]) <= 90, abs(numbers[1]) <= 180, abs(numbers[3]) <= 180
        else { return nil }
        let corners = numbers.map { Degrees7(($0 * 1e7).rounded()) }
        box = Box(south: corners[0], west: corners[1], north: corners[2], east: corners[3])
        self.text = text
    }

    private static func isDecimal(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || byte == UInt8(ascii: ".")
            || byte == UInt8(ascii: "-")
    }
}

/// Boxes by the cells of `AreaGrid` that they touch, each on its own level, so that a place looks at one cell a level in use
/// and meets few boxes that are not around it.
struct AreaIndex: Sendable {
    private struct Node: Sendable {
        var topic: Int32
        var next: Int32
    }

    /// The first node of each cell.
    private var cells: [UInt64: Int32] = [:]
    private var nodes: [Node] = []
    private var free: Int32 = -1
    /// Boxes on each level.
    private var counts = [Int](repeating: 0, count: AreaGrid.levels)

    /// Whether there is no box.
    private(set) var isEmpty = true
    /// Counts the boxes that came and went.
    private(set) var changes = 0

    /// Enters a box.
    mutating func insert(_ box: Box, _ topic: TopicIndex) {
        let level = AreaGrid.level(for: box)
        counts[level] += 1
        isEmpty = false
        changes += 1
        AreaGrid.forEachCell(of: box) { cell in
            let node = takeNode()
            nodes[node] = Node(topic: Int32(topic), next: cells[cell] ?? -1)
            cells[cell] = Int32(node)
        }
    }

    /// Takes a box out that was entered.
    mutating func remove(_ box: Box, _ topic: TopicIndex) {
        let level = AreaGrid.level(for: box)
        counts[level] -= 1
        isEmpty = counts.allSatisfy { $0 == 0 }
        changes += 1
        AreaGrid.forEachCell(of: box) { cell in
            var previous: Int32 = -1
            var node = cells[cell] ?? -1
            while node >= 0, nodes[Int(node)].topic != Int32(topic) {
                previous = node
                node = nodes[Int(node)].next
            }
            guard node >= 0 else { return }
            let next = nodes[Int(node)].next
            if previous >= 0 { nodes[Int(previous)].next = next } else { cells[cell] = next < 0 ? nil : next }
            nodes[Int(node)].next = free
            free = node
        }
    }

    /// The boxes that may be around a place: `candidates` is emptied and filled.
    func find(latitude: Degrees7, longitude: Degrees7, into candidates: inout [Int32]) {
        candidates.removeAll(keepingCapacity: true)
        for level in 0..<AreaGrid.levels where counts[level] > 0 {
            var node = cells[AreaGrid.cell(level, latitude: latitude, longitude: longitude)] ?? -1
            while node >= 0 {
                candidates.append(nodes[Int(node)].topic)
                node = nodes[Int(node)].next
            }
        }
    }

    private mutating func takeNode() -> Int {
        guard free >= 0 else {
            nodes.append(Node(topic: -1, next: -1))
            return nodes.count - 1
        }
        let node = Int(free)
        free = nodes[node].next
        return node
    }
}
