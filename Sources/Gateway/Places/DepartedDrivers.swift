/// The drivers who went offline within the last day, in Redis: who is asked for by nobody's place any more is still in the
/// feeds of every gateway, and the same ones in each.
import EventLoop
import RedisClient
import Tracking

/// Reads and writes the list. Lives on the loop's thread.
struct DepartedDrivers {
    /// For how long a driver is listed, in microseconds; feeds show nobody whose newest fix is older.
    static let span: Microseconds = 86_400_000_000
    /// The most that are listed, those of the newest fixes.
    private static let limit = 100_000
    private static let page = 1_000

    let keys: GeoKeys

    /// The commands that enter drivers with the times of their newest fixes.
    func enter(_ drivers: [(id: DriverID, recordedAt: Microseconds)], now: Microseconds) -> RedisCommands {
        var commands = RedisCommands()
        guard !drivers.isEmpty else { return commands }
        for start in stride(from: 0, to: drivers.count, by: 256) {
            let piece = drivers[start..<min(start + 256, drivers.count)]
            commands.command(
                ["ZADD", keys.departed] + piece.flatMap { ["\($0.recordedAt / 1_000)", $0.id.string] })
        }
        commands.command(["ZREMRANGEBYSCORE", keys.departed, "-inf", "(\((now - Self.span) / 1_000)"])
        commands.command(["ZREMRANGEBYRANK", keys.departed, "0", "\(-Self.limit - 1)"])
        return commands
    }

    /// Who is listed, with the times of their newest fixes in microseconds.
    func list(
        _ redis: RedisStore?, now: Microseconds, then: @escaping ([(id: DriverID, recordedAt: Microseconds)]) -> Void
    ) {
        guard let redis, redis.isReady else { return then([]) }
        read(redis, since: (now - Self.span) / 1_000, [], then: then)
    }

    private func read(
        _ redis: RedisStore, since low: Int64, _ found: [(id: DriverID, recordedAt: Microseconds)],
        then: @escaping ([(id: DriverID, recordedAt: Microseconds)]) -> Void
    ) {
        let command = [
            "ZRANGEBYSCORE", keys.departed, "\(low)", "+inf", "WITHSCORES", "LIMIT", "\(found.count)", "\(Self.page)",
        ]
        redis.send(command) { reply in
            let elements = reply.elements ?? []
            var found = found
            for index in stride(from: 0, to: elements.count - 1, by: 2) {
                if let id = elements[index].text.flatMap({ DriverID($0) }),
                    let time = elements[index + 1].text.flatMap({ Double($0) }), abs(time) < 1e15
                {
                    found.append((id, Int64(time) * 1_000))
                }
            }
            guard elements.count >= 2 * Self.page, found.count < Self.limit else { return then(found) }
            read(redis, since: low, found, then: then)
        }
    }
}
