/// What can go wrong with the files of archived days.

/// Why a day could not be archived, or an archive not be used. Nothing of the history is dropped where one is thrown.
enum ArchiveError: Error, Equatable, CustomStringConvertible {
    /// The system refuses to read or write there.
    case system(path: String, reason: String)
    /// The file is not what its manifest says.
    case damaged(file: String, problem: String)
    /// `history_archives` names a file that is not there.
    case missing(file: String, directory: String)
    /// There is something to do with archives, and no directory is configured.
    case noDirectory(file: String)

    /// One line: what is wrong, and what to do next.
    var description: String {
        switch self {
        case .system(let path, let reason):
            "cannot use the archive \(path): \(reason). Make room or correct its rights, or set "
                + "DROVER_HISTORY_ARCHIVE_DIRECTORY"
        case .damaged(let file, let problem):
            "the archive \(file) is damaged: \(problem). Restore it and its manifest from a copy, or delete both and its "
                + "row in history_archives"
        case .missing(let file, let directory):
            "the archive \(file) is not in \(directory). Run this where it is, or delete its row in history_archives"
        case .noDirectory(let file):
            "the archive \(file) is known, but no directory for archives is set. Set DROVER_HISTORY_ARCHIVE_DIRECTORY, or "
                + "delete its row in history_archives"
        }
    }
}
