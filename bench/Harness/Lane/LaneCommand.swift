/// `drover-bench lane`: phones that come back with an hour of pings each, beside live drivers. How long a live ping takes to
/// the map with and without them, and how soon they are on the map themselves.
import ArgumentParser
import Glibc
import LocalServers

/// Started through `bench/lane`.
struct Lane: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Let phones come back with an hour of backlog beside live drivers, and time the live ones.",
        discussion: "Start it through bench/lane, which builds first and pins it to a core of its own.")

    @Option(help: "Phones that come back at once.") var phones = 500
    @Option(help: "Seconds of the past that each has gathered, a ping a second.") var backlog = 3_600
    @Option(help: "Live pings a second of 200 drivers, each watched by one viewer.") var rate = 2_000.0
    @Option(help: "Seconds that are measured.") var seconds = 8.0
    @Option(help: "The core of the gateway.") var serverCore = 0

    func validate() throws {
        guard (1...5_000).contains(phones), (1...86_400).contains(backlog), rate > 0, rate <= 100_000,
            (1.0...600).contains(seconds)
        else { throw ValidationError("phones 1 to 5000, backlog 1 to 86400 s, rate to 100000, seconds 1 to 600") }
    }

    func run() throws {
        let report = try Report(path: nil, machine: .present(command: "lane"))
        let stage = try Stage(serverCore: serverCore)
        defer { stage.close() }
        try stage.startGateway()
        try stage.postgres.psql(
            """
            INSERT INTO driver_devices (id, driver_id, token_sha256)
            SELECT 'lane-' || n, 'lane-' || n, sha256(('drd_lane-' || n)::bytea)
            FROM generate_series(0, \(phones - 1)) n
            """, database: Stage.database)
        var lines = [try line("nothing", stage, report, phones: nil)]
        // A key's frames do not go through the lane: what its absence would cost.
        lines.append(try line("\(phones) phones, without the lane", stage, report, phones: ["--key", stage.key]))
        try stage.awaitHistory()
        lines.append(try line("\(phones) phones, in the lane", stage, report, phones: ["--token-prefix", "drd_lane-"]))
        try stage.awaitHistory()
        let header = [
            "beside \(grouped(decimals(rate, 0))) live pings/s", "map p50 ms", "p99", "worst", "ack p99 ms",
            "phones' newest settled, last ms", "all settled, last ms",
        ]
        print(ReportTables.table(header, lines), terminator: "")
        fflush(nil)
    }

    /// One run and its line.
    private func line(_ name: String, _ stage: Stage, _ report: Report, phones arguments: [String]?) throws -> [String]
    {
        report.progress("\(name) …")
        var plan = FleetPlan()
        plan.drivers = 200
        plan.sockets = 200
        plan.pingsPerSecond = rate
        var audience = AudiencePlan()
        audience.viewers = 200
        let load = Load(.gateway(port: stage.port, token: stage.key), fleet: plan, audience: audience)
        var options = RunOptions()
        options.warmUp = 1
        options.seconds = seconds
        var child: ChildProcess?
        if let arguments {
            child = try ChildProcess(
                [
                    CommandLine.arguments[0], "phones", "--port", "\(stage.port)", "--count", "\(phones)", "--backlog",
                    "\(backlog)",
                ] + arguments, output: .captured)
            guard child?.waitForOutput("ready", within: .seconds(120)) == true else {
                throw BenchError("the phones did not start: \(child?.output() ?? "")")
            }
        }
        defer { child?.terminate(signal: SIGKILL) }
        var isFirst = true
        let measurement = try Measurement(stage, load, options: options) {
            if isFirst { child?.signal(SIGUSR1) }
            isFirst = false
        }
        var settled = ["", ""]
        if let child {
            guard child.wait(.seconds(120))?.isSuccess == true else {
                throw BenchError("the phones did not end: \(child.output(last: 500))")
            }
            settled = child.output().split(separator: "\n").last?.split(separator: " ").map(String.init) ?? []
            guard settled.count == 2 else { throw BenchError("the phones said \(child.output(last: 500))") }
        }
        let (viewed, acknowledged) = (measurement.load.viewed, measurement.load.acknowledged)
        return [
            name, decimals(viewed.milliseconds(50), 1), decimals(viewed.milliseconds(99), 1),
            decimals(viewed.milliseconds(100), 1), decimals(acknowledged.milliseconds(99), 1),
        ] + settled
    }
}
