/// Asking about credentials again: at once where a table has changed that their statements name, else when the last answer
/// is too old. Only those that somebody has a connection open with; others are asked about when they come again.
import EventLoop
import Tracking

extension PlatformCredentials {
    /// How long one is remembered that nobody uses, in microseconds.
    private static let idle: Microseconds = 3_600_000_000
    /// Users in one question of the periodic look at subjects.
    private static let batch = 1_000

    /// Asks about all that are in use and whose answers are too old; forgets what is over or no longer used.
    func refresh() {
        let now = SystemClock.monotonicMicroseconds()
        let isInUse = isInUse()
        for (digest, entry) in known {
            if isInUse(entry.credential) {
                if !isCurrent(entry, now) { askAgain(digest, entry) }
            } else if isOver(entry.credential) || now - entry.usedAt > Self.idle {
                forget(digest)
            }
        }
        for statement in inquiry.subjects.keys { lookAgain(statement) }
        compactFile()
    }

    /// All answers may be others now: everything in use is asked about again, now.
    func refreshAll() {
        for index in voidedAt.indices { void(index) }
        for lookUp in inquiry.subjects.values { lookUp.forget() }
    }

    /// The tables behind a source's answers have changed.
    func void(_ source: Int) {
        voidedAt[source] = SystemClock.monotonicMicroseconds()
        forgetRefusals()
        // Whatever is being asked about now may have been read before the change.
        for digest in pending.keys { pending[digest]?.isStale = true }
        let isInUse = isInUse()
        for (digest, entry) in known where entry.source == source && isInUse(entry.credential) {
            askAgain(digest, entry)
        }
    }

    /// Whether its source's last answer still counts; subjects are looked at apart.
    private func isCurrent(_ entry: Entry, _ now: Microseconds) -> Bool {
        guard let source = entry.source else { return false }
        return entry.askedAt > voidedAt[source] && now - entry.askedAt < lives[source]
    }

    // MARK: Subjects

    /// Reads the subjects of all users in use again, a thousand in one question, one look after the other however often
    /// their tables change.
    func lookAgain(_ statement: String) {
        guard looking[statement] == nil else {
            looking[statement] = true
            return
        }
        let isInUse = isInUse()
        var digests: [String: [String]] = [:]
        for (digest, entry) in known where entry.role?.subjects == statement && isInUse(entry.credential) {
            if let user = entry.draft?.user { digests[user, default: []].append(digest) }
        }
        guard !digests.isEmpty else { return }
        looking[statement] = false
        look(statement, Array(digests.keys)[...], digests)
    }

    private func look(_ statement: String, _ users: ArraySlice<String>, _ digests: [String: [String]]) {
        guard !users.isEmpty else {
            if looking.removeValue(forKey: statement) == true { lookAgain(statement) }
            return
        }
        let piece = Array(users.prefix(Self.batch))
        inquiry.subjects[statement]?.find(piece) { [weak self] answer in
            guard let self else { return }
            if case .success(let found) = answer {
                for user in piece {
                    for digest in digests[user] ?? [] { rescope(digest, user, CredentialInquiry.names(found[user])) }
                }
            }
            // Without an answer the rest would get none either; the next look does it.
            look(statement, (try? answer.get()) == nil ? [] : users.dropFirst(piece.count), digests)
        }
    }

    private func rescope(_ digest: String, _ user: String, _ names: [String]) {
        guard let entry = known[digest], let draft = entry.draft, draft.user == user else { return }
        let credential = draft.credential(names)
        if credential.scope != entry.credential.scope { rescope(digest, credential) }
    }
}
