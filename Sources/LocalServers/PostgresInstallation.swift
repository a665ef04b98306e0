/// Debian's PostgreSQL as installed: where its programs are, and as whom they run.
import Glibc

/// The programs of one PostgreSQL version.
struct PostgresInstallation: Sendable {
    let programs: String
    /// The user they run as where we are root; nil where they run as ourselves.
    let serverUser: (id: uid_t, group: gid_t)?
    private let setpriv: String

    /// The newest under `/usr/lib/postgresql`, Debian's place for them.
    static func newest() throws(LocalServerError) -> PostgresInstallation {
        let root = "/usr/lib/postgresql"
        let versions = entries(of: root).compactMap { Int($0) }
            .filter { access("\(root)/\($0)/bin/initdb", X_OK) == 0 }
        guard let version = versions.max() else { throw .missingProgram("PostgreSQL's server", package: "postgresql") }
        let setpriv = try findProgram("setpriv", package: "util-linux")
        guard geteuid() == 0 else {
            return Self(programs: "\(root)/\(version)/bin", serverUser: nil, setpriv: setpriv)
        }
        guard let user = getpwnam("postgres") else {
            throw .missingProgram("PostgreSQL's user `postgres`", package: "postgresql")
        }
        return Self(
            programs: "\(root)/\(version)/bin", serverUser: (user.pointee.pw_uid, user.pointee.pw_gid),
            setpriv: setpriv)
    }

    func program(_ name: String) -> String {
        let own = "\(programs)/\(name)"
        return access(own, X_OK) == 0 ? own : name
    }

    /// Makes `directory` the server user's, where that is somebody else.
    func giveAway(_ directory: String) throws(LocalServerError) {
        guard let serverUser else { return }
        guard chown(directory, serverUser.id, serverUser.group) == 0 else {
            throw .file(directory, reason: systemReason())
        }
        guard try Command.run(asServerUser(["test", "-x", directory])).status?.isSuccess == true else {
            throw .file(directory, reason: "the user `postgres` cannot reach it through the directories above it")
        }
    }

    /// The command run as the server's user, told by INT when we die: a fast shutdown, where TERM would wait for
    /// clients for ever.
    func asServerUser(_ arguments: [String]) -> [String] {
        let user = serverUser == nil ? [] : ["--reuid=postgres", "--regid=postgres", "--init-groups"]
        return [setpriv] + user + ["--pdeathsig", "INT", "--"] + arguments
    }

    func initialize(_ dataDirectory: String) throws(LocalServerError) {
        // C.UTF-8 sorts by code point and needs no installed locale.
        try Command.runChecked(
            asServerUser([
                program("initdb"), "-D", dataDirectory, "-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8",
                "--locale=C.UTF-8", "--no-instructions",
            ]), workingDirectory: "/", within: .seconds(120))
    }

    /// Makes a standby's data from the server whose socket is in `socketDirectory`.
    func copy(_ socketDirectory: String, into dataDirectory: String) throws(LocalServerError) {
        try Command.runChecked(
            asServerUser([
                program("pg_basebackup"), "-h", socketDirectory, "-U", "postgres", "-D", dataDirectory, "-R", "-X",
                "stream",
                "--checkpoint=fast", "--no-sync",
            ]), environment: ["PGOPTIONS": nil, "PGPASSWORD": nil], workingDirectory: "/", within: .seconds(120))
    }

    /// The processes whose parent is `process`.
    static func children(of process: pid_t) -> [pid_t] {
        entries(of: "/proc").compactMap { pid_t($0) }.filter { parentAndState(of: $0)?.parent == process }
    }

    /// Waits until none of `processes` executes any more, at most ten seconds.
    static func awaitEnd(of processes: [pid_t]) {
        let deadline = ContinuousClock.now + .seconds(10)
        while ContinuousClock.now < deadline {
            let left = processes.contains { process in
                guard let state = parentAndState(of: process)?.state else { return false }
                return state != "Z" && state != "X"
            }
            if !left { return }
            _ = poll(nil, 0, 2)
        }
    }

    /// From `/proc/PID/stat`: after the name in parentheses come the state and the parent (proc(5)).
    private static func parentAndState(of process: pid_t) -> (parent: pid_t, state: Substring)? {
        let text = readFile("/proc/\(process)/stat")
        guard let end = text.lastIndex(of: ")") else { return nil }
        let fields = text[text.index(after: end)...].split(separator: " ", maxSplits: 2)
        guard fields.count > 1, let parent = pid_t(fields[1]) else { return nil }
        return (parent, fields[0])
    }
}

/// The names in a directory; none where it cannot be read.
func entries(of directory: String) -> [String] {
    guard let stream = opendir(directory) else { return [] }
    defer { closedir(stream) }
    var names: [String] = []
    while let entry = readdir(stream) {
        names.append(
            withUnsafeBytes(of: &entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) })
    }
    return names
}

/// A small file's text; empty where it cannot be read.
func readFile(_ path: String) -> String {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return "" }
    defer { close(descriptor) }
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    let count = read(descriptor, &buffer, buffer.count)
    return String(decoding: buffer.prefix(max(0, count)), as: UTF8.self)
}

/// For a part of a URI: everything but RFC 3986's unreserved characters is encoded.
func percentEncoded(_ text: String) -> String {
    var encoded = ""
    for byte in text.utf8 {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
            UInt8(ascii: "~"):
            encoded.unicodeScalars.append(Unicode.Scalar(byte))
        default:
            let digits = String(byte, radix: 16, uppercase: true)
            encoded += digits.count == 1 ? "%0\(digits)" : "%\(digits)"
        }
    }
    return encoded
}
