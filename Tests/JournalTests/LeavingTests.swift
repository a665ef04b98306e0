// Leaving the newest segment before it is full, so that what it holds can be deleted.

import Testing

@testable import Journal

@Suite struct `Leaving the newest segment` {
    @Test func `takes every byte of the released records off the disk`() throws {
        let fileSystem = LossyFileSystem(seed: 1)
        let journal = try openJournal(fileSystem)
        let secret = Array("a driver's name, a long one".utf8)
        journal.append(secret)
        journal.submit()
        _ = journal.worker.step()
        #expect(holds(fileSystem, secret) && journal.store.firstLSN == 1)
        journal.store.release(through: 1)
        _ = journal.worker.step()
        #expect(holds(fileSystem, secret), "the newest segment stays by itself")
        journal.store.leaveSegment(through: 1)
        for _ in 0..<3 { _ = journal.worker.step() }
        #expect(!holds(fileSystem, secret) && journal.store.firstLSN == 2)
        journal.writeGroup(count: 3)
        #expect(try journal.readAll(after: 1).map(\.lsn) == [2, 3, 4])
        fileSystem.crash()
        let reopened = try openJournal(fileSystem)
        #expect(reopened.recovery.firstLSN == 2 && reopened.recovery.lastLSN == 4 && !holds(fileSystem, secret))
    }

    @Test func `keeps what is not released, and makes no segment for nothing`() throws {
        let fileSystem = LossyFileSystem(seed: 1)
        let journal = try openJournal(fileSystem)
        journal.store.leaveSegment(through: 100)
        _ = journal.worker.step()
        #expect(segments(fileSystem) == 0, "there is nothing to leave")
        journal.writeGroup(count: 5)
        for _ in 0..<4 {
            journal.store.leaveSegment(through: 5)
            _ = journal.worker.step()
        }
        #expect(segments(fileSystem) == 2, "an empty segment is not left for another")
        #expect(try journal.readAll(after: 0).map(\.lsn) == Array(1...5))
        journal.writeGroup(count: 1)
        journal.store.leaveSegment(through: 5)
        _ = journal.worker.step()
        #expect(segments(fileSystem) == 2, "the newest holds nothing up to 5")
        journal.store.release(through: 4)
        for _ in 0..<3 { _ = journal.worker.step() }
        #expect(try journal.readAll(after: 0).map(\.lsn) == Array(1...6), "5 is still needed, and so is its segment")
    }

    @Test func `survives a crash at every step of it`() throws {
        for cut in 1...14 {
            let fileSystem = LossyFileSystem(seed: UInt64(cut))
            var journal = try openJournal(fileSystem)
            journal.writeGroup(count: 4)
            journal.store.release(through: 4)
            fileSystem.crashAfter = cut
            journal.store.leaveSegment(through: 4)
            for _ in 0..<4 { _ = journal.worker.step() }
            fileSystem.crash()
            fileSystem.crashAfter = nil
            journal = try openJournal(fileSystem)
            #expect(journal.recovery.lastLSN == 4 && journal.recovery.lost.isEmpty, "after \(cut) operations")
            journal.writeGroup(count: 2)
            journal.store.release(through: 4)
            journal.store.leaveSegment(through: 4)
            for _ in 0..<4 { _ = journal.worker.step() }
            #expect(try journal.readAll(after: 4).map(\.lsn) == [5, 6], "after \(cut) operations")
        }
    }

    @Test func `waits for space, and may be asked again`() throws {
        let fileSystem = LossyFileSystem(seed: 1)
        let journal = try openJournal(fileSystem)
        journal.writeGroup(count: 4)
        journal.store.release(through: 4)
        fileSystem.capacity = 0
        journal.store.leaveSegment(through: 4)
        for _ in 0..<3 { _ = journal.worker.step() }
        #expect(journal.failure == nil && journal.store.firstLSN == 1)
        fileSystem.capacity = .max
        journal.store.leaveSegment(through: 4)
        for _ in 0..<3 { _ = journal.worker.step() }
        #expect(journal.store.firstLSN == 5)
    }

    @Test func `works with the thread, which sleeps in between`() throws {
        let fileSystem = LossyFileSystem(seed: 1)
        let journal = try openJournal(fileSystem)
        try journal.startThread()
        journal.append(recordBytes(1))
        journal.submit()
        #expect(journal.store.waitForRecords(after: 0, timeoutMilliseconds: 10_000) == 1)
        journal.store.release(through: 1)
        journal.store.leaveSegment(through: 1)
        let deadline = Monitor.now() + 10_000_000
        while journal.store.firstLSN < 2, Monitor.now() < deadline {
            _ = journal.store.waitForRecords(after: 1, timeoutMilliseconds: 1)
        }
        #expect(journal.store.firstLSN == 2)
        #expect(journal.close(timeoutMicroseconds: 5_000_000))
    }

    private func segments(_ fileSystem: LossyFileSystem) -> Int {
        fileSystem.contents.keys.filter { $0.hasSuffix(".segment") }.count
    }

    private func holds(_ fileSystem: LossyFileSystem, _ bytes: [UInt8]) -> Bool {
        fileSystem.contents.values.contains { file in
            file.indices.contains { file[$0...].starts(with: bytes) }
        }
    }
}
