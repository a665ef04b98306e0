/// `drover-bench`: the load harness. It starts everything it measures itself, on this machine, and ends it.
import ArgumentParser
import Glibc

@main
struct DroverBench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "drover-bench",
        abstract: "Measures a gateway: what a ping, a delivery and an idle viewer cost, beside the floors.",
        subcommands: [
            Run.self, Play.self, Past.self, Lane.self, Rates.self, Workers.self, Capacity.self, Compare.self,
            Readme.self, DrawCharts.self, Floor.self, Phones.self, Watch.self,
        ],
        defaultSubcommand: Run.self)
}

/// Runs the scenarios.
struct Run: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run scenarios and their floors, and print the table of goals.",
        discussion: "Start it through bench/run, which builds first and pins it to a core of its own.")

    @Option(
        help: """
            Which scenarios: \(Bench.names.joined(separator: ", ")); all by default but instructions, which \
            needs valgrind.
            """)
    var only: [String] = []
    @Option(help: "A file for JSON lines: the machine, each run with its histograms, each figure.") var json: String?
    @Option(help: "A directory for charts as SVG: latencies of each run, costs over sizes.") var charts: String?
    @Option(help: "A README whose table of figures is rewritten from this run.") var readme: String?
    @Option(help: "Seconds measured in each run.") var seconds = 6.0
    @Option(help: "Seconds before that, which are dropped.") var warmUp = 2.0
    @Option(help: "Devices, each on a socket of its own.") var devices = 500
    @Option(help: "Pings a second of all devices together.") var rate = 10_000.0
    @Option(help: "Viewers in the fan-out, ten a driver.") var viewers = 1_000
    @Option(help: "Deliveries a second in the fan-out.") var deliveries = 20_000.0
    @Option(help: "Idle viewers whose memory is measured.") var idle = 15_000
    @Option(help: "Pings that pile up while Postgres is away.") var backlog = 500_000
    @Option(help: "A directory that keeps callgrind's files for callgrind_annotate.") var keep: String?
    @Option(help: "The core of the server under test; start this program on another.") var serverCore = 0

    func validate() throws {
        guard (1.0...600).contains(seconds), (0.0...60).contains(warmUp), (1...15_000).contains(devices),
            (10...15_000).contains(viewers), (1...15_000).contains(idle), (1...10_000_000).contains(backlog),
            rate > 0, rate <= 1_000_000, deliveries > 0, deliveries <= 1_000_000
        else { throw ValidationError("seconds 1 to 600, sockets 1 to 15000, rates to 1000000 a second") }
        if let unknown = only.first(where: { !Bench.names.contains($0) }) {
            throw ValidationError("no scenario is called \(unknown); there are \(Bench.names.joined(separator: ", "))")
        }
    }

    func run() throws {
        var options = RunOptions()
        options.seconds = seconds
        options.warmUp = warmUp
        options.devices = devices
        options.pingsPerSecond = rate
        options.viewers = viewers
        options.deliveriesPerSecond = deliveries
        options.idleViewers = idle
        options.backlog = backlog
        // Before a run of minutes, not after it.
        if let readme { _ = try ReadmeTable(records: []).inserted(intoFile: readme) }
        let arguments = CommandLine.arguments.dropFirst().drop { $0 == "run" }
        let report = try Report(path: json, machine: .present(command: Machine.command(arguments)))
        report.progress("starting Redis, Postgres and the gateway …")
        let stage = try Stage(serverCore: serverCore)
        defer { stage.close() }
        try Bench(stage: stage, report: report, options: options, only: only, keep: keep).run()
        print(ReportTables(records: report.records, isWhole: only.isEmpty).text, terminator: "")
        fflush(nil)
        if let charts { for path in try Charts(records: report.records).write(to: charts) { print(path) } }
        if let readme { try ReadmeTable(records: report.records).write(to: readme) }
    }
}

/// A floor server; `run` starts it.
struct Floor: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Serve as the floor: receive, acknowledge, send, nothing else.", shouldDisplay: false)

    @Option var pingsPerFrame = 1
    @Option var pushBytes = 128

    func run() throws {
        var server = try FloorServer(pingsPerFrame: pingsPerFrame, pushBytes: pushBytes)
        print(server.port)
        fflush(nil)
        server.run()
    }
}
