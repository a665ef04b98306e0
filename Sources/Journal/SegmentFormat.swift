// The bytes of a segment file, version 1. All numbers are little-endian.
//
// A segment is a header of 64 bytes and then groups, one after the other, each at a multiple of 8; behind the last group
// the file holds the zeros that preallocation put there. A group is a header of 32 bytes and `count` records, each a u16
// length, u16 flags (0 in version 1; a later version marks an erased record there, so that it keeps its LSN) and its bytes.
// A group without records is a seal: it follows the last group after an orderly close.
//
// The first 64 bytes and the place of their checksum stay as they are in every version.

/// The first 64 bytes of a segment.
struct SegmentHeader: Equatable {
    static let size = 64
    static let version: UInt32 = 1
    static let magic = UInt64(0x4C4A_5245_564F_5244)  // "DROVERJL" as it stands in the file
    static let byteOrderMark: UInt32 = 0x0102_0304

    /// LSN of the first record that the segment holds or will hold.
    var firstLSN: UInt64
    /// Random; part of every group's checksum, so that bytes of another file never pass for this one's.
    var epoch: UInt64
    /// The epoch of the segment before, 0 for the very first.
    var previousEpoch: UInt64
    /// The last LSN of the segment before: what makes a segment that lost its last groups show.
    var previousLastLSN: UInt64
    /// When the segment was made, in microseconds since 1970, for people who look at files.
    var createdAt: Int64
    /// Bytes allocated for the file.
    var segmentBytes: UInt32

    /// Why a header cannot be used.
    enum Defect: Error, Equatable {
        case damaged(String)
        case unknownVersion(UInt32)
    }

    /// The header as it stands in the file.
    func encoded() -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: SegmentHeader.size)
        bytes.withUnsafeMutableBytes { encode(into: $0) }
        return bytes
    }

    private func encode(into bytes: UnsafeMutableRawBufferPointer) {
        bytes.store(SegmentHeader.magic, at: 0)
        bytes.store(SegmentHeader.version, at: 8)
        bytes.store(SegmentHeader.byteOrderMark, at: 12)
        bytes.store(firstLSN, at: 16)
        bytes.store(epoch, at: 24)
        bytes.store(previousEpoch, at: 32)
        bytes.store(previousLastLSN, at: 40)
        bytes.store(UInt64(bitPattern: createdAt), at: 48)
        bytes.store(segmentBytes, at: 56)
        var checksum = Checksum()
        checksum.add(UnsafeRawBufferPointer(rebasing: bytes[0..<60]))
        bytes.store(checksum.value, at: 60)
    }

    /// Reads the header from the first bytes of a file.
    init(decoding bytes: UnsafeRawBufferPointer) throws(Defect) {
        guard bytes.count >= SegmentHeader.size else {
            throw .damaged("is cut off within its header, at byte \(bytes.count)")
        }
        var checksum = Checksum()
        checksum.add(UnsafeRawBufferPointer(rebasing: bytes[0..<60]))
        guard bytes.u64(at: 0) == SegmentHeader.magic, checksum.value == bytes.u32(at: 60) else {
            throw .damaged("has a damaged header")
        }
        // The checksum is right, so this is what its writer meant.
        guard bytes.u32(at: 8) == SegmentHeader.version, bytes.u32(at: 12) == SegmentHeader.byteOrderMark else {
            throw .unknownVersion(bytes.u32(at: 8))
        }
        self.init(
            firstLSN: bytes.u64(at: 16), epoch: bytes.u64(at: 24), previousEpoch: bytes.u64(at: 32),
            previousLastLSN: bytes.u64(at: 40), createdAt: Int64(bitPattern: bytes.u64(at: 48)),
            segmentBytes: bytes.u32(at: 56))
    }

    init(
        firstLSN: UInt64, epoch: UInt64, previousEpoch: UInt64, previousLastLSN: UInt64, createdAt: Int64,
        segmentBytes: UInt32
    ) {
        self.firstLSN = firstLSN
        self.epoch = epoch
        self.previousEpoch = previousEpoch
        self.previousLastLSN = previousLastLSN
        self.createdAt = createdAt
        self.segmentBytes = segmentBytes
    }
}

/// The 32 bytes before a group's records.
struct GroupHeader: Equatable {
    static let size = 32
    static let magic: UInt32 = 0x5052_4744  // "DGRP" as it stands in the file

    /// Bytes of the records with their lengths, without the padding behind.
    var payloadBytes: Int
    var count: Int
    var firstLSN: UInt64

    /// Bytes the group takes in the file.
    var paddedSize: Int { GroupHeader.paddedSize(payloadBytes: payloadBytes) }

    static func paddedSize(payloadBytes: Int) -> Int { (size + payloadBytes + 7) & ~7 }

    /// Writes the header in front of `payloadBytes` bytes that stand in `bytes` already.
    func encode(into bytes: UnsafeMutableRawBufferPointer, epoch: UInt64) {
        bytes.store(GroupHeader.magic, at: 0)
        bytes.store(UInt32(payloadBytes), at: 4)
        bytes.store(UInt32(count), at: 8)
        bytes.store(firstLSN, at: 16)
        bytes.store(epoch, at: 24)
        bytes.store(GroupHeader.checksum(of: UnsafeRawBufferPointer(bytes), payloadBytes: payloadBytes), at: 12)
    }

    /// The group at `offset`, or nil where no group with a right checksum stands.
    init?(decoding bytes: UnsafeRawBufferPointer, at offset: Int, epoch: UInt64) {
        self.init(plausibleIn: bytes, at: offset, epoch: epoch)
        guard paddedSize <= bytes.count - offset else { return nil }
        let group = UnsafeRawBufferPointer(rebasing: bytes[offset...])
        guard GroupHeader.checksum(of: group, payloadBytes: payloadBytes) == group.u32(at: 12) else { return nil }
    }

    /// The header at `offset` before its checksum was looked at; nil where it cannot be one.
    init?(plausibleIn bytes: UnsafeRawBufferPointer, at offset: Int, epoch: UInt64) {
        guard offset + GroupHeader.size <= bytes.count, bytes.u32(at: offset) == GroupHeader.magic,
            bytes.u64(at: offset + 24) == epoch
        else { return nil }
        payloadBytes = Int(bytes.u32(at: offset + 4))
        count = Int(bytes.u32(at: offset + 8))
        firstLSN = bytes.u64(at: offset + 16)
    }

    init(payloadBytes: Int, count: Int, firstLSN: UInt64) {
        self.payloadBytes = payloadBytes
        self.count = count
        self.firstLSN = firstLSN
    }

    /// Over the header without the checksum itself, which includes the epoch, and the payload.
    private static func checksum(of group: UnsafeRawBufferPointer, payloadBytes: Int) -> UInt32 {
        var checksum = Checksum()
        checksum.add(UnsafeRawBufferPointer(rebasing: group[0..<12]))
        checksum.add(UnsafeRawBufferPointer(rebasing: group[16..<(size + payloadBytes)]))
        return checksum.value
    }
}

extension UnsafeMutableRawBufferPointer {
    /// Stores a number as little-endian bytes.
    func store<Number: FixedWidthInteger & BitwiseCopyable>(_ number: Number, at offset: Int) {
        storeBytes(of: number.littleEndian, toByteOffset: offset, as: Number.self)
    }
}

extension UnsafeRawBufferPointer {
    func u16(at offset: Int) -> UInt16 { UInt16(littleEndian: loadUnaligned(fromByteOffset: offset, as: UInt16.self)) }
    func u32(at offset: Int) -> UInt32 { UInt32(littleEndian: loadUnaligned(fromByteOffset: offset, as: UInt32.self)) }
    func u64(at offset: Int) -> UInt64 { UInt64(littleEndian: loadUnaligned(fromByteOffset: offset, as: UInt64.self)) }
}
