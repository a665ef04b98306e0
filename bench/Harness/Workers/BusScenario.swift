/// What gateways that share a Redis send each other: three of them, pings to one, viewers at another.
import DroverClient
import Glibc
import LocalServers

struct BusScenario {
    let stage: Stage
    let report: Report
    let options: RunOptions
    /// All of them report to the first gateway, once a second each.
    let drivers: Int

    /// A gateway beside the stage's own, over the same stores.
    private struct Neighbour {
        let process: ChildProcess
        let port: Int
    }

    /// CPU seconds and positions over the bus within one run, of the gateways by number.
    private struct Traffic {
        var positions: [Double]
        var seconds: [Double]
        var measurement: Measurement
    }

    /// Measures alone, in company, with a hundredth of the drivers watched through the second gateway, and with all of them;
    /// gives the table.
    func run() throws -> String {
        report.progress("one gateway alone …")
        try stage.startGateway()
        let alone = try measure([])
        let neighbours = try (1...2).map(startNeighbour)
        defer { for neighbour in neighbours { neighbour.process.terminate(grace: .seconds(10)) } }
        report.progress("three gateways, nobody watches …")
        let company = try measure(neighbours)
        report.progress("three gateways, 1 % watched through the second …")
        let part = try watched(drivers / 100, neighbours)
        report.progress("three gateways, all watched through the second …")
        let all = try watched(drivers, neighbours)
        figures(alone, company, all)
        let lines = [
            line("one gateway", alone), line("three, nobody watches", company),
            line("three, 1 % watched through the second", part), line("three, all watched through the second", all),
        ]
        let header = [
            "\(whole(Double(drivers))) drivers at 1 Hz, all at the first", "over the bus to the first", "second",
            "third",
            "of the pings", "Redis µs a ping", "first gateway µs a ping", "second gateway cores",
        ]
        return ReportTables.table(header, lines)
    }

    // MARK: Parts

    private func startNeighbour(_ number: Int) throws -> Neighbour {
        let process = try stage.start(
            ["serve"],
            environment: [
                "DROVER_LISTEN": "127.0.0.1:0", "DROVER_JOURNAL_DIRECTORY": stage.path("neighbour-\(number)"),
            ])
        guard process.waitForOutput("port=", within: .seconds(60)),
            let text = process.output().split(separator: "port=").dropFirst().first,
            let port = Int(text.prefix { $0.isNumber })
        else { throw BenchError("the gateway did not start: \(process.output(last: 2_000))") }
        let neighbour = Neighbour(process: process, port: port)
        try stage.wait(for: "a gateway to reach its stores", within: .seconds(60)) {
            try metric("drover_redis_up", at: port) == 1 && metric("drover_postgres_up", at: port) == 1
        }
        return neighbour
    }

    /// With one viewer of the first `count` drivers at the second gateway.
    private func watched(_ count: Int, _ neighbours: [Neighbour]) throws -> Traffic {
        let viewer = try ChildProcess(
            [
                CommandLine.arguments[0], "watch", "--port", "\(neighbours[0].port)", "--token", stage.key, "--drivers",
                "\(count)",
            ], output: .captured)
        defer { viewer.terminate(signal: SIGKILL) }
        guard viewer.waitForOutput("ready", within: .seconds(60)) else {
            throw BenchError("the viewer did not start: \(viewer.output())")
        }
        return try measure(neighbours)
    }

    private func measure(_ neighbours: [Neighbour]) throws -> Traffic {
        var plan = FleetPlan()
        plan.drivers = drivers
        plan.sockets = min(drivers, 250)
        plan.pingsPerSecond = Double(drivers)
        let load = Load(.gateway(port: stage.port, token: stage.key), fleet: plan)
        let ports = [stage.port] + neighbours.map(\.port)
        let processes = [stage.gateway?.processID ?? 0] + neighbours.map(\.process.processID)
        var edges: [(positions: [Double], seconds: [Double])] = []
        var failure: (any Error)?
        let measurement = try Measurement(stage, load, options: options) {
            do {
                let positions = try ports.map { try metric("drover_bus_positions_total", at: $0) }
                edges.append((positions, processes.map { ProcessUsage($0).seconds }))
            } catch { failure = error }
        }
        if let failure { throw failure }
        try stage.awaitHistory()
        return Traffic(
            positions: zip(edges[1].positions, edges[0].positions).map { $0 - $1 },
            seconds: zip(edges[1].seconds, edges[0].seconds).map { $0 - $1 }, measurement: measurement)
    }

    private func metric(_ name: String, at port: Int) throws -> Double {
        let response = try HTTPClient.request("GET", "http://127.0.0.1:\(port)/metrics")
        for line in response.text.split(separator: "\n") where line.hasPrefix(name + " ") {
            return Double(line.dropFirst(name.count + 1)) ?? 0
        }
        throw BenchError("the gateway's /metrics has no \(name)")
    }

    // MARK: Figures

    private func figures(_ alone: Traffic, _ company: Traffic, _ all: Traffic) {
        func redis(_ traffic: Traffic) -> Double { traffic.measurement.perPing(traffic.measurement.redisSeconds) }
        report.add("bus", "Redis CPU a ping, alone", "µs", redis(alone), runs: [alone.measurement])
        report.add(
            "bus", BusFigure.sharedPing, "µs", redis(company) - redis(alone),
            runs: [alone.measurement, company.measurement])
        let positions = all.positions[1]
        guard positions > 0 else { return report.note("bus: nothing came over it") }
        report.add(
            "bus", BusFigure.position, "µs", (all.seconds[1] - company.seconds[1]) / positions * 1e6,
            runs: [company.measurement, all.measurement])
        let redisSeconds = all.measurement.redisSeconds - company.measurement.redisSeconds
        report.add(
            "bus", BusFigure.delivery, "µs", redisSeconds / positions * 1e6,
            runs: [company.measurement, all.measurement])
    }

    private func line(_ name: String, _ traffic: Traffic) -> [String] {
        let pings = Double(max(1, traffic.measurement.load.pings))
        let shown = (0..<3).map { $0 < traffic.positions.count ? whole(traffic.positions[$0]) : "" }
        let share = traffic.positions.count > 1 ? decimals(traffic.positions[1] / pings * 100, 2) + " %" : ""
        let second = traffic.seconds.count > 1 ? decimals(traffic.seconds[1] / traffic.measurement.load.seconds, 3) : ""
        return [name] + shown + [
            share, significant(traffic.measurement.perPing(traffic.measurement.redisSeconds)),
            significant(traffic.measurement.perPing(traffic.seconds[0])), second,
        ]
    }
}
