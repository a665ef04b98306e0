/// Addresses as limits count them.
import Glibc

/// An IPv4 address, or the first 64 bits of an IPv6 address: one customer's network has all the rest (RFC 6177), and would
/// otherwise have as many limits.
struct ClientAddress: Hashable {
    /// The network's bits; an IPv4 address stands in its mapped form's lowest 32 bits.
    private let bits: UInt64
    private let isIPv4: Bool

    /// Nil where the text is no address.
    init?(_ text: String) {
        var four = in_addr()
        if inet_pton(AF_INET, text, &four) == 1 {
            bits = UInt64(UInt32(bigEndian: four.s_addr))
            isIPv4 = true
            return
        }
        var six = in6_addr()
        guard inet_pton(AF_INET6, text, &six) == 1 else { return nil }
        let words = withUnsafeBytes(of: six) { bytes in
            (0..<2).map { UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: $0 * 8, as: UInt64.self)) }
        }
        isIPv4 = words[0] == 0 && words[1] >> 32 == 0xFFFF
        bits = isIPv4 ? words[1] & 0xFFFF_FFFF : words[0]
    }

    /// The name that counters in Redis have.
    var text: String {
        if isIPv4 { return (0..<4).map { String(bits >> (24 - 8 * UInt64($0)) & 0xFF) }.joined(separator: ".") }
        return (0..<4).map { String(bits >> (48 - 16 * UInt64($0)) & 0xFFFF, radix: 16) }.joined(separator: ":")
            + "::/64"
    }
}
