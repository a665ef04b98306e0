/// Scenario files: those of the repository, and what is said about wrong ones.
import Foundation
import Testing

@testable import drover_bench

@Suite struct ScenarioTests {
    private static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("bench/scenarios")

    private static let scenarios = [
        ("city-at-noon", 5_000, 5_000, 3_000), ("concert-let-out", 100, 100, 5_000),
        ("dispatch-wall", 2_000, 2_000, 50), ("partner-posts", 1_000, 50, 500),
        ("backlog-flush", 1_000, 1_000, 1_000), ("reconnect-storm", 2_000, 2_000, 5_000),
    ]

    @Test(arguments: scenarios)
    func `every scenario of the repository is read`(name: String, drivers: Int, sockets: Int, viewers: Int) throws {
        let scenario = try PlayScenario(file: Self.folder.appendingPathComponent("\(name).yaml").path)
        #expect(scenario.plan.fleets.reduce(0) { $0 + $1.drivers } == drivers)
        #expect(scenario.plan.sockets == sockets && scenario.plan.viewers == viewers)
        #expect(!scenario.about.isEmpty)
    }

    @Test func `no scenario of the repository is untested`() throws {
        let files = try FileManager.default.contentsOfDirectory(atPath: Self.folder.path)
        #expect(files.count { $0.hasSuffix(".yaml") } == Self.scenarios.count)
    }

    @Test func `the backlog's phones carry an hour each`() throws {
        let scenario = try PlayScenario(file: Self.folder.appendingPathComponent("backlog-flush.yaml").path)
        let flushing = try #require(scenario.plan.fleets.first { $0.backlog != nil })
        #expect(
            flushing.drivers * (flushing.backlog?.frames ?? 0) * (flushing.backlog?.pingsPerFrame ?? 0) == 1_800_000)
    }

    @Test(arguments: [
        ("", "x.yaml: the file is empty"),
        ("a: [", "x.yaml: not YAML"),
        ("- 1", "x.yaml:1: a scenario is a map of keys and values"),
        ("steady_s: 2", "name is missing"),
        ("name: x\nsteady_s: 2", "x.yaml:1: devices is missing"),
        ("name: x\ndevices:\n  - drivers: 5\n    rate_hz: 1", "steady_s is missing"),
        ("name: x\nsteady_s: 2\ndevices: 5", "x.yaml:3: devices is a list; begin each entry with -, not \"5\""),
        (
            "name: x\nsteady_s: 2\ndevices:\n  - drivers: 0\n    rate_hz: 1",
            "x.yaml:4: devices[0].drivers is a whole number from 1 to 100000, not \"0\""
        ),
        (
            "name: x\nsteady_s: 2\ndevices:\n  - drivers: 5\n    rate_hz: 1000",
            "x.yaml:5: devices[0].rate_hz is a number from 0.001 to 100, not \"1000\""
        ),
        (
            "name: x\nsteady_s: 2\ndevices:\n  - drivers: 5\n    rate_hz: 1\n    socket: 5",
            "x.yaml:6: no key is called devices[0].socket; did you mean sockets?"
        ),
        (
            "name: x\nsteady: 2\nsteady_s: 2\ndevices:\n  - drivers: 5\n    rate_hz: 1",
            "x.yaml:2: no key is called steady; did you mean steady_s?"
        ),
        (
            "name: x\nsteady_s: 2\ndevices:\n  - drivers: 5\n    sockets: 6\n    rate_hz: 1",
            "x.yaml:5: devices[0].sockets are at most drivers"
        ),
        (
            "name: x\nsteady_s: 2\nprotocol: smoke\ndevices:\n  - drivers: 5\n    rate_hz: 1",
            "x.yaml:3: protocol is websocket or http, not \"smoke\""
        ),
        (
            "name: x\nsteady_s: 2\nstorm: {at_s: 3, within_s: 1}\ndevices:\n  - drivers: 5\n    rate_hz: 1",
            "x.yaml:3: storm begins at 3.0 s, after the 2.0 s that are measured"
        ),
        (
            "name: x\nsteady_s: 2\ngateway: {PATH: /}\ndevices:\n  - drivers: 5\n    rate_hz: 1",
            "x.yaml:3: gateway holds environment variables that begin with DROVER_, not PATH"
        ),
        (
            "name: x\nsteady_s: 2\ndevices:\n  - {drivers: 99000, rate_hz: 1}\n  - {drivers: 2000, rate_hz: 1}",
            "x.yaml:3: devices have 101000 drivers together; at most 100000"
        ),
    ])
    func `a wrong file is refused with its place and what is expected there`(yaml: String, message: String) throws {
        let error = try #require(throws: BenchError.self) { try PlayScenario(text: yaml, file: "x.yaml") }
        #expect(error.description.contains(message), "\(error)")
    }

    @Test func `a scale keeps rates a driver and the one driver whom all watch`() throws {
        var scenario = try PlayScenario(file: Self.folder.appendingPathComponent("concert-let-out.yaml").path)
        scenario.change(scale: 0.1, seconds: 5)
        let fleet = scenario.plan.fleets[0]
        #expect(fleet.drivers == 10 && fleet.sockets == 10 && fleet.period == 1_000_000)
        #expect(scenario.plan.audiences[0].viewers == 500)
        #expect(scenario.plan.audiences[0].drivers(of: 123, among: 10) == [0])
        #expect(scenario.plan.profile.steady == 5)
    }

    @Test func `only this machine is a target, unless it is said otherwise`() throws {
        #expect(try ServerAddress(url: "http://127.0.0.1:8080", allowsRemote: false).port == 8_080)
        #expect(try ServerAddress(url: "http://localhost:80", allowsRemote: false).isLoopback)
        let error = try #require(throws: BenchError.self) {
            try ServerAddress(url: "http://192.0.2.1:8080", allowsRemote: false)
        }
        #expect(error.description.contains("--allow-remote"))
        let address = try ServerAddress(url: "http://192.0.2.1:8080", allowsRemote: true)
        #expect(address.description == "192.0.2.1:8080")
        #expect(throws: BenchError.self) { try ServerAddress(url: "127.0.0.1:8080", allowsRemote: false) }
    }
}
