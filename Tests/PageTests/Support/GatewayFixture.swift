// The real gateway as a process of its own, with a Redis and a database that nobody else uses.

import DroverClient
import EventLoop
import Foundation
import LocalServers
import Testing

/// The cluster that all tests share, each with its own database; gone with the process.
private enum SharedPostgres {
    static let server = Result { try LocalPostgres.start() }
}

/// One of the two pages with a map.
enum MapPage: String, CaseIterable, Sendable {
    case fleet, map
}

/// One `drover serve` and what it stands on.
final class GatewayFixture {
    /// May send pings for every driver, see them all and their past, open sessions and assign.
    let key: String
    /// The same after every start.
    private(set) var port = 0
    private let redis: LocalRedis
    private let directory: TemporaryDirectory
    private var environment: [String: String]
    private let arguments: [String]
    private var process: ChildProcess?
    private var logFile: String { "\(directory.path)/log" }

    /// The program that `swift build` put beside the tests' own.
    private static let program = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        .deletingLastPathComponent().appendingPathComponent("drover").path

    /// Starts it; `settings` are environment variables, `file` is the text of a configuration file.
    init(_ settings: [String: String] = [:], file: String = "") throws {
        let postgres = try SharedPostgres.server.get()
        let database = "p\(SystemClock.monotonicMicroseconds())_\(Int.random(in: 0..<1_000_000))"
        try postgres.createDatabase(database)
        redis = try LocalRedis.start()
        directory = try TemporaryDirectory(prefix: "dg")
        environment = [
            "DROVER_REDIS_URL": redis.url, "DROVER_POSTGRES_URL": postgres.url(database: database),
            "DROVER_JOURNAL_DIRECTORY": "\(directory.path)/journal",
            "DROVER_HISTORY_ARCHIVE_DIRECTORY": "\(directory.path)/archive", "DROVER_LISTEN": "127.0.0.1:0",
            // Everything there is to tell, so that a secret in it would be found.
            "DROVER_LOG_LEVEL": "trace",
        ].merging(settings) { $1 }
        let path = "\(directory.path)/drover.yaml"
        try file.write(toFile: path, atomically: true, encoding: .utf8)
        arguments = file.isEmpty ? [] : ["--config", path]
        key = try Self.makeKey(
            named: "pages",
            permissions: "pings:write,positions:read,history:read,sessions:write,assignments:write", environment)
        try start()
    }

    /// A key that may do only this.
    func makeKey(named name: String, permissions: String) throws -> String {
        try Self.makeKey(named: name, permissions: permissions, environment)
    }

    /// Revokes the only key of this name.
    func revokeKey(named name: String) throws {
        let list = try Command.runChecked([Self.program, "key", "list"], environment: environment.mapValues { $0 })
        let line = list.split(separator: "\n").map { $0.split(separator: "\t") }.first { $0.count > 1 && $0[1] == name }
        let id = String(try #require(line, "a key called \(name) is listed")[0])
        try Command.runChecked([Self.program, "key", "revoke", id], environment: environment.mapValues { $0 })
    }

    private static func makeKey(
        named name: String, permissions: String, _ environment: [String: String]
    ) throws -> String {
        try Command.runChecked(
            [program, "key", "create", "--name", name, "--permissions", permissions],
            environment: environment.mapValues { $0 }
        ).trimmingCharacters(in: .whitespacesAndNewlines)
    }

    /// Ends everything and removes it.
    func remove() {
        kill()
        redis.stop()
        directory.remove()
    }

    /// Starts it again, on the port it had.
    func start() throws {
        let said = log.count
        let process = try ChildProcess(
            [Self.program, "serve"] + arguments, environment: environment.mapValues { $0 }, output: .file(logFile),
            diesWithUs: "KILL")
        self.process = process
        try eventually("the gateway listens") {
            let words = log.dropFirst(said)
            guard process.isRunning else { throw OutOfTime(description: "the gateway has ended: \(words)") }
            guard let found = words.firstRange(of: /port=([0-9]+)/) else { return false }
            port = Int(words[found].dropFirst("port=".count)) ?? 0
            return true
        }
        environment["DROVER_LISTEN"] = "127.0.0.1:\(port)"
        try eventually("the gateway reaches its stores") {
            try HTTPClient.request("GET", "\(address)/readyz").text.contains("\"degraded\":{}")
        }
    }

    /// Ends it as a crash would.
    func kill() {
        process?.terminate(signal: SIGKILL)
    }

    /// Ends it as an operator would.
    func stop() {
        process?.terminate(signal: SIGTERM)
    }

    /// Everything it has logged since its first start.
    var log: String {
        (try? String(contentsOfFile: logFile, encoding: .utf8)) ?? ""
    }

    var address: String { "http://127.0.0.1:\(port)" }

    /// A page's address with the key in its fragment, as the demo prints it.
    func address(of page: MapPage, token: String? = nil, watching drivers: [String] = []) -> String {
        let subjects = drivers.map { "driver:\($0)" }.joined(separator: ",")
        return "\(address)/\(page.rawValue)#token=\(token ?? key)"
            + (page == .map && !subjects.isEmpty ? "&subjects=\(subjects)" : "")
    }

    /// Sends one ping, as fixed `secondsAgo`, and waits until it is accepted.
    func ping(
        _ driver: String, at place: Place, speed: Double? = nil, heading: Double? = nil, secondsAgo: Double = 0
    ) throws {
        var members = [
            "\"driver_id\":\"\(driver)\"", "\"lat\":\(place.lat)", "\"lng\":\(place.lng)", "\"accuracy\":5",
            "\"recorded_at\":\(SystemClock.wallMicroseconds() / 1_000 - Int64(secondsAgo * 1_000))",
        ]
        if let speed { members.append("\"speed\":\(speed)") }
        if let heading { members.append("\"heading\":\(heading)") }
        let response = try call("POST", "/v1/pings", "{\(members.joined(separator: ","))}")
        try #require(response.text.contains("\"accepted\":1"), "the ping is accepted: \(response.text)")
    }

    /// A tracking session as `POST /v1/tracking-sessions` returns it.
    struct Session: Decodable {
        let id: String
        let token: String
        let mapUrl: String
    }

    /// Opens a tracking session.
    func openSession(for subjects: [String], seconds: Int = 600) throws -> Session {
        let names = subjects.map { "\"\($0)\"" }.joined(separator: ",")
        let response = try call("POST", "/v1/tracking-sessions", "{\"subjects\":[\(names)],\"ttl_s\":\(seconds)}")
        try #require(response.status == 201, "a session is opened: \(response.text)")
        return try decodeJSON(Session.self, response.text)
    }

    func revoke(_ session: Session) throws {
        let response = try call("DELETE", "/v1/tracking-sessions/\(session.id)")
        try #require(response.status == 204, "the session is revoked: \(response.text)")
    }

    /// Has these drivers, and no others, carry an order or belong to a group: `orders/9f2`, `groups/east`.
    func assign(_ drivers: [String], to container: String) throws {
        let names = drivers.map { "\"\($0)\"" }.joined(separator: ",")
        let response = try call("PUT", "/v1/\(container)/drivers", "{\"drivers\":[\(names)]}")
        try #require(response.status == 200, "\(container) is assigned: \(response.text)")
    }

    /// Asks with the key.
    func call(_ method: String, _ path: String, _ body: String? = nil) throws -> HTTPResponse {
        let headers = [("Authorization", "Bearer \(key)")] + (body == nil ? [] : [("Content-Type", "application/json")])
        return try HTTPClient.request(method, address + path, headers: headers, body: body)
    }
}

/// Degrees WGS84.
struct Place: Sendable, Equatable {
    var lat: Double
    var lng: Double
}
