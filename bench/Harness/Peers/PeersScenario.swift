/// Drover beside other servers: the same pings, sockets, viewers and rates, one server after the other on the same core.
import LocalServers

struct PeersScenario {
    let stage: Stage
    let report: Report
    let options: RunOptions

    /// Pings a second of the ingest: what the slowest of them takes with half of its core.
    private static let ingestRate = 3_000.0
    /// Once the peers are fetched: twenty runs of 4 s with what comes before and behind them.
    static let plannedSeconds = 140.0
    private static let drivers = 100
    private static let viewers = 1_000

    /// What one server did.
    private struct Outcome {
        var ingest: Measurement
        var alone: Measurement
        var viewed: Measurement
    }

    /// The gateway has to run. About two and a half minutes, and half a minute more where the peers must be fetched.
    func run() throws {
        report.progress("peers, fetching what is not there …")
        let setup = try PeerSetup()
        let ingest = try measure(ingestOf: gateway, "drover")
        var fanouts: [Double: (alone: Measurement, viewed: Measurement)] = [:]
        for peer in Peer.all {
            guard case .ready(let version) = setup.state(of: peer) else {
                if case .missing(let reason) = setup.state(of: peer) {
                    report.note("beside \(peer.title): not available: \(reason)")
                }
                continue
            }
            let fanout = try fanouts[peer.fanoutRate] ?? measure(fanoutOf: gateway, peer.fanoutRate, "drover")
            fanouts[peer.fanoutRate] = fanout
            let drover = Outcome(ingest: ingest, alone: fanout.alone, viewed: fanout.viewed)
            compare(peer, drover, try measure(peer))
            report.note("beside \(peer.title) \(version): \(peer.lacks); \(peer.remark)")
        }
        report.note(
            """
            beside peers: ratios are Drover's figure to the peer's, below 1 is Drover's advantage; Drover's CPU includes its \
            journal, its checks and what it writes to Redis and Postgres
            """)
    }

    private var gateway: any Dialect { DroverSocket(port: stage.port, token: stage.key) }

    private func measure(_ peer: Peer) throws -> Outcome {
        let running = try RunningPeer(peer, stage: stage)
        defer { running.stop() }
        let server = running.processID
        let ingest = try measure(ingestOf: peer.ingest(running.port), peer.title, server: server)
        let fanout = try measure(
            fanoutOf: peer.fanout(running.port), peer.fanoutRate, peer.title, server: server)
        return Outcome(ingest: ingest, alone: fanout.alone, viewed: fanout.viewed)
    }

    private func measure(ingestOf dialect: any Dialect, _ name: String, server: Int32? = nil) throws -> Measurement {
        var plan = FleetPlan()
        plan.pingsPerSecond = Self.ingestRate
        report.progress("peers, ingest of \(name) …")
        return try run("\(name), ingest", Load(dialect, fleet: plan), server)
    }

    private func measure(
        fanoutOf dialect: any Dialect, _ rate: Double, _ name: String, server: Int32? = nil
    ) throws -> (alone: Measurement, viewed: Measurement) {
        var plan = FleetPlan()
        plan.drivers = Self.drivers
        plan.sockets = Self.drivers
        plan.pingsPerSecond = rate
        report.progress("peers, fan-out of \(name) …")
        let alone = try run("\(name), pings alone", Load(dialect, fleet: plan), server)
        let audience = AudiencePlan(viewers: Self.viewers, driversPerViewer: 1)
        let viewed = try run("\(name), fan-out", Load(dialect, fleet: plan, audience: audience), server)
        return (alone, viewed)
    }

    private func run(_ name: String, _ load: Load, _ server: Int32?) throws -> Measurement {
        var short = options
        short.seconds = min(options.seconds, 4)
        short.warmUp = min(options.warmUp, 1)
        let measurement = try Measurement(stage, load, server: server, options: short)
        report.health("peers: \(name)", measurement)
        return measurement
    }

    private func compare(_ peer: Peer, _ drover: Outcome, _ other: Outcome) {
        let scenario = "beside \(peer.title)"
        let ping = drover.ingest.perPing(drover.ingest.serverSeconds)
        let otherPing = other.ingest.perPing(other.ingest.serverSeconds)
        report.add(
            scenario, "CPU a ping, \(Int(Self.ingestRate))/s (\(peer.title) \(peer.lacks))", "µs", ping,
            floor: otherPing,
            runs: [drover.ingest, other.ingest])
        if let goal = peer.ingestGoal {
            report.reach(goal, "µs", ping, floor: otherPing, runs: [drover.ingest, other.ingest])
        }
        pair(scenario, "ack", drover.ingest.load.acknowledged, other.ingest.load.acknowledged)
        if peer.hasStores {
            report.add(
                scenario, "Redis CPU a ping", "µs", drover.ingest.perPing(drover.ingest.redisSeconds),
                floor: other.ingest.perPing(other.ingest.redisSeconds))
            report.add(
                scenario, "Postgres CPU a ping", "µs", drover.ingest.perPing(drover.ingest.postgresSeconds),
                floor: other.ingest.perPing(other.ingest.postgresSeconds))
        }
        // Drover's deliveries are its loop's work; see FanoutScenario. A peer's are all its threads'.
        let delivery = drover.viewed.perDelivery(drover.viewed.loopSeconds - drover.alone.loopSeconds)
        let otherDelivery = other.viewed.perDelivery(other.viewed.serverSeconds - other.alone.serverSeconds)
        let runs = [drover.alone, drover.viewed, other.alone, other.viewed]
        report.add(
            scenario, "CPU a delivery, \(Int(peer.fanoutRate * 10))/s", "µs", delivery, floor: otherDelivery, runs: runs
        )
        if let goal = peer.fanoutGoal { report.reach(goal, "µs", delivery, floor: otherDelivery, runs: runs) }
        report.add(scenario, "bytes a push", "bytes", drover.viewed.load.pushBytes, floor: other.viewed.load.pushBytes)
        report.add(scenario, "deliveries a ping", "", deliveries(drover.viewed), floor: deliveries(other.viewed))
        pair(scenario, "ping to viewer", drover.viewed.load.viewed, other.viewed.load.viewed)
    }

    private func pair(_ scenario: String, _ what: String, _ drover: Latencies, _ other: Latencies) {
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
