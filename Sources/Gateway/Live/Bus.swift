/// Redis' channels as gateways use them: what they tell each other, and the positions of the drivers that somebody here
/// watches.
import EventLoop
import RedisClient
import Tracking

/// See the file's head. Lives on the loop's thread.
final class Bus {
    /// Redis' channels know no databases: other Drovers of one server hear it too, and find nothing of theirs in it.
    static let controlChannel = "drover:control"

    /// The command that publishes: which kind of channels there are is configuration.
    let publishCommand: String
    private let redis: () -> RedisStore?
    private var subscriptions: RedisSubscriptions?
    /// A message came, perhaps one of this process.
    var onMessage: ((ControlMessage) -> Void)?
    /// The bus is back, and what was told meanwhile was missed.
    var onReturn: (() -> Void)?
    /// The bus is away.
    var onAbsence: (() -> Void)?
    /// A position was published on a channel that is listened to, in memory that is only lent.
    /// On a cell's channel (`AreaCells`) the driver has come near an area that is watched here.
    var onPosition: ((Span<UInt8>, _ isNear: Bool) -> Void)?
    /// The subscriptions to these channels stand from now on; or do not any more.
    var onStanding: (([String]) -> Void)?
    var onLost: (([String]) -> Void)?

    /// `redis` gives the store to publish over.
    init(
        loop: EventLoop, _ deployment: RedisDeployment, _ configuration: Configuration,
        redis: @escaping () -> RedisStore?
    ) {
        self.redis = redis
        publishCommand = configuration.redisPublishCommand
        let control = Array(Self.controlChannel.utf8)
        let cell = Array(AreaCells.prefix.utf8)
        subscriptions = RedisSubscriptions(
            loop: loop, deployment: deployment, kind: configuration.redisPubsub == "sharded" ? .sharded : .plain
        ) { [unowned self] channel, payload in
            if channel.elementsEqual(control) {
                heard(payload)
            } else {
                onPosition?(payload, channel.starts(with: cell))
            }
        }
        subscriptions?.onStanding = { [unowned self] channels in
            if channels.contains(Self.controlChannel) { onReturn?() }
            onStanding?(channels)
        }
        subscriptions?.onLost = { [unowned self] channels in
            if channels.contains(Self.controlChannel) { onAbsence?() }
            onLost?(channels)
        }
        subscriptions?.subscribe([Self.controlChannel])
    }

    /// Whether messages of other gateways arrive now.
    var isConnected: Bool { subscriptions?.isConnected == true }

    /// What is published on these channels arrives from now on.
    func listen(to channels: [String]) {
        subscriptions?.subscribe(channels)
    }

    /// What is published on these does not any more.
    func ignore(_ channels: [String]) {
        subscriptions?.unsubscribe(channels)
    }

    /// Tells the others, if Redis is there.
    func publish(_ message: ControlMessage) {
        guard let redis = redis(), redis.isReady else { return }
        var commands = RedisCommands()
        commands.command([publishCommand, Self.controlChannel, message.text])
        redis.send(commands)
    }

    /// Writes what was asked for in this turn.
    func flush() {
        subscriptions?.flush()
    }

    func close() {
        subscriptions?.close()
    }

    private func heard(_ payload: Span<UInt8>) {
        guard payload.count <= ControlMessage.maximumBytes else { return }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(payload.count)
        for index in payload.indices { bytes.append(payload[index]) }
        if let message = ControlMessage(bytes) { onMessage?(message) }
    }
}

extension Span<UInt8> {
    /// Whether it begins with the bytes.
    func starts(with bytes: [UInt8]) -> Bool {
        count >= bytes.count && extracting(first: bytes.count).elementsEqual(bytes)
    }

    /// Whether these are the bytes.
    func elementsEqual(_ bytes: [UInt8]) -> Bool {
        guard count == bytes.count else { return false }
        for index in bytes.indices where self[index] != bytes[index] { return false }
        return true
    }
}

extension Configuration {
    /// Which command publishes, by `redis.pubsub`.
    var redisPublishCommand: String { redisPubsub == "sharded" ? "SPUBLISH" : "PUBLISH" }
}
