/// The file of keys that sign JWTs: a JWK set (RFC 7517), read again whenever it changes.
import Foundation
import Glibc
import Tracking

/// See the file's head. Keys come from here alone: what a token says about where its key is (`jku`, `x5u`, `jwk`) is not
/// even read. Lives on the loop's thread.
final class JWKSFile {
    /// The largest file in bytes.
    private static let maximumBytes = 1 << 20
    /// A file that changed less than this long before it was read may change again without showing it in its times,
    /// whose grain is some milliseconds: it is read once more. In nanoseconds.
    private static let settlingNanoseconds: Int64 = 2_000_000_000

    /// What tells a changed file from the one that was read.
    private struct Identity: Equatable {
        var inode: UInt64
        var bytes: Int64
        var modifiedNanoseconds: Int64

        init(_ status: stat) {
            inode = UInt64(status.st_ino)
            bytes = Int64(status.st_size)
            modifiedNanoseconds = Int64(status.st_mtim.tv_sec) * 1_000_000_000 + Int64(status.st_mtim.tv_nsec)
        }
    }

    /// Why a file's contents are of no use.
    private struct Defect: Error {
        var reason: String
    }

    private let path: String
    private var identity: Identity?
    private var keys: [JSONWebKey] = []
    /// What is wrong with the file and what to do; nil where all is well. The last good keys go on being used.
    private(set) var problem: String?

    /// An empty path is a file without keys and without a problem.
    init(path: String) {
        self.path = path
        readIfChanged()
    }

    /// The key that a token with this `kid` names; without one the only key there is.
    func key(named name: String?) -> SignatureKey? {
        guard let name else { return keys.count == 1 ? keys[0].key : nil }
        return keys.first { $0.id == name }?.key
    }

    /// Reads the file again where its time, size or inode is another. What is broken leaves the keys as they are.
    func readIfChanged() {
        guard !path.isEmpty else { return }
        do throws(Defect) {
            guard let contents = try contentsIfChanged() else { return }
            keys = try Self.keys(in: contents)
            problem = nil
        } catch {
            let kept = keys.isEmpty ? "no JWT is accepted" : "the keys that were read before stay in use"
            problem = "access.jwks_file: cannot use \(path): \(error.reason); \(kept)"
        }
    }

    private func contentsIfChanged() throws(Defect) -> [UInt8]? {
        // Not blocking where somebody put a pipe there.
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else {
            identity = nil
            throw Defect(reason: String(cString: strerror(errno)))
        }
        defer { _ = Glibc.close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw Defect(reason: String(cString: strerror(errno))) }
        let found = Identity(status)
        guard found != identity else { return nil }
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        let age = Int64(now.tv_sec) * 1_000_000_000 + Int64(now.tv_nsec) - found.modifiedNanoseconds
        identity = age > Self.settlingNanoseconds ? found : nil
        guard status.st_mode & S_IFMT == S_IFREG else { throw Defect(reason: "it is no file") }
        guard found.bytes <= Self.maximumBytes else {
            throw Defect(reason: "it has \(found.bytes) bytes; \(Self.maximumBytes) are the most")
        }
        let file = FileHandle(fileDescriptor: descriptor, closeOnDealloc: false)
        // An empty file answers nil.
        return Array((try? file.read(upToCount: Self.maximumBytes)) ?? Data())
    }

    /// All keys of a JWK set that check signatures.
    private static func keys(in contents: [UInt8]) throws(Defect) -> [JSONWebKey] {
        guard let document = JSONDocument(contents.span) else {
            throw Defect(reason: "it is not JSON, or has a member twice")
        }
        guard case .array(let entries)? = document["keys"] else {
            throw Defect(reason: "expected {\"keys\":[…]} (RFC 7517)")
        }
        var keys: [JSONWebKey] = []
        for (index, entry) in entries.enumerated() {
            do throws(JSONWebKey.Refusal) {
                keys.append(try JSONWebKey(entry))
            } catch {
                guard case .wrong(let reason) = error else { continue }
                throw Defect(reason: "key \(index + 1) \(reason)")
            }
        }
        guard !keys.isEmpty else { throw Defect(reason: "no key in it is for HS256, ES256 or RS256") }
        guard keys.count == 1 || keys.allSatisfy({ $0.id != nil }) else {
            throw Defect(reason: "a key has no kid; only a single key needs none")
        }
        guard Set(keys.map(\.id)).count == keys.count else { throw Defect(reason: "two keys have the same kid") }
        return keys
    }
}
