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
            says what is degraded at /readyz, and keeps trying. SIGTERM ends it in order within five seconds. With \
            --workers 2 or more, SIGHUP replaces the workers one by one: they read the configuration anew.
            """)

    @OptionGroup var options: ConfigurationOptions

    @Option(help: "Address and port, such as 127.0.0.1:8080; port 0 takes any.")
    var listen: String?

    @Option(help: "Processes that serve it: a number, or auto for as many as there are cores.")
    var workers: String?

    func run() throws {
        let configuration = try load()
        var log = makeLogger(configuration.logLevel)
        if let seat = try WorkerSeat(environment: ProcessInfo.processInfo.environment) {
            log[metadataKey: "worker"] = "\(seat.number)"
            try serve(GatewayProcess(configuration, seat: seat, log: log))
        } else if configuration.workerCount > 1 {
            let code = try Supervisor(configuration, log: log, load: load).run()
            if code != 0 { throw ExitCode(code) }
        } else {
            try serve(GatewayProcess(configuration, log: log))
        }
    }

    private func serve(_ process: GatewayProcess) throws {
        if case .failed(let reason) = process.run() {
            FileHandle.standardError.write(Data("drover: \(reason)\n".utf8))
            throw ExitCode(74)
        }
    }

    /// Reads the configuration, as often as it is asked for.
    private func load() throws -> Configuration {
        try options.load((listen.map { ["listen=\($0)"] } ?? []) + (workers.map { ["workers=\($0)"] } ?? []))
    }
}

/// Structured lines on standard error.
func makeLogger(_ level: String) -> Logger {
    LoggingSystem.bootstrap { label in StreamLogHandler.standardError(label: label) }
    var log = Logger(label: "drover")
    log.logLevel = Logger.Level(rawValue: level) ?? .info
    return log
}
