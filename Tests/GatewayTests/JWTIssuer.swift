// Keys made for a test, the JWK set that tells them, and tokens that are signed with them, well or badly.
import Crypto
import CryptoExtras
import Foundation

@testable import Gateway

/// A private key and its entry in a JWK set.
enum SigningKey {
    case secret(SymmetricKey)
    case curve(P256.Signing.PrivateKey)
    case rsa(_RSA.Signing.PrivateKey)

    static func makeSecret(bytes: Int = 32) -> Self { .secret(SymmetricKey(size: .init(bitCount: bytes * 8))) }
    static func makeCurve() -> Self { .curve(P256.Signing.PrivateKey()) }
    /// Making one takes long, so the tests share it.
    static let sharedRSA = Self.rsa(try! _RSA.Signing.PrivateKey(keySize: .bits2048))

    var algorithm: String {
        switch self {
        case .secret: "HS256"
        case .curve: "ES256"
        case .rsa: "RS256"
        }
    }

    /// The signature as JOSE carries it.
    func sign(_ message: String) throws -> Data {
        let message = Data(message.utf8)
        return switch self {
        case .secret(let key): Data(HMAC<SHA256>.authenticationCode(for: message, using: key))
        case .curve(let key): try key.signature(for: message).rawRepresentation
        case .rsa(let key):
            try key.signature(for: SHA256.hash(data: message), padding: .insecurePKCS1v1_5).rawRepresentation
        }
    }

    /// The members of the entry but `kid` and `alg`.
    func members() throws -> [String: String] {
        switch self {
        case .secret(let key): ["kty": "oct", "k": base64URL(key.withUnsafeBytes { Data($0) })]
        case .curve(let key):
            [
                "kty": "EC", "crv": "P-256", "x": base64URL(key.publicKey.rawRepresentation.prefix(32)),
                "y": base64URL(key.publicKey.rawRepresentation.suffix(32)),
            ]
        case .rsa(let key):
            try [
                "kty": "RSA", "n": base64URL(key.publicKey.getKeyPrimitives().modulus),
                "e": base64URL(key.publicKey.getKeyPrimitives().publicExponent),
            ]
        }
    }

    func entry(_ id: String?, _ changes: [String: String?] = [:]) throws -> [String: String] {
        var entry = try members()
        entry["kid"] = id
        for (name, value) in changes { entry[name] = value }
        return entry
    }
}

/// base64url without padding.
func base64URL(_ data: some DataProtocol) -> String {
    Data(data).base64EncodedString().replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
}

/// A file of keys in a directory of its own, and tokens.
final class JWTIssuer {
    /// A quiet moment: 2026-01-01T00:00:00Z, in seconds.
    static let now = 1_767_225_600

    let path: String

    init(_ entries: [[String: String]] = []) throws {
        path = FileManager.default.temporaryDirectory.appendingPathComponent("\(UUID().uuidString).jwks.json").path
        try publish(entries)
    }

    deinit {
        try? FileManager.default.removeItem(atPath: path)
    }

    func publish(_ entries: [[String: String]]) throws {
        try write(String(decoding: JSONSerialization.data(withJSONObject: ["keys": entries]), as: UTF8.self))
    }

    /// Puts a new file in the old one's place.
    func write(_ text: String) throws {
        try Data(text.utf8).write(to: URL(fileURLWithPath: path), options: .atomic)
    }

    func verifier(leeway: Int = 60, maximumLifetime: Int = 2_678_400) -> JWTVerifier {
        JWTVerifier(
            file: path, audience: "drover", leewaySeconds: leeway, maximumLifetimeSeconds: maximumLifetime)
    }

    /// A token from a header and claims as they are to be written.
    static func token(header: String, claims: String, _ key: SigningKey) throws -> String {
        let message = base64URL(Data(header.utf8)) + "." + base64URL(Data(claims.utf8))
        return try message + "." + base64URL(key.sign(message))
    }

    static func header(_ key: SigningKey, _ id: String?) -> String {
        "{\"alg\":\"\(key.algorithm)\",\"typ\":\"JWT\"" + (id.map { ",\"kid\":\"\($0)\"" } ?? "") + "}"
    }

    /// A device's claims, with these in place of its own; nil takes one away. Values are JSON.
    static func deviceClaims(_ changes: [(String, String?)] = []) -> String {
        var members = [("sub", "\"d1\""), ("role", "\"device\""), ("exp", "\(now + 3_600)")]
        for (name, value) in changes {
            members.removeAll { $0.0 == name }
            if let value { members.append((name, value)) }
        }
        return "{" + members.map { "\"\($0.0)\":\($0.1)" }.joined(separator: ",") + "}"
    }
}
