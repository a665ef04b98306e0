/// What a JWT says, once its signature was found good: until when, for whom, and as what (API.md, "Credentials").
import Tracking

/// The rules for claims. Times are `NumericDate`s: seconds since 1970, perhaps with a fraction (RFC 7519, section 2).
struct JWTClaims {
    /// What `aud` must hold, where it is there.
    let audience: String
    /// How far the issuer's clock and ours may differ, in seconds.
    let leeway: Double
    /// How far ahead `exp` may be, in seconds.
    let maximumLifetime: Double

    /// The longest part of an id that is taken over, in bytes.
    private static let maximumIDBytes = 64

    /// The credential; nil where a claim is missing, of the wrong kind, or does not hold at `now`, in wall microseconds.
    /// `digest` names a token that has neither `jti` nor `sub`.
    func credential(_ claims: JSONDocument, digest: String, now: Microseconds) -> Credential? {
        guard let (id, expiresAt) = validity(claims, digest: digest, now: now) else { return nil }
        switch claims["role"]?.string {
        case "device":
            guard let driver = claims["sub"]?.string.flatMap({ DriverID($0) }) else { return nil }
            return Credential(id: id, party: .device(driver), permissions: [.writePings], expiresAt: expiresAt)
        case "viewer":
            guard let scope = scope(claims["subjects"]) else { return nil }
            var permissions: Set<Permission> = [.readPositions]
            if let named = claims["permissions"] {
                guard let named = named.strings else { return nil }
                if named.contains(Permission.readHistory.rawValue) { permissions.insert(.readHistory) }
            }
            return Credential(id: id, party: .viewer, permissions: permissions, scope: scope, expiresAt: expiresAt)
        case "backend":
            guard let named = claims["permissions"]?.strings else { return nil }
            var limit: SubjectScope?
            if let subjects = claims["subjects"] {
                // A list that cannot be read must not turn into no limit at all.
                guard let scope = scope(subjects) else { return nil }
                limit = scope
            }
            return Credential(
                id: id, party: .backend, permissions: Set(named.compactMap(Permission.init(rawValue:))), scope: limit,
                expiresAt: expiresAt)
        default:
            return nil
        }
    }

    /// A name for logs and limits, and when the credential ends; nil where the token does not hold at `now`, or is for
    /// somebody else.
    func validity(
        _ claims: JSONDocument, digest: String, now: Microseconds
    ) -> (id: String, expiresAt: Microseconds)? {
        guard let expiresAt = expiry(claims, now: Double(now) / 1_000_000), isForUs(claims["aud"]),
            let id = id(claims, digest)
        else { return nil }
        return (id, expiresAt)
    }

    /// When the credential ends, in wall microseconds: at `exp`, or where that is past but within the leeway, a leeway
    /// later. Nil where the token is not valid at `now`.
    private func expiry(_ claims: JSONDocument, now: Double) -> Microseconds? {
        guard let expiry = claims["exp"]?.number, expiry.isFinite, expiry > 0, now < expiry + leeway,
            expiry <= now + maximumLifetime + leeway
        else { return nil }
        if let start = claims["nbf"] {
            guard let start = start.number, start <= now + leeway else { return nil }
        }
        if let issued = claims["iat"], issued.number == nil { return nil }
        return Microseconds(((now < expiry ? expiry : expiry + leeway) * 1_000_000).rounded(.down))
    }

    /// `aud` is one name or several (RFC 7519, section 4.1.3); without it a token is for everybody who has the key.
    private func isForUs(_ claim: JSONDocument?) -> Bool {
        guard let claim else { return true }
        return claim.string == audience || claim.strings?.contains(audience) == true
    }

    private func scope(_ claim: JSONDocument?) -> SubjectScope? {
        guard let names = claim?.strings, !names.isEmpty else { return nil }
        return SubjectScope(names)
    }

    /// A name for logs and limits that says nothing of the token itself.
    private func id(_ claims: JSONDocument, _ digest: String) -> String? {
        for name in ["jti", "sub"] {
            guard let claim = claims[name] else { continue }
            guard let text = claim.string else { return nil }
            let isPlain =
                (1...Self.maximumIDBytes).contains(text.utf8.count)
                && text.utf8.allSatisfy { (0x21...0x7E).contains($0) }
            return "jwt:" + (isPlain ? text : digest)
        }
        return "jwt:" + digest
    }
}
