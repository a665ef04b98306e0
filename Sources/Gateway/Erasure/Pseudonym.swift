/// What stands for an erased driver or customer where something has to: a keyed hash of its id. Whoever has the key can find out
/// whether a given id is meant; nobody can read the id from it.
import Crypto
import Foundation
import Tracking

/// HMAC-SHA256 (RFC 2104) of an id under the audit's secret.
struct Pseudonym: Sendable {
    /// The whole hash in hexadecimal, 64 digits.
    let hexadecimal: String

    init(of driver: DriverID, secret: [UInt8]) {
        self.init(of: driver.string, secret: secret)
    }

    /// The same of a customer's id.
    init(of id: String, secret: [UInt8]) {
        let code = HMAC<SHA256>.authenticationCode(for: Data(id.utf8), using: SymmetricKey(data: Data(secret)))
        hexadecimal = code.map { String(format: "%02x", $0) }.joined()
    }

    /// What stands in the audit trail in place of the id.
    var name: String { Self.name(hexadecimal) }

    /// The same, of a hash in hexadecimal.
    static func name(_ hexadecimal: String) -> String { "erased:" + hexadecimal.prefix(32) }
}

/// The secret behind the hashes.
enum AuditSecret {
    /// The configured one; nil where Postgres keeps it: see `question`.
    static func configured(_ configuration: Configuration) -> [UInt8]? {
        configuration.accessAuditKey.isEmpty ? nil : Array(configuration.accessAuditKey.utf8)
    }

    /// Asks for the secret that was made with the schema, in hexadecimal.
    static func question(_ schema: String) -> String { "SELECT encode(secret, 'hex') FROM \(schema).audit_key" }

    /// The answer's bytes; nil where it is not hexadecimal.
    static func bytes(_ hexadecimal: String) -> [UInt8]? {
        let digits = Array(hexadecimal.utf8)
        guard !digits.isEmpty, digits.count.isMultiple(of: 2) else { return nil }
        return try? stride(from: 0, to: digits.count, by: 2).map { place in
            guard let byte = UInt8(String(decoding: digits[place..<(place + 2)], as: UTF8.self), radix: 16) else {
                throw CancellationError()
            }
            return byte
        }
    }
}
