/// Ingest: what a ping costs, one a frame and ten a frame, and how long it waits for its acknowledgement.

struct IngestScenario {
    let stage: Stage
    let report: Report
    let options: RunOptions

    /// The gateway's CPU a ping at one ping a frame: what the half-load run is derived from.
    func run() throws -> Double {
        let plan = onePerFrame
        var tenPlan = plan
        tenPlan.pingsPerFrame = 10
        var rows = Latencies()
        let runs = try Turns.take(
            options,
            [
                { turn in
                    report.progress("ingest, one ping a frame …")
                    let one = try measure(plan, turn)
                    // At once: the rows' commit times are kept, but the next run's rows would be waited for too.
                    rows.add(try StoresScenario(stage: stage, report: report, options: options).rowLag(one))
                    return one
                },
                { turn in
                    report.progress("the floor of ingest …")
                    return try measureFloor(plan, turn)
                },
                { turn in
                    report.progress("ingest, ten pings a frame …")
                    return try measure(tenPlan, turn)
                },
            ])
        let (one, floor, ten) = (runs[0], runs[1], runs[2])
        report.add("ingest", "ping to row p50", "ms", rows.milliseconds(50))
        report.reach("row.lag", "ms", rows.milliseconds(99), runs: [one])
        report.add("ingest", "ping to row p99.9", "ms", rows.milliseconds(99.9))
        let floorCost = floor.perPing(floor.serverSeconds)
        let cost = one.perPing(one.serverSeconds)
        report.reach("ingest.one", "µs", cost, floor: floorCost, runs: [one, floor])
        details("ingest", one, floor: floorCost)
        latency("ingest", one.load.acknowledged)
        latency("ingest floor", floor.load.acknowledged)
        report.reach("ingest.ten", "µs", ten.perPing(ten.serverSeconds), floor: floorCost, runs: [ten, floor])
        details("ingest ×10", ten, floor: floorCost)
        latency("ingest ×10", ten.load.acknowledged)
        report.health("ingest", one, further: [HistogramRecord("row", rows)])
        report.health("ingest floor", floor)
        report.health("ingest ×10", ten)
        try explain("ingest.one", one)
        try explain("ingest.ten", ten, pingsPerFrame: 10)
        return cost
    }

    /// Where the time of a ping goes, if `goal` is missed.
    func explain(_ goal: String, _ measurement: Measurement? = nil, pingsPerFrame: Int = 1) throws {
        var plan = onePerFrame
        plan.pingsPerFrame = pingsPerFrame
        try Explanation(stage: stage, report: report).explain([goal], measurement) {
            Load(.gateway(port: stage.port, token: stage.key), fleet: plan)
        }
    }

    private var onePerFrame: FleetPlan {
        var plan = FleetPlan()
        plan.drivers = options.devices
        plan.sockets = options.devices
        plan.pingsPerSecond = options.pingsPerSecond
        return plan
    }

    private func measure(_ plan: FleetPlan, _ options: RunOptions) throws -> Measurement {
        let load = Load(.gateway(port: stage.port, token: stage.key), fleet: plan)
        return try Measurement(stage, load, options: options)
    }

    private func measureFloor(_ plan: FleetPlan, _ options: RunOptions) throws -> Measurement {
        try stage.withFloor(pingsPerFrame: plan.pingsPerFrame) { port, process in
            try Measurement(stage, Load(.floor(port: port), fleet: plan), server: process, options: options)
        }
    }

    private func details(_ name: String, _ measurement: Measurement, floor: Double) {
        report.add(name, "of it the loop's thread", "µs", measurement.perPing(measurement.loopSeconds), floor: floor)
        report.add(name, "Redis CPU a ping", "µs", measurement.perPing(measurement.redisSeconds))
        report.add(name, "Postgres CPU a ping", "µs", measurement.perPing(measurement.postgresSeconds))
    }

    private func latency(_ name: String, _ latencies: Latencies) {
        for level in [50, 99, 99.9] {
            report.add(name, "ack p\(decimals(level, level == 99.9 ? 1 : 0))", "ms", latencies.milliseconds(level))
        }
    }
}
