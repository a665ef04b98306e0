/// Hears the messages of one Redis channel: a connection of its own, since a subscribed one takes no other commands, that
/// is made again and subscribes again whenever it is lost.
public import EventLoop

/// See the file's head. Lives on the loop's thread. Messages that are published while it is not subscribed are missed for
/// good: who needs them looks elsewhere when `stateChanged` says that it is subscribed again.
public final class RedisSubscriber {
    /// How often a silent server must show that it is there, in milliseconds; a frozen one is noticed by the connection's
    /// own deadline for replies.
    private static let probeMilliseconds = 2_000

    private let channel: String
    private let stateChanged: (Bool) -> Void
    private var connection: RedisConnection?
    private var timer: LoopTimer?
    /// Whether what is published now arrives.
    public private(set) var isSubscribed = false

    /// Starts connecting. `received` gets each message's payload; `stateChanged` hears when the subscription stands and
    /// when it is lost.
    public init(
        loop: EventLoop, address: RedisAddress, channel: String, stateChanged: @escaping (Bool) -> Void,
        received: @escaping ([UInt8]) -> Void
    ) {
        self.channel = channel
        self.stateChanged = stateChanged
        connection = RedisConnection(
            loop: loop, address: address,
            published: { from, payload in if from == channel { received(payload) } },
            stateChanged: { [unowned self] isReady in connectionChanged(isReady) })
        timer = LoopTimer(loop: loop) { [unowned self] in probe() }
        timer?.start(afterMilliseconds: Self.probeMilliseconds, everyMilliseconds: Self.probeMilliseconds)
    }

    /// Ends the subscription for good.
    public func close() {
        isSubscribed = false
        timer?.close()
        connection?.close()
    }

    private func connectionChanged(_ isReady: Bool) {
        guard isReady else {
            if isSubscribed {
                isSubscribed = false
                stateChanged(false)
            }
            return
        }
        connection?.send(["SUBSCRIBE", channel]) { [weak self] reply in
            // Anything else is an error, such as a user without the right to this channel: Redis stays up, and the
            // connection is asked again at the next probe.
            guard let self, !isSubscribed, reply.elements?.first?.text == "subscribe" else { return }
            isSubscribed = true
            stateChanged(true)
        }
        connection?.flush()
    }

    private func probe() {
        guard let connection, connection.isReady else { return }
        guard isSubscribed else { return connectionChanged(true) }
        connection.send(["PING"]) { _ in }
        connection.flush()
    }
}

/// A message of a channel, as Redis pushes it.
struct RedisMessage {
    let channel: String
    let payload: [UInt8]

    /// Nil where the reply is the answer to a command.
    init?(_ reply: RedisReply) {
        guard let parts = reply.elements, parts.count == 3, parts[0].text == "message", let channel = parts[1].text,
            case .bytes(let payload) = parts[2]
        else { return nil }
        self.channel = channel
        self.payload = payload
    }
}
