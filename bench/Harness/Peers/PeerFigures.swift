/// What the table says of Drover beside one peer: the peer's figure stands where others have a floor.

struct PeerFigures {
    let peer: Peer
    let report: Report

    /// The same pings without viewers and with them.
    struct Fanout {
        var alone: Measurement
        var viewed: Measurement
    }

    /// What one server did.
    struct Runs {
        var ingest: Measurement
        var fanout: Fanout?
    }

    func show(_ drover: Runs, beside other: Runs) {
        show(ingest: drover.ingest, beside: other.ingest)
        if let ours = drover.fanout, let theirs = other.fanout { show(fanout: ours, beside: theirs) }
    }

    private var scenario: String { "beside \(peer.title)" }

    private func show(ingest drover: Measurement, beside other: Measurement) {
        let ours = drover.perPing(drover.serverSeconds)
        let theirs = other.perPing(other.serverSeconds)
        report.add(
            scenario, "CPU a ping at \(Int(peer.ingestRate))/s; it \(peer.job)", "µs", ours, floor: theirs,
            runs: [drover, other])
        if let goal = peer.ingestGoal { report.reach(goal, "µs", ours, floor: theirs, runs: [drover, other]) }
        report.add(
            scenario, "its core in use", "", drover.serverSeconds / drover.load.seconds,
            floor: other.serverSeconds / other.load.seconds)
        latency("ack", drover.load.acknowledged, other.load.acknowledged)
        guard peer.hasStores else { return }
        report.add(
            scenario, "Redis CPU a ping", "µs", drover.perPing(drover.redisSeconds),
            floor: other.perPing(other.redisSeconds))
        report.add(
            scenario, "Postgres CPU a ping", "µs", drover.perPing(drover.postgresSeconds),
            floor: other.perPing(other.postgresSeconds))
    }

    private func show(fanout drover: Fanout, beside other: Fanout) {
        let runs = [drover.alone, drover.viewed, other.alone, other.viewed]
        // Drover's deliveries are its loop's work (see FanoutScenario). A peer's may be any thread's.
        let ours = drover.viewed.perDelivery(drover.viewed.loopSeconds - drover.alone.loopSeconds)
        let theirs = other.viewed.perDelivery(other.viewed.serverSeconds - other.alone.serverSeconds)
        let rate = Int((peer.fanoutRate ?? 0) * 10)
        report.add(scenario, "CPU a delivery at \(rate)/s", "µs", ours, floor: theirs, runs: runs)
        if let goal = peer.fanoutGoal { report.reach(goal, "µs", ours, floor: theirs, runs: runs) }
        report.add(scenario, "bytes a push", "bytes", drover.viewed.load.pushBytes, floor: other.viewed.load.pushBytes)
        report.add(scenario, "deliveries a ping", "", deliveries(drover.viewed), floor: deliveries(other.viewed))
        latency("ping to viewer", drover.viewed.load.viewed, other.viewed.load.viewed)
    }

    private func latency(_ what: String, _ drover: Latencies, _ other: Latencies) {
        for percentile in [50.0, 99] {
            report.add(
                scenario, "\(what) p\(Int(percentile))", "ms", drover.milliseconds(percentile),
                floor: other.milliseconds(percentile))
        }
    }

    private func deliveries(_ measurement: Measurement) -> Double {
        Double(measurement.load.deliveries) / Double(max(1, measurement.load.pings))
    }
}
