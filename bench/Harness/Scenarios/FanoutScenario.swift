/// Fan-out: what a delivery costs beyond the ping that caused it. Each case runs with and without its viewers, so that
/// the difference is theirs; the floor is measured the same way.

struct FanoutScenario {
    let stage: Stage
    let report: Report
    let options: RunOptions

    /// One driver a viewer, ten viewers a driver. Returns the gateway's CPU a delivery and the floor's.
    func one() throws -> (microsecondsPerDelivery: Double, floor: Double) {
        let (plan, audience) = oneDriverEach
        let entrance = DroverSocket(port: stage.port, token: stage.key)
        var pushBytes = 0
        let runs = try Turns.take(
            options,
            [
                { turn in
                    report.progress("fan-out, the pings alone …")
                    return try Measurement(stage, Load(entrance, fleet: plan), options: turn)
                },
                { turn in
                    report.progress("fan-out, one driver a viewer …")
                    let full = try Measurement(stage, Load(entrance, fleet: plan, audience: audience), options: turn)
                    pushBytes = Int(full.load.pushBytes)
                    return full
                },
                { turn in
                    report.progress("the floor of fan-out …")
                    return try measureFloor(plan, nil, pushBytes: pushBytes, turn)
                },
                { turn in try measureFloor(plan, audience, pushBytes: pushBytes, turn) },
            ])
        let (alone, full, floorAlone, floorFull) = (runs[0], runs[1], runs[2], runs[3])
        let floor = floorFull.perDelivery(floorFull.serverSeconds - floorAlone.serverSeconds)
        // Deliveries are the loop's work. The other threads' share of a ping falls as the loop gets busier, since journal
        // groups grow, and would hide part of it.
        let cost = full.perDelivery(full.loopSeconds - alone.loopSeconds)
        report.reach("fanout.one", "µs", cost, floor: floor, runs: [alone, full, floorAlone, floorFull])
        report.add(
            "fan-out", "all threads, with its tenth of a ping", "µs", full.perDelivery(full.serverSeconds),
            floor: floorFull.perDelivery(floorFull.serverSeconds))
        report.add("fan-out", "bytes a push", "bytes", full.load.pushBytes)
        report.add("fan-out", "ping to viewer p50", "ms", full.load.viewed.milliseconds(50))
        report.add("fan-out", "ping to viewer p99", "ms", full.load.viewed.milliseconds(99))
        report.add("fan-out floor", "ping to viewer p99", "ms", floorFull.load.viewed.milliseconds(99))
        for (name, measurement) in [
            ("fan-out without viewers", alone), ("fan-out", full), ("fan-out floor", floorFull),
        ] { report.health(name, measurement) }
        try explain(["fanout.one"], full)
        return (cost, floor)
    }

    private func measureFloor(
        _ plan: FleetPlan, _ audience: AudiencePlan?, pushBytes: Int, _ options: RunOptions
    ) throws -> Measurement {
        try stage.withFloor(pushBytes: pushBytes) { port, process in
            let load = Load(FloorLine(port: port), fleet: plan, audience: audience)
            return try Measurement(stage, load, server: process, options: options)
        }
    }

    /// Where the time of a delivery goes, if one of `goals` is missed.
    func explain(_ goals: [String], _ measurement: Measurement? = nil) throws {
        let (plan, audience) = oneDriverEach
        try Explanation(stage: stage, report: report).explain(goals, measurement, of: .loop) {
            Load(.gateway(port: stage.port, token: stage.key), fleet: plan, audience: audience)
        }
    }

    private var oneDriverEach: (FleetPlan, AudiencePlan) {
        var plan = FleetPlan()
        plan.drivers = options.viewers / 10
        plan.sockets = plan.drivers
        plan.pingsPerSecond = options.deliveriesPerSecond / 10
        return (plan, AudiencePlan(viewers: options.viewers, driversPerViewer: 1))
    }

    /// Fifty drivers a viewer, each at 1 Hz, at the default of four writes a second.
    func wall(sendFloor: Double) throws {
        var plan = FleetPlan()
        plan.drivers = 500
        plan.sockets = 500
        plan.pingsPerSecond = 500
        let audience = AudiencePlan(viewers: 400, driversPerViewer: 50)
        report.progress("fan-out, fifty drivers a viewer …")
        let entrance = DroverSocket(port: stage.port, token: stage.key)
        let alone = try Measurement(stage, Load(entrance, fleet: plan), options: options)
        let full = try Measurement(stage, Load(entrance, fleet: plan, audience: audience), options: options)
        let cost = full.perDelivery(full.loopSeconds - alone.loopSeconds)
        report.reach("fanout.fifty", "µs", cost, floor: sendFloor, runs: [alone, full])
        report.add("fifty a viewer", "updates a write", "", full.load.positionsPerFrame)
        report.add("fifty a viewer", "ping to viewer p50", "ms", full.load.viewed.milliseconds(50))
        report.add("fifty a viewer", "ping to viewer p99", "ms", full.load.viewed.milliseconds(99))
        report.health("fifty a viewer", full)
        try Explanation(stage: stage, report: report).explain(["fanout.fifty"], full, of: .loop) {
            Load(.gateway(port: stage.port, token: stage.key), fleet: plan, audience: audience)
        }
    }

    /// Pings and deliveries that together take about half of the gateway's core: where latencies are promised.
    func halfLoad(microsecondsPerPing: Double, microsecondsPerDelivery: Double) throws {
        var plan = FleetPlan()
        plan.drivers = options.devices
        plan.sockets = options.devices
        // A quarter of the core for pings, one for deliveries; the generator's own core bounds both.
        plan.pingsPerSecond = min(0.25e6 / max(1, microsecondsPerPing), 15_000)
        let deliveries = min(0.25e6 / max(1, microsecondsPerDelivery), 30_000)
        let viewers = max(options.devices, Int(deliveries / plan.pingsPerSecond * Double(options.devices)))
        report.progress("half load …")
        let audience = AudiencePlan(viewers: viewers, driversPerViewer: 1)
        let load = Load(.gateway(port: stage.port, token: stage.key), fleet: plan, audience: audience)
        let measurement = try Measurement(stage, load, options: options)
        report.add("half load", "gateway's core in use", "", measurement.serverSeconds / options.seconds)
        report.add("half load", "ack p50", "ms", measurement.load.acknowledged.milliseconds(50))
        report.add("half load", "ping to viewer p50", "ms", measurement.load.viewed.milliseconds(50))
        report.reach(
            "latency.viewer", "ms", measurement.load.viewed.milliseconds(99), runs: [measurement])
        report.reach("latency.ack", "ms", measurement.load.acknowledged.milliseconds(99), runs: [measurement])
        let rows = try StoresScenario(stage: stage, report: report, options: options).rowLag(measurement)
        report.add("half load", "ping to row p50", "ms", rows.milliseconds(50))
        report.add("half load", "ping to row p99", "ms", rows.milliseconds(99))
        report.health("half load", measurement, further: [HistogramRecord("row", rows)])
        try Explanation(stage: stage, report: report).explain(["latency.viewer", "latency.ack"], measurement) {
            Load(.gateway(port: stage.port, token: stage.key), fleet: plan, audience: audience)
        }
    }
}
