/// The whole harness: a real gateway with real stores, a scenario of two seconds.
import Foundation
import LocalServers
import Testing

@Suite(.serialized) struct PlayTests {
    /// The built product beside this test bundle.
    private static let program: String = {
        let bundle = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
        return URL(fileURLWithPath: bundle).deletingLastPathComponent().appendingPathComponent("drover-bench").path
    }()

    private struct Line: Decodable {
        struct Second: Decodable {
            var openSockets: Int
        }
        struct Outcome: Decodable {
            struct Histogram: Decodable {
                var name: String
                var count: Int
            }
            struct Cost: Decodable {
                var server: String
                var cpuSeconds: Double
                var memoryBytes: Int
            }
            var pings: Int
            var sent: Int
            var acknowledged: Int
            var unacknowledged: Int
            var cutOff: Int
            var refusals: Int
            var failures: Int
            var rejections: Int
            var deliveries: Int
            var backlogPings: Int
            var lostDevices: Int
            var lostViewers: Int
            var returnsGivenUp: Int
            var histograms: [Histogram]
            var costs: [Cost]
        }
        var second: Second?
        var result: Outcome?
    }

    private func play(_ yaml: String) throws -> [Line] {
        let directory = try TemporaryDirectory(prefix: "db")
        defer { directory.remove() }
        let (file, json) = (directory.path + "/scenario.yaml", directory.path + "/lines.jsonl")
        try yaml.write(toFile: file, atomically: true, encoding: .utf8)
        try Command.runChecked([Self.program, "play", file, "--json", json])
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return try String(contentsOfFile: json, encoding: .utf8).split(separator: "\n")
            .map { try decoder.decode(Line.self, from: Data($0.utf8)) }
    }

    @Test func `two seconds with a ramp, a storm, a backlog and slow viewers lose nothing`() throws {
        let lines = try play(
            """
            name: tiny
            devices:
              - {drivers: 20, sockets: 10, rate_hz: 5}
              - {drivers: 2, rate_hz: 1, backlog: {seconds: 100, pings_per_frame: 10}}
            viewers:
              - {count: 20, watch_first: 20}
              - {count: 5, drivers_each: 20, watch_first: 20, max_rate_hz: 10, slow_share: 0.2}
            ramp_s: 0.5
            warm_up_s: 0.2
            steady_s: 2
            drop_s: 0.3
            storm: {at_s: 0.5, within_s: 0.5, devices_share: 0.5, viewers_share: 0.5}
            """)
        let result = try #require(lines.last?.result)
        #expect(lines.count { $0.second != nil } >= 2)
        #expect(lines.compactMap(\.second?.openSockets).max() ?? 0 > 20)
        // 20 drivers at 5 Hz; the two with a backlog have at most two seconds of new pings besides.
        #expect((200...204).contains(result.pings))
        #expect(result.backlogPings == 200)
        #expect(result.sent == result.acknowledged + result.cutOff)
        #expect(result.unacknowledged == 0 && result.refusals == 0 && result.failures == 0 && result.rejections == 0)
        #expect(result.deliveries > 0)
        #expect(result.lostDevices == 0 && result.lostViewers == 0 && result.returnsGivenUp == 0)
        let counts = Dictionary(uniqueKeysWithValues: result.histograms.map { ($0.name, $0.count) })
        #expect(counts["a device's arrival to its hello"] == 12)
        #expect(counts["a viewer's arrival to its snapshot"] == 25)
        // Half of 12 and, rounded up, of 25.
        #expect(counts["a device's return to its hello"] == 6)
        #expect(counts["a viewer's return to its snapshot"] == 13)
        #expect(counts["a phone's flush"] == 2)
        #expect(counts["ping to viewer"] == result.deliveries)
        #expect(result.costs.map(\.server) == ["gateway", "Redis", "Postgres"])
        #expect(result.costs.allSatisfy { $0.cpuSeconds > 0 && $0.memoryBytes > 1 << 20 })
    }

    @Test func `a second over HTTP, with ten drivers a connection`() throws {
        let lines = try play(
            """
            name: tiny over HTTP
            protocol: http
            devices:
              - {drivers: 100, sockets: 10, rate_hz: 2, pings_per_frame: 2}
            viewers:
              - {count: 10}
            warm_up_s: 0
            steady_s: 1
            """)
        let result = try #require(lines.last?.result)
        #expect(result.pings == 200 && result.sent == 200 && result.acknowledged == 200)
        #expect(result.unacknowledged == 0 && result.failures == 0 && result.rejections == 0)
        #expect(result.deliveries >= 10)
    }

    @Test func `a gateway that is not there is said in one line`() throws {
        let directory = try TemporaryDirectory(prefix: "db")
        defer { directory.remove() }
        let file = directory.path + "/scenario.yaml"
        try "name: x\nsteady_s: 1\ndevices:\n  - {drivers: 1, rate_hz: 1}\n"
            .write(toFile: file, atomically: true, encoding: .utf8)
        // Port 1 is tcpmux, which nobody runs.
        let result = try Command.run(
            [Self.program, "play", file, "--target", "http://127.0.0.1:1", "--key", "drk_x"])
        #expect(result.status?.isSuccess == false)
        #expect(result.output.contains("0 of 1 connections could be opened: cannot connect"))
        #expect(result.output.contains("Is the server running?"))
    }
}
