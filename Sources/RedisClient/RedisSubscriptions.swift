/// Channels that are listened to, as many as one likes, changed at any time: connections of their own, since a subscribed
/// one takes no other commands, that are made again and subscribe again whenever they are lost.
public import EventLoop

/// See the file's head. Lives on the loop's thread. Messages that are published while a subscription does not stand are
/// missed for good: who needs them looks elsewhere once it stands again.
public final class RedisSubscriptions {
    /// How messages travel.
    public enum Kind: Sendable {
        /// PUBLISH and SUBSCRIBE: in a cluster every node hears everything.
        case plain
        /// SPUBLISH and SSUBSCRIBE (Redis 7): a message stays with the node that owns its channel's slot.
        case sharded
    }

    /// How often a silent server must show that it is there, in milliseconds; a frozen one is noticed by the connection's
    /// own deadline for replies.
    private static let probeMilliseconds = 2_000
    /// Channels in one command.
    private static let batch = 500

    private let kind: Kind
    private var connection: RedisConnection?
    private var timer: LoopTimer?
    /// Channels that are wanted, and whether their subscription stands.
    private var channels: [String: Bool] = [:]
    /// Subscriptions that have come to stand since they were last told.
    private var standing: [String] = []
    /// These subscriptions stand from now on, for the first time or again.
    public var onStanding: (([String]) -> Void)?
    /// These do not stand any more: what is published meanwhile is missed.
    public var onLost: (([String]) -> Void)?

    /// Starts connecting. `received` gets each message, in memory that is only lent.
    public init(
        loop: EventLoop, deployment: RedisDeployment, kind: Kind,
        received: @escaping (_ channel: Span<UInt8>, _ payload: Span<UInt8>) -> Void
    ) {
        self.kind = kind
        connection = RedisConnection(loop: loop, address: deployment.addresses[0], published: received) {
            [unowned self] isReady in connectionChanged(isReady)
        }
        connection?.confirmed = { [unowned self] channel in confirmed(channel) }
        connection?.allRead = { [unowned self] in tellStanding() }
        timer = LoopTimer(loop: loop) { [unowned self] in probe() }
        timer?.start(afterMilliseconds: Self.probeMilliseconds, everyMilliseconds: Self.probeMilliseconds)
    }

    /// Whether there is a connection to be told over.
    public var isConnected: Bool { connection?.isReady == true }

    /// How many channels are wanted.
    public var count: Int { channels.count }

    /// Listens to these, too; those that are listened to already are passed over.
    public func subscribe(_ wanted: [String]) {
        let new = wanted.filter { channels.updateValue(channels[$0] ?? false, forKey: $0) == nil }
        send("SUBSCRIBE", new)
    }

    /// Listens to these no more.
    public func unsubscribe(_ unwanted: [String]) {
        let known = unwanted.filter { channels.removeValue(forKey: $0) != nil }
        send("UNSUBSCRIBE", known)
    }

    /// Writes what was asked for since the last call.
    public func flush() {
        connection?.flush()
    }

    /// Ends all subscriptions for good.
    public func close() {
        channels = [:]
        timer?.close()
        connection?.close()
    }

    private func send(_ command: String, _ names: [String]) {
        guard let connection, connection.isReady else { return }
        let command = kind == .sharded ? "S" + command : command
        for start in stride(from: 0, to: names.count, by: Self.batch) {
            connection.push([command] + names[start..<min(start + Self.batch, names.count)])
        }
    }

    private func connectionChanged(_ isReady: Bool) {
        if isReady { return send("SUBSCRIBE", Array(channels.keys)) }
        standing.removeAll()
        let lost = channels.filter(\.value).map(\.key)
        for channel in lost { channels[channel] = false }
        if !lost.isEmpty { onLost?(lost) }
    }

    private func confirmed(_ channel: String) {
        guard channels[channel] == false else { return }
        channels[channel] = true
        standing.append(channel)
    }

    private func tellStanding() {
        guard !standing.isEmpty else { return }
        let told = standing
        standing.removeAll()
        onStanding?(told)
    }

    private func probe() {
        guard let connection, connection.isReady else { return }
        // Such as those that a user without the right to them was refused: Redis stays up, and is asked again.
        send("SUBSCRIBE", channels.filter { !$0.value }.map(\.key))
        connection.send(["PING"]) { _ in }
        connection.flush()
    }
}
