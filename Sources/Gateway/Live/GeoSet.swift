/// The GEO set of all drivers that are not offline, for questions by place.
import RedisClient
import Tracking

/// Writes the set. Part of `RedisPositions`; lives on the loop's thread.
struct GeoSet {
    /// The most members of one GEOADD: Redis serves nobody else meanwhile.
    private static let membersPerCommand = 256
    /// Redis' geohash ends at ±85.05112878°, the limit of the web's map projection.
    private static let northernmost: Degrees7 = 850_511_287

    private let key: String
    private var members = RedisCommands()
    /// By driver: in the set because of us.
    private var isListed: [Bool] = []
    /// How many were taken out because they had gone offline.
    private(set) var swept = 0

    init(_ configuration: Configuration) {
        key = configuration.redisGeoKey
    }

    /// Enters a driver, or moves it. One GEOADD takes many members: Redis then looks the set up once.
    mutating func add(
        _ driver: DriverIndex, _ id: DriverID, _ position: Position, _ latitude: DecimalText, _ longitude: DecimalText,
        to commands: inout RedisCommands
    ) {
        guard abs(position.latitude) <= Self.northernmost else { return }
        while isListed.count <= driver { isListed.append(false) }
        isListed[driver] = true
        members.begin(template: [])
        members.argument(count: longitude.count) { longitude.append(to: &$0) }
        members.argument(count: latitude.count) { latitude.append(to: &$0) }
        members.argument(count: id.text.count) { id.text.append(to: &$0) }
        if members.count == Self.membersPerCommand { finish(&commands) }
    }

    /// Ends the command that `add` has begun.
    mutating func finish(_ commands: inout RedisCommands) {
        guard members.count > 0 else { return }
        commands.begin(arguments: 2 + 3 * members.count)
        commands.argument("GEOADD")
        commands.argument(key)
        commands.constant(members.bytes)
        members.removeAll()
    }

    /// The driver's place was deleted.
    mutating func forget(_ driver: DriverIndex) {
        if driver < isListed.count { isListed[driver] = false }
    }

    /// Takes out drivers that were not heard of since `deadline`.
    mutating func sweep(
        _ fanout: Fanout, _ table: DriverTable, before deadline: Microseconds, to commands: inout RedisCommands
    ) {
        for driver in isListed.indices where isListed[driver] {
            guard let position = fanout.position(of: driver), position.receivedAt < deadline else { continue }
            isListed[driver] = false
            commands.command(["ZREM", key, table.id(of: driver).string])
            swept += 1
        }
    }
}
