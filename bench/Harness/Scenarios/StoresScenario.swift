/// The stores: what Redis and Postgres spend on a ping, a backlog that drains, and how soon a ping is a row.
import LocalServers

struct StoresScenario {
    let stage: Stage
    let report: Report
    let options: RunOptions

    /// Redis at 1 and at 10 pings a second of each driver, beside the same commands for every ping at the same pace.
    func redis() throws {
        report.progress("the floor of Redis, flat out …")
        let flatOut = try floor(drivers: 4_000, hertz: 1, seconds: 20, isPaced: false)
        report.add("Redis", "the floor's commands flat out, CPU a position", "µs", flatOut)
        for (hertz, drivers, goal) in [(1, 4_000, "redis.1hz"), (10, 500, "redis.10hz")] {
            report.progress("Redis at \(hertz) Hz a driver …")
            let paced = try floor(
                drivers: drivers, hertz: hertz, seconds: max(2, Int(options.seconds)), isPaced: true)
            var plan = FleetPlan()
            plan.drivers = drivers
            plan.sockets = 250
            plan.pingsPerSecond = Double(drivers * hertz)
            let load = Load(.gateway(port: stage.port, token: stage.key), fleet: plan)
            let measurement = try Measurement(stage, load, options: options)
            let cost = measurement.perPing(measurement.redisSeconds)
            report.reach(goal, "µs", cost, floor: paced, runs: [measurement])
            report.add("Redis", "CPU a ping at \(hertz) Hz a driver beside flat out", "µs", cost, floor: flatOut)
            report.health("Redis at \(hertz) Hz", measurement)
            try Explanation(stage: stage, report: report).explain([goal], measurement, of: .redis) {
                Load(.gateway(port: stage.port, token: stage.key), fleet: plan)
            }
        }
    }

    private func floor(drivers: Int, hertz: Int, seconds: Int, isPaced: Bool) throws -> Double {
        try RedisFloor.microsecondsPerPosition(
            socketPath: stage.redis.socketPath, process: stage.redis.processID, drivers: drivers, hertz: hertz,
            seconds: seconds, isPaced: isPaced)
    }

    /// How long a ping took to its row: commit time minus the intended time of the pings in `measurement`'s window.
    func rowLag(_ measurement: Measurement) throws -> Latencies {
        try stage.awaitHistory()
        let (first, end) = (measurement.window.lowerBound / 1_000, measurement.window.upperBound / 1_000)
        // Counted to 10 µs, which is less than recorded_at's millisecond, so that few lines tell of all rows.
        let text = try stage.postgres.psql(
            """
            SELECT floor(extract(epoch FROM pg_xact_commit_timestamp(xmin) - recorded_at) * 100000)::bigint AS lag,
                count(*)
            FROM driver_location_events
            WHERE recorded_at >= to_timestamp(\(first) / 1000000.0) AND recorded_at < to_timestamp(\(end) / 1000000.0)
            GROUP BY lag
            """, database: Stage.database)
        var lags = Latencies()
        for line in text.split(separator: "\n") {
            let values = line.split(separator: "|").compactMap { Int64($0) }
            if values.count == 2 { lags.record(nanoseconds: values[0] * 10_000, count: Int(values[1])) }
        }
        guard lags.count > 0 else { throw BenchError("no row of the measured pings is in Postgres") }
        return lags
    }

    /// Pings arrive while Postgres is away; then it returns.
    func backlog(copyFloor: CopyFloor) throws {
        try stage.awaitHistory()
        let before = try stage.metric("drover_history_committed_lsn")
        report.progress("history: a backlog while Postgres is away …")
        stage.postgres.stop()
        var plan = FleetPlan()
        plan.drivers = options.devices
        plan.sockets = options.devices
        plan.pingsPerFrame = 10
        plan.pingsPerSecond = 40_000
        let seconds = Double(options.backlog) / plan.pingsPerSecond
        let load = Load(.gateway(port: stage.port, token: stage.key), fleet: plan)
        let filled = try load.run(warmUp: 0, seconds: seconds) {}
        if filled.unacknowledged > 0 { report.note("history: \(filled.unacknowledged) pings were never acknowledged") }

        report.progress("history: draining …")
        try stage.postgres.start()
        let clock = ContinuousClock()
        var begun = clock.now
        var begunLSN = before
        try stage.wait(for: "the history to go on", within: .seconds(60)) {
            begun = clock.now
            begunLSN = try stage.metric("drover_history_committed_lsn")
            return begunLSN > before
        }
        let usage = stage.snapshot()
        try stage.awaitHistory()
        let elapsed = clock.now - begun
        let after = stage.snapshot()
        let rows = try stage.metric("drover_history_committed_lsn") - begunLSN
        guard rows > 0 else { return report.note("history: the backlog was gone before it could be measured") }
        let time = Double(elapsed.components.seconds) + Double(elapsed.components.attoseconds) / 1e18
        let postgresSeconds = after.postgresSeconds - usage.postgresSeconds
        let gatewaySeconds = after.gateway.seconds - usage.gateway.seconds
        report.reach("postgres.row", "µs", postgresSeconds / rows * 1e6, floor: copyFloor.microsecondsPerRow)
        report.reach("recovery", "rows/s", rows / time, floor: copyFloor.rowsPerSecond)
        report.add("history", "gateway CPU a row", "µs", gatewaySeconds / rows * 1e6)
        // Of the time that it took, not of CPU: what is missing to 100 % is waiting, for the disk or for each other.
        report.explain(
            ["postgres.row", "recovery"].filter { report.misses([$0]) }, of: "the time that it took",
            [
                ProfileRecord.Part(name: "Postgres busy", share: postgresSeconds / time),
                ProfileRecord.Part(name: "the gateway's threads busy", share: gatewaySeconds / time),
                ProfileRecord.Part(name: "neither", share: max(0, 1 - (postgresSeconds + gatewaySeconds) / time)),
            ])
    }
}
