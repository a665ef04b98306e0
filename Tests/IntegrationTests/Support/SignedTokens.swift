// JWTs as a platform's own servers sign them, with a secret that stands in a JWK set for the gateway.

import Crypto
import Foundation

/// A secret shared with a gateway.
struct SignedTokens {
    private let secret = SymmetricKey(size: .bits256)

    /// The file's content.
    var keySet: String {
        "{\"keys\":[{\"kty\":\"oct\",\"alg\":\"HS256\",\"kid\":\"test\",\"k\":\"\(Self.encode(secret.withUnsafeBytes { Data($0) }))\"}]}"
    }

    /// A token of these claims, such as `"role":"viewer"`, that ends in so many seconds.
    func token(endingIn seconds: Double = 600, _ claims: String) -> String {
        let end = Int(Date().timeIntervalSince1970 + seconds)
        let head = Self.encode(Data("{\"alg\":\"HS256\",\"kid\":\"test\",\"typ\":\"JWT\"}".utf8))
        let signed = head + "." + Self.encode(Data("{\"exp\":\(end),\(claims)}".utf8))
        let code = HMAC<SHA256>.authenticationCode(for: Data(signed.utf8), using: secret)
        return signed + "." + Self.encode(Data(code))
    }

    /// Base64url without padding (RFC 7515 section 2).
    private static func encode(_ data: Data) -> String {
        data.base64EncodedString().replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
    }
}

/// HMAC-SHA256 in hexadecimal.
func hmac(_ text: String, key: String) -> String {
    HMAC<SHA256>.authenticationCode(for: Data(text.utf8), using: SymmetricKey(data: Data(key.utf8)))
        .map { String(format: "%02x", $0) }.joined()
}
