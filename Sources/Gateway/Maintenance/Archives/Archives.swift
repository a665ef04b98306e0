/// The archived days of a schema: files in a directory, and a row of `history_archives` for each.
///
/// A day is written by COPY, read back whole and compared with what Postgres says of the day, and only then gets its name
/// and its row. The manifest is the authority on its file; the row follows it, also after a crash between the two.
import EventLoop
import Glibc
import PostgresClient
import Tracking

/// A partition, or a table that was one.
struct DayTable: Equatable {
    /// Unquoted, without its schema.
    let name: String
    /// Its bounds as the archive prints times.
    let lower: String
    let upper: String
}

/// Works on the connection of one thread, under `MaintenanceLock`.
struct Archives {
    /// The row of a file.
    struct Row: Equatable {
        let file: String
        let partition: String
        let sha256: String
        let isDropped: Bool
    }

    /// nil where none is configured.
    let directory: ArchiveDirectory?
    let connection: PostgresConnection
    /// As it is configured, and as SQL takes it.
    let schemaName: String
    let schema: String
    private let place: HistoryPlace
    let cutOff: PostgresCutOff

    /// `directory` is `history.archive_directory`; empty is none. `schema` and `history` are unquoted; where `history` is
    /// empty the days are in `schema`.
    init(
        directory: String, connection: PostgresConnection, schema: String, history: String = "", cutOff: PostgresCutOff
    ) {
        self.directory = directory.isEmpty ? nil : ArchiveDirectory(path: directory, cutOff: cutOff)
        self.connection = connection
        schemaName = schema
        self.schema = quotedIdentifier(schema)
        place = HistoryPlace(schema: schema, history: history)
        self.cutOff = cutOff
    }

    /// Writes `table` out, unless there is a sound archive that holds exactly the same; returns the manifest, and whether
    /// the file was written now. `progress` gets the rows written so far, now and then.
    func write(
        _ table: DayTable, into directory: ArchiveDirectory, progress: (Int) throws -> Void = { _ in }
    ) throws -> (manifest: ArchiveManifest, isNew: Bool) {
        try directory.recover()
        let known = try rows()
        let ours = known.filter { $0.partition == table.name && !$0.isDropped }.map(\.file)
        var content: String?
        for file in try candidates(for: table, ours, known, directory) {
            guard let manifest = try? directory.manifest(of: file), manifest.partition == table.name,
                let found = try sound(manifest, directory)
            else { continue }
            if content == nil { content = try contentSHA256(of: table) }
            if found.contentSHA256 == content {
                try record(manifest)
                return (manifest, false)
            }
        }
        // What was archived of the same table before is replaced: rows may have come since.
        let file = ours.first ?? Self.freeName(for: table, known, directory)
        let manifest = try write(table, to: file, in: directory, progress)
        try record(manifest)
        return (manifest, true)
    }

    /// Reads `file` back and compares it with its manifest and its row.
    @discardableResult
    func verify(_ file: String) throws -> ArchiveManifest {
        guard let directory else { throw ArchiveError.noDirectory(file: file) }
        guard directory.holds(file), let manifest = try directory.manifest(of: file) else {
            throw ArchiveError.missing(file: file, directory: directory.path)
        }
        try ArchiveReader(path: directory.path(of: file), cutOff: cutOff).verify(manifest)
        if let row = try rows().first(where: { $0.file == file }), row.sha256 != manifest.sha256 {
            throw ArchiveError.damaged(file: file, problem: "its row in history_archives has another SHA-256")
        }
        return manifest
    }

    /// Every row of `history_archives`, by name.
    func rows() throws(PostgresError) -> [Row] {
        let rows = try connection.query(
            """
            SELECT file, partition, encode(sha256, 'hex'), dropped_at IS NOT NULL FROM \(schema).history_archives
            ORDER BY file
            """)
        return (0..<rows.count).map { row in
            Row(
                file: rows.text(row, 0) ?? "", partition: rows.text(row, 1) ?? "", sha256: rows.text(row, 2) ?? "",
                isDropped: rows.flag(row, 3) ?? false)
        }
    }

    /// Makes the row of a file say what its manifest does.
    func record(_ manifest: ArchiveManifest) throws(PostgresError) {
        try connection.query(
            """
            INSERT INTO \(schema).history_archives
                (file, partition, lower_bound, upper_bound, row_count, first_at, last_at, bytes, sha256)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, decode($9, 'hex'))
            ON CONFLICT (file) DO UPDATE SET row_count = EXCLUDED.row_count, first_at = EXCLUDED.first_at,
                last_at = EXCLUDED.last_at, bytes = EXCLUDED.bytes, sha256 = EXCLUDED.sha256
            """,
            [
                manifest.file, manifest.partition, manifest.lowerBound, manifest.upperBound, "\(manifest.rows)",
                manifest.firstRecordedAt, manifest.lastRecordedAt, "\(manifest.bytes)", manifest.sha256,
            ])
    }

    /// The files of days that were dropped and had ended at `limit`.
    func dropped(before limit: Microseconds) throws(PostgresError) -> [String] {
        let rows = try connection.query(
            """
            SELECT file FROM \(schema).history_archives
            WHERE dropped_at IS NOT NULL AND upper_bound <= $1::timestamptz ORDER BY upper_bound, file
            """, [ArchiveColumns.time(limit)])
        return (0..<rows.count).compactMap { rows.text($0, 0) }
    }

    /// Deletes a file, its row and its manifest.
    func delete(_ file: String) throws {
        guard let directory else { throw ArchiveError.noDirectory(file: file) }
        // Where the manifest is without its file, an earlier call was cut off.
        guard directory.isTaken(file) else { throw ArchiveError.missing(file: file, directory: directory.path) }
        try directory.remove(archive: file) {
            try connection.query("DELETE FROM \(schema).history_archives WHERE file = $1", [file])
        }
    }

    /// Files that may hold this table: its own, and those that a crash kept from getting a row.
    private func candidates(
        for table: DayTable, _ ours: [String], _ known: [Row], _ directory: ArchiveDirectory
    ) throws -> [String] {
        let strangers = try directory.files().filter { file in
            file.hasPrefix(table.name) && !known.contains { $0.file == file }
        }
        return ours.filter { directory.holds($0) } + strangers
    }

    /// What a file holds, where it is what its manifest says.
    private func sound(_ manifest: ArchiveManifest, _ directory: ArchiveDirectory) throws -> ArchiveContent? {
        do {
            return try ArchiveReader(path: directory.path(of: manifest.file), cutOff: cutOff).verify(manifest)
        } catch is ArchiveError { return nil }
    }

    private static func freeName(for table: DayTable, _ known: [Row], _ directory: ArchiveDirectory) -> String {
        var number = 1
        while true {
            let name = ArchiveDirectory.name(of: table.name, number: number)
            if !directory.isTaken(name), !known.contains(where: { $0.file == name }) { return name }
            number += 1
        }
    }

    private func write(
        _ table: DayTable, to file: String, in directory: ArchiveDirectory, _ progress: (Int) throws -> Void
    ) throws -> ArchiveManifest {
        let partial = directory.partialPath(of: file)
        do {
            let writer = try ArchiveWriter(partial)
            var rows = -1
            let (told, copied) = try snapshot { () throws -> ([String?], Int) in
                // What Postgres itself counts is what the file is compared with.
                let told = try connection.query(
                    """
                    SELECT count(*), \(ArchiveColumns.timeText("min(recorded_at)")),
                        \(ArchiveColumns.timeText("max(recorded_at)")) FROM \(qualified(table))
                    """)
                let copied = try connection.copyOut(ArchiveColumns.copyStatement(of: qualified(table))) { row in
                    rows += 1
                    if try writer.append(row) {
                        try cutOff.check("archiving \(table.name)")
                        try progress(rows)
                    }
                }
                return ((0..<3).map { told.text(0, $0) }, copied)
            }
            let (bytes, sha256) = try writer.finish()
            let manifest = ArchiveManifest(
                file: file, partition: table.name, lowerBound: table.lower, upperBound: table.upper,
                rows: told[0].flatMap { Int($0) } ?? -1, firstRecordedAt: told[1], lastRecordedAt: told[2],
                bytes: bytes, sha256: sha256)
            guard copied == manifest.rows else {
                throw ArchiveError.damaged(
                    file: file, problem: "Postgres gave \(copied) rows where it counts \(manifest.rows)")
            }
            try ArchiveReader(path: partial, cutOff: cutOff).verify(manifest)
            try directory.publish(manifest)
            return manifest
        } catch {
            directory.discardPartial(file)
            throw error
        }
    }

    /// The SHA-256 of what an archive of `table` would hold now.
    private func contentSHA256(of table: DayTable) throws -> String {
        var content = ContentHash()
        try snapshot {
            _ = try connection.copyOut(ArchiveColumns.copyStatement(of: qualified(table))) { row in
                if content.append(row) { try cutOff.check("comparing \(table.name) with its archive") }
            }
        }
        return content.finish()
    }

    /// Runs `body` in one snapshot, with what a role or database may have set put right.
    private func snapshot<Result>(_ body: () throws -> Result) throws -> Result {
        try connection.run(
            """
            BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = 0;
            SET LOCAL idle_in_transaction_session_timeout = 0; SET LOCAL extra_float_digits = 1; SET LOCAL jit = off
            """)
        do {
            let result = try body()
            try connection.run("COMMIT")
            return result
        } catch {
            _ = try? connection.run("ROLLBACK")
            throw error
        }
    }

    private func qualified(_ table: DayTable) -> String { place.inHistory(table.name) }
}
