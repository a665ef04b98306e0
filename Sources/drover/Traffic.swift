/// `drover replay` and `drover simulate`: traffic from files and from made-up vans.
import ArgumentParser
import DroverClient
import Foundation

/// Where a client finds its gateway.
struct GatewayOptions: ParsableArguments {
    @Option(help: "The gateway's address.")
    var gateway = "http://127.0.0.1:8080"

    @Option(help: "A key with pings:write; otherwise DROVER_KEY.")
    var key: String?

    func token() throws -> String {
        if let token = key ?? ProcessInfo.processInfo.environment["DROVER_KEY"] { return token }
        throw ValidationError("a key is needed: --key or DROVER_KEY; make one with drover key create")
    }
}

/// Streams recorded pings.
struct Replay: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Stream recorded drives (CSV, GPX) to a gateway as one driver each.")

    @OptionGroup var options: GatewayOptions
    @Argument(help: "CSV or GPX files, also as .zst; archives of drover partitions are such.") var files: [String]
    @Option(help: "The driver's id; with several files or drivers, what their ids begin with.") var driver: String?
    @Option(help: "When the recording begins, RFC 3339 or epoch milliseconds, or `original`; yesterday's midnight.")
    var start: String?
    @Option(help: "Metres, where the file does not say.") var accuracy: Double?
    @Option(help: "How many times as fast as it was, or `max`.") var speed = "1"
    @Option(help: "Seconds to go on trying without a connection.") var patience = 60

    func run() throws {
        var replay = DroverClient.Replay.Options(
            files: files, gateway: options.gateway, token: try options.token(), driver: driver, accuracy: accuracy,
            patienceSeconds: patience)
        if let start { replay.start = try parse(start: start) }
        if speed == "max" {
            replay.speed = .maximum
        } else if let factor = Double(speed), factor > 0 {
            replay.speed = .times(factor)
        } else {
            throw ValidationError("--speed is a number above 0, or max")
        }
        let report = try DroverClient.Replay(replay).run()
        for line in report.lines { print(line) }
        if report.exitCode != 0 { throw ExitCode(report.exitCode) }
    }

    private func parse(start: String) throws -> DroverClient.Replay.Start {
        if start == "original" { return .original }
        if let milliseconds = Int64(start) { return .at(milliseconds: milliseconds) }
        let formatter = ISO8601DateFormatter()
        guard let date = formatter.date(from: start) else {
            throw ValidationError("--start is RFC 3339 such as 2026-11-20T00:00:00Z, epoch milliseconds, or original")
        }
        return .at(milliseconds: Int64(date.timeIntervalSince1970 * 1_000))
    }
}

/// Drives made-up vans.
struct Simulate: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Drive simulated vans, and watch them, against a running gateway.")

    @OptionGroup var options: GatewayOptions
    @Option(help: "Vans.") var drivers = 20
    @Option(help: "Pings a second of each van.") var hertz = 1.0
    @Option(help: "Viewers; their key needs positions:read.") var viewers = 0
    @Option(help: "Vans each viewer watches.") var driversPerViewer = 3
    @Option(help: "The centre as lat,lng.") var around = "43.6532,-79.3832"
    @Option(help: "How far from the centre vans drive, in metres.") var radius = 2_500.0
    @Option(help: "The same seed drives the same way.") var seed: UInt64 = 1
    @Option(help: "Seconds to run; until Ctrl-C where it is left out.") var seconds: Int?

    func run() throws {
        let centre = around.split(separator: ",").compactMap { Double($0) }
        guard centre.count == 2 else { throw ValidationError("--around is lat,lng") }
        let simulation = Simulation.Options(
            gateway: options.gateway, token: try options.token(), drivers: drivers, hertz: hertz, viewers: viewers,
            driversPerViewer: driversPerViewer, latitude: centre[0], longitude: centre[1], radiusMetres: radius,
            seed: seed)
        let status = try SimulationCommand(simulation, seconds: seconds).run()
        if status != 0 { throw ExitCode(status) }
    }
}
