/// Credentials that a platform's own tables, Redis or signed tokens vouch for: looked up when they come, asked about again
/// while somebody uses them, and taken away from open connections as soon as they are no longer good.
import Crypto
import EventLoop
import Foundation
import Logging
import RedisClient
import Tracking

/// See the file's head. A token stays in memory as long as it is known, since it is needed to ask again; files and logs see
/// its hash at most. Lives on the loop's thread; `PlatformCredentials+refresh.swift` asks again.
final class PlatformCredentials {
    /// The most credentials that are remembered; beyond it those that nobody has a connection open with are let go of.
    static let maximumKnown = 200_000

    /// One that is known.
    struct Entry {
        let token: String
        /// Its place in `system.credentials`; nil where only the file beside the journal knows it.
        var source: Int?
        var role: CredentialRole?
        var draft: CredentialDraft?
        var credential: Credential
        /// When it was asked for, in monotonic microseconds.
        var askedAt: Microseconds
        var usedAt: Microseconds
    }

    let configuration: SystemConfiguration
    let inquiry: CredentialInquiry
    private let database: SystemDatabase?
    private let askings = PacedAskings()
    /// By the token's hash in hexadecimal.
    private(set) var known: [String: Entry] = [:]
    /// How many of them have an id.
    private var ids: [String: Int] = [:]
    /// Sources whose answers from before are void: when that was, in monotonic microseconds.
    var voidedAt: [Microseconds]
    /// The same of statements that give subjects.
    var subjectsVoidedAt: [String: Microseconds] = [:]
    /// How long an answer of a source counts, in microseconds.
    let lives: [Microseconds]
    /// Being asked about now, by hash: who waits for the answer, and whether it must be asked about once more.
    var pending: [String: Pending] = [:]
    /// Statements whose subjects are being read again, and whether they must be once more.
    var looking: [String: Bool] = [:]
    private var unknown = RecentlySeen(seconds: 5, limit: 10_000)
    private let cache: CredentialCache
    /// What the file knows of credentials that have not come since the start.
    private var remembered: [String: Credential]
    var timer: LoopTimer?
    /// Whether somebody has a connection open with it.
    var isInUse: () -> (Credential) -> Bool = { { _ in false } }
    /// Called with a credential that is no longer good.
    var onEnd: ((Credential, End) -> Void)?
    /// Called with a credential that is another now; `isShared` where more have its id.
    var onChange: ((_ old: Credential, _ new: Credential, _ isShared: Bool) -> Void)?

    /// How a credential came to its end.
    struct End {
        /// By its time, not by anybody's will.
        let hasExpired: Bool
        /// More credentials have its id, and go on.
        let isShared: Bool
    }

    struct Pending {
        var waiters: [(AccessResult) -> Void] = []
        /// Whether it waits before those that are only looked at again.
        var isUrgent: Bool
        /// Whether a table has changed since.
        var isStale = false
    }

    /// - Parameters:
    ///   - refreshSeconds: how long an answer from Redis counts.
    ///   - cache: the file of those that are known.
    init(
        loop: EventLoop, configuration: SystemConfiguration, database: SystemDatabase?, jwt: JWTVerifier?,
        refreshSeconds: Int, cache: CredentialCache
    ) {
        self.configuration = configuration
        self.database = database
        self.cache = cache
        inquiry = CredentialInquiry(configuration, database, jwt)
        remembered = cache.load(now: SystemClock.wallMicroseconds())
        voidedAt = configuration.credentials.map { _ in 0 }
        lives = configuration.credentials.map { Self.life(of: $0, database, refreshSeconds) }
        // Looked at four times as often as answers age, so that none is much older.
        let interval = max(1_000, min(refreshSeconds * 250, lives.min().map { Int($0 / 4_000) } ?? .max))
        timer = LoopTimer(loop: loop) { [unowned self] in refresh() }
        timer?.start(afterMilliseconds: interval, everyMilliseconds: interval)
        guard let database else { return }
        watch(database)
    }

    private static func life(of source: CredentialSource, _ database: SystemDatabase?, _ seconds: Int) -> Microseconds {
        var statements = source.roles.values.compactMap(\.check)
        if case .statement(let name) = source.origin { statements.append(name) }
        var lives = statements.map { database?.cacheSeconds(of: $0) ?? seconds }
        if case .redis = source.origin { lives.append(seconds) }
        // A signed token is good until it ends.
        return lives.min().map { Int64($0) * 1_000_000 } ?? .max / 2
    }

    private func watch(_ database: SystemDatabase) {
        for (index, source) in configuration.credentials.enumerated() {
            var statements = Set(source.roles.values.compactMap(\.check))
            if case .statement(let name) = source.origin { statements.insert(name) }
            for statement in statements { database.onChange(of: statement) { [weak self] in self?.void(index) } }
        }
        for (statement, lookUp) in inquiry.subjects {
            lookUp.onChange = { [weak self] in
                self?.subjectsVoidedAt[statement] = SystemClock.monotonicMicroseconds()
                self?.lookAgain(statement)
            }
        }
    }

    func close() {
        timer?.close()
        timer = nil
    }

    /// Whether signed tokens are checked here.
    var takesJWTs: Bool { configuration.credentials.contains { $0.origin == .jwt } }

    // MARK: Checking

    /// Checks a token; `then` is called at once where nobody has to be asked.
    func authenticate(_ token: String, then: @escaping (AccessResult) -> Void) {
        guard (1...JWTVerifier.maximumBytes).contains(token.utf8.count) else { return then(.refused) }
        let digest = SHA256.hash(data: Data(token.utf8)).map { String(format: "%02x", $0) }.joined()
        let now = SystemClock.monotonicMicroseconds()
        if let entry = known[digest], isFresh(entry, now), !isOver(entry.credential) {
            known[digest]?.usedAt = now
            return then(.known(entry.credential))
        }
        if unknown.contains(digest, now: now) { return then(.refused) }
        let isUrgent = pending[digest]?.isUrgent == true
        pending[digest, default: Pending(isUrgent: true)].waiters.append(then)
        // What is only looked at again may wait behind thousands of others.
        pending[digest]?.isUrgent = true
        if !isUrgent { ask(digest, token, canWait: false) }
    }

    func isOver(_ credential: Credential) -> Bool {
        credential.hasExpired(by: SystemClock.wallMicroseconds())
    }

    /// Whether what is known of it counts without asking.
    func isFresh(_ entry: Entry, _ now: Microseconds) -> Bool {
        guard let source = entry.source else { return false }
        var life = lives[source]
        if let statement = entry.role?.subjects, let database {
            guard entry.askedAt > subjectsVoidedAt[statement] ?? 0 else { return false }
            life = min(life, Int64(database.cacheSeconds(of: statement)) * 1_000_000)
        }
        return entry.askedAt > voidedAt[source] && now - entry.askedAt < life
    }

    /// Asks all sources in turn; the token must be among the `pending`.
    func ask(_ digest: String, _ token: String, canWait: Bool) {
        let isAdded = askings.add(canWait: canWait) { [weak self] isOver in
            guard let self else { return isOver() }
            let begun = SystemClock.monotonicMicroseconds()
            inquiry.look(up: token, digest) { [weak self] finding in
                self?.learn(digest, token, finding, begun)
                isOver()
            }
        }
        if !isAdded { finish(digest, .unavailable) }
    }

    // MARK: Learning

    private func learn(_ digest: String, _ token: String, _ finding: CredentialInquiry.Finding, _ begun: Microseconds) {
        switch finding {
        case .good(let source, let role, let draft, let found):
            let credential = draft.credential(found)
            guard !isOver(credential) else { return refuse(digest) }
            if known[digest] == nil, known.count >= Self.maximumKnown { makeRoom() }
            let used = known[digest]?.usedAt ?? begun
            let old = known[digest]?.credential ?? remembered[digest]
            var entry = Entry(
                token: token, source: source, role: role, draft: draft, credential: credential, askedAt: begun,
                usedAt: pending[digest]?.waiters.isEmpty == false ? begun : used)
            remembered[digest] = nil
            if let old, old.isSame(as: credential) { entry.credential = old }
            keep(digest, entry)
            if old !== entry.credential { cache.add([(digest, entry.credential)]) }
            if let old, old !== entry.credential { onChange?(old, entry.credential, isShared(entry.credential)) }
            finish(digest, .known(entry.credential))
        case .refused: refuse(digest)
        case .unavailable:
            // What the file remembers, or what was known before, counts until somebody can be asked.
            if known[digest] == nil, let credential = remembered.removeValue(forKey: digest) {
                keep(digest, Entry(token: token, credential: credential, askedAt: 0, usedAt: begun))
            }
            guard let entry = known[digest], !isOver(entry.credential) else { return finish(digest, .unavailable) }
            known[digest]?.usedAt = begun
            finish(digest, .known(entry.credential))
        }
    }

    private func refuse(_ digest: String) {
        if pending[digest]?.isStale != true { unknown.insert(digest, now: SystemClock.monotonicMicroseconds()) }
        if remembered.removeValue(forKey: digest) != nil { cache.remove(digest) }
        end(digest)
        finish(digest, .refused)
    }

    private func finish(_ digest: String, _ result: AccessResult) {
        guard let asked = pending.removeValue(forKey: digest) else { return }
        for then in asked.waiters { then(result) }
        // It changed while it was asked about, and somebody may have been let in by what was.
        if asked.isStale, let entry = known[digest] { askAgain(digest, entry) }
    }

    /// Asks about one that somebody uses, unless that is being done.
    func askAgain(_ digest: String, _ entry: Entry) {
        guard pending[digest] == nil else { return }
        pending[digest] = Pending(isUrgent: false)
        ask(digest, entry.token, canWait: true)
    }

    // MARK: The table

    private func isShared(_ credential: Credential) -> Bool { ids[credential.id, default: 0] > 1 }

    private func keep(_ digest: String, _ entry: Entry) {
        if let old = known.updateValue(entry, forKey: digest) { count(old.credential, -1) }
        count(entry.credential, 1)
    }

    private func count(_ credential: Credential, _ change: Int) {
        let count = ids[credential.id, default: 0] + change
        ids[credential.id] = count > 0 ? count : nil
    }

    /// The subjects of one are others now.
    func rescope(_ digest: String, _ credential: Credential) {
        guard var entry = known[digest] else { return }
        let old = entry.credential
        entry.credential = credential
        keep(digest, entry)
        cache.add([(digest, credential)])
        onChange?(old, credential, isShared(credential))
    }

    /// Forgets one that nobody uses. Gives it where it was known.
    @discardableResult
    func forget(_ digest: String) -> Entry? {
        guard let entry = known.removeValue(forKey: digest) else { return nil }
        count(entry.credential, -1)
        cache.remove(digest)
        return entry
    }

    /// Forgets those with an id: whoever comes with one is asked about anew.
    func forget(id: String) {
        guard ids[id] != nil else { return }
        for (digest, entry) in known where entry.credential.id == id { forget(digest) }
    }

    /// Forgets one that is no longer good and tells whoever has it open.
    private func end(_ digest: String) {
        guard let entry = forget(digest) else { return }
        let soon = SystemClock.wallMicroseconds() + Credential.tolerance
        let end = End(
            hasExpired: entry.credential.hasExpired(by: soon), isShared: ids[entry.credential.id] != nil)
        onEnd?(entry.credential, end)
    }

    /// A user's credentials end, and nothing of him stays in the file; false where it could not be written. Those that the
    /// platform still vouches for are good again when they come again.
    func erase(user: String) -> Bool {
        for (digest, entry) in known where entry.credential.userID == user { end(digest) }
        remembered = remembered.filter { $0.value.userID != user }
        return rewriteFile()
    }

    /// Answers that were no may be yes now.
    func forgetRefusals() {
        unknown = RecentlySeen(seconds: 5, limit: 10_000)
    }

    private func makeRoom() {
        let isInUse = isInUse()
        for digest in known.filter({ !isInUse($0.value.credential) }).keys.prefix(Self.maximumKnown / 10) {
            forget(digest)
        }
    }

    // MARK: The file

    /// Drivers whose registrations are being erased: nothing of them is written. False where the file could not be written.
    func withhold(_ drivers: Set<DriverID>) -> Bool {
        cache.withheld = drivers
        return rewriteFile()
    }

    private func rewriteFile() -> Bool {
        cache.rewrite(remembered.merging(known.mapValues(\.credential)) { _, new in new })
    }

    /// Writes the file anew where most of it is about what is no longer known.
    func compactFile() {
        guard cache.isMostlyHistory(of: known.count + remembered.count) else { return }
        _ = rewriteFile()
    }
}

extension Credential {
    /// How much two ends may differ that Redis told at two times: its clock and ours, and the way between them.
    fileprivate static let tolerance: Microseconds = 2_000_000

    /// Whether it permits the same as another one until, but for what a time of life is uncertain by, the same end.
    fileprivate func isSame(as other: Credential) -> Bool {
        if self == other { return true }
        guard let end = expiresAt, let otherEnd = other.expiresAt, abs(end - otherEnd) < Self.tolerance else {
            return false
        }
        return self
            == Credential(
                id: other.id, party: other.party, permissions: other.permissions, scope: other.scope,
                expiresAt: expiresAt, precisionMetres: other.precisionMetres, userID: other.userID, quota: other.quota)
    }
}
