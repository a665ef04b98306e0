/// What is measured, and where it runs: private Redis and Postgres, the gateway pinned to one core, all else to the other.
import DroverClient
import Glibc
import LocalServers

/// CPU seconds of every part at one moment.
struct Snapshot {
    var gateway: ProcessUsage
    var redis: ProcessUsage
    var postgresSeconds: Double
    var machine: MachineUsage
    var own: ProcessUsage
}

/// The parts of one bench.
final class Stage {
    static let database = "drover"
    let redis: LocalRedis
    let postgres: LocalPostgres
    /// The core that the gateway and the floors get for themselves.
    let serverCore: Int
    private let directory: TemporaryDirectory
    private let program: String
    private(set) var gateway: ChildProcess?
    private var environment: [String: String] = [:]
    private(set) var port = 0
    private(set) var key = ""
    private var starts = 0

    /// Starts the stores. They share this process's core, so that the server under test has its own.
    init(serverCore: Int) throws {
        self.serverCore = serverCore
        let own = CommandLine.arguments[0]
        program = own.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/")
        directory = try TemporaryDirectory(prefix: "drover-bench")
        redis = try LocalRedis.start()
        // The commit's own time of every row tells ping → row exactly.
        postgres = try LocalPostgres.start(settings: ["track_commit_timestamp": "on"])
        try postgres.createDatabase(Self.database)
        var files = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &files)
        files.rlim_cur = files.rlim_max
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &files)
    }

    /// Starts a gateway with a journal of its own in place of the last one.
    /// `wrapper` is a command that runs it, such as valgrind's, with a copy of the program that such tools can read.
    /// `arguments` stand behind `serve`; `cores` are those it may run on, in taskset's words, instead of the one.
    func startGateway(
        environment extra: [String: String] = [:], wrapper: [String] = [], arguments: [String] = [],
        cores: String? = nil
    ) throws {
        stopGateway()
        starts += 1
        environment = [
            "DROVER_REDIS_URL": redis.url, "DROVER_POSTGRES_URL": postgres.url(database: Self.database),
            "DROVER_JOURNAL_DIRECTORY": "\(directory.path)/journal-\(starts)",
            "DROVER_HISTORY_ARCHIVE_DIRECTORY": "\(directory.path)/archive", "DROVER_LISTEN": "127.0.0.1:0",
        ]
        if key.isEmpty {
            let output = try Command.runChecked(
                [
                    "\(program)/drover", "key", "create", "--name", "bench", "--permissions",
                    "pings:write,positions:read",
                ],
                environment: environment.mapValues { $0 })
            key = output.split(separator: "\n").last.map(String.init) ?? ""
        }
        // The generator is one key at one address, where a platform has many: its requests are counted, none is refused.
        environment["DROVER_LIMITS_KEY_REQUESTS_PER_S"] = "1000000"
        environment["DROVER_LIMITS_KEY_BURST"] = "10000000"
        environment.merge(extra) { $1 }
        var executable = "\(program)/drover"
        if !wrapper.isEmpty {
            // Valgrind 3.19 does not read Swift's debug information and gives up; the symbols are enough.
            executable = "\(directory.path)/drover"
            try Command.runChecked(["objcopy", "--strip-debug", "\(program)/drover", executable])
        }
        let child = try ChildProcess(
            pinned(wrapper + [executable, "serve"] + arguments, to: cores), environment: environment.mapValues { $0 },
            output: .captured)
        guard child.waitForOutput("port=", within: .seconds(120)),
            let text = child.output().split(separator: "port=").dropFirst().first,
            let number = Int(text.prefix { $0.isNumber })
        else { throw BenchError("the gateway did not start: \(child.output(last: 2_000))") }
        port = number
        gateway = child
        try awaitStores()
    }

    /// Starts a command of the program with the running gateway's settings and these, on whichever core is free.
    func start(_ arguments: [String], environment extra: [String: String]) throws -> ChildProcess {
        try ChildProcess(
            ["taskset", "-c", "0-\(max(0, sysconf(Int32(_SC_NPROCESSORS_CONF)) - 1))", "\(program)/drover"] + arguments,
            environment: environment.merging(extra) { $1 }.mapValues { $0 },
            output: .captured)
    }

    /// A place for files of this bench.
    func path(_ name: String) -> String { "\(directory.path)/\(name)" }

    /// Ends the gateway, if one runs.
    func stopGateway() {
        gateway?.terminate(grace: .seconds(20))
        gateway = nil
    }

    /// Starts a floor, runs `body` with its port and its process, and ends it.
    func withFloor<Result>(
        pingsPerFrame: Int = 1, pushBytes: Int = 128, _ body: (Int, Int32) throws -> Result
    ) throws -> Result {
        let child = try ChildProcess(
            pinned([
                CommandLine.arguments[0], "floor", "--pings-per-frame", "\(pingsPerFrame)", "--push-bytes",
                "\(pushBytes)",
            ]), output: .captured)
        defer { child.terminate(signal: SIGKILL) }
        guard child.waitForOutput("\n", within: .seconds(10)), let port = Int(child.output().prefix { $0.isNumber })
        else { throw BenchError("the floor did not start: \(child.output())") }
        return try body(port, child.processID)
    }

    func snapshot(of server: Int32? = nil) -> Snapshot {
        Snapshot(
            gateway: server.map { ProcessUsage(tree: $0) } ?? ProcessUsage(gateway?.processID ?? 0),
            redis: ProcessUsage(redis.processID),
            postgresSeconds: postgres.processID.map(PostgresUsage.seconds) ?? 0, machine: MachineUsage(),
            own: ProcessUsage(getpid()))
    }

    /// A value of the gateway's /metrics.
    func metric(_ name: String) throws -> Double {
        let response = try HTTPClient.request("GET", "http://127.0.0.1:\(port)/metrics")
        for line in response.text.split(separator: "\n") where line.hasPrefix(name + " ") {
            return Double(line.dropFirst(name.count + 1)) ?? 0
        }
        throw BenchError("the gateway's /metrics has no \(name)")
    }

    /// Waits until everything durable is in Postgres.
    func awaitHistory(within limit: Duration = .seconds(120)) throws {
        try wait(for: "the history to be written", within: limit) { try metric("drover_history_lag_records") <= 0 }
    }

    /// Ends it all.
    func close() {
        stopGateway()
        redis.stop()
        postgres.remove()
        directory.remove()
    }

    /// Asks every 20 ms until the answer is yes.
    func wait(for what: String, within limit: Duration, _ condition: () throws -> Bool) throws {
        let deadline = ContinuousClock.now + limit
        while try !condition() {
            guard ContinuousClock.now < deadline else { throw BenchError("waited \(limit) for \(what)") }
            _ = poll(nil, 0, 20)
        }
    }

    private func awaitStores() throws {
        try wait(for: "the gateway to reach its stores", within: .seconds(60)) {
            try metric("drover_redis_up") == 1 && metric("drover_postgres_up") == 1
                && metric("drover_history_ready") == 1
        }
    }

    private func pinned(_ command: [String], to cores: String? = nil) -> [String] {
        ["taskset", "-c", cores ?? "\(serverCore)"] + command
    }
}
