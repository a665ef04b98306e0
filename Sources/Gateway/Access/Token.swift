/// Opaque tokens: 256 random bits behind a prefix that says their kind. Only hashes are kept.
import Crypto
import Foundation

/// Makes and hashes tokens.
enum Token {
    /// What a token opens.
    enum Kind: String, CaseIterable {
        /// A backend's API key.
        case key = "drk_"
        /// A device's token.
        case device = "drd_"
        /// A viewer's tracking session.
        case session = "drt_"
    }

    /// The longest opaque token in characters (API.md).
    static let maximumLength = 100

    /// A new token.
    static func make(_ kind: Kind) -> String { kind.rawValue + secret(bits: 256) }

    /// A new passphrase of 32 characters with 192 random bits, as long as libsodium's secretbox takes one.
    static func makePassphrase() -> String { secret(bits: 192) }

    /// Random bits in base64's alphabet for URLs, without padding.
    private static func secret(bits: Int) -> String {
        let secret = SymmetricKey(size: SymmetricKeySize(bitCount: bits)).withUnsafeBytes { Data($0) }
        let text = secret.base64EncodedString().map { character -> Character in
            character == "+" ? "-" : character == "/" ? "_" : character
        }
        return String(text.filter { $0 != "=" })
    }

    /// What the token would open by its prefix; nil where it is none of ours, which nobody needs to be asked about.
    static func kind(_ token: String) -> Kind? {
        Kind.allCases.first { token.hasPrefix($0.rawValue) }
    }

    /// A new public id, such as a key's name in logs and in `drover key list`.
    static func makeID() -> String {
        String(format: "%016lx", UInt64.random(in: .min ... .max))
    }

    /// The token's SHA-256 in hexadecimal; nil where it cannot be a token of ours.
    static func hash(_ token: String) -> String? {
        guard !token.isEmpty, token.utf8.count <= maximumLength else { return nil }
        return SHA256.hash(data: Data(token.utf8)).map { String(format: "%02x", $0) }.joined()
    }
}
