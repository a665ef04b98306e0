/// IP addresses and ranges of them: who is connected, who is trusted to say for whom it speaks, who is not limited.
import Glibc

/// An IPv4 or IPv6 address. IPv4 is held as its mapped form (RFC 4291 section 2.5.5.2), so that a client is the same one
/// over a socket of either family.
public struct NetworkAddress: Hashable, Sendable, CustomStringConvertible {
    var high: UInt64
    var low: UInt64

    private static let mappedPrefix: UInt64 = 0x0000_FFFF_0000_0000

    init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    init(v4 address: UInt32) {
        self.init(high: 0, low: Self.mappedPrefix | UInt64(address))
    }

    /// From text such as `10.0.0.1` or `fd00::1`; nil where it is neither.
    public init?(_ text: some StringProtocol) {
        let text = String(text)
        var v4 = in_addr()
        if inet_pton(AF_INET, text, &v4) == 1 {
            self.init(v4: UInt32(bigEndian: v4.s_addr))
            return
        }
        var v6 = in6_addr()
        guard inet_pton(AF_INET6, text, &v6) == 1 else { return nil }
        self.init(v6)
    }

    private init(_ address: in6_addr) {
        self = withUnsafeBytes(of: address) { bytes in
            NetworkAddress(
                high: UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 0, as: UInt64.self)),
                low: UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self)))
        }
    }

    /// From what `accept` has filled in; all zeros for a family that is neither.
    init(_ storage: sockaddr_storage) {
        self = withUnsafeBytes(of: storage) { bytes in
            switch Int32(storage.ss_family) {
            case AF_INET:
                NetworkAddress(v4: UInt32(bigEndian: bytes.loadUnaligned(as: sockaddr_in.self).sin_addr.s_addr))
            case AF_INET6: NetworkAddress(bytes.loadUnaligned(as: sockaddr_in6.self).sin6_addr)
            default: NetworkAddress(high: 0, low: 0)
            }
        }
    }

    var isV4: Bool { high == 0 && low >> 32 == Self.mappedPrefix >> 32 }

    /// Who is counted as one client: an IPv4 address, or the 64 bits that a network gives to one of its hosts or homes.
    public var client: NetworkAddress { isV4 ? self : NetworkAddress(high: high, low: 0) }

    /// As people write it, without port or brackets.
    public var description: String {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(INET6_ADDRSTRLEN)) { buffer in
            let text =
                if isV4 {
                    withUnsafeBytes(of: UInt32(truncatingIfNeeded: low).bigEndian) {
                        inet_ntop(AF_INET, $0.baseAddress, buffer.baseAddress, socklen_t(buffer.count))
                    }
                } else {
                    withUnsafeBytes(of: (high.bigEndian, low.bigEndian)) {
                        inet_ntop(AF_INET6, $0.baseAddress, buffer.baseAddress, socklen_t(buffer.count))
                    }
                }
            return text.map { String(cString: $0) } ?? ""
        }
    }
}

/// A list of address ranges in CIDR notation.
public struct AddressRanges: Sendable {
    /// Why a list cannot be read.
    public struct ParseError: Error, CustomStringConvertible {
        /// Which setting, what is wrong and how it is right.
        public let description: String
    }

    private var ranges: [(address: NetworkAddress, mask: (high: UInt64, low: UInt64))] = []

    /// No address at all.
    public init() {}

    /// Reads a list separated by commas, such as `10.0.0.0/8, fd00::1`. `setting` is its name, for the error.
    public init(_ list: String, setting: String) throws(ParseError) {
        for item in list.split(separator: ",") {
            let text = item.filter { $0 != " " }
            guard !text.isEmpty else { continue }
            let parts = text.split(separator: "/", omittingEmptySubsequences: false)
            guard parts.count <= 2, let address = NetworkAddress(parts[0]),
                let bits = Self.bits(parts.count == 2 ? parts[1] : nil, of: address)
            else {
                let variable = "DROVER_" + setting.uppercased().replacing(".", with: "_")
                throw ParseError(
                    description: "\(setting): \"\(text)\" is not an address or a range of them such as 10.0.0.0/8 or "
                        + "fd00::/8. Correct it in the configuration file or in \(variable)")
            }
            let mask = (Self.mask(min(bits, 64)), Self.mask(max(0, bits - 64)))
            ranges.append((NetworkAddress(high: address.high & mask.0, low: address.low & mask.1), mask))
        }
    }

    /// Whether it names no address.
    public var isEmpty: Bool { ranges.isEmpty }

    /// Whether the address lies in one of the ranges.
    public func contains(_ address: NetworkAddress) -> Bool {
        ranges.contains { range in
            address.high & range.mask.high == range.address.high && address.low & range.mask.low == range.address.low
        }
    }

    /// The prefix's length within 128 bits.
    private static func bits(_ text: Substring?, of address: NetworkAddress) -> Int? {
        guard let text else { return 128 }
        let most = address.isV4 ? 32 : 128
        guard !text.isEmpty, text.count <= 3, text.utf8.allSatisfy({ (48...57).contains($0) }), let bits = Int(text),
            bits <= most
        else { return nil }
        return 128 - most + bits
    }

    private static func mask(_ bits: Int) -> UInt64 {
        bits == 0 ? 0 : ~0 << UInt64(64 - bits)
    }
}

/// Who really asks, where proxies stand in between.
struct ForwardedFor {
    /// The ranges whose word is taken.
    let trusted: AddressRanges

    /// The client's address. `X-Forwarded-For` is believed only where the peer is trusted, and from its end to the first
    /// entry that is not itself trusted: what stands before that, anybody could have written.
    func client(peer: NetworkAddress, header: String?) -> NetworkAddress {
        guard let header, trusted.contains(peer) else { return peer }
        var client = peer
        for entry in header.split(separator: ",", omittingEmptySubsequences: false).reversed() {
            guard let address = Self.address(entry) else { return client }
            client = address
            guard trusted.contains(address) else { return client }
        }
        return client
    }

    /// Some proxies add the port: `10.0.0.1:80`, `[fd00::1]:80`.
    private static func address(_ entry: Substring) -> NetworkAddress? {
        let text = entry.filter { $0 != " " && $0 != "\t" }
        if text.hasPrefix("["), let end = text.firstIndex(of: "]") {
            return NetworkAddress(text[text.index(after: text.startIndex)..<end])
        }
        if let address = NetworkAddress(text) { return address }
        guard let colon = text.firstIndex(of: ":") else { return nil }
        return NetworkAddress(text[..<colon])
    }
}

/// How many connections each client has: as many entries as there are clients with any.
struct ConnectionCounts {
    private var counts: [NetworkAddress: Int] = [:]

    /// Counts one more, unless `address` has `limit` already.
    mutating func enter(_ address: NetworkAddress, limit: Int) -> Bool {
        let count = counts[address.client, default: 0]
        guard count < limit else { return false }
        counts[address.client] = count + 1
        return true
    }

    /// One of those is gone.
    mutating func leave(_ address: NetworkAddress) {
        guard let count = counts[address.client] else { return }
        counts[address.client] = count > 1 ? count - 1 : nil
    }

    /// How many clients have any.
    var clients: Int { counts.count }
}
