/// The stores: what Redis and Postgres spend on a ping, a backlog that drains, and how soon a ping is a row.
import LocalServers

struct StoresScenario {
    let stage: Stage
    let report: Report
    let options: RunOptions

    /// Redis at 1 and at 10 pings a second of each driver, beside its own floor.
    func redis() throws {
        report.progress("the floor of Redis …")
        let (flatOut, paced) = (try floor(isPaced: false), try floor(isPaced: true))
        report.add("Redis floor", "CPU a position, flat out", "µs", flatOut)
        report.add("Redis floor", "CPU a position, paced at 1 Hz a driver", "µs", paced)
        for (hertz, drivers, limit) in [(1, 4_000, 1.1), (10, 500, 0.4)] {
            report.progress("Redis at \(hertz) Hz a driver …")
            var plan = FleetPlan()
            plan.drivers = drivers
            plan.sockets = 250
            plan.pingsPerSecond = Double(drivers * hertz)
            let load = Load(.gateway(port: stage.port, token: stage.key), fleet: plan)
            let measurement = try Measurement(stage, load, options: options)
            report.add(
                "Redis", "CPU a ping at \(hertz) Hz a driver", "µs", measurement.perPing(measurement.redisSeconds),
                floor: flatOut, limit: limit, runs: [measurement])
            report.add(
                "Redis", "the same beside the paced floor", "µs", measurement.perPing(measurement.redisSeconds),
                floor: paced)
            report.health("Redis at \(hertz) Hz", measurement)
        }
    }

    private func floor(isPaced: Bool) throws -> Double {
        try RedisFloor.microsecondsPerPosition(
            socketPath: stage.redis.socketPath, process: stage.redis.processID, drivers: 4_000,
            seconds: isPaced ? max(2, Int(options.seconds)) : 20, isPaced: isPaced)
    }

    /// How long a ping took to its row: commit time minus receipt, of the rows that were received since `since`.
    func rowLag(since: Int64) throws {
        try stage.awaitHistory()
        let text = try stage.postgres.psql(
            """
            SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY lag), percentile_cont(0.99) WITHIN GROUP (ORDER BY lag)
            FROM (SELECT extract(epoch FROM pg_xact_commit_timestamp(xmin) - received_at) * 1000 AS lag
                FROM driver_location_events WHERE received_at >= to_timestamp(\(since))) AS rows
            """, database: Stage.database)
        let values = text.split(separator: "|").compactMap { Double($0) }
        guard values.count == 2 else { return }
        report.add("history", "ping to row p50", "ms", values[0])
        report.add("history", "ping to row p99", "ms", values[1], limit: 1_000)
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
        report.add(
            "history", "rows a second from a backlog", "rows/s", rows / time, floor: copyFloor.rowsPerSecond,
            limit: 0.5,
            isMinimum: true)
        report.add(
            "history", "Postgres CPU a row", "µs", (after.postgresSeconds - usage.postgresSeconds) / rows * 1e6,
            floor: copyFloor.microsecondsPerRow, limit: 1.2)
        report.add(
            "history", "gateway CPU a row", "µs", (after.gateway.seconds - usage.gateway.seconds) / rows * 1e6)
    }
}
