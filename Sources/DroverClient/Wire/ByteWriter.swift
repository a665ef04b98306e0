/// A byte buffer that is filled, read and reused: how frames are made without an allocation each.

/// Grows to the largest content it ever had and keeps that.
public final class ByteWriter {
    private var storage: UnsafeMutableRawPointer
    private var capacity: Int
    /// The number of bytes written since the last `clear()`.
    public private(set) var count = 0

    /// An empty one with room for `capacity` bytes.
    public init(capacity: Int = 1024) {
        self.capacity = max(capacity, 64)
        storage = .allocate(byteCount: self.capacity, alignment: 8)
    }

    deinit { storage.deallocate() }

    /// What was written; valid until the next change.
    public var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: storage, count: count) }

    /// The same for changes in place.
    var mutableBytes: UnsafeMutableRawBufferPointer { UnsafeMutableRawBufferPointer(start: storage, count: count) }

    /// Forgets the content.
    public func clear() { count = 0 }

    /// Forgets the last bytes, down to `count`.
    func truncate(to count: Int) { self.count = min(self.count, count) }

    /// Removes the first `prefix` bytes.
    func removeFirst(_ prefix: Int) {
        guard prefix > 0 else { return }
        let left = count - prefix
        if left > 0 { storage.copyMemory(from: storage + prefix, byteCount: left) }
        count = max(0, left)
    }

    /// Makes room for `extra` more bytes and gives the place of the first.
    @inline(__always)
    func reserve(_ extra: Int) -> UnsafeMutableRawPointer {
        if count + extra > capacity { grow(to: count + extra) }
        return storage + count
    }

    /// Counts bytes that were written where `reserve` said.
    @inline(__always)
    func advance(_ written: Int) { count += written }

    private func grow(to wanted: Int) {
        capacity = max(wanted, capacity * 2)
        let larger = UnsafeMutableRawPointer.allocate(byteCount: capacity, alignment: 8)
        larger.copyMemory(from: storage, byteCount: count)
        storage.deallocate()
        storage = larger
    }

    /// One byte.
    @inline(__always)
    public func append(_ byte: UInt8) {
        reserve(1).storeBytes(of: byte, as: UInt8.self)
        count += 1
    }

    /// Text known when this was compiled.
    @inline(__always)
    public func append(_ text: StaticString) {
        reserve(text.utf8CodeUnitCount).copyMemory(from: text.utf8Start, byteCount: text.utf8CodeUnitCount)
        count += text.utf8CodeUnitCount
    }

    /// Bytes of somebody else's.
    @inline(__always)
    public func append(_ bytes: UnsafeRawBufferPointer) {
        guard let base = bytes.baseAddress else { return }
        reserve(bytes.count).copyMemory(from: base, byteCount: bytes.count)
        count += bytes.count
    }

    /// A string's UTF-8.
    public func append(string: String) {
        var string = string
        string.withUTF8 { append(UnsafeRawBufferPointer($0)) }
    }

    /// A string as JSON has it, quotes included.
    public func append(json string: String) {
        append(UInt8(ascii: "\""))
        for byte in string.utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"):
                append(UInt8(ascii: "\\"))
                append(byte)
            case 0..<0x20:
                append("\\u00")
                append(hexDigit(byte >> 4))
                append(hexDigit(byte & 15))
            default: append(byte)
            }
        }
        append(UInt8(ascii: "\""))
    }

    private func hexDigit(_ value: UInt8) -> UInt8 {
        value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10
    }

    /// An integer in decimal.
    @inline(__always)
    public func append(_ value: Int64) {
        if value < 0 { append(UInt8(ascii: "-")) }
        appendDigits(value.magnitude)
    }

    private func appendDigits(_ value: UInt64, width: Int = 1) {
        // 20 digits hold every UInt64.
        withUnsafeTemporaryAllocation(byteCount: 20, alignment: 1) { digits in
            var position = 20
            var rest = value
            while rest > 0 || 20 - position < width {
                position -= 1
                digits[position] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10)
                rest /= 10
            }
            append(UnsafeRawBufferPointer(rebasing: digits[position...]))
        }
    }

    /// A number with at most `decimals` (0 to 9) places, trailing zeros left out; not finite or beyond ±9e9 is `null`.
    public func append(_ value: Double, decimals: Int) {
        guard abs(value) < 9e9 else { return append("null") }
        var scale: UInt64 = 1
        for _ in 0..<decimals { scale *= 10 }
        let scaled = (value * Double(scale)).rounded()
        if scaled < 0 { append(UInt8(ascii: "-")) }
        let magnitude = UInt64(scaled.magnitude)
        appendDigits(magnitude / scale)
        var fraction = magnitude % scale
        guard fraction > 0 else { return }
        var width = decimals
        while fraction % 10 == 0 {
            fraction /= 10
            width -= 1
        }
        append(UInt8(ascii: "."))
        appendDigits(fraction, width: width)
    }
}
