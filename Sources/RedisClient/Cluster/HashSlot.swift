/// Which of a cluster's 16384 slots a key or a sharded channel belongs to.

/// CRC16 of the key, or of what stands in its first braces, modulo 16384 (Redis' cluster specification, "Key distribution
/// model" and "Hash tags").
enum HashSlot {
    static let count = 16_384

    static func of(_ key: Span<UInt8>) -> Int {
        var range = 0..<key.count
        if let open = firstIndex(of: UInt8(ascii: "{"), in: key, from: 0),
            let close = firstIndex(of: UInt8(ascii: "}"), in: key, from: open + 1), close > open + 1
        {
            range = (open + 1)..<close
        }
        var crc: UInt16 = 0
        for index in range { crc = (crc << 8) ^ table[Int(UInt8(truncatingIfNeeded: crc >> 8) ^ key[index])] }
        return Int(crc) & (count - 1)
    }

    static func of(_ key: String) -> Int {
        let bytes = Array(key.utf8)
        return of(bytes.span)
    }

    private static func firstIndex(of byte: UInt8, in key: Span<UInt8>, from start: Int) -> Int? {
        var index = start
        while index < key.count {
            if key[index] == byte { return index }
            index += 1
        }
        return nil
    }

    /// CRC-16/XMODEM: polynomial 0x1021, nothing reflected, beginning with 0.
    private static let table: [UInt16] = (0..<256).map { byte in
        var crc = UInt16(byte) << 8
        for _ in 0..<8 { crc = crc & 0x8000 == 0 ? crc << 1 : (crc << 1) ^ 0x1021 }
        return crc
    }
}
