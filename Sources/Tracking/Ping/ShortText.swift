/// Up to 64 bytes of UTF-8 held in place: ids and labels that ride along with a ping without an allocation.

/// A short text with inline storage.
public struct ShortText: Sendable {
    /// The longest text it can hold, in bytes. Driver ids and session ids end here (API.md, "Words").
    public static let capacity = 64

    private var storage = InlineArray<64, UInt8>(repeating: 0)
    private var length: UInt8 = 0

    /// The empty text.
    public init() {}

    /// The bytes, or nil where there are more than `capacity`. Whoever calls vouches that they are UTF-8.
    public init?(_ bytes: Span<UInt8>) {
        guard bytes.count <= Self.capacity else { return nil }
        for index in bytes.indices { storage[index] = bytes[index] }
        length = UInt8(bytes.count)
    }

    /// The text, or nil where it is longer than `capacity` bytes.
    public init?(_ text: String) {
        guard text.utf8.count <= Self.capacity else { return nil }
        for byte in text.utf8 {
            storage[Int(length)] = byte
            length += 1
        }
    }

    /// Bytes in use.
    @inline(__always) public var count: Int { Int(length) }

    /// Whether there is no byte.
    public var isEmpty: Bool { length == 0 }

    /// The byte at `index`, which must be below `count`.
    @inline(__always) public subscript(index: Int) -> UInt8 { storage[index] }

    /// Appends a byte; false, and unchanged, where there is no room.
    public mutating func append(_ byte: UInt8) -> Bool {
        guard length < UInt8(Self.capacity) else { return false }
        storage[Int(length)] = byte
        length += 1
        return true
    }

    /// The text as a `String`: for messages and replies off the hot path.
    public var string: String {
        var units: [UInt8] = []
        units.reserveCapacity(count)
        for index in 0..<count { units.append(storage[index]) }
        return String(decoding: units, as: UTF8.self)
    }
}

extension ShortText: Equatable {
    /// Byte by byte.
    public static func == (left: ShortText, right: ShortText) -> Bool {
        guard left.length == right.length else { return false }
        for index in 0..<Int(left.length) where left.storage[index] != right.storage[index] { return false }
        return true
    }
}

extension ShortText: Hashable {
    /// Feeds the bytes in use.
    public func hash(into hasher: inout Hasher) {
        for index in 0..<count { hasher.combine(storage[index]) }
        hasher.combine(length)
    }
}
