/// A user's orders by the time of their arrival, in a sorted set of the platform's: `redis.eta_key`.
import RedisClient
import Tracking

/// Writes the sets. Lives on the loop's thread.
final class ArrivalTimes {
    /// Life of a set after it was last written, in milliseconds: what a gateway that ended did not take out goes by itself.
    private static let life = 3_600_000
    /// Members that wait to be taken out while Redis is away; more are forgotten, and go with the set's life.
    private static let maximumRemovals = 10_000

    private let prefix: String
    private let suffix: String
    private let redis: () -> RedisStore?
    private var removals: [(user: String, order: DriverID)] = []

    /// Nil where the template is empty. It holds `{user}` once.
    init?(template: String, redis: @escaping () -> RedisStore?) {
        guard let place = template.firstRange(of: "{user}") else { return nil }
        prefix = String(template[..<place.lowerBound])
        suffix = String(template[place.upperBound...])
        self.redis = redis
    }

    /// An order's time of arrival.
    struct Time {
        let user: String
        let order: DriverID
        let at: Microseconds
    }

    /// Writes the times, and takes out what waited for it.
    func write(_ times: [Time]) {
        guard let redis = redis(), redis.hasRoom, !times.isEmpty || !removals.isEmpty else { return }
        var commands = RedisCommands()
        for time in times {
            commands.command(["ZADD", key(time.user), "\(time.at / 1_000)", time.order.string])
            commands.command(["PEXPIRE", key(time.user), "\(Self.life)"])
        }
        for (user, order) in removals { commands.command(["ZREM", key(user), order.string]) }
        removals.removeAll()
        redis.send(commands)
    }

    /// The order is not on its way any more.
    func remove(_ order: DriverID, of user: String) {
        if removals.count < Self.maximumRemovals { removals.append((user, order)) }
        write([])
    }

    private func key(_ user: String) -> String { prefix + user + suffix }
}
