/// UUIDs made from names (RFC 9562, section 5.5, version 5): the same name has the same UUID, on every gateway.
import Crypto
import Foundation

/// Makes UUIDs from names.
enum NameUUID {
    /// The UUID of a name within a namespace, in lower case.
    static func text(_ name: String, in namespace: UUID) -> String {
        let space = withUnsafeBytes(of: namespace.uuid) { Array($0) }
        // SHA-1 is what version 5 is made of; nothing here has to resist an attacker.
        var bytes = Array(Insecure.SHA1.hash(data: space + Array(name.utf8)).prefix(16))
        bytes[6] = bytes[6] & 0x0F | 0x50
        bytes[8] = bytes[8] & 0x3F | 0x80
        return UUID(uuid: bytes.withUnsafeBytes { $0.loadUnaligned(as: uuid_t.self) }).uuidString.lowercased()
    }
}
