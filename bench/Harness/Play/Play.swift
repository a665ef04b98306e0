/// `drover-bench play FILE`: plays a scenario and says what came of it.
import ArgumentParser
import Glibc
import LocalServers

struct Play: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Play a scenario file, such as bench/scenarios/concert-let-out.yaml.",
        discussion: """
            Without --target it starts a gateway with private Redis and Postgres, measures all of them, and removes \
            them. With --target it measures the client's side; with --pid of a process on this machine its CPU and \
            memory too. bench/play builds first and pins this program to a core of its own.
            """)

    @Argument(help: "The scenario file.") var file: String
    @Option(help: "A gateway that runs: http://127.0.0.1:8080.") var target: String?
    @Option(help: "A key with pings:write and positions:read for it; else DROVER_BENCH_KEY.") var key: String?
    @Option(help: "That gateway's process, if it is on this machine.") var pid: Int32?
    @Flag(help: "Allow a target that is not this machine: only your own, or with its owner's consent.")
    var allowRemote = false
    @Option(help: "A file for JSON lines: one a second, and the result.") var json: String?
    @Option(help: "A file for the latencies' chart as SVG.") var chart: String?
    @Option(help: "Seconds that are measured, in place of the file's.") var seconds: Double?
    @Option(help: "The part of the drivers and viewers that takes part, such as 0.1.") var scale = 1.0
    @Option(help: "The core of a gateway that is started; start this program on another.") var serverCore = 0

    func validate() throws {
        guard (0.001...1).contains(scale) else { throw ValidationError("--scale is from 0.001 to 1") }
        guard seconds.map({ (0.5...3_600).contains($0) }) ?? true else {
            throw ValidationError("--seconds is from 0.5 to 3600")
        }
        guard pid == nil || target != nil else { throw ValidationError("--pid belongs to a --target") }
    }

    func run() throws {
        var scenario = try PlayScenario(file: file)
        scenario.change(scale: scale, seconds: seconds)
        let needed = scenario.plan.sockets + scenario.plan.viewers + 64
        let limit = Socket.raiseDescriptorLimit()
        guard needed <= limit else {
            throw BenchError(
                "\(needed) descriptors are needed and \(limit) are allowed. Raise ulimit -Hn, or give --scale "
                    + decimals(Double(limit) / Double(needed) - 0.005, 2))
        }
        let lines = try LineFile(json)
        if let target { return try play(scenario, at: target, lines) }
        let view = LiveView(title: scenario.name)
        view.say("starting Redis, Postgres and the gateway …")
        let stage = try Stage(serverCore: serverCore)
        defer { stage.close() }
        try stage.startGateway(environment: scenario.gateway)
        let servers = [
            CostWatch.Server(name: "gateway", process: stage.gateway?.processID ?? 0),
            CostWatch.Server(name: "Redis", process: stage.redis.processID),
            CostWatch.Server(name: "Postgres", process: stage.postgres.processID ?? 0, isTree: true),
        ]
        let player = Player(scenario: scenario, target: "a private gateway", view: view, lines: lines, chart: chart)
        try player.play(at: ServerAddress(port: stage.port), token: stage.key, CostWatch(servers))
    }

    private func play(_ scenario: PlayScenario, at target: String, _ lines: LineFile) throws {
        let server = try ServerAddress(url: target, allowsRemote: allowRemote)
        guard let token = key ?? getenv("DROVER_BENCH_KEY").map({ String(cString: $0) }) else {
            throw BenchError(
                "a key is needed: drover key create --name bench --permissions pings:write,positions:read, then --key")
        }
        let servers = pid.map { [CostWatch.Server(name: "process \($0)", process: $0)] } ?? []
        let view = LiveView(title: scenario.name)
        if !scenario.gateway.isEmpty { view.say("the file's gateway settings are not applied to \(target)") }
        let player = Player(scenario: scenario, target: target, view: view, lines: lines, chart: chart)
        try player.play(at: server, token: token, CostWatch(servers))
    }
}

/// One play of one scenario.
private struct Player {
    let scenario: PlayScenario
    let target: String
    let view: LiveView
    let lines: LineFile
    let chart: String?

    func play(at server: ServerAddress, token: String, _ watch: CostWatch) throws {
        let load =
            scenario.isOverHTTP
            ? Load(DroverHTTP(server: server, token: token), scenario.plan)
            : Load(DroverSocket(server: server, token: token), scenario.plan)
        let plan = scenario.plan
        view.say(
            "\(scenario.name): \(plan.sockets + plan.viewers) connections, \(decimals(plan.profile.total, 0)) s "
                + "once they are open")
        load.observer = { progress in
            view.show(progress)
            lines.write(Self.line(progress))
        }
        defer { view.finish() }
        let result = try load.run { watch.edge() }
        view.finish()
        let played = PlayResult(scenario, target: target, result, watch)
        lines.write("{\"result\":\(try played.json)}\n")
        print(PlayTable(result: played).text, terminator: "")
        if let chart,
            let drawn = Charts.latency(
                of: played.histograms, title: "Latency: \(played.scenario)",
                remark: "\(grouped(decimals(played.pingsPerSecond, 0))) pings and "
                    + "\(grouped(decimals(played.deliveriesPerSecond, 0))) deliveries a second; from their intended times"
            )
        {
            try TextFile.write(drawn.svg, to: chart)
        }
        fflush(nil)
    }

    private static func line(_ progress: LoadProgress) -> String {
        "{\"second\":{\"phase\":\"\(progress.phase.rawValue)\",\"elapsed\":\(progress.elapsed),"
            + "\"open_sockets\":\(progress.openSockets),\"pings_per_second\":\(progress.pingsPerSecond),"
            + "\"deliveries_per_second\":\(progress.deliveriesPerSecond),\"ack_p50_ms\":\(progress.acknowledged.p50),"
            + "\"ack_p99_ms\":\(progress.acknowledged.p99),\"viewer_p50_ms\":\(progress.viewed.p50),"
            + "\"viewer_p99_ms\":\(progress.viewed.p99),\"generator_late_p99_ms\":\(progress.lag)}}\n"
    }
}

/// A file of lines; nothing where there is no path.
final class LineFile {
    private let descriptor: Int32

    init(_ path: String?) throws(BenchError) {
        guard let path else {
            descriptor = -1
            return
        }
        descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw BenchError("cannot write \(path): \(Socket.reason())") }
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    func write(_ text: String) {
        guard descriptor >= 0 else { return }
        var text = text
        text.withUTF8 { _ = Glibc.write(descriptor, $0.baseAddress, $0.count) }
    }
}
