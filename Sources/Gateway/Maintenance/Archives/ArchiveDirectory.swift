/// The directory of archived days, and how a file in it comes to be or is replaced without a moment at which a crash would
/// leave something in doubt.
///
/// A file and its manifest are written as `….partial` and synced. Then the file is renamed, then the manifest. So at any
/// moment either the manifest names the file that is there, or a `.partial` manifest does: `recover` finds the latter and
/// ends the work. Whatever else is `.partial` was never finished and is removed. One schema has a directory for itself, and
/// whoever works in it holds `MaintenanceLock`.
import Foundation
import PostgresClient

/// See the file's head.
struct ArchiveDirectory {
    private static let dataSuffix = ".csv.zst"
    private static let manifestSuffix = ".manifest.json"
    private static let partialSuffix = ".partial"

    /// Where it is.
    let path: String
    let cutOff: PostgresCutOff

    func path(of file: String) -> String { "\(path)/\(file)" }
    func manifestPath(of file: String) -> String { path(of: file) + Self.manifestSuffix }
    func partialPath(of file: String) -> String { path(of: file) + Self.partialSuffix }
    private func partialManifestPath(of file: String) -> String { manifestPath(of: file) + Self.partialSuffix }

    /// Makes it where it is missing; its parent must be there.
    func prepare() throws(ArchiveError) {
        if mkdir(path, 0o750) != 0, errno != EEXIST { throw .system(path: path, reason: lastSystemError()) }
        var status = stat()
        guard stat(path, &status) == 0 else { throw .system(path: path, reason: lastSystemError()) }
        guard status.st_mode & S_IFMT == S_IFDIR else { throw .system(path: path, reason: "it is not a directory") }
        guard access(path, R_OK | W_OK | X_OK) == 0 else { throw .system(path: path, reason: lastSystemError()) }
    }

    func holds(_ file: String) -> Bool { access(path(of: file), F_OK) == 0 }

    /// The manifest of `file`; nil where there is none.
    func manifest(of file: String) throws(ArchiveError) -> ArchiveManifest? {
        guard let manifest = try ArchiveManifest.read(at: manifestPath(of: file)) else { return nil }
        guard manifest.file == file else {
            throw .damaged(file: file, problem: "its manifest speaks of \(manifest.file)")
        }
        return manifest
    }

    /// The archives that have a manifest, by name.
    func files() throws(ArchiveError) -> [String] {
        try names().filter { $0.hasSuffix(Self.dataSuffix + Self.manifestSuffix) }
            .map { String($0.dropLast(Self.manifestSuffix.count)) }.filter { holds($0) }
    }

    /// Ends what a crash left half done. To be called before anything else is done here.
    func recover() throws {
        try prepare()
        let partials = try names().filter { $0.hasSuffix(Self.partialSuffix) }
        for name in partials where name.hasSuffix(Self.manifestSuffix + Self.partialSuffix) {
            let file = String(name.dropLast(Self.manifestSuffix.count + Self.partialSuffix.count))
            // A manifest that cannot be read was not synced, so its file was not renamed yet.
            if let manifest = try? ArchiveManifest.read(at: path(of: name)), holds(file),
                (try? ArchiveReader(path: path(of: file), cutOff: cutOff).verify(manifest)) != nil
            {
                try rename(path(of: name), manifestPath(of: file))
            } else {
                try cutOff.check("looking after \(path)")
                try remove(path(of: name))
            }
        }
        for name in partials where name.hasSuffix(Self.dataSuffix + Self.partialSuffix) {
            try remove(path(of: name))
        }
        if !partials.isEmpty { try sync() }
    }

    /// Puts a written and synced `….partial` in the place of `manifest.file`, verified before.
    func publish(_ manifest: ArchiveManifest) throws {
        let partial = partialManifestPath(of: manifest.file)
        try writeSynced(manifest.encoded(), to: partial)
        try sync()
        try rename(partialPath(of: manifest.file), path(of: manifest.file))
        try sync()
        try rename(partial, manifestPath(of: manifest.file))
        try sync()
    }

    /// Takes an archive away, its manifest last: while that is there, the removal can be taken up again.
    func remove(archive file: String, between: () throws -> Void) throws {
        try remove(path(of: file))
        try sync()
        try between()
        try remove(manifestPath(of: file))
        try sync()
    }

    /// Removes what was begun for `file` and not published.
    func discardPartial(_ file: String) {
        unlink(partialPath(of: file))
        unlink(partialManifestPath(of: file))
    }

    /// Whether a file or manifest of that name is there.
    func isTaken(_ file: String) -> Bool { holds(file) || access(manifestPath(of: file), F_OK) == 0 }

    /// A name for an archive of `partition`: the first without a number.
    static func name(of partition: String, number: Int) -> String {
        partition + (number == 1 ? "" : "_\(number)") + dataSuffix
    }

    private func names() throws(ArchiveError) -> [String] {
        do { return try FileManager.default.contentsOfDirectory(atPath: path).sorted() } catch {
            throw .system(path: path, reason: "cannot list it")
        }
    }

    private func rename(_ from: String, _ to: String) throws(ArchiveError) {
        guard Glibc.rename(from, to) == 0 else { throw .system(path: to, reason: lastSystemError()) }
    }

    private func remove(_ path: String) throws(ArchiveError) {
        if unlink(path) != 0, errno != ENOENT { throw .system(path: path, reason: lastSystemError()) }
    }

    /// Makes the names in the directory last.
    private func sync() throws(ArchiveError) {
        let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .system(path: path, reason: lastSystemError()) }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw .system(path: path, reason: lastSystemError()) }
    }

    private func writeSynced(_ content: Data, to path: String) throws(ArchiveError) {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o640)
        guard descriptor >= 0 else { throw .system(path: path, reason: lastSystemError()) }
        defer { close(descriptor) }
        let written = content.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
        guard written == content.count, fsync(descriptor) == 0 else {
            throw .system(path: path, reason: written < 0 ? lastSystemError() : "it is full")
        }
    }
}
