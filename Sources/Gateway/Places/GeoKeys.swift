/// Under which keys of Redis drivers' places stand: one GEO set on a single server, one a cell of 1.40625° in a cluster,
/// so that they are spread over its slots.
import RedisClient
import Tracking

/// See the file's head.
struct GeoKeys: Sendable {
    /// A cell's number, from the south pole and the antimeridian on; `whole` where the set is not cut.
    typealias Cell = Int32

    static let whole: Cell = 0
    /// A cell's side in degrees times 10⁷: 180° / 128.
    private static let side: Int64 = 14_062_500
    private static let rows: Int64 = 128
    private static let columns: Int64 = 256

    /// `redis.geo_key`.
    let base: String
    /// Whether the set is cut into cells.
    let isCut: Bool

    init(_ configuration: Configuration) {
        base = configuration.redisGeoKey
        if case .cluster? = try? RedisDeployment(configuration.redisURL) { isCut = true } else { isCut = false }
    }

    init(base: String, isCut: Bool) {
        (self.base, self.isCut) = (base, isCut)
    }

    /// The set of the cells that have or had members, by the ends of their keys.
    var index: String { base + ":cells" }

    /// The sorted set of drivers that have gone offline, by their last fix in epoch milliseconds: the feeds of every
    /// gateway show the same ones.
    var departed: String { base + ":offline" }

    /// The cell of a place.
    func cell(latitude: Degrees7, longitude: Degrees7) -> Cell {
        guard isCut else { return Self.whole }
        return Cell(Self.row(latitude) * Self.columns + Self.column(longitude))
    }

    /// The end of a cell's key.
    func name(of cell: Cell) -> String { "\(Int64(cell) / Self.columns).\(Int64(cell) % Self.columns)" }

    /// The cell of a key's end; nil where it is none.
    func cell(named name: String) -> Cell? {
        let parts = name.split(separator: ".", omittingEmptySubsequences: false).map { Int64($0) }
        guard parts.count == 2, let row = parts[0], let column = parts[1], (0..<Self.rows).contains(row),
            (0..<Self.columns).contains(column)
        else { return nil }
        return Cell(row * Self.columns + column)
    }

    /// A cell's key.
    func key(of cell: Cell) -> String { isCut ? base + ":" + name(of: cell) : base }

    /// What a cell spans.
    func box(of cell: Cell) -> Box {
        guard isCut else { return .globe }
        let south = Int64(cell) / Self.columns * Self.side - 900_000_000
        let west = Int64(cell) % Self.columns * Self.side - 1_800_000_000
        return Box(
            south: Degrees7(south), west: Degrees7(west), north: Degrees7(south + Self.side),
            east: Degrees7(west + Self.side))
    }

    /// The cells that a box touches, each once; nil where they are more than `limit`.
    func cells(of box: Box, atMost limit: Int) -> [Cell]? {
        guard isCut else { return [Self.whole] }
        let count = box.parts.reduce(0) { $0 + Self.count(of: $1) }
        guard count <= Int64(limit) else { return nil }
        var cells: Set<Cell> = []
        for part in box.parts {
            for row in Self.row(part.south)...Self.row(part.north) {
                for column in Self.column(part.west)...Self.column(part.east) {
                    cells.insert(Cell(row * Self.columns + column))
                }
            }
        }
        return cells.sorted()
    }

    /// Whether a box touches a cell.
    func touches(_ box: Box, _ cell: Cell) -> Bool {
        let (row, column) = (Int64(cell) / Self.columns, Int64(cell) % Self.columns)
        return box.parts.contains { part in
            Self.row(part.south) <= row && row <= Self.row(part.north) && Self.column(part.west) <= column
                && column <= Self.column(part.east)
        }
    }

    private static func count(of box: Box) -> Int64 {
        (row(box.north) - row(box.south) + 1) * (column(box.east) - column(box.west) + 1)
    }

    private static func row(_ latitude: Degrees7) -> Int64 { min(rows - 1, (Int64(latitude) + 900_000_000) / side) }

    private static func column(_ longitude: Degrees7) -> Int64 {
        min(columns - 1, (Int64(longitude) + 1_800_000_000) / side)
    }
}
