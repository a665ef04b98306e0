/// The addresses that no limit an address applies to: `limits.exempt_addresses` and the proxies that are trusted.
import Glibc

extension Configuration {
    /// Whether an address, in its usual text, is exempt from limits an address.
    var isExemptAddress: (String) -> Bool {
        let ranges = (limitsExemptAddresses + "," + webTrustedProxies).split(separator: ",").compactMap {
            AddressRange(String($0.filter { $0 != " " }))
        }
        return { address in ranges.contains { $0.contains(address) } }
    }
}

/// An address, or all that begin with the same bits (RFC 4632): `10.0.0.0/8`, `2001:db8::/32`, `::1`.
private struct AddressRange {
    private let bytes: [UInt8]
    private let bits: Int

    init?(_ text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard let bytes = Self.bytes(String(parts[0])), parts.count <= 2,
            let bits = parts.count == 2 ? Int(parts[1]) : bytes.count * 8, (0...bytes.count * 8).contains(bits)
        else { return nil }
        self.bytes = bytes
        self.bits = bits
    }

    func contains(_ address: String) -> Bool {
        guard let other = Self.bytes(address), other.count == bytes.count else { return false }
        return (0..<bits).allSatisfy { (bytes[$0 / 8] ^ other[$0 / 8]) & (0x80 >> UInt8($0 % 8)) == 0 }
    }

    /// Four bytes or sixteen; an IPv4 address in IPv6's mapped form is the IPv4 address.
    private static func bytes(_ text: String) -> [UInt8]? {
        var address = [UInt8](repeating: 0, count: 16)
        if inet_pton(AF_INET, text, &address) == 1 { return Array(address[..<4]) }
        guard inet_pton(AF_INET6, text, &address) == 1 else { return nil }
        let isMapped = address[..<10].allSatisfy { $0 == 0 } && address[10] == 0xFF && address[11] == 0xFF
        return isMapped ? Array(address[12...]) : address
    }
}
