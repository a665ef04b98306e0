/// The GEO set of all drivers that are not offline, for questions by place: in a cluster one a cell (`GeoKeys`).
///
/// A driver who changes his cell is taken out of the old one as far as this process put him there. What another process
/// has left there is no harm: whoever reads the set looks at the position itself, and takes out what is dead.
import RedisClient
import Tracking

/// Writes the set. Part of `RedisPositions`; lives on the loop's thread.
struct GeoSet {
    /// The most members of one GEOADD: Redis serves nobody else meanwhile.
    private static let membersPerCommand = 256
    private static let none: GeoKeys.Cell = -1

    let keys: GeoKeys
    private var members = RedisCommands()
    /// By driver: the cell in which it stands because of us.
    private var listed: [GeoKeys.Cell] = []
    /// The keys of cells as arguments; whether the index has a cell is as old as the entry.
    private var arguments: [GeoKeys.Cell: [UInt8]] = [:]
    /// How many were taken out because they had gone offline.
    var swept = 0

    init(_ configuration: Configuration) {
        keys = GeoKeys(configuration)
    }

    /// Enters a driver, or moves it. One GEOADD takes many members: Redis then looks the set up once.
    mutating func add(
        _ driver: DriverIndex, _ id: DriverID, _ position: Position, _ latitude: DecimalText, _ longitude: DecimalText,
        to commands: inout RedisCommands
    ) {
        guard abs(position.latitude) <= GeoHash.northernmost else { return }
        while listed.count <= driver { listed.append(Self.none) }
        guard !keys.isCut else { return add(driver, id, position, latitude, longitude, cellwise: &commands) }
        listed[driver] = GeoKeys.whole
        members.begin(template: [])
        Self.append(id, latitude, longitude, to: &members)
        if members.count == Self.membersPerCommand { finish(&commands) }
    }

    /// Ends the command that `add` has begun.
    mutating func finish(_ commands: inout RedisCommands) {
        guard members.count > 0 else { return }
        commands.begin(arguments: 2 + 3 * members.count)
        commands.argument("GEOADD")
        commands.argument(keys.base)
        commands.constant(members.bytes)
        members.removeAll()
    }

    /// In a cluster every member is a command: neighbours may be in other cells, and a cell's key is on one server.
    private mutating func add(
        _ driver: DriverIndex, _ id: DriverID, _ position: Position, _ latitude: DecimalText, _ longitude: DecimalText,
        cellwise commands: inout RedisCommands
    ) {
        let cell = keys.cell(latitude: position.latitude, longitude: position.longitude)
        if listed[driver] != cell, listed[driver] != Self.none {
            commands.command(["ZREM", keys.key(of: listed[driver]), id.string])
        }
        listed[driver] = cell
        if arguments[cell] == nil {
            arguments[cell] = RedisCommands.template([keys.key(of: cell)], of: 0)
            commands.command(["SADD", keys.index, keys.name(of: cell)])
        }
        commands.begin(arguments: 5)
        commands.argument("GEOADD")
        commands.constant(arguments[cell] ?? [])
        Self.append(id, latitude, longitude, to: &commands)
    }

    @inline(__always)
    private static func append(
        _ id: DriverID, _ latitude: DecimalText, _ longitude: DecimalText, to commands: inout RedisCommands
    ) {
        commands.argument(count: longitude.count) { longitude.append(to: &$0) }
        commands.argument(count: latitude.count) { latitude.append(to: &$0) }
        commands.argument(count: id.text.count) { id.text.append(to: &$0) }
    }

    /// The cell that the driver stands in because of us.
    func cell(of driver: DriverIndex) -> GeoKeys.Cell? {
        guard driver < listed.count, listed[driver] != Self.none else { return nil }
        return listed[driver]
    }

    /// The driver's place was deleted.
    mutating func forget(_ driver: DriverIndex) {
        if driver < listed.count { listed[driver] = Self.none }
    }

    /// The server may have lost everything, the index of cells too.
    mutating func forgetIndex() {
        arguments.removeAll()
    }

    /// What takes a driver out of the set for good: from where we put it, and from where it was last known to be. Other
    /// gateways do the same with what they know.
    func removal(of id: DriverID, _ pipeline: Pipeline) -> [[String]] {
        guard keys.isCut else { return keys.removal(of: id, from: [GeoKeys.whole]) }
        guard let driver = pipeline.drivers.index(of: id) else { return keys.removal(of: id, from: []) }
        let known = pipeline.fanout.position(of: driver).map {
            keys.cell(latitude: $0.latitude, longitude: $0.longitude)
        }
        return keys.removal(of: id, from: Set([cell(of: driver), known].compactMap(\.self)))
    }

    /// The drivers who stand in the set because of us and were not heard of since `deadline`.
    func silent(_ fanout: Fanout, before deadline: Microseconds) -> [DriverIndex] {
        listed.indices.filter { driver in
            guard listed[driver] != Self.none, let position = fanout.position(of: driver) else { return false }
            return position.receivedAt < deadline
        }
    }
}

extension GeoKeys {
    /// What takes a driver out of cells, and off the list of those who have gone offline.
    func removal(of id: DriverID, from cells: Set<Cell>) -> [[String]] {
        cells.sorted().map { ["ZREM", key(of: $0), id.string] } + [["ZREM", departed, id.string]]
    }
}
