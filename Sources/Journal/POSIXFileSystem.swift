// The journal's directory as the kernel gives it. Every call repeats after EINTR; short reads and writes are passed on.

import Glibc

/// Owns the directory's descriptor and the lock; both end with `unlock()` or with the last reference.
///
/// Unchecked: its two descriptors are set once and closed once, by `unlock()` on the loop's thread after the journal's
/// thread has ended or by `deinit`; everything else is system calls.
final class POSIXFileSystem: JournalFileSystem, @unchecked Sendable {
    let directory: String
    private let directoryDescriptor: Int32
    private var lockDescriptor: Int32

    /// Creates the directory where it is missing and takes the lock.
    init(directory: String) throws(JournalError) {
        self.directory = directory
        try POSIXFileSystem.makeDirectory(directory)
        let descriptor = Glibc.open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .fileSystem(operation: "open", path: directory, code: errno) }
        let lock = openat(descriptor, FileNames.lock, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard lock >= 0 else {
            let code = errno
            Glibc.close(descriptor)
            throw .fileSystem(operation: "write in", path: directory, code: code)
        }
        // The kernel drops a flock with its process, so a crash never leaves one behind.
        guard flock(lock, LOCK_EX | LOCK_NB) == 0 else {
            let code = errno
            Glibc.close(lock)
            Glibc.close(descriptor)
            if code == EWOULDBLOCK { throw .locked(directory: directory) }
            throw .fileSystem(operation: "lock", path: directory, code: code)
        }
        directoryDescriptor = descriptor
        lockDescriptor = lock
    }

    deinit {
        unlock()
        Glibc.close(directoryDescriptor)
    }

    func list() throws(FileError) -> [String] {
        let descriptor = openat(directoryDescriptor, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0, let stream = fdopendir(descriptor) else {
            throw FileError(operation: "read", name: directory, code: errno)
        }
        defer { closedir(stream) }
        var names: [String] = []
        errno = 0
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." { names.append(name) }
            errno = 0
        }
        guard errno == 0 else { throw FileError(operation: "read", name: directory, code: errno) }
        return names
    }

    func open(_ name: String) throws(FileError) -> FileHandle { try open(name, flags: O_RDWR, operation: "open") }

    func create(_ name: String) throws(FileError) -> FileHandle {
        try open(name, flags: O_RDWR | O_CREAT | O_TRUNC, operation: "create")
    }

    private func open(_ name: String, flags: Int32, operation: String) throws(FileError) -> FileHandle {
        let descriptor = try retrying(operation, name) { openat(directoryDescriptor, name, flags | O_CLOEXEC, 0o600) }
        return FileHandle(descriptor: descriptor)
    }

    func close(_ file: FileHandle) { _ = Glibc.close(file.descriptor) }

    func size(_ file: FileHandle) throws(FileError) -> Int {
        var status = stat()
        _ = try retrying("stat", "a segment") { fstat(file.descriptor, &status) }
        return Int(status.st_size)
    }

    func allocate(_ file: FileHandle, bytes: Int) throws(FileError) {
        var code: Int32
        repeat { code = posix_fallocate(file.descriptor, 0, off_t(bytes)) } while code == EINTR
        guard code == 0 else { throw FileError(operation: "allocate a segment in", name: directory, code: code) }
    }

    func truncate(_ file: FileHandle, bytes: Int) throws(FileError) {
        _ = try retrying("truncate", "a segment") { ftruncate(file.descriptor, off_t(bytes)) }
    }

    func write(_ file: FileHandle, _ bytes: UnsafeRawBufferPointer, at offset: Int) throws(FileError) -> Int {
        try retrying("write", "a segment") { pwrite(file.descriptor, bytes.baseAddress, bytes.count, off_t(offset)) }
    }

    func read(_ file: FileHandle, into bytes: UnsafeMutableRawBufferPointer, at offset: Int) throws(FileError) -> Int {
        try retrying("read", "a segment") { pread(file.descriptor, bytes.baseAddress, bytes.count, off_t(offset)) }
    }

    func sync(_ file: FileHandle) throws(FileError) {
        // Not repeated after EINTR either: a second fdatasync may report success for pages the first one gave up.
        guard fdatasync(file.descriptor) == 0 else {
            throw FileError(operation: "sync", name: "a segment", code: errno)
        }
    }

    func dropCache(_ file: FileHandle) { _ = posix_fadvise(file.descriptor, 0, 0, POSIX_FADV_DONTNEED) }

    func rename(_ old: String, to new: String) throws(FileError) {
        _ = try retrying("rename", old) { renameat(directoryDescriptor, old, directoryDescriptor, new) }
    }

    func remove(_ name: String) throws(FileError) {
        _ = try retrying("remove", name) { unlinkat(directoryDescriptor, name, 0) }
    }

    func syncDirectory() throws(FileError) {
        guard fsync(directoryDescriptor) == 0 else { throw FileError(operation: "sync", name: directory, code: errno) }
    }

    func unlock() {
        guard lockDescriptor >= 0 else { return }
        Glibc.close(lockDescriptor)
        lockDescriptor = -1
    }

    func entropy() -> UInt64 { UInt64.random(in: 1...UInt64.max) }

    func wallClock() -> Int64 {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        return Int64(now.tv_sec) * 1_000_000 + Int64(now.tv_nsec) / 1000
    }

    private func retrying<Result: BinaryInteger>(
        _ operation: String, _ name: String, _ call: () -> Result
    ) throws(FileError) -> Result {
        while true {
            let result = call()
            if result >= 0 { return result }
            if errno != EINTR { throw FileError(operation: operation, name: name, code: errno) }
        }
    }

    /// `mkdir -p`, each new directory durable in the one above.
    private static func makeDirectory(_ path: String) throws(JournalError) {
        if mkdir(path, 0o700) == 0 { return try syncParent(of: path) }
        switch errno {
        case EEXIST: return
        case ENOENT:
            let above = parent(of: path)
            guard above != path else { throw .fileSystem(operation: "create", path: path, code: ENOENT) }
            try makeDirectory(above)
            guard mkdir(path, 0o700) == 0 || errno == EEXIST else {
                throw .fileSystem(operation: "create", path: path, code: errno)
            }
            try syncParent(of: path)
        case let code: throw .fileSystem(operation: "create", path: path, code: code)
        }
    }

    private static func parent(of path: String) -> String {
        var path = Substring(path)
        while path.utf8.count > 1, path.hasSuffix("/") { path.removeLast() }
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    private static func syncParent(of path: String) throws(JournalError) {
        let above = parent(of: path)
        let descriptor = Glibc.open(above, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .fileSystem(operation: "open", path: above, code: errno) }
        defer { Glibc.close(descriptor) }
        guard fsync(descriptor) == 0 else { throw .fileSystem(operation: "sync", path: above, code: errno) }
    }
}
