// Damage to files that were once whole: what recovery and reading say to every flipped bit and every cut.

import Testing

@testable import Journal

/// Where groups stand in a segment, and what they hold.
struct GroupPlace {
    var bytes: Range<Int>
    var lsns: Range<UInt64>

    /// The groups of a segment file, by their headers.
    static func all(in file: [UInt8]) throws -> [GroupPlace] {
        try file.withUnsafeBytes { bytes in
            let epoch = try SegmentHeader(decoding: bytes).epoch
            var places: [GroupPlace] = []
            var offset = SegmentHeader.size
            while let group = GroupHeader(decoding: bytes, at: offset, epoch: epoch) {
                places.append(
                    GroupPlace(
                        bytes: offset..<(offset + group.paddedSize),
                        lsns: group.firstLSN..<(group.firstLSN + UInt64(group.count))))
                offset += group.paddedSize
            }
            return places
        }
    }
}

/// A journal's files, and how many records they hold.
struct Image: Sendable {
    var files: [String: [UInt8]]
    var lastLSN: UInt64
    /// The records, by LSN - 1.
    var records: [[UInt8]]
    var segments: [String] { files.keys.filter { $0.hasSuffix(".segment") }.sorted() }

    /// Segments of groups of five records, the last one with `tail` groups; sealed by an orderly close, or as a killed
    /// process leaves them.
    init(sealed: Bool, segments: Int = 3, tail: Int = 4) throws {
        let fileSystem = LossyFileSystem(seed: 1)
        let journal = try openJournal(fileSystem)
        journal.writeGroup(count: 5, length: 61)
        while fileSystem.contents.keys.filter({ $0.hasSuffix(".segment") }).count < segments {
            journal.writeGroup(count: 5, length: 61)
        }
        for _ in 1..<tail { journal.writeGroup(count: 5, length: 61) }
        if sealed { journal.finish() }
        files = fileSystem.contents
        lastLSN = journal.durableLSN
        records = (1...lastLSN).map { recordBytes($0, length: 61) }
    }

    /// What opening the files says.
    enum Outcome: Equatable {
        case refused(JournalError)
        /// Opened; the records read back are right, and these are their number and the torn bytes.
        case opened(records: UInt64, tornBytes: Int)
        /// Opened, but a record is missing, changed, or out of order: never.
        case wrong
    }

    /// Opens the files with one of them changed.
    func outcome(_ change: (inout [String: [UInt8]]) -> Void) -> Outcome {
        var files = files
        change(&files)
        do throws(JournalError) {
            let journal = try openJournal(LossyFileSystem(seed: 2, files: files))
            let records: [(lsn: UInt64, bytes: [UInt8])]
            do {
                records = try journal.readAll(after: 0, maxRecords: 1000, maxBytes: 100_000)
            } catch {
                return .wrong
            }
            for (index, record) in records.enumerated()
            where record.lsn != UInt64(index) + 1 || record.bytes != self.records[index] {
                return .wrong
            }
            if UInt64(records.count) != journal.durableLSN { return .wrong }
            return .opened(records: UInt64(records.count), tornBytes: journal.recovery.tornBytes)
        } catch {
            return .refused(error)
        }
    }
}

@Suite struct `Damage to a segment` {
    /// The records named by a refusal, or nil where it names another file or no records.
    private func lostRecords(_ outcome: Image.Outcome, in name: String) -> (UInt64, UInt64?)? {
        guard case .refused(.corruptSegment(let file, let first, let last, _)) = outcome, file == "/lossy/" + name
        else {
            return nil
        }
        return (first, last)
    }

    @Test(arguments: 0..<8)
    func `any flipped bit of a segment that has a successor is refused with the records it hit`(bit: Int) throws {
        let image = try Image(sealed: true, segments: 2, tail: 1)
        let name = image.segments[0]
        let file = try #require(image.files[name])
        let groups = try GroupPlace.all(in: file)
        let first = try #require(groups.first).lsns.lowerBound
        for offset in 0..<file.count {
            let outcome = image.outcome { $0[name]?[offset] ^= 1 << bit }
            guard let group = groups.first(where: { $0.bytes.contains(offset) }) else {
                // The header: nothing in the file can be trusted.
                let lost = lostRecords(outcome, in: name)
                #expect(lost?.0 == first && lost?.1 == nil, "byte \(offset): \(outcome)")
                continue
            }
            if outcome == .opened(records: image.lastLSN, tornBytes: 0) {
                // Padding behind a group's records says nothing.
                #expect(offset >= group.bytes.upperBound - 7, "byte \(offset): \(outcome)")
            } else {
                let lost = lostRecords(outcome, in: name)
                #expect(
                    lost?.0 == group.lsns.lowerBound && lost?.1 == group.lsns.upperBound - 1,
                    "byte \(offset): \(outcome)")
            }
        }
    }

    @Test(arguments: 0..<8)
    func `any flipped bit of the last segment is refused, or harms only the last group after a crash`(bit: Int) throws {
        for sealed in [true, false] {
            let image = try Image(sealed: sealed, segments: 1, tail: 9)
            let name = try #require(image.segments.last)
            let file = try #require(image.files[name])
            let groups = try GroupPlace.all(in: file)
            let last = try #require(groups.last)
            #expect(last.lsns.isEmpty == sealed)
            for offset in 0..<file.count {
                let outcome = image.outcome { $0[name]?[offset] ^= 1 << bit }
                let group = groups.first { $0.bytes.contains(offset) }
                switch outcome {
                case .wrong:
                    Issue.record("byte \(offset): records are wrong")
                case .refused:
                    let lost = lostRecords(outcome, in: name)
                    #expect(
                        lost?.0 == group?.lsns.lowerBound ?? groups[0].lsns.lowerBound, "byte \(offset): \(outcome)")
                    #expect(lost?.1 == group.map { $0.lsns.upperBound - 1 }, "byte \(offset): \(outcome)")
                case .opened(let records, let tornBytes):
                    if let group, group.bytes == last.bytes {
                        // The one place where damage looks like a write that was cut short. After an orderly close it is
                        // the seal, and no record is lost.
                        #expect(records == last.lsns.lowerBound - 1 || records == image.lastLSN, "byte \(offset)")
                        #expect(tornBytes > 0 || records == image.lastLSN, "byte \(offset)")
                        if sealed { #expect(records == image.lastLSN, "byte \(offset)") }
                    } else if let group {
                        #expect(offset >= group.bytes.upperBound - 7 && records == image.lastLSN, "byte \(offset)")
                    } else {
                        // The zeros behind the end.
                        #expect(offset >= last.bytes.upperBound && records == image.lastLSN && tornBytes > 0)
                    }
                }
            }
        }
    }

    @Test func `a segment cut off at any byte is refused with the records that are missing`() throws {
        let image = try Image(sealed: true)
        for name in image.segments {
            let file = try #require(image.files[name])
            let groups = try GroupPlace.all(in: file)
            for length in 0..<file.count {
                let outcome = image.outcome { $0[name] = Array(file.prefix(length)) }
                let lost = lostRecords(outcome, in: name)
                let firstCut = groups.first { $0.bytes.upperBound > length }
                if name == image.segments.last {
                    // Groups may have stood in what was cut off, even if it may have been zeros.
                    let first = length < SegmentHeader.size ? groups[0].lsns.lowerBound : firstCut?.lsns.lowerBound
                    #expect(lost?.0 == first ?? image.lastLSN + 1, "\(name) at \(length): \(outcome)")
                } else {
                    let cut = try #require(firstCut)
                    let last = length < SegmentHeader.size ? nil : groups.last.map { $0.lsns.upperBound - 1 }
                    #expect(lost?.0 == cut.lsns.lowerBound && lost?.1 == last, "\(name) at \(length): \(outcome)")
                }
            }
        }
    }

    @Test func `two files with each other's names are refused`() throws {
        let image = try Image(sealed: true)
        for (one, other) in [(0, 1), (0, 2), (1, 2)] {
            let outcome = image.outcome {
                ($0[image.segments[one]], $0[image.segments[other]]) = (
                    $0[image.segments[other]], $0[image.segments[one]]
                )
            }
            #expect(lostRecords(outcome, in: image.segments[one]) != nil, "\(outcome)")
        }
    }

    @Test func `a file of another journal is refused`() throws {
        let image = try Image(sealed: true)
        let stranger = try Image(sealed: false)
        // The same LSNs, another epoch.
        let fileSystem = LossyFileSystem(seed: 99)
        let journal = try openJournal(fileSystem)
        while journal.durableLSN < stranger.lastLSN { journal.writeGroup(count: 5, length: 61) }
        let name = image.segments[1]
        let strange = try #require(fileSystem.contents[name])
        let outcome = image.outcome { $0[name] = strange }
        #expect(lostRecords(outcome, in: name) != nil, "\(outcome)")
    }

    @Test func `a group that stands in another's place is refused`() throws {
        let image = try Image(sealed: true)
        let name = image.segments[1]
        let file = try #require(image.files[name])
        let groups = try GroupPlace.all(in: file)
        for (source, target) in [(1, 2), (3, 2), (2, 5)] {
            #expect(groups[source].bytes.count == groups[target].bytes.count)
            let outcome = image.outcome {
                $0[name]?.replaceSubrange(groups[target].bytes, with: file[groups[source].bytes])
            }
            #expect(lostRecords(outcome, in: name)?.0 == groups[target].lsns.lowerBound, "\(outcome)")
        }
    }

    @Test func `any missing segment is refused by name, the first and the last too`() throws {
        let image = try Image(sealed: true)
        for (index, name) in image.segments.enumerated() {
            let outcome = image.outcome { $0[name] = nil }
            let lost = lostRecords(outcome, in: name)
            #expect(lost?.0 == FileNames.segmentLSN(name))
            let next = index + 1 < 3 ? FileNames.segmentLSN(image.segments[index + 1]) : nil
            #expect(lost?.1 == next.map { $0 - 1 })
            guard case .refused(let error) = outcome else { continue }
            #expect("\(error)".contains("is missing") && "\(error)".contains("ACCEPT_CORRUPT_SEGMENT=\(name)"))
        }
    }

    @Test func `a damaged or missing state file is refused`() throws {
        let image = try Image(sealed: true)
        let outcome = image.outcome { $0["state"] = [UInt8](repeating: 7, count: 8192) }
        #expect(outcome == .refused(.corruptFile(file: "/lossy/state", reason: "is damaged")))
        #expect(
            image.outcome { $0["state"] = nil } == .refused(.corruptFile(file: "/lossy/state", reason: "is missing")))
        #expect(
            image.outcome { $0["node-id"] = Array("short".utf8) }
                == .refused(.corruptFile(file: "/lossy/node-id", reason: "does not hold 32 hexadecimal digits")))
    }

    @Test func `a version this program does not know is refused with both versions`() throws {
        let image = try Image(sealed: true)
        let name = image.segments[1]
        let outcome = image.outcome { files in
            files[name]?[8] = 9
            files[name]?.withUnsafeMutableBytes { bytes in
                var checksum = Checksum()
                checksum.add(UnsafeRawBufferPointer(rebasing: bytes[0..<60]))
                bytes.store(checksum.value, at: 60)
            }
        }
        guard case .refused(let error) = outcome else {
            Issue.record("\(outcome)")
            return
        }
        #expect(error == .unknownVersion(file: "/lossy/" + name, found: 9, supported: 1))
        #expect("\(error)".contains("version 9") && "\(error)".contains("version 1"))
    }

    @Test func `damage while the journal is open is found by the reader`() throws {
        let image = try Image(sealed: true)
        let fileSystem = LossyFileSystem(seed: 3, files: image.files)
        let journal = try openJournal(fileSystem)
        let reader = try journal.store.makeReader(after: 0)
        var file = try #require(image.files[image.segments[1]])
        let group = try GroupPlace.all(in: file)[2]
        file[group.bytes.lowerBound + 50] ^= 4
        fileSystem.put(image.segments[1], file)
        var batch = JournalBatch()
        let error = #expect(throws: JournalError.self) {
            while try reader.read(into: &batch, maxRecords: 10, maxBytes: 10_000) > 0 {}
        }
        guard case .corruptSegment(_, let first, _, _) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(first == group.lsns.lowerBound)
    }
}

@Suite struct `Records given up by the operator` {
    @Test(arguments: [0, 1, 2], [true, false])
    func `a damaged or missing segment is set aside and its range reported, then and later`(
        index: Int, isMissing: Bool
    ) throws {
        let image = try Image(sealed: true)
        let name = image.segments[index]
        let first = try #require(FileNames.segmentLSN(name))
        let following = index < 2 ? FileNames.segmentLSN(image.segments[index + 1]) : nil
        let next = following ?? first + Recovery.jump
        var files = image.files
        if isMissing { files[name] = nil } else { files[name]?[100] ^= 1 }
        let fileSystem = LossyFileSystem(seed: 4, files: files)
        for round in 0..<4 {
            // Accepted once, remembered by the file's new name.
            let journal = try openJournal(fileSystem, smallConfiguration(accept: round == 0 ? [name] : []))
            #expect(journal.recovery.lost == [first...(next - 1)])
            #expect(journal.recovery.quarantined == (round == 0 && !isMissing ? ["/lossy/\(name).corrupt"] : []))
            #expect(fileSystem.contents[name] == nil)
            #expect(fileSystem.contents[name + ".corrupt"] == (isMissing ? [] : files[name]))
            // What is appended now never bears the number of a record that may be in Postgres already.
            #expect(journal.appendedLSN + 1 >= next && journal.appendedLSN >= image.lastLSN)
            journal.writeGroup(count: 3, length: 61)
            #expect(journal.failure == nil && journal.durableLSN == journal.appendedLSN)
            let records = try journal.readAll(after: journal.recovery.firstLSN - 1)
            let lsns = records.map(\.lsn)
            #expect(lsns == lsns.sorted() && Set(lsns).count == lsns.count)
            #expect(lsns.allSatisfy { !(first..<next).contains($0) })
            let survivors = (1...image.lastLSN).filter { !(first..<next).contains($0) }
            #expect(lsns.count == survivors.count + 3 * (round + 1))
            for record in records { #expect(record.bytes == recordBytes(record.lsn, length: 61)) }
            // A checkpoint that fell into the lost range goes on behind it.
            if first + 2 <= image.lastLSN {
                #expect(try journal.readAll(after: first + 1).first?.lsn == next)
            }
            if round % 2 == 0 { fileSystem.kill() } else { fileSystem.crash() }
        }
    }

    @Test func `a damaged node id is replaced by another`() throws {
        var files = try Image(sealed: true).files
        let before = try #require(files["node-id"])
        files["node-id"] = Array(before.dropLast(9))
        let fileSystem = LossyFileSystem(seed: 6, files: files)
        let journal = try openJournal(fileSystem, smallConfiguration(accept: ["node-id"]))
        #expect(journal.nodeID.utf8.count == 32 && Array(journal.nodeID.utf8) != before.dropLast())
        fileSystem.crash()
        #expect(try openJournal(fileSystem).nodeID == journal.nodeID)
    }

    @Test func `a missing state file is made anew`() throws {
        let image = try Image(sealed: true)
        var files = image.files
        files["state"] = nil
        let fileSystem = LossyFileSystem(seed: 5, files: files)
        let journal = try openJournal(fileSystem, smallConfiguration(accept: ["state"]))
        #expect(try journal.readAll(after: 0).count == Int(image.lastLSN))
        fileSystem.kill()
        _ = try openJournal(fileSystem)
    }
}
