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
    public static func start(directory: String? = nil, port: Int? = nil) throws(LocalServerError) -> LocalRedis {
        try LocalRedis(directory: directory, port: port)
    }

    private init(directory: String?, port: Int?) throws(LocalServerError) {
        let program = try findProgram("redis-server", package: "redis-server")
        ownDirectory = directory == nil ? try TemporaryDirectory(prefix: "dr") : nil
        let place = directory ?? ownDirectory?.path ?? "/tmp"
        try makeDirectory(place)
        socketPath = "\(place)/redis.sock"
        guard socketPath.utf8.count <= UnixSocket.longestPath else { throw .socketPathTooLong(socketPath) }
        url = "unix://\(socketPath)"
        self.port = port
        arguments = [
            program, "--port", "\(port ?? 0)", "--bind", "127.0.0.1", "--unixsocket", socketPath, "--save", "",
            "--appendonly", "no", "--daemonize", "no", "--dir", place,
        ]
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
