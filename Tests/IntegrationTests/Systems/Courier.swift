// A platform that was made up for tests of credentials, look-ups and trails: its file, its tables and what it does with them.

import DroverClient
import Foundation
import LocalServers
import PostgresClient
import Synchronization
import Testing

/// The platform with its gateway.
struct Courier {
    let gateway: RunningGateway
    let redis: RedisProbe
    let tokens = SignedTokens()
    private let files: Files

    /// Gone with the platform.
    private final class Files {
        let directory: TemporaryDirectory
        var path: String { directory.path }

        init() throws {
            directory = try TemporaryDirectory(prefix: "dc")
        }

        deinit {
            directory.remove()
        }
    }

    /// - Parameters:
    ///   - lookUps: the section `look_ups`, as flow YAML.
    ///   - writes: the section `writes`.
    init(ownPostgres: Bool = false, lookUps: String = "{}", writes: String = "{}") throws {
        files = try Files()
        try Self.file(lookUps, writes).write(toFile: files.path + "/courier.yaml", atomically: true, encoding: .utf8)
        try tokens.keySet.write(toFile: files.path + "/jwks.json", atomically: true, encoding: .utf8)
        gateway = try RunningGateway(
            ownPostgres: ownPostgres,
            settings: ["access.jwks_file": files.path + "/jwks.json", "access.refresh_s": "1"],
            file: files.path + "/courier.yaml", schema: SystemFile.sql("courier"))
        redis = try gateway.redisProbe()
        try gateway.awaitStores()
    }

    /// A new login; `more` is further columns.
    func logIn(_ who: String, kind: String, more: String, token: String? = nil) throws -> String {
        let token = token ?? "token-of-\(UUID().uuidString)"
        LogBook.secrets.withLock { _ = $0.insert(token) }
        try gateway.sql(
            "INSERT INTO logins (who, token_hash) VALUES ($1, encode(sha256($2::bytea), 'hex'))", [who, token])
        try gateway.sql(
            "UPDATE logins SET kind = \(kind), \(more) WHERE token_hash = encode(sha256($1::bytea), 'hex')", [token])
        return token
    }

    /// A new session of a customer in Redis.
    func session(_ customer: String, milliseconds: Int? = nil) throws -> String {
        let token = UUID().uuidString
        LogBook.secrets.withLock { _ = $0.insert(token) }
        try redis.command("HSET", "sess:\(token)", "uid", customer, "theme", "dark")
        if let milliseconds { try redis.command("PEXPIRE", "sess:\(token)", "\(milliseconds)") }
        return token
    }

    private static func file(_ lookUps: String, _ writes: String) throws -> String {
        try String(contentsOfFile: SystemFile.schemas + "/courier.yaml", encoding: .utf8)
            .replacing("LOOK_UPS", with: lookUps).replacing("WRITES", with: writes)
    }
}
