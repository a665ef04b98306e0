/// The grid that boxes are found by, here and on the bus: fifteen levels of square cells, each half as wide as those of the
/// level before. A box belongs to the finest level on which it touches at most 4 × 4 cells.

/// Cells of the grid, each a number.
public enum AreaGrid {
    /// How many levels there are; a cell of the last is 0.011° wide, some 1.2 km from south to north.
    public static let levels = 15
    /// Cells a side that a box may touch.
    private static let span: UInt64 = 4

    /// The cell around a place on a level.
    @inline(__always)
    public static func cell(_ level: Int, latitude: Degrees7, longitude: Degrees7) -> UInt64 {
        cell(level, row(latitude, level), column(longitude, level))
    }

    /// The level of a cell.
    @inline(__always)
    public static func level(of cell: UInt64) -> Int { Int(cell >> 56) }

    /// The cell's name: `level.row.column`, rows from the south pole and columns from the antimeridian on.
    public static func name(of cell: UInt64) -> String {
        "\(level(of: cell)).\(cell >> 28 & 0xFFF_FFFF).\(cell & 0xFFF_FFFF)"
    }

    /// The cell of a name; nil where it is none of the grid.
    public static func cell(named name: some StringProtocol) -> UInt64? {
        let parts = name.split(separator: ".", omittingEmptySubsequences: false).map { UInt64($0) }
        guard parts.count == 3, let level = parts[0], let row = parts[1], let column = parts[2],
            level < UInt64(levels), row <= self.row(900_000_000, Int(level)),
            column <= self.column(1_800_000_000, Int(level))
        else { return nil }
        return cell(Int(level), row, column)
    }

    /// A cell's side on a level in degrees times 10⁷: half the globe's height at level 0.
    private static func side(_ level: Int) -> Int64 { 1_800_000_000 >> Int64(level) }

    private static func row(_ latitude: Degrees7, _ level: Int) -> UInt64 {
        UInt64((Int64(latitude) + 900_000_000) / side(level))
    }

    private static func column(_ longitude: Degrees7, _ level: Int) -> UInt64 {
        UInt64((Int64(longitude) + 1_800_000_000) / side(level))
    }

    @inline(__always)
    private static func cell(_ level: Int, _ row: UInt64, _ column: UInt64) -> UInt64 {
        UInt64(level) << 56 | row << 28 | column
    }

    /// The finest level on which the box touches few cells.
    static func level(for box: Box) -> Int {
        (0..<levels).last { level in
            box.parts.allSatisfy { part in
                row(part.north, level) - row(part.south, level) < span
                    && column(part.east, level) - column(part.west, level) < span
            }
        } ?? 0
    }

    /// The cells that the box touches on its level, or on `finest` where that is coarser, each once.
    public static func forEachCell(of box: Box, finest: Int = levels - 1, _ body: (UInt64) -> Void) {
        let level = min(finest, level(for: box))
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
