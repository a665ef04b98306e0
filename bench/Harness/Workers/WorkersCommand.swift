/// `drover-bench workers`: what a ping costs a gateway of 1, 2 and 3 workers and how many it takes, then what gateways that
/// share a Redis send each other. Numbers for a plan (`drover-bench capacity`); nothing here is a goal.
import ArgumentParser
import Glibc
import LocalServers

/// Started through `bench/workers`.
struct Workers: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Measure 1, 2 and 3 workers, and the bus between gateways.",
        discussion: "Start it through bench/workers, which builds first and pins it to a core of its own.")

    @Option(help: "Drivers, each on a socket of its own.") var drivers = 300
    @Option(help: "Pings a second of all of them, at the fixed rate.") var rate = 6_000.0
    @Option(help: "Seconds measured in each run.") var seconds = 5.0
    @Option(help: "Drivers of the bus, at 1 Hz each; a hundredth of them is watched.") var busDrivers = 2_000
    @Option(help: "A file for JSON lines, for capacity --record.") var json: String?
    @Flag(help: "Only the bus.") var busOnly = false
    @Flag(help: "Only the workers.") var workersOnly = false

    func validate() throws {
        guard (1...15_000).contains(drivers), rate > 0, rate <= 1_000_000, (1.0...600).contains(seconds),
            (100...15_000).contains(busDrivers), !(busOnly && workersOnly)
        else {
            throw ValidationError("drivers 1 to 15000, bus-drivers 100 to 15000, rate to 1000000, seconds 1 to 600")
        }
    }

    func run() throws {
        let report = try Report(path: json, machine: .present(command: "bench/workers"))
        let stage = try Stage(serverCore: 0)
        defer { stage.close() }
        var options = RunOptions()
        options.warmUp = 1
        options.seconds = seconds
        if !busOnly { try measureWorkers(stage, report, options) }
        if !workersOnly {
            print(try BusScenario(stage: stage, report: report, options: options, drivers: busDrivers).run())
        }
        report.progress("")
    }

    // MARK: Workers

    private func measureWorkers(_ stage: Stage, _ report: Report, _ options: RunOptions) throws {
        let every = "0-\(max(0, sysconf(Int32(_SC_NPROCESSORS_CONF)) - 1))"
        var lines: [[String]] = []
        for workers in 1...3 {
            report.progress("\(workers) workers at \(whole(rate)) pings a second …")
            try stage.startGateway(arguments: ["--workers", "\(workers)"], cores: every)
            let fixed = try measure(stage, rate, options)
            report.health("\(workers) workers", fixed)
            let cost = fixed.perPing(fixed.serverSeconds)
            report.add("workers", "gateway CPU a ping, \(workers) workers", "µs", cost, runs: [fixed])
            report.progress("\(workers) workers, as much as they take …")
            let most = try most(stage, options)
            report.add("workers", "pings/s taken, \(workers) workers", "/s", most.rate, isHigherBetter: true)
            lines.append([
                "\(workers)", significant(cost), significant(fixed.perPing(fixed.redisSeconds)),
                significant(fixed.perPing(fixed.postgresSeconds)),
                decimals(fixed.load.acknowledged.milliseconds(99), 1),
                whole(most.rate), decimals(most.cores, 2), most.limit,
            ])
        }
        let header = [
            "workers, at \(whole(rate)) pings/s", "gateway µs a ping", "Redis µs", "Postgres µs", "ack p99 ms",
            "taken pings/s", "gateway cores", "beyond it",
        ]
        print(ReportTables.table(header, lines))
    }

    private func measure(_ stage: Stage, _ rate: Double, _ options: RunOptions) throws -> Measurement {
        var plan = FleetPlan()
        plan.drivers = drivers
        plan.sockets = drivers
        plan.pingsPerSecond = rate
        let load = Load(.gateway(port: stage.port, token: stage.key), fleet: plan)
        // The supervisor and all its workers.
        let measurement = try Measurement(stage, load, server: stage.gateway?.processID, options: options)
        try stage.awaitHistory()
        return measurement
    }

    /// The highest rate of a ladder at which every ping was acknowledged and 99 of 100 within a quarter of a second; what
    /// went wrong at the next one.
    private func most(_ stage: Stage, _ options: RunOptions) throws -> (rate: Double, cores: Double, limit: String) {
        var options = options
        options.seconds = min(options.seconds, 3)
        var best = (rate: 0.0, cores: 0.0, limit: "")
        var next = rate
        while next <= 400_000 {
            let measurement = try measure(stage, next, options)
            let load = measurement.load
            let late = load.acknowledged.milliseconds(99)
            if load.isVoid {
                best.limit = "the generator"
            } else if load.unacknowledged > 0 || load.refusals > 0 {
                best.limit = "not all acknowledged"
            } else if late > 250 {
                best.limit = "ack p99 \(decimals(late, 0)) ms"
            } else {
                best = (Double(load.pings) / load.seconds, measurement.serverSeconds / load.seconds, "")
                next *= 1.3
                continue
            }
            break
        }
        return best
    }
}
