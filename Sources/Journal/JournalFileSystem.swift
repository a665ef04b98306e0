// The seam under the journal: one directory of files. The real one is POSIXFileSystem; the tests have one that loses what
// was not synced when it crashes.

import Glibc

/// A system call that failed.
struct FileError: Error, Equatable {
    /// What was tried, as in "cannot <operation> <file>".
    var operation: String
    /// The file's name in the directory, or the directory's path.
    var name: String
    /// The errno.
    var code: Int32

    /// Whether space ran out, which passes, rather than the disk being broken.
    var isFull: Bool { code == ENOSPC || code == EDQUOT }
}

/// An open file.
struct FileHandle: Equatable, Sendable {
    var descriptor: Int32
}

/// One directory. Reads may come from another thread than the rest.
protocol JournalFileSystem: AnyObject, Sendable {
    /// For messages.
    var directory: String { get }
    /// The names of all files.
    func list() throws(FileError) -> [String]
    func open(_ name: String) throws(FileError) -> FileHandle
    /// Makes an empty file, in the place of one of that name that a crash left.
    func create(_ name: String) throws(FileError) -> FileHandle
    func close(_ file: FileHandle)
    func size(_ file: FileHandle) throws(FileError) -> Int
    /// Gives the file its blocks, as zeros.
    func allocate(_ file: FileHandle, bytes: Int) throws(FileError)
    func truncate(_ file: FileHandle, bytes: Int) throws(FileError)
    /// One write; it may be short.
    func write(_ file: FileHandle, _ bytes: UnsafeRawBufferPointer, at offset: Int) throws(FileError) -> Int
    /// One read; it may be short, and is 0 at the end.
    func read(_ file: FileHandle, into bytes: UnsafeMutableRawBufferPointer, at offset: Int) throws(FileError) -> Int
    /// Data and what is needed to find it are on the disk when this returns.
    func sync(_ file: FileHandle) throws(FileError)
    /// Forgets what is cached of the file, so that the next read sees the disk: after a sync that failed the cache holds
    /// pages that look clean and never reached it.
    func dropCache(_ file: FileHandle)
    func rename(_ old: String, to new: String) throws(FileError)
    func remove(_ name: String) throws(FileError)
    /// Makes creations, renames and removals durable.
    func syncDirectory() throws(FileError)
    /// Lets another process open the directory.
    func unlock()
    /// 64 random bits.
    func entropy() -> UInt64
    /// Microseconds since 1970.
    func wallClock() -> Int64
}

extension JournalFileSystem {
    /// Writes all of `bytes`, however many short writes it takes.
    func writeAll(_ file: FileHandle, _ bytes: UnsafeRawBufferPointer, at offset: Int, name: String) throws(FileError) {
        var done = 0
        while done < bytes.count {
            let written = try write(file, UnsafeRawBufferPointer(rebasing: bytes[done...]), at: offset + done)
            // A write of nothing that reports no error would repeat for ever.
            guard written > 0 else { throw FileError(operation: "write", name: name, code: EIO) }
            done += written
        }
    }

    /// Reads until `bytes` is full or the file ends; returns the number of bytes read.
    func readAll(_ file: FileHandle, into bytes: UnsafeMutableRawBufferPointer, at offset: Int) throws(FileError) -> Int
    {
        var done = 0
        while done < bytes.count {
            let count = try read(file, into: UnsafeMutableRawBufferPointer(rebasing: bytes[done...]), at: offset + done)
            if count == 0 { break }
            done += count
        }
        return done
    }

    /// Writes all of an array, or its first `count` bytes.
    func writeAll(
        _ file: FileHandle, _ bytes: [UInt8], count: Int? = nil, at offset: Int, name: String
    ) throws(FileError) {
        // The closure of an array's withUnsafeBytes cannot throw a typed error.
        let result = bytes.withUnsafeBytes { buffer in
            let wanted = UnsafeRawBufferPointer(rebasing: buffer[..<(count ?? buffer.count)])
            return Result { () throws(FileError) in try writeAll(file, wanted, at: offset, name: name) }
        }
        try result.get()
    }

    /// Fills the first `count` bytes of an array, or as many as the file has from `offset` on; returns how many.
    func readAll(_ file: FileHandle, into bytes: inout [UInt8], count: Int, at offset: Int) throws(FileError) -> Int {
        let result = bytes.withUnsafeMutableBytes { buffer in
            Result { () throws(FileError) in
                try readAll(file, into: UnsafeMutableRawBufferPointer(rebasing: buffer[0..<count]), at: offset)
            }
        }
        return try result.get()
    }

    /// The whole of a small file.
    func contents(of name: String) throws(FileError) -> [UInt8] {
        let file = try open(name)
        defer { close(file) }
        var bytes = [UInt8](repeating: 0, count: try size(file))
        let count = try readAll(file, into: &bytes, count: bytes.count, at: 0)
        return Array(bytes.prefix(count))
    }

    /// Puts a complete file in place: a crash leaves the old one, none, or the new one, never a part.
    func install(_ name: String, _ bytes: [UInt8]) throws(FileError) {
        let unfinished = FileNames.unfinished(name)
        let file = try create(unfinished)
        defer { close(file) }
        try writeAll(file, bytes, at: 0, name: unfinished)
        try sync(file)
        try rename(unfinished, to: name)
        try syncDirectory()
    }

    /// The error of a call made before any record was at stake.
    func journalError(_ error: FileError) -> JournalError {
        .fileSystem(operation: error.operation, path: path(error.name), code: error.code)
    }

    /// A file's path for messages.
    func path(_ name: String) -> String { name.hasPrefix("/") || name == directory ? name : directory + "/" + name }
}
