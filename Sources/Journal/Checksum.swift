// CRC-32C (Castagnoli), as in iSCSI (RFC 3720, appendix B.4) and ext4, eight bytes a step: by the processor's instruction
// where it has one, else with eight tables.

import CProcessor

/// A running CRC-32C.
struct Checksum {
    private var state: UInt32 = ~0

    /// The checksum of everything added so far.
    var value: UInt32 { ~state }

    /// Adds bytes.
    mutating func add(_ bytes: UnsafeRawBufferPointer) {
        if Checksum.hasInstruction {
            state = drover_crc32c(state, bytes.baseAddress, bytes.count)
        } else {
            addByTables(bytes)
        }
    }

    private static let hasInstruction = drover_has_crc32c() != 0

    /// Adds bytes, on any processor.
    mutating func addByTables(_ bytes: UnsafeRawBufferPointer) {
        guard var position = bytes.baseAddress else { return }
        let tables = Checksum.tables.base
        var crc = state
        var left = bytes.count
        while left >= 8 {
            let word = UInt64(littleEndian: position.loadUnaligned(as: UInt64.self)) ^ UInt64(crc)
            crc =
                tables[0x700 &+ Int(truncatingIfNeeded: word & 0xFF)]
                ^ tables[0x600 &+ Int(truncatingIfNeeded: (word &>> 8) & 0xFF)]
                ^ tables[0x500 &+ Int(truncatingIfNeeded: (word &>> 16) & 0xFF)]
                ^ tables[0x400 &+ Int(truncatingIfNeeded: (word &>> 24) & 0xFF)]
                ^ tables[0x300 &+ Int(truncatingIfNeeded: (word &>> 32) & 0xFF)]
                ^ tables[0x200 &+ Int(truncatingIfNeeded: (word &>> 40) & 0xFF)]
                ^ tables[0x100 &+ Int(truncatingIfNeeded: (word &>> 48) & 0xFF)]
                ^ tables[Int(truncatingIfNeeded: word &>> 56)]
            position += 8
            left &-= 8
        }
        while left > 0 {
            let byte = position.load(as: UInt8.self)
            crc = (crc &>> 8) ^ tables[Int(truncatingIfNeeded: (crc ^ UInt32(byte)) & 0xFF)]
            position += 1
            left &-= 1
        }
        state = crc
    }

    /// Eight tables of 256 entries, one after the other.
    private static let tables = Tables()

    /// Written once before its first use and never freed, so that it may be read from every thread.
    private struct Tables: @unchecked Sendable {
        let base: UnsafePointer<UInt32>

        init() {
            let table = UnsafeMutablePointer<UInt32>.allocate(capacity: 8 * 256)
            for index in 0..<256 {
                var crc = UInt32(index)
                for _ in 0..<8 { crc = crc & 1 == 1 ? (crc >> 1) ^ 0x82F6_3B78 : crc >> 1 }
                table[index] = crc
            }
            for index in 256..<(8 * 256) {
                let before = table[index - 256]
                table[index] = (before >> 8) ^ table[Int(before & 0xFF)]
            }
            base = UnsafePointer(table)
        }
    }
}
