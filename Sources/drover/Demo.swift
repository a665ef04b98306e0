/// `drover demo`.
import ArgumentParser
import Gateway

/// Everything on one machine, for looking at.
struct Demo: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Start private Redis and Postgres, a gateway and simulated vans, and print the map's address.",
        discussion: "Everything is removed at the end (Ctrl-C). Needs redis-server and postgresql on this machine.")

    @Option(help: "The gateway's port on 127.0.0.1; 0 takes any.") var port = 8_080
    @Option(help: "Vans.") var drivers = 20
    @Option(help: "Processes that serve, or auto for as many as there are cores.") var workers = "1"
    @Option(help: "Seconds to run; until Ctrl-C where it is left out.") var seconds: Int?

    func run() throws {
        let status = try DemoCommand(port: port, drivers: drivers, workers: workers, seconds: seconds).run()
        if status != 0 { throw ExitCode(status) }
    }
}
