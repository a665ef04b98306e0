// Everything that can go wrong with the journal, each with what to do next.

import Glibc

/// Why the journal refuses to open, to go on, or to be read.
public enum JournalError: Error, Equatable, Sendable, CustomStringConvertible {
    /// A setting is out of its range.
    case invalidConfiguration(String)
    /// Another process, or another journal of this one, holds the directory.
    case locked(directory: String)
    /// A system call failed before any record was at stake. `code` is an errno.
    case fileSystem(operation: String, path: String, code: Int32)
    /// A file was written by another version of Drover.
    case unknownVersion(file: String, found: UInt32, supported: UInt32)
    /// Records that may have been acknowledged cannot be read. `lastLSN` is nil where the end of the loss is unknown.
    case corruptSegment(file: String, firstLSN: UInt64, lastLSN: UInt64?, reason: String)
    /// A small file beside the segments is damaged or missing.
    case corruptFile(file: String, reason: String)
    /// A reader asked for a place that the journal does not hold.
    case notInJournal(lsn: UInt64, firstLSN: UInt64, lastLSN: UInt64)
    /// Writing or syncing records failed: whether they are on disk is unknown, so nothing more is acknowledged.
    case failed(operation: String, path: String, code: Int32)
    /// The thread of the journal could not be started.
    case threadNotStarted(code: Int32)

    /// One line that says what is wrong and what to do next.
    public var description: String {
        switch self {
        case .invalidConfiguration(let text):
            return "\(text)."
        case .locked(let directory):
            return
                "journal \(directory) is in use by another process. Stop that gateway, or give this one a directory of "
                + "its own with DROVER_JOURNAL_DIRECTORY."
        case .fileSystem(let operation, let path, let code):
            return "cannot \(operation) \(path): \(errorText(code)). \(remedy(code))"
        case .unknownVersion(let file, let found, let supported):
            return
                "\(file) has journal format version \(found), this Drover reads version \(supported). Run the version of "
                + "Drover that wrote it until its journal is empty, then upgrade or downgrade."
        case .corruptSegment(let file, let first, let last, let reason):
            let range =
                last.map { $0 == first ? "record \(first)" : "records \(first) to \($0)" } ?? "records from \(first) on"
            let name = file.split(separator: "/").last.map(String.init) ?? file
            return
                "journal segment \(file) \(reason): \(range) cannot be read. Restore the file from a copy, or give up "
                + "its records with DROVER_JOURNAL_ACCEPT_CORRUPT_SEGMENT=\(name), which sets it aside as \(name).corrupt."
        case .corruptFile(let file, let reason):
            let name = file.split(separator: "/").last.map(String.init) ?? file
            return "journal file \(file) \(reason). Restore it from a copy, or let it be made anew with "
                + "DROVER_JOURNAL_ACCEPT_CORRUPT_SEGMENT=\(name) after you have seen that no segment file is missing."
        case .notInJournal(let lsn, let first, let last):
            return
                "record \(lsn) was asked for, but the journal holds \(first) to \(last). Its files were removed or belong "
                + "to another node: restore the directory, or start with an empty one so that it gets a new node id."
        case .failed(let operation, let path, let code):
            return
                "journal \(operation) of \(path) failed: \(errorText(code)). Nothing more is acknowledged. Repair or "
                + "replace the disk, then start again: every acknowledged record is checked on the way up."
        case .threadNotStarted(let code):
            return "cannot start the journal's thread: \(errorText(code)). Raise the limit on threads (ulimit -u)."
        }
    }

    private func remedy(_ code: Int32) -> String {
        switch code {
        case EACCES, EPERM:
            "Give the gateway's user read and write permission there, or set DROVER_JOURNAL_DIRECTORY."
        case EROFS: "The file system is read-only: remount it, or set DROVER_JOURNAL_DIRECTORY."
        case ENOSPC, EDQUOT: "Free space on that file system, or set DROVER_JOURNAL_DIRECTORY."
        case ENOENT, ENOTDIR: "Set DROVER_JOURNAL_DIRECTORY to a directory."
        case EMFILE, ENFILE: "Raise the limit on open files (ulimit -n)."
        default: "Check the disk and the system's log, then start again."
        }
    }

    private func errorText(_ code: Int32) -> String { String(cString: strerror(code)) }
}
