/// `drover key create|list|revoke`: API keys of backends, kept in Postgres as hashes.
import EventLoop
import PostgresClient
import RedisClient
import Tracking

/// Manages keys over a connection of its own.
public struct KeyCommands {
    private let connection: PostgresConnection
    private let configuration: Configuration
    private let table: String
    private let trail: String

    /// Connects, and brings the schema up to date where `history.migrate` allows.
    public init(_ configuration: Configuration) throws {
        connection = try configuration.connectDirectly()
        if configuration.historyMigrate { try configuration.migrateTables(connection) }
        self.configuration = configuration
        let schema = quotedIdentifier(configuration.postgresSchema)
        table = schema + ".api_keys"
        trail = "\(schema).api_audit_logs (actor, action, subject, detail)"
    }

    /// Makes a key and returns its token, which is shown this once. `permissions` are Drover's words or the platform's
    /// (`system.permissions`). `subjects` is what the key is limited to, names or prefixes with a `*`; nil is no limit.
    /// `rateLimit` is its own limit of requests, such as `1000/900s`; nil is the configured one.
    public func create(
        name: String, permissions: [String], subjects: String? = nil, rateLimit: String? = nil
    ) throws -> String {
        let known = try self.permissions(permissions)
        guard !known.isEmpty else { throw CommandError("a key needs at least one permission: --permissions a,b") }
        let scope = try subjects.map(Self.scope)
        let quota = try rateLimit.map(Self.quota)
        let token = Token.make(.key)
        guard let hash = Token.hash(token) else { throw CommandError("the new token cannot be hashed") }
        _ = try connection.query(
            """
            WITH made AS (
                INSERT INTO \(table) (
                    id, name, token_sha256, permissions, subjects, rate_limit_requests, rate_limit_period_ms)
                VALUES (
                    $1, $2, decode($3, 'hex'), string_to_array($4, ','), string_to_array($5, E'\\n'), $7::bigint,
                    $8::bigint)
                RETURNING *)
            INSERT INTO \(trail)
            SELECT $6, 'key.create', 'key:' || id, jsonb_strip_nulls(jsonb_build_object(
                'name', name, 'permissions', permissions, 'subjects', subjects,
                'rate_limit_requests', rate_limit_requests, 'rate_limit_period_ms', rate_limit_period_ms)) FROM made
            """,
            [
                Token.makeID(), name, hash, known.map(\.rawValue).joined(separator: ","),
                scope?.joined(separator: "\n"), AuditOrigin.commandLine.actor, quota.map { "\($0.requests)" },
                quota.map { "\($0.periodMilliseconds)" },
            ])
        return token
    }

    /// Drover's permissions for words of Drover's or the platform's, in Drover's order.
    private func permissions(_ words: [String]) throws -> [Permission] {
        var known: Set<Permission> = []
        for word in words {
            if let permission = Permission(rawValue: word) {
                known.insert(permission)
            } else if let meant = configuration.system.permissions[word] {
                known.formUnion(meant)
            } else {
                let all = Permission.allCases.map(\.rawValue) + configuration.system.permissions.keys.sorted()
                throw CommandError("no permission is called \(word). There are: \(all.joined(separator: ", "))")
            }
        }
        return Permission.allCases.filter(known.contains)
    }

    /// `REQUESTS/PERIOD`, the period in `ms`, `s`, `m` or `h`.
    static func quota(_ text: String) throws -> RequestQuota {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        let units: [(String, Int64)] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)]
        if parts.count == 2, let requests = Int64(parts[0]),
            let unit = units.first(where: { parts[1].hasSuffix($0.0) }),
            let period = Int64(parts[1].dropLast(unit.0.count)),
            case let (milliseconds, false) = period.multipliedReportingOverflow(by: unit.1),
            let quota = RequestQuota(requests: requests, periodMilliseconds: milliseconds)
        {
            return quota
        }
        throw CommandError(
            "\(text) is no limit. Write requests/period, such as 1000/900s: 1 to 1000000000 requests, and 1s to 24h")
    }

    /// The names in a list between commas, of which an area's own name has three.
    static func scope(_ list: String) throws -> [String] {
        var names: [String] = []
        for part in list.split(separator: ",", omittingEmptySubsequences: false).map(String.init) {
            if !part.contains(":"), let last = names.last, last.hasPrefix("area:") {
                names[names.count - 1] = last + "," + part
            } else {
                names.append(part)
            }
        }
        for name in names where SubjectScope([name]) == nil {
            throw CommandError(
                "\(name) is no subject. Name driver:ID, order:ID, group:ID, area:minLat,minLng,maxLat,maxLng, or a "
                    + "beginning with a * behind it, such as order:east-*")
        }
        return names
    }

    /// Lines of id, name, permissions, subjects, own limit, creation and revocation, newest first.
    public func list() throws -> [String] {
        let rows = try connection.query(
            """
            SELECT id, name, array_to_string(permissions, ','), coalesce(array_to_string(subjects, ','), 'all'),
                coalesce(rate_limit_requests || '/' || trim_scale(rate_limit_period_ms / 1000.0) || 's', 'default'),
                to_char(created_at, 'YYYY-MM-DD HH24:MI'),
                coalesce('revoked ' || to_char(revoked_at, 'YYYY-MM-DD HH24:MI'), 'active')
            FROM \(table) ORDER BY created_at DESC
            """)
        return (0..<rows.count).map { row in
            (0..<7).map { rows.text(row, $0) ?? "" }.joined(separator: "\t")
        }
    }

    /// Revokes a key by its id, tells the gateways, and says when they will have closed its connections.
    public func revoke(_ id: String) throws -> String {
        let rows = try connection.query(
            """
            WITH revoked AS (
                UPDATE \(table) SET revoked_at = now() WHERE id = $1 AND revoked_at IS NULL RETURNING id, name)
            INSERT INTO \(trail)
            SELECT $2, 'key.revoke', 'key:' || id, jsonb_build_object('name', name) FROM revoked
            """, [id, AuditOrigin.commandLine.actor])
        guard rows.affected == 1 else {
            throw CommandError("no active key has the id \(id). List them with: drover key list")
        }
        if let problem = tellGateways(.revoked(id)) {
            return
                "revoked; gateways find out within \(configuration.accessRefreshSeconds) s, since they cannot be told "
                + "now: \(problem)"
        }
        return "revoked; gateways were told and close its connections now"
    }

    /// Nil where Redis has taken the message, else why not, after two seconds at most.
    private func tellGateways(_ message: ControlMessage) -> String? {
        let deployment: RedisDeployment
        do {
            deployment = try RedisDeployment(configuration.redisURL)
        } catch {
            return "\(error)"
        }
        let loop = EventLoop()
        var reply: RedisReply?
        var send: () -> Void = {}
        let redis = RedisStore(loop: loop, deployment: deployment) { isReady in if isReady { send() } }
        send = { [unowned redis, configuration] in
            redis.send([configuration.redisPublishCommand, Bus.controlChannel, message.text]) { reply = $0 }
            redis.flush()
        }
        let deadline = SystemClock.monotonicMicroseconds() + 2_000_000
        while reply == nil, SystemClock.monotonicMicroseconds() < deadline { loop.runOnce() }
        let problem = redis.lastError
        redis.close()
        switch reply {
        case .integer: return nil
        case .error(let text): return "Redis refuses: \(text)"
        default: return problem ?? "cannot reach Redis at \(deployment.display)"
        }
    }
}

/// Why a command failed: one line that says what to do.
public struct CommandError: Error, CustomStringConvertible {
    /// The line.
    public let description: String

    init(_ description: String) {
        self.description = description
    }
}
