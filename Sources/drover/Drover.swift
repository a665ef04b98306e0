/// The command: arguments, exit codes, nothing else.
import ArgumentParser
import Foundation
import Gateway

/// `drover`.
@main
struct Drover: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "drover",
        abstract: "A realtime telemetry and tracking gateway: drivers' pings to live maps and to Postgres.",
        subcommands: [
            Serve.self, Demo.self, Migrate.self, Check.self, Key.self, Partitions.self, Nodes.self, Erase.self,
            Replay.self, Simulate.self,
        ])

    /// Errors are one line on standard error and a non-zero exit, whatever went wrong.
    static func main() {
        do {
            var command = try parseAsRoot()
            try command.run()
        } catch let error as ExitCode {
            exit(withError: error)
        } catch let error as any CustomStringConvertible & Error where !isParserError(error) {
            FileHandle.standardError.write(Data("drover: \(error.description)\n".utf8))
            exit(withError: ExitCode.failure)
        } catch {
            exit(withError: error)
        }
    }

    private static func isParserError(_ error: any Error) -> Bool {
        String(reflecting: type(of: error)).hasPrefix("ArgumentParser.")
    }
}

/// Where settings come from, on every command that has settings.
struct ConfigurationOptions: ParsableArguments {
    @Option(help: "A YAML file with settings; see config/drover.yaml.")
    var config: String?

    @Option(name: .customLong("set"), help: "A setting as name=value, over the file and the environment.")
    var settings: [String] = []

    func load(_ more: [String] = []) throws -> Configuration {
        try Configuration.load(
            file: config, environment: ProcessInfo.processInfo.environment, overrides: settings + more)
    }
}
