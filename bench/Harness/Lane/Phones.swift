/// Phones that have been away: each with its backlog, all coming back at once when a signal says so. A process of its own,
/// so that what they cost is not the generator's.
import ArgumentParser
import DroverClient
import EventLoop
import Glibc

/// Started by `drover-bench lane`.
struct Phones: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Come back with a backlog at SIGUSR1, and say how long it took.", shouldDisplay: false)

    @Option var port: Int
    @Option var count: Int
    @Option var backlog: Int
    /// A key for all of them, which names each.
    @Option var key: String?
    /// Or a token for each: this and its number.
    @Option var tokenPrefix: String?

    func run() throws {
        let loop = EventLoop()
        let network = ClientNetwork(loop: loop)
        let gateway = try Endpoint("http://127.0.0.1:\(port)")
        let phones = try (0..<count).map { number in
            guard let token = key ?? tokenPrefix.map({ "\($0)\(number)" }) else {
                throw BenchError("phones need --key or --token-prefix")
            }
            let session = IngestSession(
                network: network, gateway: gateway, token: token,
                options: IngestSession.Options(window: backlog + 10, patienceMilliseconds: 120_000))
            gather(session, driver: session.addDriver(key == nil ? "" : "key-\(number)"))
            return session
        }
        var begunAt: Int64 = 0
        var newest = 0
        var settled = 0
        var newestAt: Int64 = 0
        var failure: String?
        for session in phones {
            session.onSettled = { outcome in
                settled += 1
                guard outcome.sequence == Int64(backlog) else { return }
                newest += 1
                newestAt = outcome.settledAt
            }
            session.onEnded = { failure = "\($0)" }
        }
        let signal = LoopSignal(loop: loop, number: SIGUSR1) {
            begunAt = SystemClock.monotonicMicroseconds()
            for session in phones { session.connect() }
        }
        print("ready")
        fflush(nil)
        let turns = LoopTimer(loop: loop) {}
        turns.start(afterMilliseconds: 50, everyMilliseconds: 50)
        while settled < count * backlog, failure == nil { loop.runOnce() }
        signal.close()
        turns.close()
        if let failure { throw BenchError("a phone gave up: \(failure)") }
        let end = SystemClock.monotonicMicroseconds()
        print("\((newestAt - begunAt) / 1_000) \((end - begunAt) / 1_000)")
        fflush(nil)
        _exit(0)
    }

    /// A straight drive north, a ping a second, up to now.
    private func gather(_ session: IngestSession, driver: Int) {
        let start = SystemClock.wallMicroseconds() / 1_000 - Int64(backlog) * 1_000
        for step in 0..<backlog {
            session.send(
                PingReport(
                    recordedAt: start + Int64(step) * 1_000, latitude: 43.6 + Double(step) * 1e-5, longitude: -79.4,
                    accuracy: 8, speed: 1.1, heading: 0), driver: driver)
        }
    }
}
