// kill -9 at random moments under load: what was acknowledged is in Postgres, once.

import DroverClient
import EventLoop
import Testing

extension Integration {
    @Suite("kill -9")
    struct Kill {
        @Test func `every acknowledged ping is in Postgres exactly once, fifty times`() throws {
            let seed = UInt64.random(in: 0 ... .max)
            print("kill -9: seed \(seed)")
            var random = SeededRandom(seed: seed)
            let gateway = try RunningGateway()
            let key = try gateway.key()
            for round in 0..<(wantsLongTests ? 500 : 50) {
                let stream = try KilledStream(
                    gateway: gateway, key: key, driver: "van-\(round)", count: 3_000,
                    // At the connection, in the midst, or close to the end; then a little later still.
                    killAfter: Int.random(in: 0..<2_900, using: &random),
                    delay: Int.random(in: 0..<8, using: &random))
                try stream.run()
                #expect(stream.wasKilled, "round \(round), seed \(seed)")
                try gateway.awaitHistory()
                let times = try gateway.sql(
                    "SELECT (extract(epoch FROM recorded_at) * 1000)::bigint FROM driver_location_events "
                        + "WHERE driver_id = $1 ORDER BY recorded_at", ["van-\(round)"]
                ).compactMap { $0.flatMap { Int64($0) } }
                #expect(stream.acknowledged.sorted() == stream.times, "round \(round), seed \(seed)")
                #expect(times == stream.times, "round \(round), seed \(seed)")
            }
        }
    }
}

/// One driver's pings over a connection that is lost with its gateway, once.
private final class KilledStream {
    let times: [Int64]
    private(set) var acknowledged: [Int64] = []
    private(set) var wasKilled = false
    private let gateway: RunningGateway
    private let loop = EventLoop()
    private let session: IngestSession
    private let driver: Int
    private let killAfter: Int
    private let delay: Int
    private var next = 0
    private var timer: LoopTimer?
    private var failure: (any Error)?

    init(gateway: RunningGateway, key: String, driver: String, count: Int, killAfter: Int, delay: Int) throws {
        self.gateway = gateway
        self.killAfter = killAfter
        self.delay = delay
        let start = now() - Int64(count) * 1_000
        times = (0..<count).map { start + Int64($0) * 1_000 }
        session = IngestSession(
            network: ClientNetwork(loop: loop), gateway: try Endpoint(gateway.address), token: key,
            options: IngestSession.Options(window: 200, pingsPerFrame: 10))
        self.driver = session.addDriver(driver)
    }

    func run() throws {
        timer = LoopTimer(loop: loop) { [unowned self] in crash() }
        session.onConnected = { [unowned self] in feed() }
        session.onRoom = { [unowned self] in feed() }
        session.onSettled = { [unowned self] outcome in
            #expect(outcome.rejection == nil)
            acknowledged.append(outcome.recordedAt)
            if acknowledged.count > killAfter, let timer, timer.isOpen, !timer.isActive, !wasKilled {
                timer.start(afterMilliseconds: delay)
            }
        }
        session.connect()
        if killAfter == 0 { timer?.start(afterMilliseconds: delay) }
        defer {
            timer?.close()
            session.close()
        }
        var ending = "none"
        session.onEnded = { ending = "\($0)" }
        var interruption = "none"
        session.onInterrupted = { closure, _ in interruption = "\(closure)" }
        do {
            try loop.run(within: 60) { failure != nil || (acknowledged.count >= times.count && wasKilled) }
        } catch {
            let metrics = try gateway.http("GET", "/metrics").text.split(separator: "\n")
                .filter { !$0.hasPrefix("#") && !$0.contains("bucket") }.joined(separator: "\n")
            Issue.record(
                """
                stalled at \(acknowledged.count) of \(next), killed \(wasKilled), connected \(session.isConnected), \
                unsettled \(session.unsettled), interrupted by \(interruption), ended by \(ending)
                \(metrics)
                """)
            throw error
        }
        if let failure { throw failure }
    }

    private func feed() {
        while next < times.count, session.room > 0 {
            let report = PingReport(
                recordedAt: times[next], latitude: 43.65 + Double(next) * 0.0001, longitude: -79.38, accuracy: 5)
            guard session.send(report, driver: driver) != nil else { break }
            next += 1
        }
        session.flush()
    }

    private func crash() {
        wasKilled = true
        gateway.kill()
        do { try gateway.start() } catch { failure = error }
    }
}
