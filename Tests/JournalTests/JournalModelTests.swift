// The journal against a model of it, on a file system that loses what was not synced. One seed decides everything.

import Glibc
import Testing

@testable import Journal

@Suite struct `The journal under crashes` {
    /// How many seeds to run; `DROVER_MODEL_SEEDS=20000` makes some two million operations of it.
    private static let seeds = getenv("DROVER_MODEL_SEEDS").flatMap { UInt64(String(cString: $0)) } ?? 480

    /// The seeds in parts that can run side by side.
    private static let parts = UInt64(0)..<16

    @Test(arguments: parts)
    func `keeps every durable record, once, in order and unchanged`(part: UInt64) throws {
        for seed in stride(from: part, to: Self.seeds, by: Self.parts.count) {
            var model = JournalModel(seed: seed)
            do {
                try model.run(steps: 120)
            } catch {
                Issue.record("seed \(seed), step \(model.step): \(error)")
                return
            }
        }
    }
}

/// What was found wrong.
struct ModelViolation: Error, CustomStringConvertible {
    var description: String
}

/// A journal, its disk, and what must be true of them.
struct JournalModel {
    private let fileSystem: LossyFileSystem
    private var generator: SeededGenerator
    private var configuration: JournalConfiguration
    private var journal: Journal?
    private var reader: JournalReader?
    private var batch = JournalBatch()
    private var nodeID: String?
    /// Every record that was appended and may still exist, by LSN - 1.
    private var records: [[UInt8]] = []
    /// What was durable once.
    private var durable: UInt64 = 0
    private var released: UInt64 = 0
    private var mayFail = false
    private(set) var step = 0

    init(seed: UInt64) {
        generator = SeededGenerator(seed: seed)
        fileSystem = LossyFileSystem(seed: seed &+ 1_000_000)
        configuration = smallConfiguration(
            limitBytes: 4096 * Int.random(in: 2...8, using: &generator),
            groupBytes: Int.random(in: 1024...5000, using: &generator))
        if generator.oneIn(4) { fileSystem.longestWrite = Int.random(in: 1...600, using: &generator) }
    }

    mutating func run(steps: Int) throws {
        try reopen()
        for _ in 0..<steps {
            step += 1
            try oneStep()
        }
        fileSystem.crash()
        try reopen()
    }

    private mutating func oneStep() throws {
        guard let journal else { throw ModelViolation(description: "no journal") }
        switch Int.random(in: 0..<100, using: &generator) {
        case 0..<40: append(to: journal)
        case 40..<60: try work(journal)
        case 60..<70: try read(journal)
        case 70..<77:
            released = max(released, UInt64.random(in: 0...durable, using: &generator))
            journal.store.release(through: released)
        case 77..<80: journal.store.leaveSegment(through: UInt64.random(in: 0...durable, using: &generator))
        case 80..<85: fileSystem.crashAfter = Int.random(in: 1...15, using: &generator)
        case 85..<87: fileSystem.capacity = 8192 + 512 + 4096 * Int.random(in: 0...4, using: &generator)
        case 87..<90: fileSystem.capacity = .max
        case 90..<92:
            fileSystem.failSyncAfter = Int.random(in: 1...4, using: &generator)
            mayFail = true
        case 92..<94:
            journal.finish()
            fileSystem.kill()
            try reopen()
        case 94..<97:
            fileSystem.kill()
            try reopen()
        default:
            fileSystem.crash()
            try reopen()
        }
    }

    private mutating func append(to journal: Journal) {
        for _ in 0..<Int.random(in: 1...12, using: &generator) {
            let longest = generator.oneIn(20) ? 4096 : 150
            let length = Int.random(in: 1...longest, using: &generator)
            guard journal.hasRoom(records: 1, bytes: length) else { break }
            var bytes = [UInt8](repeating: 0, count: length)
            // Some records are all zeros, as the unused rest of a file is.
            if !generator.oneIn(8) {
                for index in 0..<length { bytes[index] = UInt8.random(in: 0...255, using: &generator) }
            }
            journal.append(bytes)
            records.append(bytes)
        }
        if generator.oneIn(2) { journal.submit() }
    }

    private mutating func work(_ journal: Journal) throws {
        let before = journal.durableLSN
        journal.submit()
        _ = journal.worker.step()
        try check(journal.durableLSN >= before, "durable LSN went back")
        try check(journal.durableLSN <= UInt64(records.count), "durable beyond what was appended")
        durable = max(durable, journal.durableLSN)
        try check(journal.sizeBytes <= configuration.limitBytes, "\(journal.sizeBytes) bytes are over the limit")
        guard let failure = journal.failure else { return }
        try check(mayFail || fileSystem.crashAfter != nil, "failed without cause: \(failure)")
        // Once failed it stays so, whatever is tried.
        let last = journal.durableLSN
        journal.submit()
        _ = journal.worker.step()
        try check(journal.durableLSN == last && !journal.hasRoom(records: 1, bytes: 1), "went on after a failure")
        if generator.oneIn(2) { fileSystem.crash() } else { fileSystem.kill() }
        try reopen()
    }

    /// Reads on where the last read ended.
    private mutating func read(_ journal: Journal) throws {
        guard fileSystem.crashAfter == nil else { return }
        let reader = try self.reader ?? journal.store.makeReader(after: max(released, journal.recovery.firstLSN - 1))
        self.reader = reader
        guard reader.position >= released else {
            self.reader = nil
            return
        }
        let before = reader.position
        let count = try reader.read(
            into: &batch, maxRecords: Int.random(in: 1...30, using: &generator),
            maxBytes: Int.random(in: 1...3000, using: &generator))
        try check(count > 0 || before == journal.durableLSN, "nothing read behind \(before)")
        try compare(after: before)
        try check(reader.position <= journal.durableLSN, "read what is not durable")
    }

    private func compare(after position: UInt64) throws {
        for index in 0..<batch.count {
            let lsn = batch.firstLSN + UInt64(index)
            try check(lsn == position + 1 + UInt64(index), "record \(lsn) came behind \(position) at \(index)")
            try check(lsn <= UInt64(records.count), "record \(lsn) was never appended")
            try check(batch.bytes(at: index) == records[Int(lsn) - 1], "record \(lsn) has changed")
        }
    }

    private mutating func reopen() throws {
        journal = nil
        reader = nil
        while true {
            if generator.oneIn(4) { fileSystem.crashAfter = Int.random(in: 1...12, using: &generator) }
            do throws(JournalError) {
                let journal = try openJournal(fileSystem, configuration)
                fileSystem.crashAfter = nil
                fileSystem.failSyncAfter = nil
                mayFail = false
                try verify(journal)
                self.journal = journal
                return
            } catch {
                // The machine may stop during recovery too; anything else is a fault of the journal, but for a disk that
                // is too full to begin.
                let isCrash = fileSystem.crashAfter == 0
                let isFull = fileSystem.capacity != .max
                guard isCrash || isFull else { throw ModelViolation(description: "did not open: \(error)") }
                if isFull { fileSystem.capacity = .max }
                fileSystem.crash()
            }
        }
    }

    private mutating func verify(_ journal: Journal) throws(JournalError) {
        let found = journal.recovery
        do {
            try check(found.lastLSN >= durable, "\(found.lastLSN) is left of \(durable) durable records")
            try check(found.lastLSN <= UInt64(records.count), "\(found.lastLSN) of \(records.count) appended records")
            try check(found.firstLSN <= released + 1, "begins at \(found.firstLSN), released \(released)")
            try check(found.lost.isEmpty, "lost \(found.lost)")
            try check(nodeID == nil || nodeID == journal.nodeID, "the node id has changed")
            nodeID = journal.nodeID
            let reader = try journal.store.makeReader(after: found.firstLSN - 1)
            while true {
                let before = reader.position
                if try reader.read(into: &batch, maxRecords: 50, maxBytes: 4000) == 0 { break }
                try compare(after: before)
            }
            try check(reader.position == found.lastLSN, "reading ended at \(reader.position), not \(found.lastLSN)")
        } catch let error as JournalError {
            throw error
        } catch {
            throw .invalidConfiguration("\(error)")
        }
        durable = found.lastLSN
        records.removeLast(records.count - Int(durable))
    }

    private func check(_ condition: Bool, _ message: @autoclosure () -> String) throws {
        if !condition { throw ModelViolation(description: message()) }
    }
}
