/// A private PostgreSQL cluster: one unix socket, trusted logins, gone when we are.
import Glibc
import Synchronization

/// A PostgreSQL server of our own.
///
/// PostgreSQL refuses to run as root; there it runs as Debian's user `postgres`, who then owns the directory.
public final class LocalPostgres: Sendable {
    /// How a running server is told to end (PostgreSQL's own words for it).
    public enum StopMode: Sendable {
        /// Connections are closed, the state is written out.
        case fast
        /// At once and without writing, as after a crash: the next start recovers from the log.
        case immediate
    }

    /// The database every cluster has.
    public static let initialDatabase = "postgres"
    /// The directory of the socket, libpq's `host`.
    public let socketDirectory: String

    private let installation: PostgresInstallation
    private let dataDirectory: String
    private let arguments: [String]
    private let child: Mutex<ChildProcess?>
    private let ownDirectory: TemporaryDirectory?

    /// Makes a cluster in `directory`, or takes the one that is there, starts it and waits until it takes connections.
    ///
    /// - Parameters:
    ///   - directory: made where missing; as root it becomes the user `postgres`'s. Nil is a temporary one.
    ///   - durable: false leaves out fsync, which is faster and loses data only when the machine itself crashes.
    ///   - settings: more server settings, `max_connections` for instance.
    public static func start(
        directory: String? = nil, durable: Bool = false, settings: [String: String] = [:]
    ) throws(LocalServerError) -> LocalPostgres {
        let server = try LocalPostgres(directory: directory, durable: durable, settings: settings)
        try server.start()
        return server
    }

    /// `primary`: whose copy a new cluster is.
    init(
        directory: String?, durable: Bool, settings: [String: String], copying primary: LocalPostgres? = nil
    ) throws(LocalServerError) {
        installation = try PostgresInstallation.newest()
        ownDirectory = directory == nil ? try TemporaryDirectory(prefix: "dp") : nil
        let place = directory ?? ownDirectory?.path ?? "/tmp"
        try makeDirectory(place)
        try installation.giveAway(place)
        socketDirectory = place
        dataDirectory = "\(place)/data"
        let socketPath = "\(place)/.s.PGSQL.5432"
        guard socketPath.utf8.count <= UnixSocket.longestPath else { throw .socketPathTooLong(socketPath) }
        if access("\(dataDirectory)/PG_VERSION", F_OK) != 0 {
            if let primary {
                try installation.copy(primary.socketDirectory, into: dataDirectory)
            } else {
                try installation.initialize(dataDirectory)
            }
        }
        var options = ["listen_addresses": "", "unix_socket_directories": place, "port": "5432"]
        if !durable {
            options["fsync"] = "off"
            options["full_page_writes"] = "off"
        }
        options.merge(settings) { $1 }
        arguments =
            [installation.program("postgres"), "-D", dataDirectory]
            + options.sorted { $0.key < $1.key }.flatMap { ["-c", "\($0.key)=\($0.value)"] }
        child = Mutex(nil)
    }

    /// Starts it again after a stop or a kill; nothing happens while it runs.
    public func start() throws(LocalServerError) {
        if isRunning { return }
        // At our own end nobody needs the data any more: QUIT ends all its processes at once.
        let fresh = try ChildProcess(installation.asServerUser(arguments), diesWithUs: nil, endSignal: SIGQUIT)
        // The eighth line of the file says `ready`, or `standby` of a replica that takes questions, in the words of
        // PostgreSQL's own pg_ctl; the first one says of whom.
        let file = "\(dataDirectory)/postmaster.pid"
        try UnixSocket.waitUntil(fresh, within: .seconds(60)) {
            let lines = readFile(file).split(separator: "\n", omittingEmptySubsequences: false)
            return lines.count > 7 && lines[0] == "\(fresh.processID)"
                && ["ready", "standby"].contains(lines[7].prefix { $0 != " " })
        }
        child.withLock { $0 = fresh }
    }

    /// Where libpq finds a database: `postgresql://postgres@/NAME?host=…`.
    public func url(database: String = initialDatabase) -> String {
        "postgresql://postgres@/\(percentEncoded(database))?host=\(percentEncoded(socketDirectory))"
    }

    /// The postmaster's process id, or nil while it is stopped.
    public var processID: Int32? { child.withLock { $0.flatMap { $0.isRunning ? $0.processID : nil } } }

    /// True until it has ended.
    public var isRunning: Bool { processID != nil }

    /// What the server has logged since its last start, its last 64 KiB.
    public var log: String { child.withLock { $0?.output(last: 1 << 16) ?? "" } }

    /// Makes an empty database.
    public func createDatabase(_ name: String) throws(LocalServerError) {
        try psql("CREATE DATABASE \"\(name.split(separator: "\"").joined(separator: "\"\""))\"")
    }

    /// Runs SQL through the psql program, at the first error stops; gives the rows, columns parted by `|`.
    @discardableResult
    public func psql(
        _ query: String, database: String = initialDatabase, within limit: Duration = .seconds(60)
    ) throws(LocalServerError) -> String {
        let output = try Command.runChecked(
            [
                installation.program("psql"), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d",
                url(database: database), "-f", "-",
            ], environment: ["PGOPTIONS": "", "PGPASSWORD": nil], input: query, within: limit)
        return output.hasSuffix("\n") ? String(output.dropLast()) : output
    }

    /// Ends it, and waits for that; the data stays for the next `start()`.
    public func stop(_ mode: StopMode = .fast) {
        thaw()
        child.withLock { _ = $0?.terminate(signal: mode == .fast ? SIGINT : SIGQUIT, grace: .seconds(30)) }
    }

    /// Ends all its processes by SIGKILL at once.
    public func kill() {
        child.withLock { child in
            guard let child, child.isRunning else { return }
            // Stopped first, the postmaster cannot start another process while the others are collected.
            child.signal(SIGSTOP)
            let others = PostgresInstallation.children(of: child.processID)
            child.terminate(signal: SIGKILL)
            for other in others { _ = Glibc.kill(other, SIGKILL) }
            PostgresInstallation.awaitEnd(of: others)
        }
    }

    /// Stops the execution of all its processes: connections stay open and nobody answers.
    public func freeze() {
        child.withLock { child in
            guard let child, child.isRunning else { return }
            child.signal(SIGSTOP)
            for other in PostgresInstallation.children(of: child.processID) { _ = Glibc.kill(other, SIGSTOP) }
        }
    }

    /// Lets all of it go on after `freeze()`.
    public func thaw() {
        child.withLock { child in
            guard let child, child.isRunning else { return }
            for other in PostgresInstallation.children(of: child.processID) { _ = Glibc.kill(other, SIGCONT) }
            child.signal(SIGCONT)
        }
    }

    /// Ends it and, where the directory was ours, removes it.
    public func remove() {
        stop(.immediate)
        ownDirectory?.remove()
    }
}
