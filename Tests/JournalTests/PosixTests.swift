// The journal on the real file system, with its real thread.

import Glibc
import Synchronization
import Testing

@testable import Journal

/// A directory that is removed with its files when the test ends.
final class TemporaryDirectory {
    let path: String

    init() throws {
        let parent = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
        var template = Array("\(parent)/drover-journal-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw FileError(operation: "make", name: parent, code: errno) }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit { TemporaryDirectory.remove(path) }

    private static func remove(_ path: String) {
        if let stream = opendir(path) {
            while let entry = readdir(stream) {
                let name = withUnsafeBytes(of: &entry.pointee.d_name) {
                    String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
                }
                if name != ".", name != ".." { remove(path + "/" + name) }
            }
            closedir(stream)
        }
        Glibc.remove(path)
    }
}

/// A thread that runs one closure; `join` waits for it.
struct TestThread {
    private final class Body {
        let run: () -> Void
        init(_ run: @escaping () -> Void) { self.run = run }
    }

    private let thread: pthread_t

    init(_ run: @escaping @Sendable () -> Void) {
        var thread = pthread_t()
        let body = Unmanaged.passRetained(Body(run))
        let code = pthread_create(
            &thread, nil,
            { argument in
                Unmanaged<Body>.fromOpaque(argument!).takeRetainedValue().run()
                return nil
            }, body.toOpaque())
        precondition(code == 0, "pthread_create")
        self.thread = thread
    }

    func join() { pthread_join(thread, nil) }
}

/// True until somebody says otherwise.
final class SharedFlag: Sendable {
    let value = Atomic<Bool>(true)
}

/// Lets the loop's thread of a test wait for progress.
///
/// Unchecked: the count is only touched with the monitor held.
final class ProgressSignal: @unchecked Sendable {
    private let monitor = Monitor()
    private var count = 0

    func raise() {
        monitor.withLock {
            count += 1
            monitor.signal(.progress)
        }
    }

    /// Waits, at most ten seconds, until it was raised again since it returned `seen`.
    func wait(after seen: Int) -> Int {
        let deadline = Monitor.now() + 10_000_000
        return monitor.withLock {
            while count == seen, Monitor.now() < deadline { monitor.wait(for: .progress, until: deadline) }
            return count
        }
    }
}

@Suite struct `The journal on a real disk` {
    private func configuration(_ directory: TemporaryDirectory) -> JournalConfiguration {
        JournalConfiguration(
            directory: directory.path + "/made/on/demand", segmentBytes: 64 << 10, limitBytes: 512 << 10,
            groupBytes: 32 << 10)
    }

    @Test func `a hundred thousand records pass from the loop to the reader, once and in order`() throws {
        let total: UInt64 = 100_000
        let directory = try TemporaryDirectory()
        let signal = ProgressSignal()
        let journal = try Journal(configuration: configuration(directory), onProgress: { signal.raise() })
        let store = journal.store
        let isReading = SharedFlag()
        let reading = TestThread {
            defer { isReading.value.store(false, ordering: .releasing) }
            do {
                let reader = try store.makeReader(after: 0)
                var batch = JournalBatch()
                var expected: UInt64 = 1
                while expected <= total {
                    let durable = store.waitForRecords(after: expected - 1, timeoutMilliseconds: 10_000)
                    try #require(durable >= expected, "nothing behind \(expected - 1) within ten seconds")
                    while try reader.read(into: &batch, maxRecords: 2000, maxBytes: 100_000) > 0 {
                        try #require(batch.firstLSN == expected)
                        for index in 0..<batch.count {
                            let number = batch.withRecord(at: index) { record in
                                record.withUnsafeBytes { $0.u64(at: 0) }
                            }
                            try #require(number == expected)
                            expected += 1
                        }
                        store.release(through: expected - 1)
                    }
                }
            } catch {
                Issue.record("\(error)")
            }
        }
        var seen = 0
        var bytes = [UInt8](repeating: 0, count: 50)
        while journal.appendedLSN < total, isReading.value.load(ordering: .acquiring) {
            for _ in 0..<100 where journal.appendedLSN < total && journal.hasRoom(records: 1, bytes: 50) {
                let next = journal.appendedLSN + 1
                bytes.withUnsafeMutableBytes { $0.store(next, at: 0) }
                _ = journal.append(bytes.span)
            }
            journal.submit()
            try #require(journal.failure == nil)
            if !journal.hasRoom(records: 1, bytes: 50) {
                // Either a group becomes durable, or the reader releases a segment: only the first is signalled.
                if journal.pendingBytes > 0 { seen = signal.wait(after: seen) } else { sched_yield() }
            }
        }
        #expect(journal.close(timeoutMicroseconds: 10_000_000))
        #expect(journal.durableLSN == total)
        reading.join()
        #expect(journal.statistics.groupRecords.sum == total)
        #expect(journal.statistics.releasedSegments > 10)
        #expect(!journal.hasRoom(records: 1, bytes: 1), "closed")
    }

    @Test func `close writes what was only appended, and a new journal finds it`() throws {
        let directory = try TemporaryDirectory()
        let first = try Journal(configuration: configuration(directory), onProgress: {})
        for lsn in 1...500 { first.append(recordBytes(UInt64(lsn))) }
        #expect(first.close(timeoutMicroseconds: 10_000_000) && first.durableLSN == 500)
        let second = try Journal(configuration: configuration(directory), onProgress: {})
        #expect(second.nodeID == first.nodeID && second.recovery.lastLSN == 500 && second.recovery.segments == 1)
        #expect(try second.readAll(after: 0).map(\.bytes) == (1...500).map { recordBytes($0) })
        #expect(second.close(timeoutMicroseconds: 10_000_000))
        #expect(second.close(timeoutMicroseconds: 0), "closing twice does nothing")
    }

    @Test func `a second opener is refused until the first has closed`() throws {
        let directory = try TemporaryDirectory()
        let first = try Journal(configuration: configuration(directory), onProgress: {})
        let path = configuration(directory).directory
        let error = #expect(throws: JournalError.locked(directory: path)) {
            _ = try Journal(configuration: configuration(directory), onProgress: {})
        }
        #expect(
            error?.description
                == "journal \(path) is in use by another process. Stop that gateway, or give this one a directory of its own "
                + "with DROVER_JOURNAL_DIRECTORY.")
        first.close(timeoutMicroseconds: 10_000_000)
        _ = try Journal(configuration: configuration(directory), onProgress: {})
    }

    @Test func `a directory that cannot be made is refused with what to do`() throws {
        let directory = try TemporaryDirectory()
        let file = directory.path + "/file"
        close(open(file, O_CREAT | O_WRONLY, 0o600))
        for path in [file, file + "/below"] {
            let error = #expect(throws: JournalError.self) {
                _ = try Journal(configuration: JournalConfiguration(directory: path), onProgress: {})
            }
            #expect(
                error?.description.contains("Not a directory. Set DROVER_JOURNAL_DIRECTORY to a directory.") == true)
        }
        #expect(throws: JournalError.self) {
            _ = try Journal(
                configuration: JournalConfiguration(directory: directory.path, limitBytes: 1), onProgress: {})
        }
    }

    @Test func `files are for their owner only`() throws {
        let directory = try TemporaryDirectory()
        let journal = try Journal(configuration: configuration(directory), onProgress: {})
        journal.append([1])
        #expect(journal.close(timeoutMicroseconds: 10_000_000))
        let path = configuration(directory).directory
        for name in ["", "/state", "/node-id", "/lock", "/" + FileNames.segment(1)] {
            var status = stat()
            #expect(stat(path + name, &status) == 0, "\(name)")
            #expect(status.st_mode & 0o077 == 0, "\(name)")
        }
        var status = stat()
        #expect(stat(path + "/" + FileNames.segment(1), &status) == 0)
        #expect(status.st_size == 64 << 10 && status.st_blocks * 512 >= 64 << 10, "its blocks are allocated ahead")
    }

    @Test func `wake ends a wait, also one that begins later`() throws {
        let directory = try TemporaryDirectory()
        let journal = try Journal(configuration: configuration(directory), onProgress: {})
        let store = journal.store
        store.wake()
        #expect(store.waitForRecords(after: 0, timeoutMilliseconds: 60_000) == 0)
        let waiting = TestThread { #expect(store.waitForRecords(after: 0, timeoutMilliseconds: 60_000) == 0) }
        store.wake()
        waiting.join()
        #expect(store.waitForRecords(after: 0, timeoutMilliseconds: 0) == 0)
        let ended = TestThread { #expect(store.waitForRecords(after: 0, timeoutMilliseconds: 60_000) == 0) }
        journal.close(timeoutMicroseconds: 10_000_000)
        ended.join()
    }

    @Test func `a failed sync reaches the loop through the thread`() throws {
        let fileSystem = LossyFileSystem(seed: 1)
        let signal = ProgressSignal()
        let journal = try Journal(
            configuration: smallConfiguration(), fileSystem: fileSystem, onProgress: { signal.raise() })
        fileSystem.failSyncAfter = 1
        try journal.startThread()
        journal.append([1])
        journal.submit()
        #expect(signal.wait(after: 0) == 1)
        #expect(journal.failure != nil && journal.durableLSN == 0 && !journal.hasRoom(records: 1, bytes: 1))
        #expect(!journal.close(timeoutMicroseconds: 10_000_000))
    }

    @Test func `close without space gives up at its deadline and says so`() throws {
        let fileSystem = LossyFileSystem(seed: 1)
        let journal = try Journal(configuration: smallConfiguration(), fileSystem: fileSystem, onProgress: {})
        fileSystem.capacity = 0
        try journal.startThread()
        journal.append([1])
        #expect(!journal.close(timeoutMicroseconds: 50_000))
        #expect(journal.failure == nil && journal.durableLSN == 0 && journal.appendedLSN == 1)
    }
}
