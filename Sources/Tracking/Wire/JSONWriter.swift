/// JSON written into a byte array that is kept and reused, so that writing allocates nothing once it has grown.

/// Appends JSON to `bytes`. Punctuation is the caller's.
public struct JSONWriter: Sendable {
    /// What was written so far.
    public var bytes: [UInt8] = []

    /// An empty writer with room for a usual frame.
    public init() {
        bytes.reserveCapacity(1_024)
    }

    /// Lends the bytes from `start` on.
    @inline(__always)
    public func withBytes<Result>(from start: Int = 0, _ body: (Span<UInt8>) -> Result) -> Result {
        body(bytes.span.extracting(start..<bytes.count))
    }

    /// Forgets the contents, keeps the memory.
    public mutating func removeAll() {
        bytes.removeAll(keepingCapacity: true)
    }

    /// Text that is JSON already, such as `{"now":`.
    @inline(__always)
    public mutating func raw(_ json: String) {
        bytes.append(contentsOf: json.utf8)
    }

    /// A decimal integer.
    public mutating func integer(_ value: Int64) {
        fixed(value, decimals: 0)
    }

    /// `value` / 10^`decimals`, without trailing zeros.
    public mutating func fixed(_ value: Int64, decimals: Int) {
        let text = DecimalText(value, decimals: decimals)
        bytes.append(addingCapacity: text.count) { text.append(to: &$0) }
    }

    /// A measurement to three decimals (millimetres, thousandths of a degree). It must not be NaN; what is absurdly
    /// large, as only a corrupt store can hold, is written as ±10¹².
    public mutating func thousandths(_ value: Float) {
        let text = DecimalText(thousandths: value)
        bytes.append(addingCapacity: text.count) { text.append(to: &$0) }
    }

    /// A coordinate.
    @inline(__always)
    public mutating func degrees(_ value: Degrees7) {
        fixed(Int64(value), decimals: 7)
    }

    /// An id between quotes. Its characters need no escape, which `DriverID` guarantees.
    public mutating func id(_ id: DriverID) {
        bytes.append(addingCapacity: id.text.count + 2) { output in
            output.append(UInt8(ascii: "\""))
            id.text.append(to: &output)
            output.append(UInt8(ascii: "\""))
        }
    }

    /// Any text, between quotes and escaped.
    public mutating func string(_ text: String) {
        bytes.append(UInt8(ascii: "\""))
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"):
                bytes.append(UInt8(ascii: "\\"))
                bytes.append(byte)
            case 0..<0x20:
                raw("\\u00")
                for nibble in [byte >> 4, byte & 15] {
                    bytes.append(nibble < 10 ? UInt8(ascii: "0") + nibble : UInt8(ascii: "a") + nibble - 10)
                }
            default:
                bytes.append(byte)
            }
        }
        bytes.append(UInt8(ascii: "\""))
    }
}
