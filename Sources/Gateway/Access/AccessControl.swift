/// Checks credentials: JWTs by their signature, opaque tokens from memory where they are known, a tracking session from its
/// copy in Redis, else by asking Postgres. Known ones work while both are away. Tokens that are not Drover's own are the
/// platform's, where its file says how they are checked.
import EventLoop
import Logging
import PostgresClient
import Tracking

/// What checking a token came to.
enum AccessResult {
    /// It is valid, and has not ended.
    case known(Credential)
    /// It is unknown, revoked or expired.
    case refused
    /// It is not known here and Postgres cannot be asked: try again.
    case unavailable
}

/// See the file's head. Lives on the loop's thread.
final class AccessControl {
    /// The most credentials that are remembered; beyond it some are asked for again.
    private static let maximumKnown = 200_000

    private let questions: CredentialQuestions?
    private let cache: CredentialCache
    private let jwt: JWTVerifier?
    /// Credentials of the platform's own tables, Redis or signed tokens; nil where none are configured.
    let platform: PlatformCredentials?
    private let log: Logger
    /// Copies of tracking sessions, shared by all gateways of a Redis.
    let copies = SessionCopies()
    /// By the token's hash in hexadecimal.
    private var known: [String: Credential]
    private var hashes: [String: String] = [:]
    private var waiting: [String: [(AccessResult) -> Void]] = [:]
    /// Hashes that Postgres does not know.
    private var unknown = RecentlySeen(seconds: 5, limit: 10_000)
    /// Ids of credentials that were revoked.
    private var revoked = RecentlySeen(seconds: 30, limit: 10_000)
    private var timer: LoopTimer?
    private var isRefreshing = false
    private var mustRefreshAgain = false
    private var reportedProblem: String?
    /// Called with the id of a credential that turned out to be revoked.
    var onRevoked: ((String) -> Void)?

    init(
        loop: EventLoop, postgres: PostgresQuestions?, systemDatabase: SystemDatabase?, configuration: Configuration,
        cache: CredentialCache, log: Logger
    ) {
        questions = postgres.map { CredentialQuestions(postgres: $0, schema: configuration.postgresSchema) }
        self.cache = cache
        self.log = log
        jwt =
            configuration.accessJWKSFile.isEmpty
            ? nil
            : JWTVerifier(
                file: configuration.accessJWKSFile, audience: configuration.accessJWTAudience,
                leewaySeconds: configuration.accessJWTLeewaySeconds,
                maximumLifetimeSeconds: configuration.accessJWTMaximumLifetimeSeconds)
        platform =
            configuration.system.credentials.isEmpty
            ? nil
            : PlatformCredentials(
                loop: loop, configuration: configuration.system, database: systemDatabase, jwt: jwt,
                refreshSeconds: configuration.accessRefreshSeconds,
                cache: CredentialCache(directory: configuration.journalDirectory, name: "platform-credentials"))
        known = cache.load(now: SystemClock.wallMicroseconds())
        for (hash, credential) in known { hashes[credential.id] = hash }
        reportProblem()
        timer = LoopTimer(loop: loop) { [unowned self] in refresh() }
        let interval = configuration.accessRefreshSeconds * 1_000
        timer?.start(afterMilliseconds: interval, everyMilliseconds: interval)
    }

    func close() {
        timer?.close()
        platform?.close()
    }

    /// Checks a token; `then` is called at once where nobody has to be asked.
    func authenticate(_ token: String, then: @escaping (AccessResult) -> Void) {
        guard let kind = Token.kind(token) else {
            // A platform that says what its tokens claim does not mean what ours would.
            if let platform, platform.takesJWTs || jwt == nil || !JWTVerifier.looksLikeJWT(token) {
                return platform.authenticate(token, then: then)
            }
            guard JWTVerifier.looksLikeJWT(token), let jwt else { return then(.refused) }
            return then(jwt.verify(token, now: SystemClock.wallMicroseconds()).map { .known($0) } ?? .refused)
        }
        // No secret is compared: a token's hash is looked up, and two tokens that nearly agree share nothing of theirs.
        guard let hash = Token.hash(token) else { return then(.refused) }
        if let credential = known[hash] {
            guard credential.hasExpired(by: SystemClock.wallMicroseconds()) else { return then(.known(credential)) }
            forget(hash)
            return then(.refused)
        }
        if unknown.contains(hash, now: SystemClock.monotonicMicroseconds()) { return then(.refused) }
        if waiting[hash] != nil {
            waiting[hash]?.append(then)
            return
        }
        waiting[hash] = [then]
        guard kind == .session else { return ask(hash, kind) }
        copies.find(hash) { [weak self] session in
            if let session { self?.learn(hash, session) } else { self?.ask(hash, kind) }
        }
    }

    private func ask(_ hash: String, _ kind: Token.Kind) {
        guard let questions else { return finish(hash, .unavailable) }
        questions.find(hash, of: kind) { [weak self] found in
            guard let self else { return }
            switch found {
            case .none: finish(hash, .unavailable)
            case .some(.none):
                unknown.insert(hash, now: SystemClock.monotonicMicroseconds())
                finish(hash, .refused)
            case .some(.some(let credential)):
                if kind == .session, !isOver(credential) { copies.store(hash, credential) }
                learn(hash, credential)
            }
        }
    }

    /// Whether it has ended, one way or the other.
    private func isOver(_ credential: Credential) -> Bool {
        credential.hasExpired(by: SystemClock.wallMicroseconds())
            || revoked.contains(credential.id, now: SystemClock.monotonicMicroseconds())
    }

    private func learn(_ hash: String, _ credential: Credential) {
        guard !isOver(credential) else {
            unknown.insert(hash, now: SystemClock.monotonicMicroseconds())
            return finish(hash, .refused)
        }
        if known.count >= Self.maximumKnown {
            for hash in Array(known.keys.prefix(Self.maximumKnown / 10)) { forget(hash) }
        }
        known[hash] = credential
        hashes[credential.id] = hash
        cache.add([(hash, credential)])
        finish(hash, .known(credential))
    }

    private func finish(_ hash: String, _ result: AccessResult) {
        for then in waiting.removeValue(forKey: hash) ?? [] { then(result) }
    }

    private func forget(_ hash: String) {
        guard let credential = known.removeValue(forKey: hash) else { return }
        hashes[credential.id] = nil
        // One that has ended by itself is not loaded again anyway.
        if !credential.hasExpired(by: SystemClock.wallMicroseconds()) { cache.remove(hash) }
    }

    // MARK: Erasure

    /// Whether the file of known credentials names no driver whose registration is being erased.
    private(set) var isWithheld = true

    /// These drivers' registrations are being erased: credentials that name them go on working until they are gone from
    /// Postgres, but are written nowhere. Those that were withheld and are no longer must be asked for again. Returns
    /// `isWithheld`.
    func withhold(_ drivers: Set<DriverID>) -> Bool {
        let before = cache.withheld
        guard before != drivers || !isWithheld else { return true }
        let isPlatformWithheld = platform?.withhold(drivers) ?? true
        let released = before.subtracting(drivers)
        if !released.isEmpty {
            for (hash, credential) in known where credential.names(one: released) {
                known[hash] = nil
                hashes[credential.id] = nil
            }
        }
        cache.withheld = drivers
        copies.withheld = drivers
        isWithheld = cache.rewrite(known) && isPlatformWithheld
        return isWithheld
    }

    // MARK: Revocation

    /// The credential with this id is no longer valid: forgets it and closes what it holds open. Nothing is written where
    /// others would see it: that is for whoever revokes it.
    func revoke(_ id: String) {
        revoked.insert(id, now: SystemClock.monotonicMicroseconds())
        if let hash = hashes[id] { forget(hash) }
        platform?.forget(id: id)
        onRevoked?(id)
    }

    /// Looks all known credentials up again: forgets what was revoked or has ended, learns what has changed.
    func refresh() {
        jwt?.reloadIfChanged()
        reportProblem()
        let now = SystemClock.wallMicroseconds()
        for (hash, credential) in known where credential.hasExpired(by: now) { forget(hash) }
        cache.compact(known)
        guard !isRefreshing else {
            mustRefreshAgain = true
            return
        }
        var pieces: [(Token.Kind, [String])] = []
        for (kind, hashes) in Dictionary(grouping: known.keys, by: { kind(of: $0) }) {
            for start in stride(from: 0, to: hashes.count, by: CredentialQuestions.batch) {
                pieces.append((kind, Array(hashes[start..<min(start + CredentialQuestions.batch, hashes.count)])))
            }
        }
        isRefreshing = true
        refresh(pieces[...])
    }

    private func kind(of hash: String) -> Token.Kind {
        switch known[hash]?.party {
        case .device: .device
        case .viewer: .session
        case .backend, nil: .key
        }
    }

    /// One piece after the other, so that two hundred thousand devices are not megabytes of waiting questions.
    private func refresh(_ pieces: ArraySlice<(Token.Kind, [String])>) {
        guard let (kind, hashes) = pieces.first, let questions else {
            isRefreshing = false
            if mustRefreshAgain {
                mustRefreshAgain = false
                refresh()
            }
            return
        }
        questions.find(hashes, of: kind) { [weak self] found in
            guard let self else { return }
            if let found { refreshed(hashes, kind, found) }
            // Without an answer the rest would get none either.
            refresh(found == nil ? [] : pieces.dropFirst())
        }
    }

    private func refreshed(_ hashes: [String], _ kind: Token.Kind, _ current: [String: Credential]) {
        for hash in hashes {
            guard let old = known[hash], old != current[hash] else { continue }
            if let new = current[hash] {
                known[hash] = new
                cache.add([(hash, new)])
            } else {
                if kind == .session { copies.remove(hash) }
                revoke(old.id)
            }
        }
    }

    private func reportProblem() {
        guard let jwt, jwt.problem != reportedProblem else { return }
        reportedProblem = jwt.problem
        if let problem = jwt.problem {
            log.error("JWTs cannot be checked as they should be", metadata: ["reason": "\(problem)"])
        } else {
            log.info("the file of keys for JWTs is in use")
        }
    }
}
