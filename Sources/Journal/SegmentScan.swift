// Walks the groups of one segment's bytes and says where they end and why.

/// How far a segment's groups reach.
struct SegmentScan: Equatable {
    /// What stands where the next group would begin.
    enum End: Equatable {
        /// Zeros, the end of the file, or the last record that the next segment vouches for.
        case clean
        /// Bytes up to `nonZeroEnd` that are no group, and no group behind them: a write that a crash cut short.
        case torn(nonZeroEnd: Int)
        /// Bytes that are no group, and behind them a good one that begins with LSN `nextLSN`. Groups are written and
        /// synced one at a time, so what is damaged here was once whole and durable.
        case damaged(nextLSN: UInt64)
    }

    /// The last record found, or the LSN before the segment's first where it has none.
    var lastLSN: UInt64
    /// The offset behind the last good group.
    var endOffset: Int
    /// Whether the last good group is a seal.
    var endsWithSeal = false
    var end: End = .clean

    /// Walks `bytes`, a whole file, until record `through`, or to the end where that is nil.
    init(_ bytes: UnsafeRawBufferPointer, header: SegmentHeader, through: UInt64?) {
        lastLSN = header.firstLSN - 1
        endOffset = SegmentHeader.size
        while through != lastLSN {
            if let group = GroupHeader(decoding: bytes, at: endOffset, epoch: header.epoch),
                group.firstLSN == lastLSN + 1
            {
                lastLSN += UInt64(group.count)
                endOffset += group.paddedSize
                endsWithSeal = group.count == 0
                continue
            }
            let nonZeroEnd = SegmentScan.nonZeroEnd(of: bytes, from: endOffset)
            if nonZeroEnd == endOffset { return }
            guard let later = SegmentScan.nextGroup(in: bytes, from: endOffset + 8, epoch: header.epoch) else {
                end = .torn(nonZeroEnd: nonZeroEnd)
                return
            }
            // No record is missing: what is damaged is a seal.
            if later.firstLSN == lastLSN + 1 {
                endOffset = later.offset
                continue
            }
            end = .damaged(nextLSN: later.firstLSN)
            return
        }
    }

    /// The first good group at or behind `offset`.
    private static func nextGroup(
        in bytes: UnsafeRawBufferPointer, from offset: Int, epoch: UInt64
    ) -> (offset: Int, firstLSN: UInt64)? {
        var offset = offset
        while offset + GroupHeader.size <= bytes.count {
            if bytes.u32(at: offset) == GroupHeader.magic,
                let group = GroupHeader(decoding: bytes, at: offset, epoch: epoch)
            {
                return (offset, group.firstLSN)
            }
            offset += 8
        }
        return nil
    }

    /// The offset behind the last byte that is not zero, or `offset` where only zeros follow.
    private static func nonZeroEnd(of bytes: UnsafeRawBufferPointer, from offset: Int) -> Int {
        var end = bytes.count
        while end - 8 >= offset, bytes.u64(at: end - 8) == 0 { end -= 8 }
        while end > offset, bytes[end - 1] == 0 { end -= 1 }
        return end
    }
}
