// Everything that changes files while the journal is open: writing a group, making the next segment, deleting released ones.
// One owner, one call at a time, no thread of its own: the journal's thread drives it, or a test.

import Glibc

/// The side of the journal that faces the disk.
struct JournalWriter {
    /// What became of a call.
    enum Outcome: Equatable {
        /// Written and synced.
        case durable
        /// There is no space for another segment. Nothing was written; it may be tried again.
        case full(FileError)
        /// Whether it was written is unknown. The writer must not be used again.
        case failed(JournalError)
    }

    private let fileSystem: any JournalFileSystem
    private let zeros: [UInt8]
    private let segmentBytes: Int
    private let limitBytes: Int
    private var active: ActiveSegment?
    /// Up to where zeros were written ahead in the newest segment.
    private var zeroedEnd = 0
    private var stateFile: StateFile
    private(set) var catalog: SegmentCatalog
    /// The newest record that is on the disk for good.
    private(set) var durableLSN: UInt64

    init(_ recovered: RecoveredJournal, _ fileSystem: any JournalFileSystem, configuration: JournalConfiguration) {
        self.fileSystem = fileSystem
        segmentBytes = configuration.segmentBytes
        zeros = [UInt8](repeating: 0, count: min(256 << 10, segmentBytes))
        limitBytes = configuration.limitBytes
        active = recovered.active
        stateFile = recovered.stateFile
        catalog = recovered.catalog
        durableLSN = recovered.nextLSN - 1
    }

    /// Bytes that groups may still take in the newest segment; a seal's are kept back.
    var remainingBytes: Int {
        guard let active else { return 0 }
        return max(0, Int(active.header.segmentBytes) - GroupHeader.size - active.offset)
    }

    /// Writes a group and makes it durable, in a new segment where it does not fit into the newest.
    mutating func write(_ group: GroupBuffer) -> Outcome {
        precondition(group.firstLSN == durableLSN + 1, "groups come in the order of their records")
        if group.paddedSize > remainingBytes {
            let outcome = roll()
            if outcome != .durable { return outcome }
        }
        let outcome = append(group)
        if outcome == .durable {
            durableLSN += UInt64(group.count)
            catalog.segments[catalog.segments.count - 1].lastLSN = durableLSN
        }
        return outcome
    }

    /// Marks an orderly end: with a seal behind it, damage to the last group can be told from a write cut short.
    mutating func seal() -> Outcome {
        guard let active, !active.isSealed, active.offset > SegmentHeader.size else { return .durable }
        let seal = GroupBuffer(capacity: GroupHeader.size, sealing: durableLSN)
        return append(seal)
    }

    /// Deletes the oldest segment if all its records are `<= lsn` and it is not the newest. `false`: there was none.
    mutating func releaseOldest(through lsn: UInt64) throws(FileError) -> Bool {
        guard catalog.segments.count > 1, catalog.segments[0].lastLSN <= lsn else { return false }
        let next = catalog.segments[1].firstLSN
        // First what must be there, then the deletion: the other way round a crash between them would look like a loss.
        try stateFile.update { $0.firstRetainedLSN = next }
        try fileSystem.remove(catalog.segments[0].name)
        catalog.segments.removeFirst()
        catalog.lost.removeAll { $0.upperBound < next }
        return true
    }

    /// Closes the files.
    mutating func close() {
        if let active { fileSystem.close(active.file) }
        active = nil
        stateFile.close()
    }

    private mutating func append(_ group: GroupBuffer) -> Outcome {
        guard let segment = active else { preconditionFailure("there is a segment to append to") }
        do throws(FileError) {
            try group.withEncoded(epoch: segment.header.epoch) { bytes throws(FileError) in
                try fileSystem.writeAll(segment.file, bytes, at: segment.offset, name: segment.name)
            }
            try writeZeros(segment, from: segment.offset + group.paddedSize)
            try fileSystem.sync(segment.file)
        } catch {
            return .failed(.failed(operation: error.operation, path: fileSystem.path(segment.name), code: error.code))
        }
        active?.offset += group.paddedSize
        active?.isSealed = group.isEmpty
        return .durable
    }

    /// Writes zeros over the zeros of allocation, a stretch ahead of the groups. It changes nothing that can be read, but the
    /// first write into blocks that were only allocated changes metadata (ext4: unwritten extents), which the fdatasync then
    /// has to commit too; this way one in a stretch pays for it, not every one.
    private mutating func writeZeros(_ segment: ActiveSegment, from start: Int) throws(FileError) {
        guard start > zeroedEnd else { return }
        let end = min(Int(segment.header.segmentBytes), start + zeros.count)
        try fileSystem.writeAll(segment.file, zeros, count: end - start, at: start, name: segment.name)
        zeroedEnd = end
    }
}

// MARK: - The next segment

extension JournalWriter {
    /// Makes a new segment the newest where the newest holds a record `<= lsn`, so that this one can be deleted once it is
    /// released. It is left as one that is full is left.
    mutating func leaveNewest(through lsn: UInt64) -> Outcome {
        guard let last = catalog.segments.last, !last.isEmpty, last.firstLSN <= lsn else { return .durable }
        return roll()
    }

    /// Makes the next segment and leaves the newest one.
    private mutating func roll() -> Outcome {
        guard catalog.bytes + segmentBytes <= limitBytes else {
            return .full(FileError(operation: "allocate a segment in", name: fileSystem.directory, code: EDQUOT))
        }
        let header = nextHeader()
        let name = FileNames.segment(header.firstLSN)
        let unfinished = FileNames.unfinished(name)
        let file: FileHandle
        do throws(FileError) {
            file = try makeFile(unfinished, header)
        } catch {
            if error.isFull { return .full(error) }
            return .failed(fileSystem.journalError(error))
        }
        do throws(FileError) {
            try fileSystem.sync(file)
            try fileSystem.rename(unfinished, to: name)
            try fileSystem.syncDirectory()
            try stateFile.update { $0.newestSegmentLSN = header.firstLSN }
        } catch {
            fileSystem.close(file)
            return .failed(.failed(operation: error.operation, path: fileSystem.path(name), code: error.code))
        }
        leaveActive()
        // A segment without a record has just been replaced by one of the same name.
        if let last = catalog.segments.last, last.isEmpty { catalog.segments.removeLast() }
        catalog.segments.append(
            SegmentInfo(
                firstLSN: header.firstLSN, lastLSN: header.firstLSN - 1, epoch: header.epoch, bytes: segmentBytes))
        active = ActiveSegment(file: file, header: header, offset: SegmentHeader.size, isSealed: false)
        zeroedEnd = 0
        return .durable
    }

    private func nextHeader() -> SegmentHeader {
        var header = SegmentHeader(
            firstLSN: durableLSN + 1, epoch: fileSystem.entropy(), previousEpoch: 0, previousLastLSN: 0,
            createdAt: fileSystem.wallClock(), segmentBytes: UInt32(segmentBytes))
        if let active, let last = catalog.segments.last, last.isEmpty {
            header.previousEpoch = active.header.previousEpoch
            header.previousLastLSN = active.header.previousLastLSN
        } else if let last = catalog.segments.last {
            header.previousEpoch = last.epoch
            header.previousLastLSN = last.lastLSN
        }
        return header
    }

    /// A file with all its blocks and the header; removed again where the space does not suffice.
    private func makeFile(_ name: String, _ header: SegmentHeader) throws(FileError) -> FileHandle {
        let file = try fileSystem.create(name)
        do throws(FileError) {
            try fileSystem.allocate(file, bytes: segmentBytes)
            try fileSystem.writeAll(file, header.encoded(), at: 0, name: name)
        } catch {
            fileSystem.close(file)
            // Whatever remains of it is removed at the next start, or overwritten by the next attempt.
            try? fileSystem.remove(name)
            throw error
        }
        return file
    }

    /// Gives the unused rest of the newest segment back. Recovery does not need it to have happened: the next segment's
    /// header says where this one ends.
    private mutating func leaveActive() {
        guard let active else { return }
        let last = catalog.segments.count - 1
        if !catalog.segments[last].isEmpty, (try? fileSystem.truncate(active.file, bytes: active.offset)) != nil {
            catalog.segments[last].bytes = active.offset
        }
        fileSystem.close(active.file)
    }
}
