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
    var parts: [Box] {
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

/// Boxes by the cells of a grid that they touch. Each box is kept on the finest of fifteen levels on which it touches at
/// most 4 × 4 cells, so that a place looks at one cell a level in use and meets few boxes that are not around it.
struct AreaIndex: Sendable {
    private static let levels = 15
    /// Cells a side that a box may touch.
    private static let span = 4

    private struct Node: Sendable {
        var topic: Int32
        var next: Int32
    }

    /// The first node of each cell.
    private var cells: [UInt64: Int32] = [:]
    private var nodes: [Node] = []
    private var free: Int32 = -1
    /// Boxes on each level.
    private var counts = [Int](repeating: 0, count: levels)

    /// Whether there is no box.
    private(set) var isEmpty = true

    /// Enters a box.
    mutating func insert(_ box: Box, _ topic: TopicIndex) {
        let level = Self.level(for: box)
        counts[level] += 1
        isEmpty = false
        Self.forEachCell(of: box, level) { cell in
            let node = takeNode()
            nodes[node] = Node(topic: Int32(topic), next: cells[cell] ?? -1)
            cells[cell] = Int32(node)
        }
    }

    /// Takes a box out that was entered.
    mutating func remove(_ box: Box, _ topic: TopicIndex) {
        let level = Self.level(for: box)
        counts[level] -= 1
        isEmpty = counts.allSatisfy { $0 == 0 }
        Self.forEachCell(of: box, level) { cell in
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
        for level in 0..<Self.levels where counts[level] > 0 {
            var node = cells[Self.cell(level, Self.row(latitude, level), Self.column(longitude, level))] ?? -1
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

    // MARK: The grid

    /// A cell's side on a level in degrees times 10⁷: half the globe's height at level 0, 0.011° at level 14.
    private static func side(_ level: Int) -> Int64 { 1_800_000_000 >> Int64(level) }

    private static func row(_ latitude: Degrees7, _ level: Int) -> UInt64 {
        UInt64((Int64(latitude) + 900_000_000) / side(level))
    }

    private static func column(_ longitude: Degrees7, _ level: Int) -> UInt64 {
        UInt64((Int64(longitude) + 1_800_000_000) / side(level))
    }

    private static func cell(_ level: Int, _ row: UInt64, _ column: UInt64) -> UInt64 {
        UInt64(level) << 56 | row << 28 | column
    }

    private static func level(for box: Box) -> Int {
        (0..<levels).last { level in
            box.parts.allSatisfy { part in
                row(part.north, level) - row(part.south, level) < span
                    && column(part.east, level) - column(part.west, level) < span
            }
        } ?? 0
    }

    private static func forEachCell(of box: Box, _ level: Int, _ body: (UInt64) -> Void) {
        // The two parts of one box may meet in a cell on a coarse level: it is visited once.
        var seen: Set<UInt64> = []
        for part in box.parts {
            for row in row(part.south, level)...row(part.north, level) {
                for column in column(part.west, level)...column(part.east, level) {
                    let cell = cell(level, row, column)
                    if seen.insert(cell).inserted { body(cell) }
                }
            }
        }
    }
}
