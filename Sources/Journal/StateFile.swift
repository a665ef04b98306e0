// What the segments alone cannot tell: which was the newest, and from where on they must all be there. Without it a removed
// first or last segment would pass unseen.
//
// Two slots of 4 KiB, written in turn in place, so that a full disk cannot stop segments from being released.

import Glibc

/// The numbers in the newest valid slot.
struct JournalState: Equatable {
    /// Counts the updates; the higher of the two slots counts.
    var sequence: UInt64 = 0
    /// First LSN of the oldest segment that is still needed.
    var firstRetainedLSN: UInt64 = 1
    /// First LSN of the newest segment, 0 before there is one.
    var newestSegmentLSN: UInt64 = 0
}

/// The open file `state`.
struct StateFile {
    private static let magic = UInt64(0x5453_5245_564F_5244)  // "DROVERST" as it stands in the file
    private static let version: UInt32 = 1
    private static let slotBytes = 4096
    private static let usedBytes = 40

    private let fileSystem: any JournalFileSystem
    private let file: FileHandle
    private(set) var state: JournalState

    /// Opens the file, and takes the newer of its valid slots.
    init(opening fileSystem: any JournalFileSystem) throws(JournalError) {
        do {
            file = try fileSystem.open(FileNames.state)
        } catch {
            throw fileSystem.journalError(error)
        }
        self.fileSystem = fileSystem
        state = JournalState()
        do {
            // See JournalFileSystem.dropCache: what counts is what the disk holds.
            try fileSystem.sync(file)
            fileSystem.dropCache(file)
            state = try StateFile.newest(in: try fileSystem.contents(of: FileNames.state), fileSystem)
        } catch let error as FileError {
            fileSystem.close(file)
            throw fileSystem.journalError(error)
        } catch let error as JournalError {
            fileSystem.close(file)
            throw error
        } catch {
            preconditionFailure("only these two are thrown above")
        }
    }

    /// Puts a new file in place that says `state`.
    static func install(_ state: JournalState, in fileSystem: any JournalFileSystem) throws(FileError) {
        var bytes = encode(state)
        bytes += [UInt8](repeating: 0, count: 2 * slotBytes - bytes.count)
        try fileSystem.install(FileNames.state, bytes)
    }

    /// Changes the state and makes the change durable.
    mutating func update(_ change: (inout JournalState) -> Void) throws(FileError) {
        var new = state
        change(&new)
        guard new != state else { return }
        new.sequence += 1
        let offset = Int(new.sequence % 2) * StateFile.slotBytes
        try fileSystem.writeAll(file, StateFile.encode(new), at: offset, name: FileNames.state)
        try fileSystem.sync(file)
        state = new
    }

    func close() { fileSystem.close(file) }

    private static func encode(_ state: JournalState) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: usedBytes)
        bytes.withUnsafeMutableBytes { buffer in
            buffer.store(magic, at: 0)
            buffer.store(version, at: 8)
            buffer.store(state.sequence, at: 16)
            buffer.store(state.firstRetainedLSN, at: 24)
            buffer.store(state.newestSegmentLSN, at: 32)
            var checksum = Checksum()
            checksum.add(UnsafeRawBufferPointer(rebasing: buffer[0..<12]))
            checksum.add(UnsafeRawBufferPointer(rebasing: buffer[16..<usedBytes]))
            buffer.store(checksum.value, at: 12)
        }
        return bytes
    }

    private static func newest(
        in bytes: [UInt8], _ fileSystem: any JournalFileSystem
    ) throws(JournalError) -> JournalState {
        var best: JournalState?
        var unknown: UInt32?
        bytes.withUnsafeBytes { buffer in
            for offset in [0, slotBytes] where buffer.count >= offset + usedBytes {
                let slot = UnsafeRawBufferPointer(rebasing: buffer[offset..<(offset + usedBytes)])
                var checksum = Checksum()
                checksum.add(UnsafeRawBufferPointer(rebasing: slot[0..<12]))
                checksum.add(UnsafeRawBufferPointer(rebasing: slot[16...]))
                guard slot.u64(at: 0) == magic, slot.u32(at: 12) == checksum.value else { continue }
                if slot.u32(at: 8) != version { unknown = slot.u32(at: 8) }
                let state = JournalState(
                    sequence: slot.u64(at: 16), firstRetainedLSN: slot.u64(at: 24), newestSegmentLSN: slot.u64(at: 32))
                if best.map({ $0.sequence < state.sequence }) ?? true { best = state }
            }
        }
        let path = fileSystem.path(FileNames.state)
        if let unknown { throw .unknownVersion(file: path, found: unknown, supported: version) }
        guard let best else { throw .corruptFile(file: path, reason: "is damaged") }
        return best
    }
}
