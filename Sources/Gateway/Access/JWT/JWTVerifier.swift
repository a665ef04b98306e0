/// JSON Web Tokens (RFC 7519) that a platform's own backend signs: checked here without asking any store.
import Crypto
import Tracking

/// Turns a good token into a credential. For a bad one it says nothing but no: which check failed helps only who guesses.
/// Lives on the loop's thread.
final class JWTVerifier {
    /// The longest token in bytes: what fits, with room for the rest, into the header bytes that the server takes.
    static let maximumBytes = 8_192
    /// How often an unknown `kid` may make the file be looked at, in microseconds: so that a rotation takes effect with
    /// the first token of the new key, while made-up names cost no more than one look a second.
    private static let reloadInterval: Microseconds = 1_000_000

    private let file: JWKSFile
    private let claims: JWTClaims
    private var lastReload: Microseconds?

    /// The file may be missing or broken, now and later: `problem` then says why.
    init(file: String, audience: String, leewaySeconds: Int, maximumLifetimeSeconds: Int) {
        self.file = JWKSFile(path: file)
        claims = JWTClaims(
            audience: audience, leeway: Double(leewaySeconds), maximumLifetime: Double(maximumLifetimeSeconds))
    }

    /// What is wrong with the file of keys; nil where all is well. Holds no secret.
    var problem: String? { file.problem }

    /// Reads the file of keys again if it has changed.
    func reloadIfChanged() {
        file.readIfChanged()
    }

    /// Whether a text has a JWT's form: two dots, which no opaque token has.
    static func looksLikeJWT(_ token: String) -> Bool {
        token.utf8.count { $0 == UInt8(ascii: ".") } == 2
    }

    /// The credential that a token stands for at `now`, in wall microseconds; nil where it is not to be trusted.
    func verify(_ token: String, now: Microseconds) -> Credential? {
        payload(of: token, now).flatMap { claims.credential($0.document, digest: $0.digest, now: now) }
    }

    /// What a token claims, for platforms whose claims have other names; nil where it is not to be trusted or does not
    /// hold at `now`. `exp`, `nbf` and `aud` were looked at; `id` is a name for logs that says nothing of the token.
    func claims(
        of token: String, now: Microseconds
    ) -> (document: JSONDocument, id: String, expiresAt: Microseconds)? {
        guard let (document, digest) = payload(of: token, now),
            let (id, expiresAt) = claims.validity(document, digest: digest, now: now)
        else { return nil }
        return (document, id, expiresAt)
    }

    /// The claims of a token that is signed well, and a digest of them.
    private func payload(of token: String, _ now: Microseconds) -> (document: JSONDocument, digest: String)? {
        guard token.utf8.count <= Self.maximumBytes else { return nil }
        let bytes = Array(token.utf8)
        let parts = bytes.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard parts.count == 3, let header = Base64URL.decode(parts[0]), let payload = Base64URL.decode(parts[1]),
            let signature = Base64URL.decode(parts[2]), let key = key(for: header, now),
            key.isValid(signature, for: Array(bytes[..<parts[1].endIndex]))
        else { return nil }
        // Nothing of the claims is looked at before the signature has been found good.
        guard let document = JSONDocument(payload.span) else { return nil }
        let digest = SHA256.hash(data: payload).prefix(16)
        return (document, digest.map { hexadecimal($0) }.joined())
    }

    /// The key that the header names, if the token is signed in that key's way.
    private func key(for header: [UInt8], _ now: Microseconds) -> SignatureKey? {
        // What `crit` names must be understood (RFC 7515, section 4.1.11), and nothing of that kind is.
        guard let document = JSONDocument(header.span), let algorithm = document["alg"]?.string,
            document["crit"] == nil
        else { return nil }
        var name: String?
        if let given = document["kid"] {
            guard let text = given.string, JSONWebKey.isName(text) else { return nil }
            name = text
        }
        var key = file.key(named: name)
        if key == nil, lastReload.map({ abs(now - $0) >= Self.reloadInterval }) ?? true {
            lastReload = now
            file.readIfChanged()
            key = file.key(named: name)
        }
        return key?.algorithm == algorithm ? key : nil
    }

    private func hexadecimal(_ byte: UInt8) -> String {
        (byte < 16 ? "0" : "") + String(byte, radix: 16)
    }
}
