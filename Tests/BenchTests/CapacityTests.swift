/// The plan for a load: its arithmetic against numbers worked out by hand, and the documentation's examples.
import Foundation
import Testing

@testable import drover_bench

@Suite struct CapacityTests {
    /// Round numbers, so that a hand can follow.
    private static var costs: CapacityCosts {
        var costs = CapacityCosts()
        (costs.ping, costs.delivery, costs.update) = (20, 6, 1)
        (costs.viewerKB, costs.socketKB) = (2, 4)
        (costs.redisSlow, costs.redisFast, costs.redisShared) = (4, 2.2, 2)
        (costs.busPosition, costs.busDelivery) = (3, 1)
        (costs.row, costs.rowsPerSecond, costs.tableBytes, costs.keyBytes, costs.logBytes) = (4, 200_000, 100, 100, 300)
        return costs
    }

    private static func near(_ value: Double, _ expected: Double) -> Bool { abs(value - expected) <= expected * 1e-6 }

    @Test func `a city's plan is what a hand works out`() {
        let city = Workload(
            drivers: 5_000, groups: [ViewerGroup(viewers: 2_000, watched: 1), ViewerGroup(viewers: 20, watched: 500)])
        let plan = CapacityPlan(city, Self.costs)
        #expect(plan.workload.pingsPerSecond == 5_000)
        // 5,000 × 20 µs; 2,000 × 6 µs and 10,000 × 1 µs.
        #expect(Self.near(plan.ingestSeconds, 0.1))
        #expect(Self.near(plan.fanoutSeconds, 0.022))
        // Of 12,000 edges a process has 6,000, by chance to 5,000 × (1 - e^-1.2) different drivers.
        #expect(plan.processes == 2)
        #expect(Self.near(plan.watchedHere, 3_494.028_94))
        #expect(Self.near(plan.busSeconds, 2 * 3_494.028_94 * 3e-6))
        // 5,000 × (4 + 2) µs and 6,988 × 1 µs.
        #expect(Self.near(plan.redisCores, 0.03 + 2 * 3_494.028_94e-6))
        #expect(plan.redisShards == 1)
        #expect(Self.near(plan.socketBytes, 7_020 * 6_000))
        #expect(Self.near(plan.journalBytesPerSecond, 425_000))
        #expect(Self.near(plan.bytesPerDay, 86.4e9))
        #expect(Self.near(plan.historyBytes, 2.592e12))
        #expect(Self.near(plan.logBytesPerSecond, 1.5e6))
        #expect(plan.postgresServers == 1)
        #expect(Self.near(plan.bytesIn, 5_000 * 189))
        // Acknowledgements; a push a delivery; of a wall's updates four pushes a second and the rest within them.
        let (acknowledgements, pushes, wall) = (5_000.0 * 79, 2_000.0 * 320, 80.0 * 320 + 9_920 * 190)
        #expect(Self.near(plan.bytesOut, acknowledgements + pushes + wall))
    }

    @Test func `processes are added until they carry what the bus brings them too`() {
        let world = Workload(drivers: 5_000_000, groups: [ViewerGroup(viewers: 20_000_000, watched: 1)])
        let plan = CapacityPlan(world, Self.costs)
        // 100 + 120 cores without the bus, some 60 with it, at half use; 500 processes for the sockets alone.
        #expect(Self.near(plan.ingestSeconds + plan.fanoutSeconds, 220))
        #expect(plan.processes == 560)
        #expect(plan.gatewayCores / plan.processes <= 0.5)
        #expect(plan.socketsPerProcess < CapacityCosts.socketsPerProcess)
        // Twenty million edges, nearly all of them to another driver of their process.
        #expect(plan.busDeliveries > 19_800_000 && plan.busDeliveries < 20_000_000)
        #expect(plan.redisShards == ((30 + plan.busDeliveries / 1e6) / 0.5).rounded(.up))
        // 5,000,000 / 200,000 rows a second, or 2,592 TB on disks of 10 TB: the larger, at half use.
        #expect(plan.postgresServers == 519)
        #expect(plan.strains.map(\.what).first == "one gateway process")
    }

    @Test func `sockets alone ask for processes where nobody reports often`() {
        let quiet = Workload(drivers: 200_000, hertz: 0.01, groups: [ViewerGroup(viewers: 300_000, watched: 1)])
        let plan = CapacityPlan(quiet, Self.costs)
        #expect(plan.gatewayCores < 0.5)
        #expect(plan.processes == 10)
    }

    @Test func `rates beyond what is published and pushed cost pings alone`() {
        let fast = Workload(
            drivers: 100, hertz: 10,
            groups: [ViewerGroup(viewers: 10, watched: 100), ViewerGroup(viewers: 5, watched: 1)])
        let plan = CapacityPlan(fast, Self.costs)
        #expect(fast.updates(of: fast.groups[0]) == 10 * 100 * 4)
        #expect(fast.updates(of: fast.groups[1]) == 5 * 10)
        #expect(plan.busPositions <= 100 * 4)
        #expect(Self.near(Self.costs.redis(hertz: 10), 2.2))
        #expect(Self.near(Self.costs.redis(hertz: 5.5), 3.1))
        #expect(Self.near(Self.costs.redis(hertz: 0.1), 4))
    }

    @Test func `a record's figures take the place of the README's, void ones do not`() {
        func figure(_ what: String, _ measured: Double, goal: String?, isVoid: Bool = false) -> Record {
            .figure(
                Figure(scenario: "s", what: what, unit: "µs", measured: measured, goal: goal, isVoid: isVoid))
        }
        let costs = CapacityCosts(
            [
                figure("a", 30, goal: "ingest.one"), figure("b", 99, goal: "fanout.one", isVoid: true),
                figure(BusFigure.position, 2.5, goal: nil), figure("unknown", 1, goal: nil),
            ], named: "figures.jsonl")
        #expect(costs.ping == 30)
        #expect(costs.delivery == CapacityCosts().delivery)
        #expect(costs.busPosition == 2.5)
        #expect(costs.source == "figures.jsonl")
    }

    @Test func `the power of e is the power of e`() {
        for x in stride(from: -30.0, through: 0, by: 0.37) {
            #expect(abs(CapacityPlan.exponential(x) - exp(x)) <= 1e-12 * max(1e-3, exp(x)))
        }
        #expect(CapacityPlan.exponential(-1_000) == 0)
    }

    @Test func `the documentation's examples are what the tool says`() throws {
        let table = CapacityText.examples()
        for (file, isRequired) in [("bench/README.md", true), ("README.md", false)] {
            let text = try Self.text(file)
            let parts = text.components(separatedBy: "<!-- capacity: begin -->\n")
            if parts.count == 1, !isRequired { continue }
            try #require(parts.count == 2, "\(file) has the table once")
            #expect(parts[1].components(separatedBy: "<!-- capacity: end -->")[0] == table, "\(file)")
        }
        let city = try #require(Workload.examples.first { $0.name == "city" })
        let shown = CapacityText(plan: CapacityPlan(city.workload)).text
        #expect(try Self.text("bench/README.md").contains("```\n\(shown)```\n"))
    }

    private static func text(_ path: String) throws -> String {
        var root = URL(fileURLWithPath: #filePath)
        for _ in 0..<3 { root.deleteLastPathComponent() }
        return try String(contentsOfFile: root.appendingPathComponent(path).path, encoding: .utf8)
    }
}
