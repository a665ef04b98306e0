/// Writes one archive: CSV in, a Zstandard file with its SHA-256 out.
import Crypto
import Glibc
import Zstandard

/// An archive that is being written, under a name that no reader takes for a whole one. One thread.
final class ArchiveWriter {
    /// Rows are gathered to so many bytes before they are compressed.
    private static let gathered = 1 << 18

    private let file: ArchiveSink
    private var compressor = Compressor()
    private var pending: [UInt8] = []

    /// Begins a file at `path`; one that is there already is the rest of a crash, and is written over.
    init(_ path: String) throws(ArchiveError) {
        file = try ArchiveSink(path)
        pending.reserveCapacity(Self.gathered + 4_096)
    }

    /// Adds content. True where it was compressed and written just now: a good moment to look up.
    @discardableResult
    func append(_ content: UnsafeRawBufferPointer) throws -> Bool {
        pending.append(contentsOf: content)
        guard pending.count >= Self.gathered else { return false }
        try compressPending()
        return true
    }

    /// Adds a line.
    func append(text: String) {
        pending.append(contentsOf: text.utf8)
    }

    /// Ends the file and waits until the disk has it.
    func finish() throws -> (bytes: Int, sha256: String) {
        try compressPending()
        let file = self.file
        try compressor.finish { try file.write($0) }
        return try file.finish()
    }

    private func compressPending() throws {
        let file = self.file
        // Taken out for the while, because compressing changes the rest of `self`.
        var content: [UInt8] = []
        swap(&content, &pending)
        try content.withUnsafeBytes { content in
            try compressor.append(content) { try file.write($0) }
        }
        content.removeAll(keepingCapacity: true)
        swap(&content, &pending)
    }
}

/// A file with the SHA-256 of what was written to it. One thread; closed by `deinit`.
private final class ArchiveSink {
    private let path: String
    private let descriptor: Int32
    private var hash = SHA256()
    private var bytes = 0

    init(_ path: String) throws(ArchiveError) {
        self.path = path
        descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o640)
        guard descriptor >= 0 else { throw .system(path: path, reason: lastSystemError()) }
    }

    deinit {
        if descriptor >= 0 { close(descriptor) }
    }

    func write(_ piece: UnsafeRawBufferPointer) throws(ArchiveError) {
        hash.update(bufferPointer: piece)
        bytes += piece.count
        var sent = 0
        while sent < piece.count {
            let count = Glibc.write(descriptor, piece.baseAddress! + sent, piece.count - sent)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw .system(path: path, reason: lastSystemError()) }
            sent += count
        }
    }

    /// Also makes the page cache forget the file, so that who verifies it reads what the disk holds.
    func finish() throws(ArchiveError) -> (bytes: Int, sha256: String) {
        guard fsync(descriptor) == 0 else { throw .system(path: path, reason: lastSystemError()) }
        posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED)
        return (bytes, hexadecimal(hash.finalize()))
    }
}

/// The SHA-256 of content that comes row by row.
struct ContentHash {
    private static let gathered = 1 << 16
    private var hash = SHA256()
    private var pending: [UInt8] = []

    /// True where what had gathered was hashed just now.
    mutating func append(_ bytes: UnsafeRawBufferPointer) -> Bool {
        pending.append(contentsOf: bytes)
        guard pending.count >= Self.gathered else { return false }
        hashPending()
        return true
    }

    /// Lowercase hexadecimal digits.
    mutating func finish() -> String {
        hashPending()
        return hexadecimal(hash.finalize())
    }

    private mutating func hashPending() {
        // Taken out for the while, because hashing changes the rest of `self`.
        var content: [UInt8] = []
        swap(&content, &pending)
        content.withUnsafeBytes { hash.update(bufferPointer: $0) }
        content.removeAll(keepingCapacity: true)
        swap(&content, &pending)
    }
}

/// What the last call to the system said.
func lastSystemError() -> String { String(cString: strerror(errno)) }

/// A digest as lowercase hexadecimal digits.
func hexadecimal(_ bytes: some Sequence<UInt8>) -> String {
    let digits = Array("0123456789abcdef".utf8)
    return String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
}
