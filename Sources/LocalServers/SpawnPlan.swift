/// How a child is spawned: everything decided before, the C arrays made at the last moment.
import Glibc
import Synchronization

/// The arguments of one `posix_spawn`.
struct SpawnPlan: Sendable {
    struct SpawnError: Error { let code: Int32 }

    let arguments: [String]
    let environment: [String]
    let input: Int32
    /// Negative is our own standard output and error.
    let output: Int32

    /// Spawns in a new process group, with an empty signal mask and default actions, whatever this thread has.
    func spawn() -> Result<pid_t, SpawnError> {
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var signals = sigset_t()
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        sigfillset(&signals)
        posix_spawnattr_setsigdefault(&attributes, &signals)
        posix_spawnattr_setpgroup(&attributes, 0)
        posix_spawnattr_setflags(
            &attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP))

        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, input, 0)
        if output >= 0 {
            posix_spawn_file_actions_adddup2(&actions, output, 1)
            posix_spawn_file_actions_adddup2(&actions, output, 2)
        }

        var argumentPointers: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) }
        var environmentPointers: [UnsafeMutablePointer<CChar>?] = environment.map { strdup($0) }
        defer { for pointer in argumentPointers + environmentPointers { free(pointer) } }
        argumentPointers.append(nil)
        environmentPointers.append(nil)
        var id: pid_t = 0
        let code = posix_spawnp(&id, arguments[0], &actions, &attributes, argumentPointers, environmentPointers)
        return code == 0 ? .success(id) : .failure(SpawnError(code: code))
    }
}

/// Our own environment with `changes`; nil removes a name.
func mergedEnvironment(_ changes: [String: String?]) -> [String] {
    var merged: [String] = []
    var entry = environ
    while let text = entry.pointee {
        let pair = String(cString: text)
        if changes[String(pair.prefix { $0 != "=" })] == nil { merged.append(pair) }
        entry += 1
    }
    for (name, value) in changes.sorted(by: { $0.key < $1.key }) {
        if let value { merged.append("\(name)=\(value)") }
    }
    return merged
}

/// The program's path from the `PATH`, `/usr/sbin` and `/sbin` included.
func findProgram(_ name: String, package: String) throws(LocalServerError) -> String {
    if name.contains("/") { return name }
    let path = getenv("PATH").map { String(cString: $0) } ?? "/usr/local/bin:/usr/bin:/bin"
    for directory in (path + ":/usr/sbin:/sbin").split(separator: ":") {
        let candidate = "\(directory)/\(name)"
        if access(candidate, X_OK) == 0 { return candidate }
    }
    throw .missingProgram(name, package: package)
}

/// A file that has no name any more: what a child writes or reads never blocks, whatever its size.
private func openNameless() throws(LocalServerError) -> Int32 {
    let number = namelessFiles.wrappingAdd(1, ordering: .relaxed).newValue
    let path = "\(TemporaryDirectory.parent)/drover-\(getpid())-\(number)"
    let descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw .file(path, reason: systemReason()) }
    unlink(path)
    return descriptor
}

private let namelessFiles = Atomic(0)

/// The descriptor a child's output goes to; negative is our own.
func openOutput(_ output: ChildProcess.Output) throws(LocalServerError) -> Int32 {
    switch output {
    case .inherited: return -1
    case .captured: return try openNameless()
    case .discarded: return try openFile("/dev/null", O_WRONLY)
    case .file(let path): return try openFile(path, O_RDWR | O_CREAT | O_APPEND)
    }
}

private func openFile(_ path: String, _ flags: Int32) throws(LocalServerError) -> Int32 {
    let descriptor = open(path, flags | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw .file(path, reason: systemReason()) }
    return descriptor
}

/// A descriptor that gives `text` and then its end.
func openInput(_ text: String) throws(LocalServerError) -> Int32 {
    if text.isEmpty { return try openFile("/dev/null", O_RDONLY) }
    let descriptor = try openNameless()
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
        let count = rest.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
        guard count > 0 else {
            close(descriptor)
            throw .file("a file for the input", reason: systemReason())
        }
        rest = rest.dropFirst(count)
    }
    lseek(descriptor, 0, SEEK_SET)
    return descriptor
}

/// The last `limit` bytes of a file that is still written to.
func readDescriptor(_ descriptor: Int32, last limit: Int) -> String {
    let size = Int(lseek(descriptor, 0, SEEK_END))
    guard size > 0 else { return "" }
    let wanted = min(size, limit)
    let bytes = [UInt8](unsafeUninitializedCapacity: wanted) { buffer, count in
        while count < wanted {
            let got = pread(descriptor, buffer.baseAddress! + count, wanted - count, off_t(size - wanted + count))
            if got <= 0 { break }
            count += got
        }
    }
    return String(decoding: bytes, as: UTF8.self)
}

extension Duration {
    /// Rounded up, so that a wait never spins on a fraction.
    var milliseconds: Int {
        let (seconds, attoseconds) = components
        return Int(clamping: seconds) &* 1000 &+ Int((attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000)
    }
}
