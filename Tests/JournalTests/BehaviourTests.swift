// Limits, full and broken disks, reading: the journal driven step by step on a file system in memory.

import Glibc
import Testing

@testable import Journal

@Suite struct `The journal` {
    @Test func `gives back what was appended, across segments and restarts`() throws {
        let fileSystem = LossyFileSystem(seed: 1)
        var journal = try openJournal(fileSystem)
        #expect(journal.recovery.firstLSN == 1 && journal.recovery.lastLSN == 0)
        for length in [1, 4096 - 200, 100, 7, 3000] { journal.writeGroup(count: 1, length: length) }
        #expect(journal.durableLSN == 5)
        journal.finish()
        fileSystem.kill()
        let nodeID = journal.nodeID
        journal = try openJournal(fileSystem)
        #expect(journal.nodeID == nodeID && nodeID.utf8.count == 32)
        #expect(journal.recovery.firstLSN == 1 && journal.recovery.lastLSN == 5 && journal.recovery.tornBytes == 0)
        journal.writeGroup(count: 2, length: 8)
        let records = try journal.readAll(after: 0)
        #expect(records.map(\.lsn) == Array(1...7))
        #expect(records.map(\.bytes.count) == [1, 3896, 100, 7, 3000, 8, 8])
        for record in records { #expect(record.bytes == recordBytes(record.lsn, length: record.bytes.count)) }
    }

    @Test func `takes the largest record where a segment and a group have room for it`() throws {
        let journal = try Journal(
            configuration: JournalConfiguration(directory: "/lossy", segmentBytes: 8192, limitBytes: 16384),
            fileSystem: LossyFileSystem(seed: 1), onProgress: {})
        #expect(journal.hasRoom(records: 1, bytes: JournalRecord.maximumBytes))
        journal.writeGroup(count: 1, length: JournalRecord.maximumBytes)
        #expect(try journal.readAll(after: 0).map(\.bytes) == [recordBytes(1, length: 4096)])
    }

    @Test func `lets records gather while a group is being written, and submits them after it`() throws {
        let fileSystem = LossyFileSystem(seed: 1)
        let journal = try openJournal(fileSystem)
        journal.append([1])
        journal.submit()
        journal.append([2])
        journal.append([3])
        journal.submit()
        #expect(journal.durableLSN == 0 && journal.appendedLSN == 3 && journal.pendingBytes > 0)
        _ = journal.worker.step()
        #expect(journal.durableLSN == 1)
        journal.submit()
        _ = journal.worker.step()
        #expect(journal.durableLSN == 3 && journal.pendingBytes == 0)
        let statistics = journal.statistics
        #expect(statistics.flushes == 2 && statistics.groupRecords.sum == 3)
        #expect(statistics.groupRecords.counts.prefix(2) == [1, 1])
        #expect(statistics.flushMicroseconds.counts.reduce(0, +) == 2)
    }

    @Test func `refuses when both buffers are full, whole batches at a time`() throws {
        let journal = try openJournal(LossyFileSystem(seed: 1), smallConfiguration(groupBytes: 1024))
        #expect(!journal.hasRoom(records: 10, bytes: 1000))
        #expect(journal.hasRoom(records: 9, bytes: 900))
        for _ in 0..<9 { journal.append(recordBytes(1, length: 100)) }
        #expect(journal.hasRoom(records: 9, bytes: 900), "the first group is handed over")
        for _ in 0..<9 { journal.append(recordBytes(1, length: 100)) }
        #expect(!journal.hasRoom(records: 1, bytes: 100))
        _ = journal.worker.step()
        #expect(journal.hasRoom(records: 1, bytes: 100))
    }

    @Test func `refuses at its limit and admits again after a release`() throws {
        let fileSystem = LossyFileSystem(seed: 1)
        let journal = try openJournal(fileSystem, smallConfiguration(limitBytes: 3 * 4096))
        var written = 0
        while journal.hasRoom(records: 5, bytes: 500) {
            journal.writeGroup(count: 5, length: 100)
            written += 5
            #expect(written < 200)
        }
        #expect(journal.failure == nil && journal.durableLSN == UInt64(written), "what was admitted was written")
        #expect(journal.sizeBytes <= 3 * 4096 && journal.sizeBytes > 2 * 4096)
        let second = try #require(
            fileSystem.contents.keys.filter { $0.hasSuffix(".segment") }.sorted().dropFirst().first)
        let secondLSN = try #require(FileNames.segmentLSN(second))
        journal.store.release(through: secondLSN - 2)
        while journal.worker.step(), journal.statistics.releasedSegments > 0 {}
        #expect(!journal.hasRoom(records: 5, bytes: 500), "one record of the first segment is still needed")
        journal.store.release(through: secondLSN - 1)
        _ = journal.worker.step()
        #expect(journal.statistics.releasedSegments == 1)
        #expect(journal.hasRoom(records: 5, bytes: 500))
        journal.writeGroup(count: 5, length: 100)
        #expect(journal.durableLSN == UInt64(written) + 5)
        #expect(try journal.readAll(after: secondLSN - 1).count == written + 5 - Int(secondLSN) + 1)
        #expect(throws: JournalError.notInJournal(lsn: 1, firstLSN: secondLSN, lastLSN: UInt64(written) + 5)) {
            _ = try journal.store.makeReader(after: 0)
        }
    }

    @Test func `never grows beyond its limit, even for a caller who does not ask`() throws {
        let journal = try openJournal(LossyFileSystem(seed: 1), smallConfiguration(limitBytes: 3 * 4096))
        while !journal.isFull {
            journal.writeGroup(count: 5, length: 100)
            try #require(journal.sizeBytes <= 3 * 4096)
        }
        #expect(journal.failure == nil && journal.durableLSN == journal.appendedLSN - 5)
        journal.store.release(through: journal.durableLSN)
        _ = journal.worker.step()
        #expect(!journal.isFull && journal.durableLSN == journal.appendedLSN)
    }

    @Test func `never deletes the newest segment, nor a record that was not released`() throws {
        let fileSystem = LossyFileSystem(seed: 1)
        let journal = try openJournal(fileSystem)
        for _ in 0..<60 { journal.writeGroup(count: 3, length: 100) }
        journal.store.release(through: 100)
        for _ in 0..<20 { _ = journal.worker.step() }
        #expect(try journal.readAll(after: 100).map(\.lsn) == Array(101...180))
        journal.store.release(through: 180)
        for _ in 0..<20 { _ = journal.worker.step() }
        #expect(fileSystem.contents.keys.filter { $0.hasSuffix(".segment") }.count == 1)
        fileSystem.crash()
        let reopened = try openJournal(fileSystem)
        #expect(reopened.recovery.lastLSN == 180, "numbering goes on")
    }

    @Test func `with no space for a segment it refuses, keeps what it holds, and goes on when space returns`() throws {
        let fileSystem = LossyFileSystem(seed: 1)
        let journal = try openJournal(fileSystem)
        journal.writeGroup(count: 20, length: 100)
        let durable = journal.durableLSN
        fileSystem.capacity = 0
        var tries = 0
        while !journal.isFull {
            #expect(journal.hasRoom(records: 10, bytes: 1000))
            journal.writeGroup(count: 10, length: 100)
            tries += 1
            try #require(tries < 10)
        }
        #expect(journal.failure == nil, "a full disk is not a broken one")
        #expect(!journal.hasRoom(records: 1, bytes: 1))
        #expect(journal.durableLSN >= durable && journal.durableLSN < journal.appendedLSN)
        #expect(try journal.readAll(after: 0).count == Int(journal.durableLSN))
        _ = journal.worker.step()
        #expect(journal.isFull && journal.statistics.fullAttempts == 2)
        fileSystem.capacity = .max
        _ = journal.worker.step()
        #expect(!journal.isFull && journal.durableLSN == journal.appendedLSN)
        #expect(journal.hasRoom(records: 1, bytes: 1))
        let records = try journal.readAll(after: 0)
        #expect(records.map(\.lsn) == Array(1...journal.appendedLSN))
    }

    @Test func `with no space a release makes room`() throws {
        let fileSystem = LossyFileSystem(seed: 1)
        let journal = try openJournal(fileSystem)
        while fileSystem.contents.keys.filter({ $0.hasSuffix(".segment") }).count < 3 {
            journal.writeGroup(count: 10, length: 100)
        }
        // Room for three segments and the small files, not for a fourth.
        fileSystem.capacity = 3 * 4096 + 8192 + 512
        while !journal.isFull { journal.writeGroup(count: 10, length: 100) }
        journal.store.release(through: journal.durableLSN)
        _ = journal.worker.step()
        #expect(!journal.isFull && journal.durableLSN == journal.appendedLSN)
    }

    @Test(arguments: 1...12)
    func `a sync that fails is reported, never repeated, and costs nothing that was durable`(nth: Int) throws {
        let fileSystem = LossyFileSystem(seed: UInt64(nth))
        let journal = try openJournal(fileSystem)
        journal.writeGroup(count: 3)
        fileSystem.failSyncAfter = nth
        var durable: UInt64 = 0
        while journal.failure == nil {
            durable = journal.durableLSN
            journal.writeGroup(count: 12, length: 100)
            try #require(durable < 1000)
        }
        // The group whose sync failed is not durable; a roll's failure may follow no group.
        #expect(journal.durableLSN == durable)
        #expect(!journal.hasRoom(records: 1, bytes: 1))
        let syncs = fileSystem.syncs
        journal.submit()
        _ = journal.worker.step()
        journal.store.release(through: durable)
        _ = journal.worker.step()
        journal.finish()
        #expect(fileSystem.syncs == syncs, "nothing is synced after a failure")
        #expect(journal.durableLSN == durable)
        guard case .failed(_, _, let code) = journal.failure else {
            Issue.record("\(String(describing: journal.failure))")
            return
        }
        #expect(code == EIO && "\(String(describing: journal.failure))".isEmpty == false)
        fileSystem.kill()
        // The cache still shows the group; the disk does not have it, and recovery must not believe the cache.
        let reopened = try openJournal(fileSystem)
        #expect(reopened.recovery.lastLSN == durable)
        #expect(try reopened.readAll(after: 0).count == Int(durable))
        reopened.writeGroup(count: 1)
        #expect(reopened.durableLSN == durable + 1)
    }

    @Test func `writes that are cut short are completed`() throws {
        let fileSystem = LossyFileSystem(seed: 1)
        fileSystem.longestWrite = 5
        let journal = try openJournal(fileSystem)
        journal.writeGroup(count: 20)
        #expect(try journal.readAll(after: 0).map(\.bytes) == (1...20).map { recordBytes($0) })
    }

    @Test func `a torn tail is cut off and reported, and what follows it stands in its place`() throws {
        let fileSystem = LossyFileSystem(seed: 1)
        let journal = try openJournal(fileSystem)
        journal.writeGroup(count: 3)
        var files = fileSystem.contents
        let name = FileNames.segment(1)
        let file = try #require(files[name])
        let end = try #require(try GroupPlace.all(in: file).last).bytes.upperBound
        // The second half of a group, as a disk that reorders sectors leaves it.
        for offset in (end + 600)..<(end + 900) { files[name]?[offset] = 0xAB }
        let torn = LossyFileSystem(seed: 2, files: files)
        var reopened = try openJournal(torn)
        #expect(reopened.recovery.lastLSN == 3)
        #expect(reopened.recovery.tornBytes == 900 && reopened.recovery.tornFile == "/lossy/" + name)
        reopened.writeGroup(count: 1)
        torn.crash()
        reopened = try openJournal(torn)
        #expect(reopened.recovery.lastLSN == 4 && reopened.recovery.tornBytes == 0)
    }

    @Test func `segments may change their size between starts`() throws {
        let fileSystem = LossyFileSystem(seed: 1)
        var journal = try openJournal(fileSystem)
        for _ in 0..<3 {
            journal.finish()
            fileSystem.kill()
            let large = JournalConfiguration(
                directory: "/lossy", segmentBytes: 16384, limitBytes: 1 << 20, groupBytes: 16384)
            journal = try openJournal(fileSystem, large)
            journal.writeGroup(count: 90, length: 150)
            journal.finish()
            fileSystem.kill()
            journal = try openJournal(fileSystem)
            journal.writeGroup(count: 10, length: 150)
        }
        fileSystem.crash()
        journal = try openJournal(fileSystem)
        #expect(try journal.readAll(after: 0).map(\.lsn) == Array(1...300))
        #expect(journal.failure == nil)
    }

    @Test func `a reader follows the writer, group by group, and never runs ahead of it`() throws {
        let journal = try openJournal(LossyFileSystem(seed: 1))
        let reader = try journal.store.makeReader(after: 0)
        var batch = JournalBatch()
        for round in 1...100 {
            #expect(try reader.read(into: &batch, maxRecords: 10, maxBytes: 10_000) == 0)
            journal.append(recordBytes(UInt64(round)))
            journal.submit()
            #expect(try reader.read(into: &batch, maxRecords: 10, maxBytes: 10_000) == 0)
            _ = journal.worker.step()
            #expect(try reader.read(into: &batch, maxRecords: 10, maxBytes: 10_000) == 1)
            #expect(batch.bytes(at: 0) == recordBytes(UInt64(round)) && reader.position == UInt64(round))
        }
    }

    @Test func `a reader starts behind any record and keeps to its bounds`() throws {
        let journal = try openJournal(LossyFileSystem(seed: 1))
        for _ in 0..<20 { journal.writeGroup(count: 6, length: 100) }
        for lsn in 0...UInt64(120) {
            #expect(
                try journal.readAll(after: lsn, maxRecords: 1000, maxBytes: 100_000).map(\.lsn)
                    == Array((lsn + 1)..<121))
        }
        let reader = try journal.store.makeReader(after: 0)
        var batch = JournalBatch()
        #expect(try reader.read(into: &batch, maxRecords: 4, maxBytes: 10_000) == 4)
        #expect(try reader.read(into: &batch, maxRecords: 100, maxBytes: 350) == 3 && batch.firstLSN == 5)
        #expect(try reader.read(into: &batch, maxRecords: 100, maxBytes: 1) == 1, "one record is always given")
        #expect(batch.firstLSN == 8 && batch.lastLSN == 8 && batch.byteCount == 100)
        #expect(throws: JournalError.notInJournal(lsn: 122, firstLSN: 1, lastLSN: 120)) {
            _ = try journal.store.makeReader(after: 121)
        }
    }
}
