/// Short-lived directories for private servers, journals and tests.
import Glibc

/// A directory of our own under `$TMPDIR` (or `/tmp`), removed by `remove()` or when the process ends.
public struct TemporaryDirectory: Sendable {
    /// The directory's absolute path, without a slash at the end.
    public let path: String
    private let registration: Int

    /// `$TMPDIR`, or `/tmp` where that is not set.
    static var parent: String {
        let named = getenv("TMPDIR").map { String(cString: $0) } ?? ""
        return named.isEmpty ? "/tmp" : named
    }

    /// Makes one. The name is short, since the sockets inside share 107 bytes with it.
    public init(prefix: String = "drover") throws(LocalServerError) {
        var template = Array("\(Self.parent)/\(prefix).XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else {
            throw .file(Self.parent, reason: systemReason())
        }
        // As root, servers below it run as another user, who must be able to pass through.
        if geteuid() == 0 { chmod(template, 0o711) }
        let path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        self.path = path
        registration = ProcessEnd.register(.directories) { removeTree(path) }
    }

    /// Removes the directory and everything in it. Safe to call twice.
    public func remove() {
        ProcessEnd.cancel(registration)
        removeTree(path)
    }
}

/// Makes a directory with its parents; an existing one is fine.
func makeDirectory(_ path: String, mode: mode_t = 0o755) throws(LocalServerError) {
    if mkdir(path, mode) == 0 || errno == EEXIST { return }
    guard errno == ENOENT, let slash = path.lastIndex(of: "/"), slash != path.startIndex else {
        throw .file(path, reason: systemReason())
    }
    try makeDirectory(String(path[..<slash]), mode: mode)
    guard mkdir(path, mode) == 0 || errno == EEXIST else { throw .file(path, reason: systemReason()) }
}

/// Removes a directory tree without following symbolic links; what cannot be removed stays.
func removeTree(_ path: String) {
    if remove(path) == 0 || (errno != ENOTEMPTY && errno != EEXIST) { return }
    for name in entries(of: path) where name != "." && name != ".." { removeTree("\(path)/\(name)") }
    _ = remove(path)
}

/// The system's words for the present `errno`.
func systemReason(_ code: Int32 = errno) -> String {
    String(cString: strerror(code))
}
