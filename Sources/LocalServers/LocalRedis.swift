/// A private Redis: one unix socket, nothing on disk, gone when we are.
import Glibc
import Synchronization

/// A redis-server of our own.
public final class LocalRedis: Sendable {
    /// `unix:///…/redis.sock`, as `DROVER_REDIS_URL` takes it.
    public let url: String
    /// The socket's path.
    public let socketPath: String
    /// The loopback TCP port it listens on besides; nil is none.
    public let port: Int?

    private let arguments: [String]
    private let child: Mutex<ChildProcess>
    private let ownDirectory: TemporaryDirectory?

    /// Starts one and waits until it answers PING.
    ///
    /// - Parameters:
    ///   - directory: where the socket and the log go; made where missing. Nil is a temporary one.
    ///   - port: a TCP port on 127.0.0.1 to listen on besides.
    ///   - configuration: a file of its own, which the server may write to, as Sentinels do.
    ///   - options: more of redis-server's, such as `--replicaof`.
    public static func start(
        directory: String? = nil, port: Int? = nil, configuration: String? = nil, options: [String] = []
    ) throws(LocalServerError) -> LocalRedis {
        try LocalRedis(directory: directory, port: port, configuration, options)
    }

    /// The same with a loopback TCP port that is free.
    public static func startOnPort(options: [String] = []) throws(LocalServerError) -> LocalRedis {
        try LocalRedis(directory: nil, port: LoopbackPorts.take(1)[0], nil, options)
    }

    private init(
        directory: String?, port: Int?, _ configuration: String?, _ options: [String]
    ) throws(LocalServerError) {
        let program = try findProgram("redis-server", package: "redis-server")
        ownDirectory = directory == nil ? try TemporaryDirectory(prefix: "dr") : nil
        let place = directory ?? ownDirectory?.path ?? "/tmp"
        try makeDirectory(place)
        socketPath = "\(place)/redis.sock"
        guard socketPath.utf8.count <= UnixSocket.longestPath else { throw .socketPathTooLong(socketPath) }
        url = "unix://\(socketPath)"
        self.port = port
        let common = [
            "--port", "\(port ?? 0)", "--bind", "127.0.0.1", "--unixsocket", socketPath, "--daemonize", "no", "--dir",
            place,
        ]
        let data = configuration == nil ? ["--save", "", "--appendonly", "no"] : []
        arguments = [program] + (configuration.map { [$0] } ?? []) + common + data + options
        child = Mutex(try Self.launch(arguments, socketPath))
    }

    private static func launch(_ arguments: [String], _ socketPath: String) throws(LocalServerError) -> ChildProcess {
        let child = try ChildProcess(arguments)
        try UnixSocket.waitUntil(child, within: .seconds(20)) {
            UnixSocket.ask(socketPath, "PING\r\n")?.hasPrefix("+PONG") == true
        }
        return child
    }

    /// The server's process id; another one after `restart()`.
    public var processID: Int32 { child.withLock { $0.processID } }

    /// Where it listens besides, as `DROVER_REDIS_URL` writes it; nil where that is nowhere.
    public var endpoint: String? { port.map { "127.0.0.1:\($0)" } }

    /// Gives it one command and returns what it answers, as `redis-cli` prints it; errors too.
    @discardableResult
    public func command(_ parts: String...) throws(LocalServerError) -> String {
        let client = try findProgram("redis-cli", package: "redis-tools")
        let output = try Command.runChecked([client, "-s", socketPath] + parts, within: .seconds(20))
        return output.hasSuffix("\n") ? String(output.dropLast()) : output
    }

    /// True until it has ended.
    public var isRunning: Bool { child.withLock { $0.isRunning } }

    /// Ends it in order and removes what it left.
    public func stop() {
        child.withLock { child in
            child.signal(SIGCONT)
            child.terminate()
        }
        ownDirectory?.remove()
    }

    /// Ends it at once, as a crash would; `restart()` brings an empty one back.
    public func kill() {
        child.withLock { _ = $0.terminate(signal: SIGKILL) }
    }

    /// Ends it, where it still runs, and starts it anew at the same place with no data.
    public func restart() throws(LocalServerError) {
        kill()
        try makeDirectory(String(socketPath.dropLast("/redis.sock".utf8.count)))
        let fresh = try Self.launch(arguments, socketPath)
        child.withLock { $0 = fresh }
    }

    /// Stops its execution: connections stay open and nobody answers.
    public func freeze() {
        child.withLock { $0.signal(SIGSTOP) }
    }

    /// Lets it go on after `freeze()`.
    public func thaw() {
        child.withLock { $0.signal(SIGCONT) }
    }
}
