// The real `drover serve`, with a private Redis and a database of its own: what every integration test stands on.

import DroverClient
import EventLoop
import Foundation
import LocalServers
import PostgresClient
import Synchronization
import Testing

/// The tests of the whole, one after another: each of them has the machine's attention, and its deadlines hold. An
/// issue shows the log of the gateway it is about.
@Suite("Integration", .serialized, .compactMapIssues { LogBook.explain($0) })
enum Integration {}

/// The cluster shared by tests which leave it running; gone with the process.
enum SharedPostgres {
    static let server = Result { try LocalPostgres.start() }
}

/// The built product beside this test bundle.
let droverProgram: String = {
    let bundle = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
    return URL(fileURLWithPath: bundle).deletingLastPathComponent().appendingPathComponent("drover").path
}()

/// One gateway and its surroundings. Used on one thread; everything is gone when it is.
final class RunningGateway {
    let redis: LocalRedis
    let postgres: LocalPostgres
    let database: String
    let directory: TemporaryDirectory
    /// Overrides by variable name, over what the fixture sets.
    var environment: [String: String]
    private(set) var process: ChildProcess?
    private(set) var port = 0
    private let ownsPostgres: Bool
    private let ownsRedis: Bool
    private var starts = 0
    /// What stands behind the command, here and with other commands.
    let arguments: [String]
    private var admin: PostgresConnection?
    private static let databases = Atomic(0)
    /// `config/test` runs some suites again with several workers.
    private static let workers =
        ProcessInfo.processInfo.environment["DROVER_TEST_WORKERS"].map { ["--workers", $0] } ?? []

    /// - Parameters:
    ///   - ownPostgres: for tests that stop, freeze or restart it.
    ///   - settings: by name, such as `journal.limit_mib`.
    ///   - file: a configuration file, given with `--config`.
    ///   - schema: SQL that is run in the database before the start: a platform's own tables.
    init(
        ownPostgres: Bool = false, settings: [String: String] = [:], file: String? = nil, schema: String = "",
        starts startsNow: Bool = true
    ) throws {
        ownsPostgres = ownPostgres
        ownsRedis = true
        arguments = file.map { ["--config", $0] } ?? []
        redis = try LocalRedis.start()
        postgres = try ownPostgres ? LocalPostgres.start() : SharedPostgres.server.get()
        database = "integration\(Self.databases.wrappingAdd(1, ordering: .relaxed).newValue)"
        try postgres.createDatabase(database)
        directory = try TemporaryDirectory(prefix: "di")
        environment = [
            "DROVER_LISTEN": "127.0.0.1:0", "DROVER_REDIS_URL": redis.url,
            "DROVER_POSTGRES_URL": postgres.url(database: database),
            "DROVER_JOURNAL_DIRECTORY": directory.path + "/journal",
            "DROVER_HISTORY_ARCHIVE_DIRECTORY": directory.path + "/archive",
        ]
        for (name, value) in settings { set(name, value) }
        if !schema.isEmpty { try run(schema) }
        if startsNow { try start() }
    }

    /// Another process over the stores of `other`, which must outlive it.
    init(beside other: RunningGateway) throws {
        (ownsPostgres, ownsRedis) = (false, false)
        arguments = other.arguments
        (redis, postgres, database) = (other.redis, other.postgres, other.database)
        directory = try TemporaryDirectory(prefix: "di")
        environment = other.environment
        environment["DROVER_LISTEN"] = "127.0.0.1:0"
        environment["DROVER_JOURNAL_DIRECTORY"] = directory.path + "/journal"
        try start()
    }

    deinit {
        process?.terminate(signal: SIGKILL)
        LogBook.close(self)
        if ownsRedis { redis.stop() }
        admin = nil
        if ownsPostgres { postgres.remove() }
        directory.remove()
    }

    /// A setting from the next start on.
    func set(_ name: String, _ value: String) {
        environment["DROVER_" + name.uppercased().map { $0 == "." ? "_" : String($0) }.joined()] = value
    }

    // MARK: The process

    var logPath: String { "\(directory.path)/gateway-\(starts).log" }

    /// What the gateway has said since its last start.
    var log: String { process?.output() ?? "" }

    /// Starts it, perhaps under another program, and waits until it listens; from the second time on at the same port.
    func start(under program: [String] = [], as drover: String = droverProgram) throws {
        starts += 1
        let process = try ChildProcess(
            program + [drover, "serve"] + arguments + (program.isEmpty ? Self.workers : []),
            environment: environment.mapValues { $0 }, output: .file(logPath))
        self.process = process
        LogBook.open(self, logPath)
        guard process.waitForOutput("listening", within: .seconds(30)) else {
            throw StreamEnded(description: "the gateway did not start: \(process.output())")
        }
        let found = try awaitValue("the port in the log") {
            self.log.components(separatedBy: "port=").dropFirst().first.flatMap { text -> Int? in
                let digits = text.prefix { $0.isNumber }
                return text.count > digits.count ? Int(digits) : nil
            }
        }
        port = found
        environment["DROVER_LISTEN"] = "127.0.0.1:\(port)"
    }

    /// Ends it by SIGTERM and returns how it ended.
    @discardableResult
    func stop(within limit: Duration = .seconds(10)) -> LocalServers.ExitStatus? {
        process?.signal(SIGTERM)
        return process?.wait(limit)
    }

    /// Ends it as a crash would.
    func kill() {
        process?.terminate(signal: SIGKILL)
    }

    func restart() throws {
        stop()
        try start()
    }

    /// Runs `drover` with this gateway's configuration; standard output and error together.
    func drover(_ arguments: String..., within limit: Duration = .seconds(60)) throws -> Command.Result {
        try Command.run([droverProgram] + arguments, environment: environment.mapValues { $0 }, within: limit)
    }

    /// The same, running.
    func startDrover(_ arguments: String...) throws -> ChildProcess {
        try ChildProcess([droverProgram] + arguments, environment: environment.mapValues { $0 })
    }

    /// A new key, limited to subjects where some are given.
    func key(_ permissions: String = "pings:write,positions:read", subjects: String? = nil) throws -> String {
        let limits = subjects.map { ["--subjects", $0] } ?? []
        let result = try Command.run(
            [droverProgram, "key", "create", "--name", "test", "--permissions", permissions] + limits + arguments,
            environment: environment.mapValues { $0 })
        try #require(result.status?.isSuccess == true, "\(result.output)")
        let key = result.output.trimmingCharacters(in: .whitespacesAndNewlines)
        LogBook.secrets.withLock { _ = $0.insert(key) }
        return key
    }

    /// A device's token for a driver, written where the gateway looks, so that no key has to be made for it.
    func deviceToken(driver: String) throws -> String {
        let token = "drd_test-\(driver)-\(UInt64.random(in: 0 ... .max))"
        try sql(
            "INSERT INTO driver_devices (id, driver_id, token_sha256) VALUES ($1, $2, sha256($3::bytea))",
            ["device-\(driver)", driver, token])
        LogBook.secrets.withLock { _ = $0.insert(token) }
        return token
    }

    // MARK: Its surface

    var address: String { "http://127.0.0.1:\(port)" }

    func http(
        _ method: String, _ target: String, token: String? = nil, headers: [(String, String)] = [], body: String? = nil
    ) throws -> HTTPResponse {
        let credential = token.map { [("Authorization", "Bearer \($0)")] } ?? []
        return try HTTPClient.request(
            method, address + target, headers: (credential + headers).map { (name: $0.0, value: $0.1) }, body: body)
    }

    /// Sends pings and gives the reply, which must be a 200.
    @discardableResult
    func post(
        _ pings: [TestPing], token: String, sourceLocation: SourceLocation = #_sourceLocation
    ) throws -> JSON {
        let response = try http("POST", "/v1/pings", token: token, body: TestPing.array(pings))
        try #require(response.status == 200, "\(response.text)", sourceLocation: sourceLocation)
        return try JSON(parsing: response.text)
    }

    /// `/metrics` by name with labels.
    func metrics() throws -> [String: Double] {
        var metrics: [String: Double] = [:]
        for line in try http("GET", "/metrics").text.split(separator: "\n") where !line.hasPrefix("#") {
            guard let space = line.lastIndex(of: " ") else { continue }
            metrics[String(line[..<space])] = Double(line[line.index(after: space)...])
        }
        return metrics
    }

    func metric(_ name: String) throws -> Int {
        Int(try #require(try metrics()[name], "\(name) is a metric"))
    }

    /// `/readyz`: the status and the body.
    func readiness() throws -> (status: Int, body: JSON) {
        let response = try http("GET", "/readyz")
        return (response.status, try JSON(parsing: response.text))
    }

    /// Waits until nothing is degraded: Redis, Postgres and the history are there.
    func awaitStores() throws {
        try eventually("the stores are there: \(try readiness().body)") {
            try readiness().body["degraded"].names.filter { $0 != "map" }.isEmpty
        }
    }

    func webSocket(_ path: String, token: String?, subprotocols: String? = nil) throws -> WebSocketProbe {
        let socket = try WebSocketProbe(port: port, path, token: token, subprotocols: subprotocols)
        try #require(socket.reply.status == 101, "\(socket.reply)")
        return socket
    }

    /// An ingest connection that was greeted.
    func ingest(_ token: String) throws -> WebSocketProbe {
        let socket = try webSocket("/v1/ingest", token: token, subprotocols: "drover.ingest.v1")
        _ = try socket.json(with: "hello")
        return socket
    }

    /// A viewer that was greeted.
    func viewer(_ token: String) throws -> WebSocketProbe {
        let socket = try webSocket("/v1/track", token: token, subprotocols: "drover.v1")
        _ = try socket.json(with: "hello")
        return socket
    }

    func redisProbe() throws -> RedisProbe {
        try RedisProbe(redis.socketPath)
    }

    // MARK: Its history

    /// Runs one statement in the gateway's database; the rows' first column, nil is NULL.
    @discardableResult
    func sql(_ query: String, _ parameters: [String?] = []) throws -> [String?] {
        if admin?.isAlive != true {
            admin = try PostgresConnection(
                PostgresAddress(postgres.url(database: database)), cutOff: PostgresCutOff())
        }
        let rows = try #require(admin).query(query, parameters)
        return (0..<rows.count).map { rows.text($0, 0) }
    }

    /// Runs several statements in the gateway's database.
    func run(_ script: String) throws {
        _ = try sql("SELECT 1")
        try #require(admin).run(script)
    }

    func count(_ query: String) throws -> Int {
        try #require(try sql(query).first.flatMap { $0 }.flatMap { Int($0) })
    }

    /// How many rows a driver has; 0 as long as there is no table.
    func rows(of driver: String) throws -> Int {
        guard try count("SELECT count(*) FROM pg_tables WHERE tablename = 'driver_location_events'") > 0 else {
            return 0
        }
        return try count("SELECT count(*) FROM driver_location_events WHERE driver_id = '\(driver)'")
    }

    /// Waits until everything durable is in Postgres.
    func awaitHistory() throws {
        try eventually("the history has everything", within: 60) {
            let metrics = try metrics()
            return metrics["drover_history_committed_lsn"] == metrics["drover_journal_appended_lsn"]
        }
    }

    /// The two sums that must hold at rest (DESIGN.md, decision 2); `metrics` are of a process that saw all records.
    func expectConservation(sourceLocation: SourceLocation = #_sourceLocation) throws {
        let metrics = try metrics()
        func value(_ name: String) -> Int { Int(metrics[name] ?? .nan) }
        let accepted = value("drover_pings_total{verdict=\"accepted\"}")
        let late = value("drover_pings_total{verdict=\"late\"}")
        let judged =
            accepted + late + value("drover_pings_total{verdict=\"duplicate\"}")
            + value("drover_pings_total{verdict=\"rejected\"}")
        #expect(value("drover_pings_received_total") == judged, sourceLocation: sourceLocation)
        let reasons = metrics.filter { $0.key.hasPrefix("drover_pings_rejected_total") }.values.reduce(0, +)
        #expect(
            Int(reasons) == value("drover_pings_total{verdict=\"rejected\"}"), sourceLocation: sourceLocation)
        let written = ["inserted", "already_there", "dead_lettered"]
            .map { value("drover_history_rows_total{outcome=\"\($0)\"}") }.reduce(0, +)
        #expect(
            accepted + late == written + value("drover_history_lag_records"), sourceLocation: sourceLocation)
    }
}
