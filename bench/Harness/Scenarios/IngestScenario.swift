/// Ingest: what a ping costs, one a frame and ten a frame, and how long it waits for its acknowledgement.

struct IngestScenario {
    let stage: Stage
    let report: Report
    let options: RunOptions

    /// The gateway's CPU a ping at one ping a frame: what the half-load run is derived from.
    func run() throws -> (microsecondsPerPing: Double, floor: Double) {
        var plan = FleetPlan()
        plan.drivers = options.devices
        plan.sockets = options.devices
        plan.pingsPerSecond = options.pingsPerSecond

        report.progress("ingest, one ping a frame …")
        let one = try measure(plan)
        report.progress("the floor of ingest …")
        let floor = try measureFloor(plan)
        let floorCost = floor.perPing(floor.serverSeconds)
        let cost = one.perPing(one.serverSeconds)
        report.add("ingest", "gateway CPU a ping", "µs", cost, floor: floorCost, limit: 1.35, runs: [one, floor])
        report.add(
            "ingest", "of it the loop's thread", "µs", one.perPing(one.loopSeconds), floor: floorCost,
            runs: [one, floor])
        details("ingest", one)
        latency("ingest", "ack", one.load.acknowledged, limit: nil)
        latency("ingest floor", "ack", floor.load.acknowledged, limit: nil)

        report.progress("ingest, ten pings a frame …")
        plan.pingsPerFrame = 10
        let ten = try measure(plan)
        report.add(
            "ingest ×10", "gateway CPU a ping", "µs", ten.perPing(ten.serverSeconds), floor: floorCost, limit: 0.3,
            runs: [ten, floor])
        report.add("ingest ×10", "of it the loop's thread", "µs", ten.perPing(ten.loopSeconds), floor: floorCost)
        details("ingest ×10", ten)
        latency("ingest ×10", "ack", ten.load.acknowledged, limit: nil)
        for (name, measurement) in [("ingest", one), ("ingest floor", floor), ("ingest ×10", ten)] {
            report.health(name, measurement)
        }
        return (cost, floorCost)
    }

    private func measure(_ plan: FleetPlan) throws -> Measurement {
        let load = Load(.gateway(port: stage.port, token: stage.key), fleet: plan)
        return try Measurement(stage, load, options: options)
    }

    private func measureFloor(_ plan: FleetPlan) throws -> Measurement {
        try stage.withFloor(pingsPerFrame: plan.pingsPerFrame) { port, process in
            try Measurement(stage, Load(.floor(port: port), fleet: plan), server: process, options: options)
        }
    }

    private func details(_ name: String, _ measurement: Measurement) {
        report.add(name, "Redis CPU a ping", "µs", measurement.perPing(measurement.redisSeconds))
        report.add(name, "Postgres CPU a ping", "µs", measurement.perPing(measurement.postgresSeconds))
    }

    private func latency(_ name: String, _ what: String, _ latencies: Latencies, limit: Double?) {
        report.add(name, "\(what) p50", "ms", latencies.milliseconds(50))
        report.add(name, "\(what) p99", "ms", latencies.milliseconds(99), limit: limit)
    }
}
