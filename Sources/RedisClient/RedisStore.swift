/// One logical Redis, however many servers it is: commands go where their key lives.
public import EventLoop

/// See the file's head. Lives on the loop's thread. The second part of every command is its key or channel,
/// of EVAL and EVALSHA the fourth.
public final class RedisStore {
    private let deployment: RedisDeployment
    private var connection: RedisConnection?
    /// Commands of which nobody awaits a reply were refused or lost while the store stayed ready: what they said is to be
    /// said again.
    public var onRefused: (() -> Void)?

    /// Starts connecting. `stateChanged` hears when the store becomes usable, also again after a part of it was away, and
    /// when it is lost.
    public init(loop: EventLoop, deployment: RedisDeployment, stateChanged: @escaping (Bool) -> Void) {
        self.deployment = deployment
        connection = RedisConnection(loop: loop, address: deployment.addresses[0], stateChanged: stateChanged)
    }

    /// The addresses without credentials, for messages.
    public var display: String { deployment.display }

    /// Whether keys are spread over several servers.
    public var isCluster: Bool { if case .cluster = deployment { true } else { false } }

    /// Whether commands can be sent.
    public var isReady: Bool { connection?.isReady == true }

    /// Whether more commands should be sent now.
    public var hasRoom: Bool { connection?.hasRoom == true }

    /// Why it cannot be used; nil while it can.
    public var lastError: String? { connection?.lastError }

    /// Error replies to commands nobody waited for.
    public var errorReplies: Int { connection?.errorReplies ?? 0 }

    /// Sends commands, at the next `flush`, whose replies nobody needs. Does nothing unless `isReady`.
    public func send(_ commands: RedisCommands) {
        connection?.send(commands)
    }

    /// Sends one command, at the next `flush`; `handler` gets its reply, or `.lost`, on the loop.
    public func send(_ parts: [String], _ handler: @escaping (RedisReply) -> Void) {
        guard let connection else { return handler(.lost) }
        connection.send(parts, handler)
    }

    /// The same of a command that is composed already; `command` holds that one alone.
    public func send(_ command: RedisCommands, _ handler: @escaping (RedisReply) -> Void) {
        guard let connection else { return handler(.lost) }
        connection.send(command, handler)
    }

    /// Sends one command to every primary, whatever its second part is; `handler` gets all replies.
    public func sendToEach(_ parts: [String], _ handler: @escaping ([RedisReply]) -> Void) {
        send(parts) { handler([$0]) }
    }

    /// Writes what was sent since the last call.
    public func flush() {
        connection?.flush()
    }

    /// Ends it for good.
    public func close() {
        connection?.close()
    }
}
