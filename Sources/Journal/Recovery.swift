// Opening a journal: which files are there, whether they follow one another without a hole, where the last one ends.
//
// What a crash can leave is repaired and reported: unfinished files, segments whose release was under way, a torn last group.
// Everything else is damage to records that may have been acknowledged: refuse, name the file and the LSN range, and go on
// without them only where the operator listed the file.

import Glibc

/// What recovery hands to the writer.
struct RecoveredJournal {
    var catalog = SegmentCatalog()
    /// The next record's LSN.
    var nextLSN: UInt64 = 1
    /// The last segment, open to be continued; nil where a new one must be made.
    var active: ActiveSegment?
    var report = JournalRecovery()
    var stateFile: StateFile
}

/// The segment that is written to.
struct ActiveSegment {
    var file: FileHandle
    var header: SegmentHeader
    /// Where the next group goes.
    var offset: Int
    /// Whether the last group is a seal.
    var isSealed: Bool
    /// The file's name, made once: every group's writes may have to be reported with it.
    let name: String

    init(file: FileHandle, header: SegmentHeader, offset: Int, isSealed: Bool) {
        self.file = file
        self.header = header
        self.offset = offset
        self.isSealed = isSealed
        name = FileNames.segment(header.firstLSN)
    }
}

/// One run of recovery.
struct Recovery {
    /// How far LSNs jump where the newest segment was given up: more records than the largest segment can hold.
    static let jump: UInt64 = 1 << 30

    private let fileSystem: any JournalFileSystem
    private let accepted: Set<String>
    private var result: RecoveredJournal
    private var names: Set<String>
    private var buffer: [UInt8] = []

    /// Recovers the journal in `fileSystem`.
    static func run(
        _ fileSystem: any JournalFileSystem, configuration: JournalConfiguration
    ) throws(JournalError) -> RecoveredJournal {
        do {
            var recovery = try Recovery(fileSystem, accepted: configuration.acceptCorruptSegment)
            try recovery.checkSegments()
            return recovery.result
        } catch let error as FileError {
            throw fileSystem.journalError(error)
        } catch let error as JournalError {
            throw error
        } catch {
            preconditionFailure("only these two are thrown above")
        }
    }

    private init(_ fileSystem: any JournalFileSystem, accepted: [String]) throws {
        self.fileSystem = fileSystem
        self.accepted = Set(accepted)
        names = Set(try fileSystem.list())
        for name in names where FileNames.isUnfinished(name) {
            try fileSystem.remove(name)
            names.remove(name)
        }
        // A process that was killed between a rename and its sync leaves a name that only the cache knows.
        try fileSystem.syncDirectory()
        let segments = names.compactMap(FileNames.segmentLSN)
        let marks = names.compactMap(FileNames.corruptLSN)
        if !names.contains(FileNames.state) {
            // The state is made before the first segment and the node id: it can only be missing if somebody removed it.
            let isNew = segments.isEmpty && marks.isEmpty && !names.contains(FileNames.nodeID)
            guard isNew || self.accepted.contains(FileNames.state) else {
                throw JournalError.corruptFile(file: fileSystem.path(FileNames.state), reason: "is missing")
            }
            let first = (segments + marks).min() ?? 1
            try StateFile.install(
                JournalState(firstRetainedLSN: first, newestSegmentLSN: segments.max() ?? 0), in: fileSystem)
        }
        result = RecoveredJournal(stateFile: try StateFile(opening: fileSystem))
    }

    private mutating func checkSegments() throws {
        let state = result.stateFile.state
        try removeReleased(before: state.firstRetainedLSN)
        var expected = state.firstRetainedLSN
        let segments = names.compactMap(FileNames.segmentLSN).sorted()
        var following: [UInt64: SegmentHeader] = [:]
        for lsn in segments { following[lsn] = try? header(of: lsn) }
        for (index, lsn) in segments.enumerated() {
            if lsn > expected { try skipHole(from: expected, to: lsn - 1) }
            if lsn >= expected { expected = lsn }
            let next = index + 1 < segments.count ? segments[index + 1] : nil
            do {
                try checkSegment(lsn, expected: expected, isLast: next == nil, next: next.flatMap { following[$0] })
                expected = result.catalog.segments[result.catalog.segments.count - 1].lastLSN + 1
            } catch let error as JournalError {
                guard case .corruptSegment = error, accepted.contains(FileNames.segment(lsn)) else { throw error }
                try setAside(lsn)
                if next == nil { try skipEnd(from: lsn) } else { continue }
                expected = lsn + Recovery.jump
            }
        }
        // A newest segment that was given up by an earlier start, or is missing.
        let newest = result.catalog.segments.last?.firstLSN ?? 0
        if state.newestSegmentLSN > newest, expected < state.newestSegmentLSN + Recovery.jump {
            try skipEnd(from: expected)
            expected += Recovery.jump
        }
        finish(nextLSN: expected)
    }

    /// Ends a release that a crash interrupted: its segments may be there again, wholly before what is retained.
    private mutating func removeReleased(before retained: UInt64) throws {
        let segments = names.compactMap(FileNames.segmentLSN).filter { $0 < retained }
        for lsn in segments {
            try fileSystem.remove(FileNames.segment(lsn))
            names.remove(FileNames.segment(lsn))
        }
    }

    /// Records `first...last` have no file: fine only where their loss was accepted, now or before.
    private mutating func skipHole(from first: UInt64, to last: UInt64) throws {
        try acceptHole(from: first, to: last)
        result.catalog.lost.append(first...last)
    }

    /// The newest records have no file: numbering goes on far enough beyond that none of their LSNs is used again.
    private mutating func skipEnd(from first: UInt64) throws {
        try acceptHole(from: first, to: nil)
        result.catalog.lost.append(first...(first + Recovery.jump - 1))
        if let active = result.active { fileSystem.close(active.file) }
        result.active = nil
    }

    private mutating func acceptHole(from first: UInt64, to last: UInt64?) throws {
        let mark = FileNames.corrupt(first)
        if names.contains(mark) { return }
        guard accepted.contains(FileNames.segment(first)) else {
            throw JournalError.corruptSegment(
                file: fileSystem.path(FileNames.segment(first)), firstLSN: first, lastLSN: last, reason: "is missing")
        }
        // The mark makes the decision last, so that the setting can be taken back.
        try fileSystem.install(mark, [])
        names.insert(mark)
    }

    private mutating func setAside(_ lsn: UInt64) throws {
        try fileSystem.rename(FileNames.segment(lsn), to: FileNames.corrupt(lsn))
        try fileSystem.syncDirectory()
        names.remove(FileNames.segment(lsn))
        names.insert(FileNames.corrupt(lsn))
        result.report.quarantined.append(fileSystem.path(FileNames.corrupt(lsn)))
    }

    private mutating func finish(nextLSN: UInt64) {
        result.nextLSN = nextLSN
        result.report.lastLSN = nextLSN - 1
        result.report.firstLSN = result.catalog.segments.first { !$0.isEmpty }?.firstLSN ?? nextLSN
        if let lost = result.catalog.lost.first?.lowerBound {
            result.report.firstLSN = min(lost, result.report.firstLSN)
        }
        result.report.segments = result.catalog.segments.count
        result.report.bytes = result.catalog.bytes
        result.report.lost = result.catalog.lost
    }
}

// MARK: - One segment

extension Recovery {
    private mutating func header(of lsn: UInt64) throws -> SegmentHeader {
        let name = FileNames.segment(lsn)
        let file = try fileSystem.open(name)
        defer { fileSystem.close(file) }
        let count = try load(file, bytes: SegmentHeader.size)
        return try header(count, lsn: lsn)
    }

    private func header(_ count: Int, lsn: UInt64) throws -> SegmentHeader {
        let path = fileSystem.path(FileNames.segment(lsn))
        do {
            let header = try buffer.withUnsafeBytes { bytes in
                Result { () throws(SegmentHeader.Defect) in
                    try SegmentHeader(decoding: UnsafeRawBufferPointer(rebasing: bytes[0..<count]))
                }
            }.get()
            guard header.firstLSN == lsn else {
                throw JournalError.corruptSegment(
                    file: path, firstLSN: lsn, lastLSN: nil,
                    reason: "is not the file its name says (its header says \(header.firstLSN))")
            }
            return header
        } catch SegmentHeader.Defect.unknownVersion(let version) {
            throw JournalError.unknownVersion(file: path, found: version, supported: SegmentHeader.version)
        } catch SegmentHeader.Defect.damaged(let reason) {
            throw JournalError.corruptSegment(file: path, firstLSN: lsn, lastLSN: nil, reason: reason)
        }
    }

    /// Reads up to `bytes` from the start of the file into the buffer.
    private mutating func load(_ file: FileHandle, bytes: Int) throws -> Int {
        if buffer.count < bytes { buffer = [UInt8](repeating: 0, count: bytes) }
        return try fileSystem.readAll(file, into: &buffer, count: bytes, at: 0)
    }

    /// Checks one segment against its neighbours and adds it to the catalogue.
    private mutating func checkSegment(_ lsn: UInt64, expected: UInt64, isLast: Bool, next: SegmentHeader?) throws {
        let path = fileSystem.path(FileNames.segment(lsn))
        let file = try fileSystem.open(FileNames.segment(lsn))
        var isKept = false
        defer { if !isKept { fileSystem.close(file) } }
        if isLast {
            // What stands only in the cache must be durable before anybody is told of it, and what stands only in the
            // cache because a sync failed must not be believed.
            try fileSystem.sync(file)
            fileSystem.dropCache(file)
        }
        let size = try fileSystem.size(file)
        let count = try load(file, bytes: size)
        let header = try header(count, lsn: lsn)
        try checkPredecessor(of: header, expected: expected, path: path)
        // The next segment vouches for the last record of this one, unless the one it names is missing between them.
        let isFollowed = next?.previousEpoch == header.epoch
        let through = isFollowed ? next?.previousLastLSN : nil
        let scan = buffer.withUnsafeBytes { bytes in
            SegmentScan(UnsafeRawBufferPointer(rebasing: bytes[0..<count]), header: header, through: through)
        }
        try checkEnd(scan, through: through, isLast: isLast, path: path)
        let isNewest = isLast && result.stateFile.state.newestSegmentLSN <= lsn
        let isGrowing = isNewest && !names.contains(FileNames.corrupt(scan.lastLSN + 1))
        if isGrowing, count < Int(header.segmentBytes) {
            throw JournalError.corruptSegment(
                file: path, firstLSN: scan.lastLSN + 1, lastLSN: nil,
                reason: "is cut off at byte \(count) of \(header.segmentBytes)")
        }
        if isGrowing, case .torn(let nonZeroEnd) = scan.end {
            try erase(file, from: scan.endOffset, to: nonZeroEnd)
            result.report.tornBytes = nonZeroEnd - scan.endOffset
            result.report.tornFile = path
        }
        let used = through == nil ? size : giveBack(file, from: scan.endOffset, size: size)
        result.catalog.segments.append(
            SegmentInfo(firstLSN: lsn, lastLSN: scan.lastLSN, epoch: header.epoch, bytes: used))
        if isGrowing {
            isKept = true
            result.active = ActiveSegment(
                file: file, header: header, offset: scan.endOffset, isSealed: scan.endsWithSeal)
        }
    }

    private func checkPredecessor(of header: SegmentHeader, expected: UInt64, path: String) throws {
        guard header.firstLSN == expected else {
            throw JournalError.corruptSegment(
                file: path, firstLSN: header.firstLSN, lastLSN: nil,
                reason: "repeats records that the segment before it holds up to \(expected - 1)")
        }
        guard let previous = result.catalog.segments.last, previous.lastLSN + 1 == header.firstLSN else { return }
        guard header.previousEpoch == previous.epoch, header.previousLastLSN == previous.lastLSN else {
            throw JournalError.corruptSegment(
                file: path, firstLSN: header.firstLSN, lastLSN: nil,
                reason: "does not belong behind \(previous.name)")
        }
    }

    private func checkEnd(_ scan: SegmentScan, through: UInt64?, isLast: Bool, path: String) throws {
        let first = scan.lastLSN + 1
        switch scan.end {
        case .damaged(let next):
            throw JournalError.corruptSegment(
                file: path, firstLSN: first, lastLSN: max(first, next - 1),
                reason: "is damaged at byte \(scan.endOffset)")
        case .torn where !isLast:
            throw JournalError.corruptSegment(
                file: path, firstLSN: first, lastLSN: through.map { max(first, $0) },
                reason: "is damaged at byte \(scan.endOffset)")
        case .clean, .torn:
            guard let through, through != scan.lastLSN else { return }
            throw JournalError.corruptSegment(
                file: path, firstLSN: first, lastLSN: max(first, through), reason: "ends at byte \(scan.endOffset)")
        }
    }

    /// Gives back the unused rest of a segment that was left, where a crash has undone that; returns the file's size then.
    private func giveBack(_ file: FileHandle, from end: Int, size: Int) -> Int {
        guard size > end, (try? fileSystem.truncate(file, bytes: end)) != nil else { return size }
        return end
    }

    /// Puts zeros where a group was cut short, so that nothing of it is ever met again.
    private func erase(_ file: FileHandle, from start: Int, to end: Int) throws {
        try fileSystem.writeAll(file, [UInt8](repeating: 0, count: end - start), at: start, name: "a segment")
        try fileSystem.sync(file)
    }
}
