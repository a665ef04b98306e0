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

    /// Nil where `text` is empty, too long or holds another character.
    public init?(_ text: String) {
        guard let short = ShortText(text) else { return nil }
        self.init(short)
    }

    /// The id as a `String`: for messages and replies off the hot path.
    public var string: String { text.string }

    @inline(__always)
    private static func allows(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "."), UInt8(ascii: ":"),
            UInt8(ascii: "-"):
            true
        default: false
        }
    }
}
