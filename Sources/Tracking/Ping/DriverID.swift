/// Who or what is tracked: an opaque id that every platform chooses for itself.

/// A driver's id: 1 to 64 characters of `[A-Za-z0-9_.:-]` (API.md, "Words"). Anything else cannot be expressed.
public struct DriverID: Hashable, Sendable {
    /// The id's characters.
    public let text: ShortText

    /// Nil where `text` is empty or holds another character.
    public init?(_ text: ShortText) {
        guard !text.isEmpty else { return nil }
        for index in 0..<text.count where !Self.allows(text[index]) { return nil }
        self.text = text
    }

    /// Nil where there are no bytes, too many, or one that is another character.
    public init?(_ bytes: Span<UInt8>) {
        guard !bytes.isEmpty else { return nil }
        for index in bytes.indices where !Self.allows(bytes[index]) { return nil }
        guard let text = ShortText(bytes) else { return nil }
        self.text = text
    }

    /// Nil where `text` is empty, too long or holds another character.
    public init?(_ text: String) {
        guard let short = ShortText(text) else { return nil }
        self.init(short)
    }

    /// The id as a `String`: for messages and replies off the hot path.
    public var string: String { text.string }

    /// `0-9 - . :` and `A-Z a-z _`, a bit each: characters below 64 and those from 64 on.
    private static let allowed: (below: UInt64, above: UInt64) = (0x07FF_6000_0000_0000, 0x07FF_FFFE_87FF_FFFE)

    @inline(__always)
    private static func allows(_ byte: UInt8) -> Bool {
        let half = byte < 64 ? allowed.below : allowed.above
        return byte < 128 && half &>> UInt64(byte & 63) & 1 == 1
    }
}
