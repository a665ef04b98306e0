/// Copies of tracking sessions in Redis, `tracking_session:{SHA-256 of the token}`, each with a life until its session ends:
/// viewers log in without a question to Postgres, and while it is away.
import RedisClient
import Tracking

/// Reads and writes the copies. Whoever may write them in Redis can open sessions: Redis is as trusted as Postgres here.
/// Lives on the loop's thread.
final class SessionCopies {
    /// The connection, while there is one.
    var redis: () -> RedisStore? = { nil }
    /// Hashes whose copies could not be removed while Redis was away; beyond the limit others find them revoked when they
    /// look at Postgres.
    private var leftOver: Set<String> = []
    /// Drivers that no copy may name.
    var withheld: Set<DriverID> = []
    private static let maximumLeftOver = 10_000

    static func key(_ hash: String) -> String { "tracking_session:" + hash }

    /// The session of a token's hash; nil where there is no copy, or Redis is away.
    func find(_ hash: String, then: @escaping (Credential?) -> Void) {
        guard let redis = redis(), redis.isReady else { return then(nil) }
        redis.send(["HMGET", Self.key(hash), "id", "subjects", "expires_at", "precision_m"]) { reply in
            guard let values = reply.elements?.map(\.text), values.count == 4, let id = values[0],
                let subjects = values[1],
                let expiry = values[2].flatMap({ Int64($0) }), expiry.magnitude < 1 << 50
            else { return then(nil) }
            then(
                Credential(
                    session: id, subjects: subjects.split(separator: "\n").map(String.init), expiresAt: expiry * 1_000,
                    precision: values[3].flatMap { Int64($0) }))
        }
    }

    /// Writes a session's copy.
    func store(_ hash: String, _ session: Credential) {
        guard let redis = redis(), redis.isReady, let scope = session.scope, let expiry = session.expiresAt else {
            return
        }
        if !withheld.isEmpty, session.names(one: withheld) { return }
        var commands = RedisCommands()
        commands.command([
            "HSET", Self.key(hash), "id", session.id, "subjects", scope.names.joined(separator: "\n"), "expires_at",
            "\(expiry / 1_000)", "precision_m", "\(session.precisionMetres)",
        ])
        commands.command(["PEXPIREAT", Self.key(hash), "\(expiry / 1_000)"])
        redis.send(commands)
    }

    /// Takes a revoked session's copy away.
    func remove(_ hash: String) {
        guard let redis = redis(), redis.isReady else {
            if leftOver.count < Self.maximumLeftOver { leftOver.insert(hash) }
            return
        }
        var commands = RedisCommands()
        commands.command(["DEL", Self.key(hash)])
        redis.send(commands)
    }

    /// Redis is there again.
    func redisReturned() {
        let hashes = leftOver
        leftOver = []
        for hash in hashes { remove(hash) }
    }
}
