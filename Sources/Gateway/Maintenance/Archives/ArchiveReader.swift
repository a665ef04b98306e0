/// Reads an archive from its first byte to its last, for whoever verifies or filters it.
import Crypto
import EventLoop
import Glibc
import PostgresClient
import Zstandard

/// What a whole archive was found to hold.
struct ArchiveContent: Equatable {
    /// The file's length.
    var bytes = 0
    /// Of the file.
    var sha256 = ""
    /// Without the header line.
    var rows = 0
    /// The earliest fix, nil where there is no row.
    var firstRecordedAt: String?
    /// The latest.
    var lastRecordedAt: String?
    /// The SHA-256 of what was compressed, header line and all.
    var contentSHA256 = ""
}

/// See the file's head.
struct ArchiveReader {
    let path: String
    let cutOff: PostgresCutOff

    /// Reads the file once. `row` gets each record but the header line. Throws `.damaged` where the file is no whole
    /// archive, and `.interrupted` where this process is to end.
    func read(_ row: (ArchiveRecord) throws -> Void = { _ in }) throws -> ArchiveContent {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw ArchiveError.system(path: path, reason: lastSystemError()) }
        defer { close(descriptor) }
        var content = ArchiveContent()
        var tally = ArchiveTally()
        var fileHash = SHA256()
        var contentHash = SHA256()
        var decompressor = Decompressor()
        var records = ArchiveRecords()
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 18, alignment: 16)
        defer { buffer.deallocate() }
        while true {
            try cutOff.check("reading \(path)")
            let count = Glibc.read(descriptor, buffer.baseAddress, buffer.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw ArchiveError.system(path: path, reason: lastSystemError()) }
            if count == 0 { break }
            content.bytes += count
            let piece = UnsafeRawBufferPointer(rebasing: buffer[..<count])
            fileHash.update(bufferPointer: piece)
            do {
                try decompressor.append(piece) { text in
                    contentHash.update(bufferPointer: text)
                    let isPlausible = try records.append(text) { record in
                        if try tally.count(record, path) { try row(record) }
                    }
                    guard isPlausible else { throw ArchiveError.damaged(file: path, problem: "a line without an end") }
                }
            } catch let error as ZstandardError {
                throw ArchiveError.damaged(file: path, problem: error.description)
            }
        }
        do { try decompressor.finish() } catch let error as ZstandardError {
            throw ArchiveError.damaged(file: path, problem: error.description)
        }
        guard records.isAtEnd, let rows = tally.rows else {
            throw ArchiveError.damaged(file: path, problem: "it is cut off")
        }
        content.rows = rows
        content.firstRecordedAt = tally.first.map { String(decoding: $0, as: UTF8.self) }
        content.lastRecordedAt = tally.last.map { String(decoding: $0, as: UTF8.self) }
        content.sha256 = hexadecimal(fileHash.finalize())
        content.contentSHA256 = hexadecimal(contentHash.finalize())
        return content
    }

    /// Reads the file and compares it with `manifest`; `row` gets each record before it is known whether all is well.
    @discardableResult
    func verify(
        _ manifest: ArchiveManifest, _ row: (ArchiveRecord) throws -> Void = { _ in }
    ) throws -> ArchiveContent {
        let content = try read(row)
        func compare<Value: Equatable>(_ found: Value, _ expected: Value, _ what: String) throws(ArchiveError) {
            if found != expected {
                throw .damaged(file: path, problem: "its \(what) is \(found), the manifest says \(expected)")
            }
        }
        try compare(content.bytes, manifest.bytes, "length")
        try compare(content.sha256, manifest.sha256, "SHA-256")
        try compare(content.rows, manifest.rows, "number of rows")
        try compare(content.firstRecordedAt ?? "none", manifest.firstRecordedAt ?? "none", "first time")
        try compare(content.lastRecordedAt ?? "none", manifest.lastRecordedAt ?? "none", "last time")
        return content
    }
}

/// Counts records, and remembers the earliest and latest.
private struct ArchiveTally {
    /// nil until the header line has come.
    private(set) var rows: Int?
    private(set) var first: [UInt8]?
    private(set) var last: [UInt8]?

    /// Counts `record`; false where it is the header line.
    mutating func count(_ record: ArchiveRecord, _ path: String) throws(ArchiveError) -> Bool {
        guard let rows else {
            guard String(decoding: record.bytes, as: UTF8.self) == ArchiveColumns.header + "\n" else {
                throw .damaged(file: path, problem: "its first line does not name the columns")
            }
            self.rows = 0
            return false
        }
        guard let time = record.recordedAt, record.receivedAt != nil else {
            throw .damaged(file: path, problem: "row \(rows + 1) is not one of ours")
        }
        // Times of the same width in the same zone: their order is that of their text.
        if first.map({ Self.isBefore(time, $0) }) ?? true { first = Array(time) }
        if last.map({ Self.isAfter(time, $0) }) ?? true { last = Array(time) }
        self.rows = rows + 1
        return true
    }

    private static func isBefore(_ time: UnsafeRawBufferPointer, _ other: [UInt8]) -> Bool {
        memcmp(time.baseAddress!, other, other.count) < 0
    }

    private static func isAfter(_ time: UnsafeRawBufferPointer, _ other: [UInt8]) -> Bool {
        memcmp(time.baseAddress!, other, other.count) > 0
    }
}

extension PostgresCutOff {
    /// Throws where this process is to end: what reads and writes files for long asks now and then.
    func check(_ activity: @autoclosure () -> String) throws(PostgresError) {
        if SystemClock.monotonicMicroseconds() >= deadline {
            throw PostgresError(.interrupted, "stopped while \(activity())")
        }
    }
}
