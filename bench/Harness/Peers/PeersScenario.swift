/// Drover beside other servers: the same pings, sockets, viewers and rates, one server after the other on the same core.

struct PeersScenario {
    let stage: Stage
    let report: Report
    let options: RunOptions

    /// Once the peers are fetched: some twenty runs of 4 s with what comes before and behind them.
    static let plannedSeconds = 205.0
    private static let drivers = 100
    private static let viewers = 1_000

    /// The gateway has to run already. Fetching the peers takes half a minute more, once.
    func run() throws {
        report.progress("peers, fetching what is not there …")
        let setup = try PeerSetup()
        let drover = Server(name: "Drover", process: nil, ingest: gateway, fanout: gateway)
        for peer in Peer.all {
            switch setup.state(of: peer) {
            case .missing(let reason): report.note("beside \(peer.title): not available: \(reason)")
            case .ready(let version):
                let ours = try measure(peer, drover)
                do {
                    let running = try RunningPeer(peer, stage: stage)
                    defer { running.stop() }
                    let other = Server(
                        name: peer.title, process: running.processID, ingest: peer.ingest(running.port),
                        fanout: peer.fanout(running.port))
                    let figures = PeerFigures(peer: peer, report: report)
                    figures.show(ours, beside: try measure(peer, other))
                    report.note("beside \(peer.title) \(version): it \(peer.job); \(peer.remark)")
                } catch {
                    // One that fails must not take the others' figures with it.
                    report.note("beside \(peer.title) \(version): not measured: \(error)")
                }
            }
        }
        report.note(
            """
            beside peers: the floor is the peer's figure, so that a ratio below 1 is Drover's advantage; Drover's CPU a ping \
            holds its journal, its checks and what it writes to Redis and Postgres
            """)
    }

    private var gateway: DroverSocket { DroverSocket(port: stage.port, token: stage.key) }

    /// One side of the comparison. Drover is measured anew before each peer: what is compared lies close together.
    private struct Server {
        let name: String
        /// Nil is the gateway.
        let process: Int32?
        let ingest: any Dialect
        let fanout: any Dialect
    }

    private func measure(_ peer: Peer, _ server: Server) throws -> PeerFigures.Runs {
        PeerFigures.Runs(
            ingest: try ingest(server, peer.ingestRate),
            // Drover's cost a ping falls as its loop wakes up for several at once: so it is where its core is as busy.
            busy: peer.hasStores && server.process == nil ? try ingest(server, options.pingsPerSecond) : nil,
            fanout: try peer.fanoutRate.map { try fanout(server, $0) })
    }

    /// A ping a frame, 500 devices on sockets of their own.
    private func ingest(_ server: Server, _ rate: Double) throws -> Measurement {
        var plan = FleetPlan()
        plan.pingsPerSecond = rate
        return try run(server, "ingest, \(Int(rate)) pings/s", Load(server.ingest, fleet: plan))
    }

    /// The same pings without viewers and with ten a driver.
    private func fanout(_ server: Server, _ rate: Double) throws -> PeerFigures.Fanout {
        var plan = FleetPlan()
        plan.drivers = Self.drivers
        plan.sockets = Self.drivers
        plan.pingsPerSecond = rate
        let audience = AudiencePlan(viewers: Self.viewers, driversPerViewer: 1)
        return PeerFigures.Fanout(
            alone: try run(server, "fan-out's pings alone, \(Int(rate))/s", Load(server.fanout, fleet: plan)),
            viewed: try run(
                server, "fan-out, \(Int(rate)) pings/s", Load(server.fanout, fleet: plan, audience: audience)))
    }

    private func run(_ server: Server, _ name: String, _ load: Load) throws -> Measurement {
        report.progress("peers, \(server.name), \(name) …")
        var short = options
        short.seconds = min(options.seconds, 4)
        short.warmUp = min(options.warmUp, 1)
        let measurement = try Measurement(stage, load, server: server.process, options: short)
        report.health("\(server.name), \(name)", measurement)
        return measurement
    }
}
