/// Up to 64 bytes of UTF-8 held in place: ids and labels that ride along with a ping without an allocation.

/// A short text with inline storage.
public struct ShortText: Sendable {
    /// The longest text it can hold, in bytes. Driver ids and session ids end here (API.md, "Words").
    public static let capacity = 64

    /// Eight bytes a word, little-endian, zeros behind the end: texts compare and hash a word at a time.
    private var words = InlineArray<8, UInt64>(repeating: 0)
    private var length: UInt8 = 0

    /// The empty text.
    public init() {}

    /// The bytes, or nil where there are more than `capacity`. Whoever calls vouches that they are UTF-8.
    public init?(_ bytes: Span<UInt8>) {
        guard bytes.count <= Self.capacity else { return nil }
        var word: UInt64 = 0
        for index in bytes.indices {
            word |= UInt64(bytes[index]) &<< UInt64(truncatingIfNeeded: (index & 7) &<< 3)
            if index & 7 == 7 {
                words[index &>> 3] = word
                word = 0
            }
        }
        if bytes.count & 7 != 0 { words[bytes.count &>> 3] = word }
        length = UInt8(truncatingIfNeeded: bytes.count)
    }

    /// The text, or nil where it is longer than `capacity` bytes.
    public init?(_ text: String) {
        guard text.utf8.count <= Self.capacity else { return nil }
        for byte in text.utf8 { _ = append(byte) }
    }

    /// Bytes in use.
    @inline(__always) public var count: Int { Int(length) }

    /// Whether there is no byte.
    public var isEmpty: Bool { length == 0 }

    /// The byte at `index`, which must be below `count`.
    @inline(__always) public subscript(index: Int) -> UInt8 {
        UInt8(truncatingIfNeeded: words[index &>> 3] &>> UInt64(truncatingIfNeeded: (index & 7) &<< 3))
    }

    /// Mixes the text into a number that depends on `seed`.
    @inline(__always)
    func mixed(seed: UInt64) -> UInt64 {
        var value = seed ^ UInt64(length)
        for index in 0..<((Int(length) + 7) >> 3) {
            value = (value ^ words[index]) &* 0x9E37_79B9_7F4A_7C15
            value ^= value >> 29
        }
        return value
    }

    /// Appends a byte; false, and unchanged, where there is no room.
    public mutating func append(_ byte: UInt8) -> Bool {
        guard length < UInt8(Self.capacity) else { return false }
        words[Int(length) >> 3] |= UInt64(byte) << UInt64((length & 7) << 3)
        length += 1
        return true
    }

    /// Appends the bytes; `output` must have room for `count` of them.
    public func append(to output: inout OutputSpan<UInt8>) {
        var left = count
        var index = 0
        while left > 0 {
            var word = words[index]
            for _ in 0..<min(left, 8) {
                output.append(UInt8(truncatingIfNeeded: word))
                word &>>= 8
            }
            left &-= 8
            index &+= 1
        }
    }

    /// The text as a `String`: for messages and replies off the hot path.
    public var string: String {
        var units: [UInt8] = []
        units.reserveCapacity(count)
        for index in 0..<count { units.append(self[index]) }
        return String(decoding: units, as: UTF8.self)
    }
}

extension ShortText: Equatable {
    /// Byte by byte, eight at a time.
    public static func == (left: ShortText, right: ShortText) -> Bool {
        guard left.length == right.length else { return false }
        for index in 0..<((Int(left.length) + 7) >> 3) where left.words[index] != right.words[index] { return false }
        return true
    }
}

extension ShortText: Hashable {
    /// Feeds the bytes in use.
    public func hash(into hasher: inout Hasher) {
        hasher.combine(mixed(seed: 0))
    }
}
