/// A key that signatures are checked with, bound to the one algorithm it is for.
import Crypto
import CryptoExtras
import Foundation
import Tracking

/// The key's kind is its algorithm: a token cannot ask for another (key confusion, RFC 8725, section 3.1).
enum SignatureKey {
    /// A shared secret, for HS256 (RFC 7518, section 3.2).
    case secret(SymmetricKey)
    /// A public key on the curve P-256, for ES256 (RFC 7518, section 3.4).
    case curve(P256.Signing.PublicKey)
    /// A public RSA key, for RS256 (RFC 7518, section 3.3).
    case rsa(_RSA.Signing.PublicKey)

    /// The least bytes of a secret: those of the hash (RFC 7518, section 3.2).
    static let minimumSecretBytes = 32
    /// The least bits of an RSA modulus (RFC 7518, section 3.3).
    static let minimumModulusBits = 2_048

    /// The one `alg` of tokens that it checks.
    var algorithm: String {
        switch self {
        case .secret: "HS256"
        case .curve: "ES256"
        case .rsa: "RS256"
        }
    }

    /// Whether the signature is this key's over `message`.
    func isValid(_ signature: [UInt8], for message: [UInt8]) -> Bool {
        switch self {
        case .secret(let key):
            // swift-crypto compares in constant time.
            return HMAC<SHA256>.isValidAuthenticationCode(signature, authenticating: message, using: key)
        case .curve(let key):
            // r and s, 32 bytes each (RFC 7518, section 3.4), not DER.
            guard signature.count == 64,
                let signature = try? P256.Signing.ECDSASignature(rawRepresentation: signature)
            else { return false }
            return key.isValidSignature(signature, for: message)
        case .rsa(let key):
            let signature = _RSA.Signing.RSASignature(rawRepresentation: signature)
            return key.isValidSignature(signature, for: SHA256.hash(data: message), padding: .insecurePKCS1v1_5)
        }
    }
}

/// One entry of a JWK set.
struct JSONWebKey {
    /// The name that tokens call it by; nil where it stands alone.
    var id: String?
    var key: SignatureKey

    /// Why an entry cannot be used.
    enum Refusal: Error, Equatable {
        /// It is for something else, such as encryption, or of a kind that is not supported: the others still count (RFC
        /// 7517, section 5).
        case unsupported
        /// It is wrong, and why.
        case wrong(String)
    }

    /// Reads an entry (RFC 7517, section 4; RFC 7518, section 6).
    init(_ entry: JSONDocument) throws(Refusal) {
        guard case .object = entry, let kind = entry["kty"]?.string else { throw .wrong("has no kty") }
        if let name = entry["kid"] {
            guard let name = name.string, Self.isName(name) else {
                throw .wrong("has a kid that is no text of 1 to \(Self.maximumNameBytes) printable characters")
            }
            id = name
        }
        if let use = entry["use"], use.string != "sig" { throw .unsupported }
        let algorithms = ["oct": "HS256", "EC": "ES256", "RSA": "RS256"]
        guard let implied = algorithms[kind] else { throw .unsupported }
        if let algorithm = entry["alg"] {
            guard let algorithm = algorithm.string else { throw .wrong("has an alg that is no text") }
            guard algorithm == implied else {
                // Another of the three is a mistake; anything else, such as RS512 or RSA-OAEP, is just not for us.
                guard algorithms.values.contains(algorithm) else { throw .unsupported }
                throw .wrong("has alg \(algorithm), which a key of kty \(kind) cannot check; expected \(implied)")
            }
        }
        switch kind {
        case "oct": key = try Self.secret(entry)
        case "EC": key = try Self.curve(entry)
        default: key = try Self.rsa(entry)
        }
    }

    /// The longest kid, in bytes.
    static let maximumNameBytes = 128

    /// Whether a kid is a short printable text.
    static func isName(_ name: String) -> Bool {
        (1...maximumNameBytes).contains(name.utf8.count) && name.utf8.allSatisfy { (0x20...0x7E).contains($0) }
    }

    private static func secret(_ entry: JSONDocument) throws(Refusal) -> SignatureKey {
        let secret = try bytes("k", entry)
        guard secret.count >= SignatureKey.minimumSecretBytes else {
            throw .wrong("is a secret of \(secret.count) bytes; \(SignatureKey.minimumSecretBytes) are the least")
        }
        return .secret(SymmetricKey(data: secret))
    }

    private static func curve(_ entry: JSONDocument) throws(Refusal) -> SignatureKey {
        guard entry["crv"]?.string == "P-256" else { throw .unsupported }
        let x = try bytes("x", entry)
        let y = try bytes("y", entry)
        // Both coordinates have their full length (RFC 7518, section 6.2.1.2).
        guard x.count == 32, y.count == 32, let key = try? P256.Signing.PublicKey(rawRepresentation: x + y) else {
            throw .wrong("has x and y that are no point on P-256")
        }
        return .curve(key)
    }

    private static func rsa(_ entry: JSONDocument) throws(Refusal) -> SignatureKey {
        let modulus = Array(try bytes("n", entry).drop { $0 == 0 })
        let exponent = Array(try bytes("e", entry).drop { $0 == 0 })
        let bits = modulus.count * 8 - (modulus.first?.leadingZeroBitCount ?? 0)
        guard bits >= SignatureKey.minimumModulusBits else {
            throw .wrong("is an RSA key of \(bits) bits; \(SignatureKey.minimumModulusBits) are the least")
        }
        // An even number is no modulus and no exponent, and with 1 anybody could sign.
        guard modulus.last.map({ $0 % 2 == 1 }) == true, exponent.last.map({ $0 % 2 == 1 }) == true, exponent != [1],
            let key = try? _RSA.Signing.PublicKey(n: modulus, e: exponent)
        else { throw .wrong("has n and e that are no RSA key") }
        return .rsa(key)
    }

    private static func bytes(_ name: String, _ entry: JSONDocument) throws(Refusal) -> [UInt8] {
        guard let text = entry[name]?.string, let bytes = Base64URL.decode(text.utf8) else {
            throw .wrong("has no \(name) in base64url without padding")
        }
        return bytes
    }
}
