// What the journal's tests share: records that tell their LSN, small journals, reading everything back.

import Testing

@testable import Journal

/// A configuration with 4 KiB segments.
func smallConfiguration(
    limitBytes: Int = 1 << 20, groupBytes: Int = 4000, accept: [String] = []
) -> JournalConfiguration {
    JournalConfiguration(
        directory: "/lossy", segmentBytes: 4096, limitBytes: limitBytes, groupBytes: groupBytes,
        acceptCorruptSegment: accept)
}

/// Opens a journal on a test's file system, to be driven by steps.
func openJournal(
    _ fileSystem: any JournalFileSystem, _ configuration: JournalConfiguration = smallConfiguration()
) throws(JournalError) -> Journal {
    try Journal(configuration: configuration, fileSystem: fileSystem, onProgress: {})
}

/// The bytes of record `lsn`: they differ from every other record's.
func recordBytes(_ lsn: UInt64, length: Int = 40) -> [UInt8] {
    var generator = SeededGenerator(seed: lsn &+ 77)
    return (0..<length).map { _ in UInt8(truncatingIfNeeded: generator.next()) }
}

extension Journal {
    /// Appends an array.
    @discardableResult
    func append(_ bytes: [UInt8]) -> UInt64 { append(bytes.span) }

    /// Appends `count` records of `length` bytes as one group and writes it.
    func writeGroup(count: Int, length: Int = 40) {
        for _ in 0..<count { append(recordBytes(appendedLSN + 1, length: length)) }
        submit()
        _ = worker.step()
    }

    /// Ends as `close` does with a thread.
    func finish() {
        submit()
        _ = worker.step()
        worker.finish()
        close(timeoutMicroseconds: 0)
    }

    /// All records behind `lsn`, with their LSNs.
    func readAll(after lsn: UInt64, maxRecords: Int = 7, maxBytes: Int = 1000) throws -> [(lsn: UInt64, bytes: [UInt8])]
    {
        let reader = try store.makeReader(after: lsn)
        var batch = JournalBatch()
        var records: [(lsn: UInt64, bytes: [UInt8])] = []
        while try reader.read(into: &batch, maxRecords: maxRecords, maxBytes: maxBytes) > 0 {
            for index in 0..<batch.count { records.append((batch.firstLSN + UInt64(index), batch.bytes(at: index))) }
        }
        return records
    }
}

extension JournalBatch {
    /// A copy of one record.
    func bytes(at index: Int) -> [UInt8] {
        withRecord(at: index) { record in record.withUnsafeBytes { Array($0) } }
    }
}
