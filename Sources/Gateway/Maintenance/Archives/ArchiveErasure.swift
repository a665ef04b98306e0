/// Takes a driver out of archived days.
///
/// A file that holds none of the rows stays as it is, byte by byte. Another is written anew without them, read back,
/// published in the place of the old one, and its row brought up to date; so an erasure that was cut off goes on where it
/// was when it is begun again.
import Glibc
import PostgresClient
import Tracking

/// How far the erasing of a driver in archives is, and what it did since this call of it began.
struct ArchiveErasure: Equatable {
    /// Archives looked through and, where it was necessary, written anew.
    var filesDone = 0
    /// How many there are.
    var files = 0
    /// Those that were written anew.
    var filesRewritten = 0
    /// Rows taken away.
    var rows = 0
}

extension Archives {
    /// Takes the rows of `driver` received at or before `receivedThrough` (microseconds since 1970) out of every archive
    /// that has a row in `history_archives` or lies in the directory. Waits for the lock of maintenance at most ten seconds.
    ///
    /// `progress` is called after each file; where it throws, the erasing ends there and can be begun again. Throws
    /// `ArchiveError.missing` where a file with a row is not in the directory, before anything is changed, `.damaged` where
    /// one cannot be read, and `PostgresError`, also where the lock could not be had.
    @discardableResult
    func erase(
        driver: String, receivedThrough: Microseconds, progress: (ArchiveErasure) throws -> Void = { _ in }
    ) throws -> ArchiveErasure {
        try MaintenanceLock.whileAlone(connection, schema: schemaName, withinMilliseconds: 10_000) {
            try eraseLocked(driver, ArchiveColumns.time(receivedThrough), progress)
        }
    }

    private func eraseLocked(
        _ driver: String, _ limit: String, _ progress: (ArchiveErasure) throws -> Void
    ) throws -> ArchiveErasure {
        let known = try rows()
        guard let directory else {
            if let row = known.first { throw ArchiveError.noDirectory(file: row.file) }
            return ArchiveErasure()
        }
        try directory.recover()
        if let lost = known.first(where: { !directory.holds($0.file) }) {
            throw ArchiveError.missing(file: lost.file, directory: directory.path)
        }
        let files = Set(known.map(\.file)).union(try directory.files()).sorted()
        var done = ArchiveErasure(files: files.count)
        for file in files {
            guard let manifest = try directory.manifest(of: file) else {
                throw ArchiveError.damaged(file: file, problem: "it has no manifest")
            }
            let row = known.first { $0.file == file }
            let rewriting = try Rewriting(driver, limit, manifest, directory)
            if rewriting.rows > 0 {
                let rewritten = try rewriting.run()
                if row != nil { try record(rewritten) }
                done.filesRewritten += 1
                done.rows += rewriting.rows
            } else if let row, row.sha256 != manifest.sha256 {
                // A crash came between the file's new manifest and its row; `Rewriting` has verified the file by it.
                try record(manifest)
            }
            done.filesDone += 1
            try progress(done)
        }
        return done
    }
}

/// The writing anew of one file.
private struct Rewriting {
    private let driver: [UInt8]
    private let limit: [UInt8]
    private let manifest: ArchiveManifest
    private let directory: ArchiveDirectory
    /// How many rows have to go.
    let rows: Int

    /// Looks for the rows, and verifies the file.
    init(_ driver: String, _ limit: String, _ manifest: ArchiveManifest, _ directory: ArchiveDirectory) throws {
        let (driver, limit) = (Array(driver.utf8), Array(limit.utf8))
        var count = 0
        try ArchiveReader(path: directory.path(of: manifest.file), cutOff: directory.cutOff).verify(manifest) {
            if $0.isOf(driver), $0.isReceived(through: limit) { count += 1 }
        }
        (self.driver, self.limit, self.manifest, self.directory) = (driver, limit, manifest, directory)
        rows = count
    }

    /// Writes it and returns the new manifest.
    func run() throws -> ArchiveManifest {
        let partial = directory.partialPath(of: manifest.file)
        do {
            let writer = try ArchiveWriter(partial)
            writer.append(text: ArchiveColumns.header + "\n")
            var first: [UInt8]?
            var last: [UInt8]?
            _ = try ArchiveReader(path: directory.path(of: manifest.file), cutOff: directory.cutOff).read { record in
                if record.isOf(driver), record.isReceived(through: limit) { return }
                try writer.append(record.bytes)
                guard let time = record.recordedAt else { return }
                if first.map({ memcmp(time.baseAddress!, $0, $0.count) < 0 }) ?? true { first = Array(time) }
                if last.map({ memcmp(time.baseAddress!, $0, $0.count) > 0 }) ?? true { last = Array(time) }
            }
            let (bytes, sha256) = try writer.finish()
            var rewritten = manifest
            rewritten.rows -= rows
            rewritten.firstRecordedAt = first.map { String(decoding: $0, as: UTF8.self) }
            rewritten.lastRecordedAt = last.map { String(decoding: $0, as: UTF8.self) }
            (rewritten.bytes, rewritten.sha256) = (bytes, sha256)
            try ArchiveReader(path: partial, cutOff: directory.cutOff).verify(rewritten)
            try directory.publish(rewritten)
            return rewritten
        } catch {
            directory.discardPartial(manifest.file)
            throw error
        }
    }
}
