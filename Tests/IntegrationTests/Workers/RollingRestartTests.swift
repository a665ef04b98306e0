// SIGHUP: workers are replaced one by one, under load, and nobody is refused.

import DroverClient
import EventLoop
import Foundation
import LocalServers
import Testing

extension Integration {
    @Suite("A rolling restart")
    struct RollingRestart {
        @Test func `no ping is lost, no connect refused, and no viewer is long without a position`() throws {
            let gateway = try RunningGateway.workers(3)
            let key = try gateway.masterKey()
            try gateway.awaitStores()
            // A machine that is busy may once be late, as in `withinASecond`; everything else holds each time.
            var longest = Int64.max
            for attempt in 0..<3 where longest > 2_000_000 {
                longest = try restart(gateway, key: key, drivers: (0..<20).map { "van-\(attempt)-\($0)" })
            }
            #expect(longest <= 2_000_000)
        }

        /// Replaces the workers under load; returns the longest time that a viewer saw nothing, in microseconds.
        private func restart(_ gateway: RunningGateway, key: String, drivers: [String]) throws -> Int64 {
            let traffic = try RollingTraffic(gateway: gateway, key: key, drivers: drivers)
            try traffic.run { gateway.process?.signal(SIGHUP) }
            #expect(traffic.interruptions >= 20, "the sockets were on the workers that were replaced")
            #expect(traffic.refusedConnects == 0)
            #expect(traffic.unansweredConnects == 0)
            #expect(traffic.connects > 100)
            let longest = traffic.longestGaps.values.max() ?? .max
            print("rolling restart: \(traffic.connects) connects, longest gap of a viewer \(longest / 1_000) ms")
            #expect(traffic.longestGaps.count == drivers.count)
            try gateway.awaitHistory()
            for (driver, times) in traffic.acknowledged {
                let rows = try gateway.sql(
                    "SELECT (extract(epoch FROM recorded_at) * 1000)::bigint FROM driver_location_events "
                        + "WHERE driver_id = $1 ORDER BY 1", [driver])
                #expect(rows == times.sorted().map { "\($0)" }, "\(driver)")
            }
            return longest
        }

        @Test func `a configuration that is broken changes nothing, one that is not is read`() throws {
            let directory = try TemporaryDirectory(prefix: "dw")
            defer { directory.remove() }
            let file = directory.path + "/drover.yaml"
            try "workers: \"2\"\n".write(toFile: file, atomically: true, encoding: .utf8)
            let configured = try RunningGateway(file: file)
            let before = configured.workerProcesses()
            #expect(before.count == 2)
            for (text, reason) in [
                ("workers: \"2\"\nlive:\n  tick_ms: none\n", "live.tick_ms"),
                ("workers: \"3\"\n", "workers has changed"),
                ("workers: \"2\"\nweb:\n  tls_certificate: /nowhere\n", "/nowhere"),
            ] {
                try text.write(toFile: file, atomically: true, encoding: .utf8)
                configured.process?.signal(SIGHUP)
                try eventually("it is refused because of \(reason)") {
                    configured.log.split(separator: "\n").contains {
                        $0.contains("nothing changes") && $0.contains(reason)
                    }
                }
            }
            #expect(configured.workerProcesses() == before)
            try "workers: \"2\"\nlog:\n  level: debug\n".write(toFile: file, atomically: true, encoding: .utf8)
            configured.process?.signal(SIGHUP)
            try eventually("they are replaced") { configured.log.contains("all workers were replaced") }
            let after = configured.workerProcesses()
            #expect(after[0] != before[0] && after[1] != before[1])
            #expect(try configured.http("GET", "/healthz").status == 200)
        }

        @Test func `one process takes no harm from SIGHUP`() throws {
            let gateway = try RunningGateway()
            gateway.process?.signal(SIGHUP)
            try eventually("it says so") { gateway.log.contains("SIGHUP is for the supervisor") }
            #expect(try gateway.http("GET", "/healthz").status == 200)
        }
    }
}

/// Devices, viewers and passers-by, on one loop.
private final class RollingTraffic {
    private static let hertz = 4
    private let gateway: RunningGateway
    private let loop = EventLoop()
    private var devices: [IngestSession] = []
    private var viewers: [TrackSession] = []
    private var timers: [LoopTimer] = []
    private var lastSeen: [String: Int64] = [:]
    private var passers: [(stream: ByteStream, since: Deadline)] = []
    private var isMeasuring = false
    private var ended: String?
    private var step = 0
    /// What was acknowledged, by driver.
    private(set) var acknowledged: [String: [Int64]] = [:]
    /// The longest time between two positions of each viewer's driver, in microseconds.
    private(set) var longestGaps: [String: Int64] = [:]
    private(set) var interruptions = 0
    private(set) var connects = 0
    private(set) var refusedConnects = 0
    private(set) var unansweredConnects = 0

    init(gateway: RunningGateway, key: String, drivers: [String]) throws {
        self.gateway = gateway
        let endpoint = try Endpoint(gateway.address)
        let network = ClientNetwork(loop: loop)
        for name in drivers {
            let device = IngestSession(network: network, gateway: endpoint, token: key)
            _ = device.addDriver(name)
            device.onSettled = { [unowned self] outcome in
                #expect(outcome.rejection == nil)
                acknowledged[name, default: []].append(outcome.recordedAt)
            }
            device.onInterrupted = { [unowned self] _, _ in interruptions += 1 }
            device.onEnded = { [unowned self] in ended = "a device: \($0)" }
            let viewer = TrackSession(network: network, gateway: endpoint, token: key)
            viewer.subscribe(["driver:\(name)"])
            viewer.onPosition = { [unowned self] position, _, at in seen(position.driverID, at) }
            viewer.onInterrupted = { [unowned self] _, _ in interruptions += 1 }
            viewer.onEnded = { [unowned self] in ended = "a viewer: \($0)" }
            devices.append(device)
            viewers.append(viewer)
        }
    }

    /// Lets traffic flow, calls `restart` in its midst, and goes on until all workers were replaced and some time after.
    func run(_ restart: () -> Void) throws {
        for device in devices { device.connect() }
        for viewer in viewers { viewer.connect() }
        every(1_000 / Self.hertz) { [unowned self] in report() }
        every(10) { [unowned self] in passBy() }
        defer {
            for timer in timers { timer.close() }
            for device in devices { device.close() }
            for viewer in viewers { viewer.close() }
        }
        try loop.run(within: 30) { lastSeen.count == viewers.count }
        let replaced = "all workers were replaced"
        let before = gateway.logged(replaced)
        isMeasuring = true
        lastSeen = lastSeen.mapValues { _ in SystemClock.monotonicMicroseconds() }
        restart()
        try loop.run(within: 60) { gateway.logged(replaced) > before || ended != nil }
        let end = SystemClock.monotonicMicroseconds() + 2_000_000
        try loop.run(within: 30) { SystemClock.monotonicMicroseconds() > end || ended != nil }
        if let ended { throw StreamEnded(description: ended) }
        for driver in lastSeen.keys { seen(driver, SystemClock.monotonicMicroseconds()) }
        timers[0].close()
        try loop.run(within: 30) { devices.allSatisfy { $0.unsettled == 0 } && passers.isEmpty }
    }

    private func every(_ milliseconds: Int, _ body: @escaping () -> Void) {
        let timer = LoopTimer(loop: loop, body)
        timer.start(afterMilliseconds: milliseconds, everyMilliseconds: milliseconds)
        timers.append(timer)
    }

    private func report() {
        step += 1
        for (number, device) in devices.enumerated() {
            let report = PingReport(
                recordedAt: now(), latitude: 43.65 + Double(number) * 0.01 + Double(step) * 1e-5, longitude: -79.38,
                accuracy: 5)
            _ = device.send(report, driver: 0)
            device.flush()
        }
    }

    private func seen(_ driver: String, _ at: Int64) {
        if isMeasuring, let last = lastSeen[driver] {
            longestGaps[driver] = max(longestGaps[driver] ?? 0, at - last)
        }
        lastSeen[driver] = at
    }

    /// Somebody connects, asks one thing, and reads the answer when it is there.
    private func passBy() {
        if isMeasuring, timers[0].isOpen {
            if let stream = try? ByteStream(port: gateway.port) {
                connects += 1
                stream.send("GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                passers.append((stream, Deadline(seconds: 10)))
            } else {
                refusedConnects += 1
            }
        }
        passers.removeAll { stream, since in
            guard stream.hasInput else {
                if since.isOver { unansweredConnects += 1 }
                return since.isOver
            }
            if (try? stream.takeReply(within: 1))??.status != 200 { unansweredConnects += 1 }
            return true
        }
    }
}
