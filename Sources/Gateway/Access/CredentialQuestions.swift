/// Credentials as Postgres has them: hashes of tokens to who they are.
import PostgresClient
import Tracking

/// Asks Postgres about hashes, many in one statement and one statement a kind at a time: however many unknown tokens
/// arrive, they cost one question after the other, never one each. Lives on the loop's thread.
final class CredentialQuestions {
    /// Hashes in one question, which bounds its bytes.
    static let batch = 5_000
    /// Hashes of a kind that may wait for their question; what comes on top is told to come back.
    private static let maximumWaiting = 20_000

    /// What is known of the hashes asked: those that are not in it are unknown or revoked. Nil: Postgres cannot be asked.
    typealias Answer = ([String: Credential]?) -> Void

    private struct Queue {
        var waiting: [(hash: String, then: (Credential??) -> Void)] = []
        var isAsking = false
    }

    private let postgres: PostgresQuestions
    private let schema: String
    private var queues: [Token.Kind: Queue] = [:]

    init(postgres: PostgresQuestions, schema: String) {
        self.postgres = postgres
        self.schema = quotedIdentifier(schema)
    }

    /// Looks one up together with all others that are asked meanwhile. `then` gets the credential, `.some(nil)` where there
    /// is none, and nil where Postgres cannot be asked.
    func find(_ hash: String, of kind: Token.Kind, then: @escaping (Credential??) -> Void) {
        guard queues[kind, default: Queue()].waiting.count < Self.maximumWaiting else { return then(nil) }
        queues[kind, default: Queue()].waiting.append((hash, then))
        askNext(kind)
    }

    private func askNext(_ kind: Token.Kind) {
        guard var queue = queues[kind], !queue.isAsking, !queue.waiting.isEmpty else { return }
        let batch = Array(queue.waiting.prefix(Self.batch))
        queue.waiting.removeFirst(batch.count)
        queue.isAsking = true
        queues[kind] = queue
        find(batch.map(\.hash), of: kind) { [weak self] found in
            self?.queues[kind]?.isAsking = false
            for (hash, then) in batch { then(found.map { $0[hash] }) }
            self?.askNext(kind)
        }
    }

    /// Looks up to `batch` hashes up at once.
    func find(_ hashes: [String], of kind: Token.Kind, then: @escaping Answer) {
        let asked =
            postgres.isConnected
            && postgres.ask(query(kind), [hashes.joined(separator: ",")]) { answer in
                guard case .success(let rows) = answer else { return then(nil) }
                var found: [String: Credential] = [:]
                for row in 0..<rows.count {
                    if let hash = rows.text(row, 0) { found[hash] = Credential(rows, row, kind) }
                }
                then(found)
            }
        if !asked { then(nil) }
    }

    /// The columns that `Credential.init` reads.
    private func query(_ kind: Token.Kind) -> String {
        let columns =
            switch kind {
            case .key:
                """
                array_to_string(permissions, ','), array_to_string(subjects, E'\\n'), rate_limit_requests,
                rate_limit_period_ms FROM \(schema).api_keys
                """
            case .device: "driver_id FROM \(schema).driver_devices"
            case .session:
                """
                array_to_string(subjects, E'\\n'), (extract(epoch FROM expires_at) * 1000000)::bigint, precision_m
                FROM \(schema).tracking_sessions
                """
            }
        return """
            SELECT encode(token_sha256, 'hex'), id, \(columns) WHERE revoked_at IS NULL
            AND token_sha256 IN (SELECT decode(h, 'hex') FROM unnest(string_to_array($1, ',')) h)
            """
    }
}

extension Credential {
    /// A credential from its row. Nil where the row does not make sense: a scope that cannot be read permits nothing.
    fileprivate convenience init?(_ rows: PostgresRows, _ row: Int, _ kind: Token.Kind) {
        guard let id = rows.text(row, 1) else { return nil }
        switch kind {
        case .key:
            var scope: SubjectScope?
            if let names = rows.text(row, 3) {
                guard let known = SubjectScope(names.split(separator: "\n").map(String.init)) else { return nil }
                scope = known
            }
            let permissions = (rows.text(row, 2) ?? "").split(separator: ",")
            let quota = rows.integer(row, 4).flatMap { requests in
                rows.integer(row, 5).flatMap { RequestQuota(requests: requests, periodMilliseconds: $0) }
            }
            self.init(
                id: id, party: .backend, permissions: Set(permissions.compactMap { Permission(rawValue: String($0)) }),
                scope: scope, quota: quota)
        case .device:
            guard let driver = rows.text(row, 2).flatMap({ DriverID($0) }) else { return nil }
            self.init(id: id, party: .device(driver), permissions: [.writePings])
        case .session:
            self.init(
                session: id, subjects: (rows.text(row, 2) ?? "").split(separator: "\n").map(String.init),
                expiresAt: rows.integer(row, 3), precision: rows.integer(row, 4))
        }
    }

    /// A tracking session's credential. Nil where one of its parts is missing or not to be understood.
    convenience init?(session id: String, subjects: [String], expiresAt: Microseconds?, precision: Int64?) {
        guard let scope = SubjectScope(subjects), let expiresAt,
            let precision = precision.flatMap({ Int32(exactly: $0) })
        else { return nil }
        self.init(
            id: id, party: .viewer, permissions: [.readPositions], scope: scope, expiresAt: expiresAt,
            precisionMetres: precision)
    }
}
