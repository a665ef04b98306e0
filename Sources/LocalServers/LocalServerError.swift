/// What can go wrong while a private server is started, and what to do about it.

/// Why a child process or a private server is not there.
public enum LocalServerError: Error, Sendable, Equatable, CustomStringConvertible {
    /// A program is not installed; the Debian package that has it.
    case missingProgram(String, package: String)
    /// The program could not be run at all; `reason` is the system's.
    case cannotStart(String, reason: String)
    /// The server ended before it was ready; `log` is the end of what it said.
    case ended(String, status: ExitStatus, log: String)
    /// The server is there but was not ready in time; `log` is the end of what it said.
    case notReady(String, within: Duration, log: String)
    /// A command ended with a failure; `output` is what it printed.
    case commandFailed(String, status: ExitStatus?, output: String)
    /// A file or directory could not be made or changed; `reason` is the system's.
    case file(String, reason: String)
    /// A Unix socket's path would be longer than the kernel's 107 bytes.
    case socketPathTooLong(String)

    /// One line that says what happened and what to do next, followed by the server's own words where there are any.
    public var description: String {
        switch self {
        case .missingProgram(let name, let package):
            "\(name) is not installed. Install it with `apt-get install \(package)` or run config/setup"
        case .cannotStart(let program, let reason):
            "cannot run \(program): \(reason). Check that the file exists and may be executed"
        case .ended(let server, let status, let log):
            "\(server) ended before it was ready (\(status)). Its last words tell what to change:\n\(log)"
        case .notReady(let server, let limit, let log):
            "\(server) was not ready within \(limit). Try again on a machine with less load, or see its log:\n\(log)"
        case .commandFailed(let command, let status, let output):
            "\(command) failed (\(status.map(String.init(describing:)) ?? "out of time")). It said:\n\(output)"
        case .file(let path, let reason):
            "cannot prepare \(path): \(reason). Check the directory's owner and free space, or set TMPDIR"
        case .socketPathTooLong(let path):
            "the socket path \(path) is longer than the 107 bytes a Unix socket may have. Set TMPDIR to a shorter path"
        }
    }
}

/// How a process ended.
public enum ExitStatus: Sendable, Equatable, CustomStringConvertible {
    /// It returned this code.
    case exited(Int32)
    /// A signal ended it.
    case signalled(Int32)

    /// From what `waitpid` reports: the low seven bits are the signal, the next byte the exit code.
    init(waitStatus status: Int32) {
        let signal = status & 0x7f
        self = signal == 0 ? .exited((status >> 8) & 0xff) : .signalled(signal)
    }

    /// True for exit code 0.
    public var isSuccess: Bool { self == .exited(0) }

    /// In words.
    public var description: String {
        switch self {
        case .exited(let code): "exit code \(code)"
        case .signalled(let number): "signal \(number)"
        }
    }
}
