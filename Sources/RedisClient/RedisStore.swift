/// One logical Redis, however many servers it is made of: commands in, replies out, and word of every return after which
/// what was written may be lost.
public import EventLoop

/// See the file's head. Lives on the loop's thread.
public final class RedisStore {
    private enum Backend {
        case primary(RedisSeeker)
        case cluster(RedisCluster)
    }

    private let deployment: RedisDeployment
    private let backend: Backend
    private var refusals = RefusalPace()
    private var timer: LoopTimer?

    /// Commands of which nobody awaits replies were refused or dropped, and writing them again is worth it now. Told a
    /// second after the first, then ever more rarely while it goes on, every 8 s at last.
    public var onRefused: (() -> Void)? {
        didSet { if case .cluster(let cluster) = backend { cluster.onRefused = onRefused } }
    }

    /// Starts connecting. `stateChanged` hears true whenever Redis, or a part of it, is there (again) and may lack what
    /// was written, and false when nothing of it is.
    public init(loop: EventLoop, deployment: RedisDeployment, stateChanged: @escaping (Bool) -> Void) {
        self.deployment = deployment
        switch deployment {
        case .servers, .sentinels:
            let seeker = RedisSeeker(loop: loop, deployment: deployment, wantsPrimary: true)
            backend = .primary(seeker)
            seeker.onReady = { [unowned self] connection in
                connection.onRefusal = { [unowned self, unowned connection] refusal, isAwaited in
                    refused(refusal, isAwaited, on: connection)
                }
                stateChanged(true)
            }
            seeker.onLost = { stateChanged(false) }
            timer = LoopTimer(loop: loop) { [unowned self] in withExtendedLifetime(self) { everySecond() } }
            timer?.start(afterMilliseconds: 1_000, everyMilliseconds: 1_000)
        case .cluster(let seeds):
            backend = .cluster(RedisCluster(loop: loop, seeds: seeds, onChange: stateChanged))
        }
    }

    /// Whether commands can be sent: to the primary, or to at least one of a cluster's.
    public var isReady: Bool {
        switch backend {
        case .primary(let seeker): seeker.connection != nil
        case .cluster(let cluster): cluster.isReady
        }
    }

    /// Whether every primary can be reached, so that no key is out of reach.
    public var isWhole: Bool {
        switch backend {
        case .primary: isReady
        case .cluster(let cluster): cluster.isWhole
        }
    }

    /// Whether more commands should be sent now: ready, and less than 8 MiB unsent (a node of a cluster).
    public var hasRoom: Bool {
        switch backend {
        case .primary(let seeker): seeker.connection?.hasRoom == true
        case .cluster(let cluster): cluster.hasRoom
        }
    }

    /// Why it, or a part of it, is not there and what to do; nil while all of it is.
    public var lastError: String? {
        switch backend {
        case .primary(let seeker): seeker.lastError
        case .cluster(let cluster): cluster.lastError
        }
    }

    /// Error replies to commands nobody waited for.
    public var errorReplies: Int {
        switch backend {
        case .primary(let seeker): seeker.errorReplies
        case .cluster(let cluster): cluster.errorReplies
        }
    }

    /// The URL without credentials.
    public var display: String { deployment.display }

    /// Who is talked to now, for messages.
    public var servers: String {
        switch backend {
        case .primary(let seeker): seeker.connection.map { "the primary is \($0.address.display)" } ?? "no primary"
        case .cluster(let cluster):
            "\(cluster.connections.count { $0 != nil }) of \(cluster.connections.count) primaries"
        }
    }

    /// Whether keys live on different servers, so that one command can have one key only.
    public var isCluster: Bool { if case .cluster = backend { true } else { false } }

    /// Sends commands, at the next `flush`, whose replies nobody needs. The second part of each must be its key or
    /// channel (of EVAL and EVALSHA the fourth). What cannot be sent is dropped.
    public func send(_ commands: RedisCommands) {
        switch backend {
        case .primary(let seeker): seeker.connection?.send(commands)
        case .cluster(let cluster): cluster.send(commands)
        }
    }

    /// Sends one command, at the next `flush`; `handler` gets its reply, or `.lost` where it could not be sent or the
    /// answer did not come, on the loop. Its second part must be its key or channel, as above.
    public func send(_ parts: [String], _ handler: @escaping (RedisReply) -> Void) {
        var command = RedisCommands()
        command.command(parts)
        send(command, handler)
    }

    /// The same of a command that is composed already; `command` holds that one alone.
    public func send(_ command: RedisCommands, _ handler: @escaping (RedisReply) -> Void) {
        switch backend {
        case .primary(let seeker):
            if let connection = seeker.connection { connection.send(command, handler) } else { handler(.lost) }
        case .cluster(let cluster): cluster.send(command, handler)
        }
    }

    /// Sends one command to every primary, for questions about all keys; `handler` gets all replies, always in the same
    /// order as long as the cluster stays as it is.
    public func sendToEach(_ parts: [String], _ handler: @escaping ([RedisReply]) -> Void) {
        switch backend {
        case .primary: send(parts) { handler([$0]) }
        case .cluster(let cluster): cluster.sendToEach(parts, handler)
        }
    }

    /// Finds all keys that match a glob-style pattern, at every primary. `found` gets them in portions, some perhaps
    /// twice; `done` hears whether everybody has told everything.
    public func scan(
        _ pattern: String, found: @escaping ([String]) -> Void, done: @escaping (_ isComplete: Bool) -> Void
    ) {
        switch backend {
        case .primary(let seeker): KeyScan.start([seeker.connection], pattern, found, done)
        case .cluster(let cluster): KeyScan.start(cluster.connections, pattern, found, done)
        }
    }

    /// Writes what was sent since the last call. Called at the end of each turn of the loop: however many commands a turn
    /// sends, they cost one system call a server.
    public func flush() {
        switch backend {
        case .primary(let seeker): seeker.connection?.flush()
        case .cluster(let cluster): cluster.flush()
        }
    }

    /// Ends all connections for good.
    public func close() {
        timer?.close()
        switch backend {
        case .primary(let seeker): seeker.close()
        case .cluster(let cluster): cluster.close()
        }
    }

    private func refused(_ refusal: RedisRefusal, _ isAwaited: Bool, on connection: RedisConnection) {
        switch refusal {
        case .notPrimary:
            connection.end("it has become a replica")
        case .notNow, .cannotWrite, .moved, .ask:
            if !isAwaited { refusals.refused() }
        }
    }

    private func everySecond() {
        guard isReady, refusals.isDue(SystemClock.monotonicMicroseconds()) else { return }
        onRefused?()
        flush()
    }
}
