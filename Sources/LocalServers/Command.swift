/// Short commands: run, wait, read.
import Glibc

/// Runs a program to its end.
public enum Command {
    /// What a command left.
    public struct Result: Sendable {
        /// How it ended; nil where it was ended for taking too long.
        public let status: ExitStatus?
        /// Standard output and error, as they came.
        public let output: String
    }

    /// Runs `arguments`, giving it `input`, and ends it after `limit`.
    public static func run(
        _ arguments: [String], environment: [String: String?] = [:], workingDirectory: String? = nil,
        input: String = "", within limit: Duration = .seconds(60)
    ) throws(LocalServerError) -> Result {
        let child = try ChildProcess(
            arguments, environment: environment, workingDirectory: workingDirectory, input: input, output: .captured,
            diesWithUs: nil)
        let status = child.wait(limit)
        if status == nil {
            child.signalGroup(SIGKILL)
            child.terminate(signal: SIGKILL)
        }
        return Result(status: status, output: child.output(last: 64 << 20))
    }

    /// The same where anything but success is an error; returns the output.
    @discardableResult
    public static func runChecked(
        _ arguments: [String], environment: [String: String?] = [:], workingDirectory: String? = nil,
        input: String = "", within limit: Duration = .seconds(60)
    ) throws(LocalServerError) -> String {
        let result = try run(
            arguments, environment: environment, workingDirectory: workingDirectory, input: input, within: limit)
        guard let status = result.status, status.isSuccess else {
            throw .commandFailed(arguments.joined(separator: " "), status: result.status, output: result.output)
        }
        return result.output
    }
}
