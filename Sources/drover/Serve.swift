/// `drover serve`.
import ArgumentParser
import Foundation
import Gateway
import Logging

/// Runs the gateway.
struct Serve: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run the gateway.",
        discussion: """
            Settings come from --config, then DROVER_… variables, then flags. It starts without Postgres and Redis, \
            says what is degraded at /readyz, and keeps trying. SIGTERM ends it in order within five seconds.
            """)

    @OptionGroup var options: ConfigurationOptions

    @Option(help: "Address and port, such as 127.0.0.1:8080; port 0 takes any.")
    var listen: String?

    func run() throws {
        let configuration = try options.load(listen.map { ["listen=\($0)"] } ?? [])
        let log = makeLogger(configuration.logLevel)
        let process = try GatewayProcess(configuration, log: log)
        if case .failed(let reason) = process.run() {
            FileHandle.standardError.write(Data("drover: \(reason)\n".utf8))
            throw ExitCode(74)
        }
    }
}

/// Structured lines on standard error.
func makeLogger(_ level: String) -> Logger {
    LoggingSystem.bootstrap { label in StreamLogHandler.standardError(label: label) }
    var log = Logger(label: "drover")
    log.logLevel = Logger.Level(rawValue: level) ?? .info
    return log
}
