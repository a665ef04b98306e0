/// A private PgBouncer in transaction mode: what stands between many gateways and a Postgres with few connections.
import Glibc
import Synchronization

/// A pgbouncer of our own, on one unix socket.
public final class LocalPgBouncer: Sendable {
    /// The directory of the socket, libpq's `host`.
    public let socketDirectory: String
    private let child: ChildProcess
    private let directory: TemporaryDirectory

    /// Starts one in front of `server` and waits until it listens.
    ///
    /// - Parameters:
    ///   - poolSize: connections to the server for each database.
    ///   - settings: more of pgbouncer.ini's section `[pgbouncer]`.
    public init(
        before server: LocalPostgres, poolSize: Int = 2, settings: [String: String] = [:]
    ) throws(LocalServerError) {
        let program = try findProgram("pgbouncer", package: "pgbouncer")
        let installation = try PostgresInstallation.newest()
        directory = try TemporaryDirectory(prefix: "db")
        socketDirectory = directory.path
        let socket = "\(socketDirectory)/.s.PGSQL.5432"
        guard socket.utf8.count <= UnixSocket.longestPath else { throw .socketPathTooLong(socket) }
        var options = [
            "listen_port": "5432", "unix_socket_dir": socketDirectory, "pool_mode": "transaction",
            "default_pool_size": "\(poolSize)", "max_client_conn": "500", "auth_type": "any",
            "server_round_robin": "1",
        ]
        options.merge(settings) { $1 }
        let text =
            "[databases]\n* = host=\(server.socketDirectory) port=5432 user=postgres\n[pgbouncer]\n"
            + options.sorted { $0.key < $1.key }.map { "\($0.key) = \($0.value)\n" }.joined()
        let path = "\(socketDirectory)/pgbouncer.ini"
        guard let file = fopen(path, "w") else { throw .file(path, reason: systemReason()) }
        fputs(text, file)
        fclose(file)
        // It refuses to run as root, like the server.
        try installation.giveAway(socketDirectory)
        child = try ChildProcess(installation.asServerUser([program, path]), diesWithUs: nil)
        try UnixSocket.waitUntil(child, within: .seconds(20)) { access(socket, F_OK) == 0 }
    }

    /// Where libpq finds a database through it.
    public func url(database: String) -> String {
        "postgresql://postgres@/\(percentEncoded(database))?host=\(percentEncoded(socketDirectory))"
    }

    /// What it has logged, its last 64 KiB.
    public var log: String { child.output(last: 1 << 16) }

    /// Ends it and removes what it left.
    public func stop() {
        child.terminate()
        directory.remove()
    }
}
