// A directory in memory that keeps what a disk promises and nothing more: after a crash any subset of the sectors and
// directory changes that were not synced survives.

import Glibc

@testable import Journal

/// Used by one thread at a time, which is all that these tests do with it.
final class LossyFileSystem: JournalFileSystem, @unchecked Sendable {
    private enum Change {
        case write(offset: Int, bytes: [UInt8])
        case resize(Int)
    }

    private final class Inode {
        let number: Int32
        init(number: Int32) { self.number = number }
        /// What the disk holds.
        var durable: [UInt8] = []
        /// What a read sees.
        var cached: [UInt8] = []
        /// What a sync would still bring to the disk, in order.
        var dirty: [Change] = []
        /// Blocks that were allocated, for the capacity.
        var allocated = 0
    }

    private enum EntryChange {
        case set(String, Inode)
        case delete(String)
    }

    let directory = "/lossy"
    /// Bytes all files together may allocate.
    var capacity = Int.max
    /// The operation, counted from now, at which the machine stops; everything then fails until `crash`.
    var crashAfter: Int?
    /// The sync, counted from now, that reports EIO and drops what it should have written.
    var failSyncAfter: Int?
    /// Writes up to this many bytes at once.
    var longestWrite = Int.max
    /// Whether the lock is held.
    private(set) var isUnlocked = false
    /// Syncs of files so far.
    private(set) var syncs = 0

    private var generator: SeededGenerator
    private var durableEntries: [String: Inode] = [:]
    private var entries: [String: Inode] = [:]
    private var entryChanges: [[EntryChange]] = []
    private var files: [Int32: Inode] = [:]
    private var nextDescriptor: Int32 = 1
    private var nextInode: Int32 = 0
    private var hasStopped = false

    init(seed: UInt64, files: [String: [UInt8]] = [:]) {
        generator = SeededGenerator(seed: seed)
        for (name, bytes) in files { put(name, bytes) }
    }

    // MARK: For the tests

    /// All files as a read sees them.
    var contents: [String: [UInt8]] { entries.mapValues(\.cached) }

    /// Puts a file on the disk.
    func put(_ name: String, _ bytes: [UInt8]) {
        let inode = makeInode()
        inode.durable = bytes
        inode.cached = bytes
        inode.allocated = bytes.count
        entries[name] = inode
        durableEntries[name] = inode
    }

    /// The process ends; the machine goes on, with its cache.
    func kill() {
        files = [:]
        hasStopped = false
        crashAfter = nil
        failSyncAfter = nil
    }

    /// The machine loses power: each unsynced sector and directory change survives or does not.
    func crash() {
        let survival = [0, 20, 50, 80, 100][Int.random(in: 0..<5, using: &generator)]
        var inodes: [ObjectIdentifier: Inode] = [:]
        for inode in Array(entries.values) + Array(durableEntries.values) { inodes[ObjectIdentifier(inode)] = inode }
        for change in entryChanges {
            for case .set(_, let inode) in change { inodes[ObjectIdentifier(inode)] = inode }
        }
        // In an order that the seed decides, not the addresses.
        for inode in inodes.values.sorted(by: { $0.number < $1.number }) { loseUnsynced(inode, survival) }
        for change in entryChanges where Int.random(in: 0..<100, using: &generator) < survival {
            apply(change, to: &durableEntries)
        }
        entryChanges = []
        entries = durableEntries
        kill()
    }

    private func loseUnsynced(_ inode: Inode, _ survival: Int) {
        for change in inode.dirty {
            switch change {
            case .resize:
                if Int.random(in: 0..<100, using: &generator) < survival { apply(change, to: &inode.durable) }
            case .write(var offset, let bytes):
                var rest = bytes[...]
                while !rest.isEmpty {
                    let piece = rest.prefix(512 - offset % 512)
                    if Int.random(in: 0..<100, using: &generator) < survival {
                        apply(.write(offset: offset, bytes: Array(piece)), to: &inode.durable)
                    }
                    offset += piece.count
                    rest = rest.dropFirst(piece.count)
                }
            }
        }
        inode.dirty = []
        inode.cached = inode.durable
    }

    private func apply(_ change: Change, to bytes: inout [UInt8]) {
        switch change {
        case .resize(let count):
            if count < bytes.count {
                bytes.removeLast(bytes.count - count)
            } else {
                bytes += [UInt8](repeating: 0, count: count - bytes.count)
            }
        case .write(let offset, let new):
            if bytes.count < offset + new.count { apply(.resize(offset + new.count), to: &bytes) }
            bytes.replaceSubrange(offset..<(offset + new.count), with: new)
        }
    }

    private func apply(_ change: [EntryChange], to entries: inout [String: Inode]) {
        for case .delete(let name) in change { entries[name] = nil }
        for case .set(let name, let inode) in change { entries[name] = inode }
    }

    private func change(_ inode: Inode, _ change: Change) {
        inode.dirty.append(change)
        apply(change, to: &inode.cached)
    }

    private func change(_ change: [EntryChange]) {
        entryChanges.append(change)
        apply(change, to: &entries)
    }

    /// Counts an operation that changes something. Whether the one that stops the machine still took effect is chance.
    private func operation(_ name: String, _ body: () -> Void) throws(FileError) {
        if hasStopped { throw FileError(operation: "reach the machine for", name: name, code: EIO) }
        if let left = crashAfter {
            crashAfter = left - 1
            if left <= 1 {
                hasStopped = true
                if generator.oneIn(2) { body() }
                throw FileError(operation: "reach the machine for", name: name, code: EIO)
            }
        }
        body()
    }

    private func makeInode() -> Inode {
        nextInode += 1
        return Inode(number: nextInode)
    }

    private func inode(_ file: FileHandle) throws(FileError) -> Inode {
        guard let inode = files[file.descriptor] else {
            throw FileError(operation: "use", name: "a closed file", code: EBADF)
        }
        return inode
    }

    private func open(_ inode: Inode) -> FileHandle {
        defer { nextDescriptor += 1 }
        files[nextDescriptor] = inode
        return FileHandle(descriptor: nextDescriptor)
    }

    private var allocated: Int { entries.values.reduce(0) { $0 + $1.allocated } }

    // MARK: JournalFileSystem

    func list() throws(FileError) -> [String] { entries.keys.sorted() }

    func open(_ name: String) throws(FileError) -> FileHandle {
        guard let inode = entries[name] else { throw FileError(operation: "open", name: name, code: ENOENT) }
        return open(inode)
    }

    func create(_ name: String) throws(FileError) -> FileHandle {
        let inode = makeInode()
        try operation(name) { change([.set(name, inode)]) }
        return open(inode)
    }

    func close(_ file: FileHandle) { files[file.descriptor] = nil }

    func size(_ file: FileHandle) throws(FileError) -> Int { try inode(file).cached.count }

    func allocate(_ file: FileHandle, bytes: Int) throws(FileError) {
        let inode = try inode(file)
        guard allocated + bytes - inode.allocated <= capacity else {
            throw FileError(operation: "allocate", name: "a file", code: ENOSPC)
        }
        try operation("allocate") {
            inode.allocated = bytes
            change(inode, .resize(bytes))
        }
    }

    func truncate(_ file: FileHandle, bytes: Int) throws(FileError) {
        let inode = try inode(file)
        try operation("truncate") {
            inode.allocated = min(inode.allocated, bytes)
            change(inode, .resize(bytes))
        }
    }

    func write(_ file: FileHandle, _ bytes: UnsafeRawBufferPointer, at offset: Int) throws(FileError) -> Int {
        let inode = try inode(file)
        let count = min(bytes.count, longestWrite)
        try operation("write") { change(inode, .write(offset: offset, bytes: Array(bytes[0..<count]))) }
        return count
    }

    func read(_ file: FileHandle, into bytes: UnsafeMutableRawBufferPointer, at offset: Int) throws(FileError) -> Int {
        if hasStopped { throw FileError(operation: "reach the machine for", name: "read", code: EIO) }
        let inode = try inode(file)
        guard offset < inode.cached.count else { return 0 }
        let count = min(bytes.count, inode.cached.count - offset)
        inode.cached.withUnsafeBytes { cached in
            bytes.copyMemory(from: UnsafeRawBufferPointer(rebasing: cached[offset..<(offset + count)]))
        }
        return count
    }

    func sync(_ file: FileHandle) throws(FileError) {
        let inode = try inode(file)
        syncs += 1
        if let left = failSyncAfter {
            failSyncAfter = left - 1
            if left <= 1 {
                // As Linux does: the pages stay in the cache, clean, and never reach the disk.
                inode.dirty = []
                failSyncAfter = nil
                throw FileError(operation: "sync", name: "a file", code: EIO)
            }
        }
        try operation("sync") {
            for change in inode.dirty { apply(change, to: &inode.durable) }
            inode.dirty = []
        }
    }

    func dropCache(_ file: FileHandle) {
        guard let inode = files[file.descriptor] else { return }
        inode.cached = inode.durable
        for change in inode.dirty { apply(change, to: &inode.cached) }
    }

    func rename(_ old: String, to new: String) throws(FileError) {
        guard let inode = entries[old] else { throw FileError(operation: "rename", name: old, code: ENOENT) }
        try operation("rename") { change([.delete(old), .set(new, inode)]) }
    }

    func remove(_ name: String) throws(FileError) {
        guard entries[name] != nil else { throw FileError(operation: "remove", name: name, code: ENOENT) }
        try operation("remove") { change([.delete(name)]) }
    }

    func syncDirectory() throws(FileError) {
        try operation("sync the directory") {
            for change in entryChanges { apply(change, to: &durableEntries) }
            entryChanges = []
        }
    }

    func unlock() { isUnlocked = true }
    func entropy() -> UInt64 { generator.next() | 1 }
    func wallClock() -> Int64 { 1_760_000_000_000_000 }
}
