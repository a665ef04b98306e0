// The memory in which one group gathers: room for the header, then the records as they will stand in the file.

/// One of the journal's two buffers.
///
/// Unchecked: it has one owner at a time, the loop's thread while it fills and the journal's while it is written, and passes
/// between them under the exchange's mutex.
final class GroupBuffer: @unchecked Sendable {
    private let memory: UnsafeMutableRawBufferPointer
    private(set) var count = 0
    private(set) var firstLSN: UInt64 = 0
    /// Bytes used, the header's included, padding not.
    private(set) var used = GroupHeader.size

    /// A buffer whose group takes at most `capacity` bytes in the file.
    init(capacity: Int) {
        memory = .allocate(byteCount: capacity & ~7, alignment: 64)
    }

    /// A group without records that follows record `lsn`.
    convenience init(capacity: Int, sealing lsn: UInt64) {
        self.init(capacity: capacity)
        firstLSN = lsn + 1
    }

    deinit { memory.deallocate() }

    var isEmpty: Bool { count == 0 }

    /// Bytes the group takes in a file.
    var paddedSize: Int { (used + 7) & ~7 }

    /// Whether records that take `bytes`, overhead included, still fit.
    func fits(_ bytes: Int) -> Bool { used + bytes <= memory.count }

    /// Copies one record behind the others; the caller has asked `fits`.
    func append(_ record: Span<UInt8>, lsn: UInt64) {
        let length = record.count
        precondition(length >= 1 && length <= JournalRecord.maximumBytes, "a record has 1 to 4096 bytes")
        precondition(fits(length + JournalRecord.overhead), "hasRoom was not asked, or said no")
        if count == 0 { firstLSN = lsn }
        memory.store(UInt16(truncatingIfNeeded: length), at: used)
        memory.store(0 as UInt16, at: used + 2)
        record.withUnsafeBytes { bytes in
            // Both are valid for `length`: checked above, and the buffer belongs to this thread.
            (memory.baseAddress.unsafelyUnwrapped + used + JournalRecord.overhead)
                .copyMemory(from: bytes.baseAddress.unsafelyUnwrapped, byteCount: length)
        }
        used += length + JournalRecord.overhead
        count += 1
    }

    /// Writes header, checksum and padding, and calls `body` with the group as it stands in a file. May be repeated.
    func withEncoded<Failure: Error>(
        epoch: UInt64, _ body: (UnsafeRawBufferPointer) throws(Failure) -> Void
    ) throws(Failure) {
        for offset in used..<paddedSize { memory[offset] = 0 }
        let group = UnsafeMutableRawBufferPointer(rebasing: memory[0..<paddedSize])
        GroupHeader(payloadBytes: used - GroupHeader.size, count: count, firstLSN: firstLSN)
            .encode(into: group, epoch: epoch)
        try body(UnsafeRawBufferPointer(group))
    }

    /// Makes it empty for the next group.
    func reset() {
        count = 0
        used = GroupHeader.size
    }
}
