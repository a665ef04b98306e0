/// `drover migrate` and `drover check`: the schema, and whether everything is as it must be.
import EventLoop
import Foundation
import PostgresClient
import RedisClient

extension Configuration {
    /// A connection for DDL and locks: the direct one where a pool stands in front.
    func connectDirectly(
        cutOff: PostgresCutOff = PostgresCutOff(), callMilliseconds: Int = 30_000
    ) throws -> PostgresConnection {
        let address = try PostgresAddress(postgresDirectURL.isEmpty ? postgresURL : postgresDirectURL)
        return try PostgresConnection(address, cutOff: cutOff, callMilliseconds: callMilliseconds)
    }

    /// `drover migrate`: brings the schema up to date, then the platform's database to what its file needs. Returns the
    /// versions applied now, and what could not be done.
    public func migrate() throws -> (versions: [Int], notices: [String]) {
        let versions = try migrateTables(connectDirectly())
        return (versions, try Provisioning(self).run())
    }

    /// `drover check`: one line a part, and whether all of them are well.
    public func check() -> (lines: [String], isWell: Bool) {
        let checks: [(String, () throws -> String)] = [
            ("listen", { "\(try listenAddress())" }), ("redis", checkRedis), ("postgres", checkPostgres),
            ("journal", { try checkDirectory(journalDirectory, "DROVER_JOURNAL_DIRECTORY") }),
            ("archive", checkArchive), ("events", { try OrderSettings(self).summary }),
            (
                "map",
                {
                    if let problem = Assets(self).problem { throw CommandError(problem) }; return "Leaflet is there"
                }
            ),
        ]
        var isWell = true
        var lines = checks.map { name, check in
            do {
                return "ok    \(name): \(try check())"
            } catch {
                isWell = false
                return "FAIL  \(name): \(error)"
            }
        }
        for line in checkSystem() {
            isWell = isWell && line.problem == nil
            lines.append(line.problem.map { "FAIL  \(line.part): \($0)" } ?? "ok    \(line.part)")
        }
        return (lines, isWell)
    }

    /// The platform's database, statement by statement; nothing where there is no platform.
    private func checkSystem() -> [(part: String, problem: String?)] {
        guard system.needsDatabase else { return [] }
        do {
            return try SystemCheck(self).run()
        } catch {
            return [("system \(system.name)", "\(error)")]
        }
    }

    private func checkRedis() throws -> String {
        let loop = EventLoop()
        let deployment = try RedisDeployment(redisURL)
        var isReady = false
        let store = RedisStore(loop: loop, deployment: deployment) { isReady = isReady || $0 }
        let deadline = SystemClock.monotonicMicroseconds() + 2_000_000
        while !isReady, SystemClock.monotonicMicroseconds() < deadline { loop.runOnce() }
        let error = store.lastError
        store.close()
        guard isReady else { throw CommandError(error ?? "cannot reach Redis at \(deployment.display)") }
        return "\(deployment.display) answers"
    }

    private func checkPostgres() throws -> String {
        let addresses = try checkPostgresAddresses()
        let connection = try connectDirectly()
        let version = try connection.query("SHOW server_version_num").integer(0, 0) ?? 0
        guard version >= 140_000 else { throw CommandError("the server is \(version / 10_000); 14 or newer is needed") }
        let zones = try connection.query("SELECT count(*) FROM pg_timezone_names WHERE name = $1", [historyTimeZone])
        guard zones.integer(0, 0) == 1 else {
            throw CommandError("Postgres knows no zone called \(historyTimeZone). Set DROVER_HISTORY_TIME_ZONE")
        }
        do {
            try checkTables(connection)
        } catch {
            throw CommandError("\(error.message). Run: drover migrate")
        }
        return "PostgreSQL \(version / 10_000), schema \(postgresSchema) is up to date\(addresses)"
    }

    private func checkArchive() throws -> String {
        if historyRetentionDays == 0 { return "no history is kept" }
        if historyArchiveDirectory.isEmpty { return "days are dropped without being archived" }
        return try checkDirectory(historyArchiveDirectory, "DROVER_HISTORY_ARCHIVE_DIRECTORY")
    }

    private func checkDirectory(_ path: String, _ variable: String) throws -> String {
        var isDirectory: ObjCBool = false
        if FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory) {
            guard isDirectory.boolValue, FileManager.default.isWritableFile(atPath: path) else {
                throw CommandError("\(path) is not a directory we may write to. Set \(variable)")
            }
            return "\(path) is writable"
        }
        let parent = URL(fileURLWithPath: path).deletingLastPathComponent().path
        guard FileManager.default.isWritableFile(atPath: parent) else {
            throw CommandError("cannot make \(path). Set \(variable) to a place we may write to")
        }
        return "\(path) will be made"
    }
}
