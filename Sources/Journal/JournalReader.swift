// Reads durable records in order, across segments, and checks every group before it gives out the first of its records.

/// A place in the journal that moves forward. For one thread.
public final class JournalReader {
    private static let readAheadBytes = 256 << 10

    private let exchange: JournalExchange
    private let fileSystem: any JournalFileSystem
    /// The next record to give out.
    private var next: UInt64
    private var file: FileHandle?
    private var segment: SegmentInfo?
    /// Where in the file the next group begins.
    private var groupOffset = 0
    /// A part of the file, as it was when everything up to `bufferDurableLSN` was durable.
    private var buffer = [UInt8](repeating: 0, count: JournalReader.readAheadBytes)
    private var bufferStart = 0
    private var bufferCount = 0
    private var bufferDurableLSN: UInt64 = 0
    /// The rest of the group that is being given out: its place in the buffer and the number of its records.
    private var cursor = 0
    private var recordsLeft = 0

    init(_ exchange: JournalExchange, _ fileSystem: any JournalFileSystem, next: UInt64) {
        self.exchange = exchange
        self.fileSystem = fileSystem
        self.next = next
    }

    deinit {
        if let file { fileSystem.close(file) }
    }

    /// The last record given out, or the one before the first.
    public var position: UInt64 { next - 1 }

    /// Puts the next durable records into `batch`, in place of what it held: at most `maxRecords`, at most `maxBytes` unless
    /// the first alone is larger. Returns their number; 0 means that none is durable yet.
    public func read(
        into batch: inout JournalBatch, maxRecords: Int, maxBytes: Int
    ) throws(JournalError) -> Int {
        batch.removeAll()
        while batch.count < maxRecords {
            if recordsLeft == 0 {
                guard try loadGroup() else { break }
            }
            // A batch has no holes: behind a lost range a new one begins.
            if batch.count > 0, batch.lastLSN + 1 != next { break }
            guard try takeRecord(into: &batch, maxBytes: maxBytes) else { break }
        }
        return batch.count
    }

    private func takeRecord(into batch: inout JournalBatch, maxBytes: Int) throws(JournalError) -> Bool {
        let start = cursor + JournalRecord.overhead
        let isTaken: Bool? = buffer.withUnsafeBytes { bytes in
            let length = Int(bytes.u16(at: cursor))
            if bytes.u16(at: cursor + 2) != 0 { return nil }
            if batch.count > 0, batch.byteCount + length > maxBytes { return false }
            batch.append(UnsafeRawBufferPointer(rebasing: bytes[start..<(start + length)]), lsn: next)
            cursor = start + length
            return true
        }
        guard let isTaken else {
            throw .unknownVersion(file: path, found: SegmentHeader.version + 1, supported: SegmentHeader.version)
        }
        if isTaken {
            next += 1
            recordsLeft -= 1
        }
        return isTaken
    }

    /// Finds the group that holds `next` and checks it. False where `next` is not durable yet.
    private func loadGroup() throws(JournalError) -> Bool {
        let durableLSN = exchange.durableLSN
        while true {
            let catalog = exchange.segments
            let wanted = catalog.skippingLost(next)
            if wanted > durableLSN { return false }
            next = wanted
            guard let info = catalog.segment(containing: next) else {
                throw .notInJournal(
                    lsn: next, firstLSN: catalog.segments.first?.firstLSN ?? 0, lastLSN: durableLSN)
            }
            if segment?.firstLSN != info.firstLSN || segment?.epoch != info.epoch { try open(info) }
            let group = try checkedGroup(durableLSN: durableLSN)
            let start = groupOffset - bufferStart
            groupOffset += group.paddedSize
            // A seal, or a group before the place where reading began.
            if group.firstLSN + UInt64(group.count) <= next { continue }
            guard group.firstLSN <= next else { throw damage() }
            cursor = start + GroupHeader.size
            recordsLeft = group.count
            try skipRecords(Int(next - group.firstLSN), end: cursor + group.payloadBytes)
            return true
        }
    }

    /// The group at `groupOffset`, wholly in the buffer and with a right checksum.
    private func checkedGroup(durableLSN: UInt64) throws(JournalError) -> GroupHeader {
        guard let segment else { throw damage() }
        try fill(GroupHeader.size, durableLSN: durableLSN)
        var offset = groupOffset - bufferStart
        var plausible: GroupHeader?
        buffer.withUnsafeBytes { plausible = GroupHeader(plausibleIn: $0, at: offset, epoch: segment.epoch) }
        guard let plausible, groupOffset + plausible.paddedSize <= segment.bytes else { throw damage() }
        try fill(plausible.paddedSize, durableLSN: durableLSN)
        offset = groupOffset - bufferStart
        let count = bufferCount
        let group = buffer.withUnsafeBytes { bytes in
            GroupHeader(
                decoding: UnsafeRawBufferPointer(rebasing: bytes[0..<count]), at: offset, epoch: segment.epoch)
        }
        guard let group else { throw damage() }
        return group
    }

    /// Has `count` bytes from `groupOffset` on in the buffer. What was read before the group became durable does not count.
    private func fill(_ count: Int, durableLSN: UInt64) throws(JournalError) {
        let isCurrent = bufferDurableLSN >= next && groupOffset >= bufferStart
        if isCurrent, groupOffset + count <= bufferStart + bufferCount { return }
        guard let file else { throw damage() }
        if buffer.count < count { buffer = [UInt8](repeating: 0, count: count) }
        bufferStart = groupOffset
        bufferDurableLSN = durableLSN
        do throws(FileError) {
            bufferCount = try fileSystem.readAll(file, into: &buffer, count: buffer.count, at: groupOffset)
        } catch {
            bufferCount = 0
            throw .fileSystem(operation: error.operation, path: path, code: error.code)
        }
        guard bufferCount >= count else { throw damage() }
    }

    private func skipRecords(_ count: Int, end: Int) throws(JournalError) {
        for _ in 0..<count {
            guard cursor + JournalRecord.overhead <= end else { throw damage() }
            let length = buffer.withUnsafeBytes { Int($0.u16(at: cursor)) }
            cursor += JournalRecord.overhead + length
            recordsLeft -= 1
        }
    }

    private func open(_ info: SegmentInfo) throws(JournalError) {
        if let file { fileSystem.close(file) }
        file = nil
        segment = info
        bufferCount = 0
        groupOffset = SegmentHeader.size
        do {
            file = try fileSystem.open(info.name)
        } catch {
            segment = nil
            throw fileSystem.journalError(error)
        }
    }

    private var path: String { fileSystem.path(segment?.name ?? "") }

    private func damage() -> JournalError {
        .corruptSegment(
            file: path, firstLSN: next, lastLSN: segment.flatMap { $0.isEmpty ? nil : max(next, $0.lastLSN) },
            reason: "is damaged at byte \(groupOffset)")
    }
}
