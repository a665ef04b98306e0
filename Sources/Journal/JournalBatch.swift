// Records read back, one after the other in one array that is used again.

/// A run of records with consecutive LSNs.
public struct JournalBatch: Sendable {
    private var bytes: [UInt8] = []
    /// Where each record begins, and behind the last one where it ends.
    private var offsets: [Int] = [0]
    /// LSN of the first record; 0 in an empty batch.
    public private(set) var firstLSN: UInt64 = 0

    /// An empty batch.
    public init() {}

    /// The number of records.
    public var count: Int { offsets.count - 1 }
    /// LSN of the last record; 0 in an empty batch.
    public var lastLSN: UInt64 { count == 0 ? 0 : firstLSN + UInt64(count) - 1 }
    /// Bytes of all records.
    public var byteCount: Int { bytes.count }

    /// Gives `body` the record with LSN `firstLSN + index`.
    public func withRecord<Result, Failure: Error>(
        at index: Int, _ body: (Span<UInt8>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try body(bytes.span.extracting(offsets[index]..<offsets[index + 1]))
    }

    /// Forgets the records and keeps the memory.
    mutating func removeAll() {
        bytes.removeAll(keepingCapacity: true)
        offsets.removeAll(keepingCapacity: true)
        offsets.append(0)
        firstLSN = 0
    }

    mutating func append(_ record: UnsafeRawBufferPointer, lsn: UInt64) {
        if count == 0 { firstLSN = lsn }
        bytes.append(contentsOf: record)
        offsets.append(bytes.count)
    }
}
