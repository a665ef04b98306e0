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

    private enum Backend {
        case server(ServerSubscriptions)
        case sharded(ShardedSubscriptions)
    }

    private let backend: Backend
    /// These subscriptions stand from now on, for the first time or again: Redis has confirmed them.
    public var onStanding: (([String]) -> Void)?
    /// These do not stand any more: what is published meanwhile is missed. Told as soon as their connection or their slot
    /// is gone, not for channels that were unsubscribed.
    public var onLost: (([String]) -> Void)?

    /// Starts connecting. `received` gets each message, in memory that is only lent; one may still come for a channel that
    /// was unsubscribed a moment ago.
    public init(
        loop: EventLoop, deployment: RedisDeployment, kind: Kind,
        received: @escaping (_ channel: Span<UInt8>, _ payload: Span<UInt8>) -> Void
    ) {
        if case .cluster(let seeds) = deployment, kind == .sharded {
            let sharded = ShardedSubscriptions(loop: loop, seeds: seeds, received: received)
            backend = .sharded(sharded)
            sharded.onStanding = { [unowned self] in onStanding?($0) }
            sharded.onLost = { [unowned self] in onLost?($0) }
        } else {
            let server = ServerSubscriptions(
                loop: loop, deployment: deployment, isSharded: kind == .sharded, received: received)
            backend = .server(server)
            server.onStanding = { [unowned self] in onStanding?($0) }
            server.onLost = { [unowned self] in onLost?($0) }
        }
    }

    /// Whether there are connections to be told over.
    public var isConnected: Bool {
        switch backend {
        case .server(let server): server.isConnected
        case .sharded(let sharded): sharded.isConnected
        }
    }

    /// How many channels are wanted.
    public var count: Int {
        switch backend {
        case .server(let server): server.count
        case .sharded(let sharded): sharded.count
        }
    }

    /// Listens to these, too; those that are listened to already are passed over.
    public func subscribe(_ channels: [String]) {
        switch backend {
        case .server(let server): server.subscribe(channels)
        case .sharded(let sharded): sharded.subscribe(channels)
        }
    }

    /// Listens to these no more.
    public func unsubscribe(_ channels: [String]) {
        switch backend {
        case .server(let server): server.unsubscribe(channels)
        case .sharded(let sharded): sharded.unsubscribe(channels)
        }
    }

    /// Writes what was asked for since the last call.
    public func flush() {
        switch backend {
        case .server(let server): server.flush()
        case .sharded(let sharded): sharded.flush()
        }
    }

    /// Ends all subscriptions for good.
    public func close() {
        switch backend {
        case .server(let server): server.close()
        case .sharded(let sharded): sharded.close()
        }
    }
}
