/// Whether drivers that report here are watched through other gateways: those listen to a driver's channel only while
/// somebody watches it, so Redis knows by the number of its subscribers.
import EventLoop
import RedisClient
import Tracking

/// Asks now and then. Lives on the loop's thread.
final class RemoteViewers {
    /// Seconds between two questions, and for how long a driver must have been silent not to be asked for.
    private static let interval: Int32 = 5
    private static let silence: Int32 = 60
    /// Channels in one question.
    private static let batch = 500

    private unowned let gateway: Gateway
    private let command: [String]
    private var watched: Set<DriverIndex> = []
    private var isAsking = false

    init(gateway: Gateway) {
        self.gateway = gateway
        let isSharded = gateway.configuration.redisPubsub == "sharded"
        command = ["PUBSUB", isSharded ? "SHARDNUMSUB" : "NUMSUB"]
    }

    /// Whether somebody watches the driver through another gateway, as far as is known.
    func isWatched(_ driver: DriverIndex) -> Bool { watched.contains(driver) }

    /// Called once a second.
    func everySecond() {
        let recency = gateway.pipeline.recency
        guard gateway.company.count > 0 else { return tell([]) }
        guard recency.second % Self.interval == 0, !isAsking, let redis = gateway.redis, redis.isReady else { return }
        let drivers = recency.heard(within: Self.silence)
        guard !drivers.isEmpty else { return tell([]) }
        isAsking = true
        var found: Set<DriverIndex> = []
        var left = (drivers.count + Self.batch - 1) / Self.batch
        for start in stride(from: 0, to: drivers.count, by: Self.batch) {
            let asked = drivers[start..<min(start + Self.batch, drivers.count)]
            ask(Array(asked), redis) { [weak self] watched in
                found.formUnion(watched)
                left -= 1
                guard left == 0, let self else { return }
                isAsking = false
                tell(found)
            }
        }
    }

    private func ask(_ drivers: [DriverIndex], _ redis: RedisStore, then: @escaping ([DriverIndex]) -> Void) {
        let names = drivers.map { gateway.interest.channel(of: $0) }
        redis.sendToEach(command + names) { [weak self] replies in
            var listeners = Array(repeating: Int64(0), count: drivers.count)
            for reply in replies {
                // Name and number in turn, in the order of the question.
                guard let parts = reply.elements, parts.count == 2 * drivers.count else { continue }
                for index in drivers.indices {
                    if case .integer(let count) = parts[2 * index + 1] { listeners[index] += count }
                }
            }
            then(
                drivers.indices.filter {
                    listeners[$0] > (self?.gateway.interest.isListening(to: drivers[$0]) == true ? 1 : 0)
                }
                .map { drivers[$0] })
        }
    }

    private func tell(_ now: Set<DriverIndex>) {
        let changes = watched.symmetricDifference(now)
        watched = now
        if !changes.isEmpty { gateway.rates.follow(Array(changes)) }
    }
}
