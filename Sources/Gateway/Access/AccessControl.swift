/// Checks credentials: from memory where they are known, else by asking Postgres; known ones work while it is away.
import EventLoop
import PostgresClient
import Tracking

/// What checking a token came to.
enum AccessResult {
    /// It is valid.
    case known(Credential)
    /// It is unknown or revoked.
    case refused
    /// It is not known here and Postgres cannot be asked: try again.
    case unavailable
}

/// See the file's head. Lives on the loop's thread.
final class AccessControl {
    /// How often known credentials are looked up again, in milliseconds.
    private static let refreshMilliseconds = 5_000
    /// The most credentials that are remembered; beyond it those not used lately are asked for again.
    private static let maximumKnown = 200_000

    private let postgres: PostgresQuestions?
    private let schema: String
    private let cache: CredentialCache
    /// By the token's hash in hexadecimal.
    private var known: [String: Credential]
    private var waiting: [String: [(AccessResult) -> Void]] = [:]
    private var timer: LoopTimer?
    /// Called with the id of a credential that turned out to be revoked.
    var onRevoked: ((String) -> Void)?

    init(loop: EventLoop, postgres: PostgresQuestions?, schema: String, cache: CredentialCache) {
        self.postgres = postgres
        self.schema = quotedIdentifier(schema)
        self.cache = cache
        known = cache.load()
        timer = LoopTimer(loop: loop) { [unowned self] in refresh() }
        timer?.start(afterMilliseconds: Self.refreshMilliseconds, everyMilliseconds: Self.refreshMilliseconds)
    }

    func close() {
        timer?.close()
    }

    /// Checks a token; `then` is called at once where it is known.
    func authenticate(_ token: String, then: @escaping (AccessResult) -> Void) {
        // Looking up a 256-bit random's hash leaks nothing a clock could tell: two tokens share no prefix of hashes.
        guard let hash = Token.hash(token) else { return then(.refused) }
        if let credential = known[hash] { return then(.known(credential)) }
        guard let postgres else { return then(.unavailable) }
        if waiting[hash] != nil {
            waiting[hash]?.append(then)
            return
        }
        waiting[hash] = [then]
        let asked =
            postgres.isConnected
            && postgres.ask(Self.query(schema), ["{\(hash)}"]) { [weak self] answer in self?.answered(hash, answer) }
        if !asked { finish(hash, .unavailable) }
    }

    private func answered(_ hash: String, _ answer: Result<PostgresRows, PostgresError>) {
        switch answer {
        case .failure: finish(hash, .unavailable)
        case .success(let rows):
            guard rows.count == 1, let credential = Self.credential(rows, 0) else { return finish(hash, .refused) }
            if known.count >= Self.maximumKnown { known.removeAll() }
            known[hash] = credential
            cache.store(known)
            finish(hash, .known(credential))
        }
    }

    private func finish(_ hash: String, _ result: AccessResult) {
        for then in waiting.removeValue(forKey: hash) ?? [] { then(result) }
    }

    /// The credential with this id is no longer valid: forgets it and closes what it holds open.
    func revoke(_ id: String) {
        if let hash = known.first(where: { $0.value.id == id })?.key {
            known[hash] = nil
            cache.store(known)
        }
        onRevoked?(id)
    }

    /// Forgets what was revoked, learns changed permissions.
    func refresh() {
        guard let postgres, postgres.isConnected, !known.isEmpty else { return }
        let hashes = Array(known.keys)
        // In pieces, so that a hundred thousand devices do not make one statement of megabytes.
        for start in stride(from: 0, to: hashes.count, by: 5_000) {
            let piece = hashes[start..<min(start + 5_000, hashes.count)]
            _ = postgres.ask(Self.query(schema), ["{\(piece.joined(separator: ","))}"]) { [weak self] answer in
                if case .success(let rows) = answer { self?.refreshed(Array(piece), rows) }
            }
        }
    }

    private func refreshed(_ hashes: [String], _ rows: PostgresRows) {
        var current: [String: Credential] = [:]
        for row in 0..<rows.count {
            if let hash = rows.text(row, 0), let credential = Self.credential(rows, row) { current[hash] = credential }
        }
        var hasChanged = false
        for hash in hashes {
            guard let old = known[hash], old != current[hash] else { continue }
            known[hash] = current[hash]
            hasChanged = true
            if current[hash] == nil { onRevoked?(old.id) }
        }
        if hasChanged { cache.store(known) }
    }

    /// The hash, id, driver and permissions of keys and devices by their hashes.
    private static func query(_ schema: String) -> String {
        """
        SELECT encode(token_sha256, 'hex'), id, NULL, array_to_string(permissions, ',') FROM \(schema).api_keys
        WHERE token_sha256 IN (SELECT decode(h, 'hex') FROM unnest($1::text[]) h) AND revoked_at IS NULL
        UNION ALL
        SELECT encode(token_sha256, 'hex'), id, driver_id, 'pings:write' FROM \(schema).driver_devices
        WHERE token_sha256 IN (SELECT decode(h, 'hex') FROM unnest($1::text[]) h) AND revoked_at IS NULL
        """
    }

    private static func credential(_ rows: PostgresRows, _ row: Int) -> Credential? {
        guard let id = rows.text(row, 1) else { return nil }
        let names = rows.text(row, 3)?.split(separator: ",") ?? []
        return Credential(
            id: id, driver: rows.text(row, 2), permissions: Set(names.compactMap { Permission(rawValue: String($0)) }))
    }
}

extension Credential {
    /// A credential as it is stored: with a driver it is a device's. Nil where the driver is no valid id.
    convenience init?(id: String, driver: String?, permissions: Set<Permission>) {
        if let driver {
            guard let driverID = DriverID(driver) else { return nil }
            self.init(id: id, party: .device(driverID), permissions: permissions)
        } else {
            self.init(id: id, party: .backend, permissions: permissions)
        }
    }
}
