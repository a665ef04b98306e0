/// Starts a worker: this program again, with the same arguments.
import Glibc

/// How a process ended.
enum WorkerExit: Equatable, CustomStringConvertible {
    /// With this exit code.
    case code(Int32)
    /// By this signal.
    case signal(Int32)

    /// From waitpid(2).
    init(waitStatus status: Int32) {
        self = status & 0x7f == 0 ? .code(status >> 8 & 0xff) : .signal(status & 0x7f)
    }

    var description: String {
        switch self {
        case .code(let code): "exit code \(code)"
        case .signal(let number): "signal \(number)"
        }
    }
}

/// What is started.
struct WorkerProgram {
    /// The program's file, found once: what stands there later, an upgrade, is what later workers run.
    let path: String
    let arguments: [String]

    /// This program with its arguments.
    init() {
        var buffer = [UInt8](repeating: 0, count: 4_096)
        let count = buffer.withUnsafeMutableBytes { bytes in
            readlink("/proc/self/exe", bytes.baseAddress!.assumingMemoryBound(to: CChar.self), bytes.count)
        }
        path = count > 0 ? String(decoding: buffer.prefix(count), as: UTF8.self) : "/proc/self/exe"
        arguments = CommandLine.arguments
    }

    /// Starts a worker in a process group of its own: a terminal's Ctrl-C is the supervisor's to pass on. It inherits the
    /// seat's descriptors and no others. Nil with `errno` set where that fails.
    func spawn(_ seat: WorkerSeat) -> pid_t? {
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
        for descriptor in [seat.channel] + seat.sockets {
            // Onto itself, it is inherited (posix_spawn_file_actions_adddup2, POSIX issue 8; glibc 2.29).
            posix_spawn_file_actions_adddup2(&actions, descriptor, descriptor)
        }
        var words: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) }
        var variables = environment().map { strdup($0) }
        variables.append(strdup("\(WorkerSeat.variable)=\(seat.text)"))
        defer { for pointer in words + variables { free(pointer) } }
        words.append(nil)
        variables.append(nil)
        var id: pid_t = 0
        let code = posix_spawn(&id, path, &actions, &attributes, words, variables)
        errno = code
        return code == 0 ? id : nil
    }

    private func environment() -> [String] {
        var found: [String] = []
        var entry = environ
        while let text = entry.pointee {
            found.append(String(cString: text))
            entry += 1
        }
        return found.filter { !$0.hasPrefix(WorkerSeat.variable + "=") }
    }
}
