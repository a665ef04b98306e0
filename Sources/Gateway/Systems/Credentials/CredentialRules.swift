/// From claims to a credential: which role they name, and what that role may do here. Pure; who carries what is asked elsewhere.
import Tracking

extension CredentialSource {
    /// The role that the claims name, or that all credentials of the source have. Nil where it is none that may do
    /// anything here, or where the account is not active.
    func role(of claims: Claims) -> CredentialRole? {
        if requiresActive, !claims.isTrue("active") { return nil }
        return (role ?? claims.text("role")).flatMap { roles[$0] }
    }
}

/// A credential but for the subjects that only a statement knows.
struct CredentialDraft: Equatable {
    let id: String
    let party: Credential.Party
    let permissions: Set<Permission>
    /// The subjects that the claims name; nil: they name none.
    let names: [String]?
    /// The statement that gives more of them for `user`.
    let subjects: String?
    let user: String?
    let expiresAt: Microseconds?
    let quota: RequestQuota?

    /// The longest user's id in bytes that is taken over.
    static let maximumUserBytes = 256

    /// Nil where the claims do not make sense for the role: what cannot be understood permits nothing.
    /// - Parameters:
    ///   - digest: the token's SHA-256 in hexadecimal.
    ///   - words: the platform's permissions in Drover's.
    ///   - token: never becomes an id, even where a platform's session id is the token itself.
    ///   - end: what the source itself knows of the credential's end.
    init?(
        _ claims: Claims, _ source: CredentialSource, _ role: CredentialRole, token: String, digest: String,
        words: [String: Set<Permission>], end: Microseconds?
    ) {
        var permitted = role.permissions
        if permitted == nil, claims["permissions"] != nil {
            guard let named = claims.texts("permissions") else { return nil }
            permitted = named.reduce(into: []) { permitted, word in
                // A platform that has words of its own may mean something else by one of ours.
                permitted?.formUnion(
                    words[word] ?? (words.isEmpty ? Permission(rawValue: word).map { [$0] } : nil) ?? [])
            }
        }
        var names: [String]?
        if claims["subjects"] != nil {
            guard let named = claims.texts("subjects"), SubjectScope(named) != nil else { return nil }
            names = named
        }
        user = claims.text("user").flatMap { $0.utf8.count <= Self.maximumUserBytes ? $0 : nil }
        switch role.party {
        case .device:
            guard let driver = claims.text(role.driver).flatMap({ DriverID($0) }) else { return nil }
            party = .device(driver)
            permissions = [.writePings]
        case .viewer:
            guard names != nil || (role.subjects != nil && user != nil) else { return nil }
            party = .viewer
            permissions = (permitted ?? []).intersection([.readHistory]).union([.readPositions])
        case .backend:
            guard let permitted, role.subjects == nil || user != nil else { return nil }
            party = .backend
            permissions = permitted
        }
        var expiresAt = end
        if claims["expires_at"] != nil {
            guard let instant = claims.instant("expires_at") else { return nil }
            expiresAt = min(instant, end ?? instant)
        }
        var quota: RequestQuota?
        if claims["rate_limit"] != nil {
            guard let named = claims.quota("rate_limit") else { return nil }
            quota = named
        }
        self.names = names
        self.expiresAt = expiresAt
        self.quota = quota
        subjects = role.subjects
        id = Self.id(claims, source, token, digest)
    }

    /// A name for logs and limits that says nothing of the token itself.
    private static func id(_ claims: Claims, _ source: CredentialSource, _ token: String, _ digest: String) -> String {
        let named = claims.text("id").flatMap { text -> String? in
            let isPlain = (1...64).contains(text.utf8.count) && text.utf8.allSatisfy { (0x21...0x7E).contains($0) }
            // A session's id may be, or be part of, the secret itself.
            return isPlain && !(text.utf8.count >= 12 && token.contains(text)) ? text : nil
        }
        // Devices that come with JWTs are told apart by their driver alone (`DriverSessionKey`): they have a new one each hour.
        let prefix = source.origin == .jwt ? "jwt" : source.name
        return "\(prefix):\(named ?? String(digest.prefix(16)))"
    }

    /// The credential, once it is known what the statement says; `found` is nil where there is none.
    func credential(_ found: [String]?) -> Credential {
        var scope: SubjectScope?
        if names != nil || found != nil {
            // One row that is no subject must not cost the others.
            let good = (found ?? []).filter { SubjectScope([$0]) != nil }
            scope = SubjectScope((names ?? []) + good)
        }
        return Credential(
            id: id, party: party, permissions: permissions, scope: scope, expiresAt: expiresAt, userID: user,
            quota: quota)
    }
}
