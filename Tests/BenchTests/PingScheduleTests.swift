/// The intended times: how many, when, and whose.
import Testing

@testable import drover_bench

@Suite struct PingScheduleTests {
    private static let second: Int64 = 1_000_000_000
    private static let start: Int64 = 1_760_000_000 * second

    /// All frames: when, whose, which.
    private func frames(
        _ plan: FleetPlan, _ profile: LoadProfile
    ) -> (timeline: Timeline, frames: [(due: Int64, driver: Int, round: Int)]) {
        let timeline = Timeline(start: Self.start, profile)
        var schedule = PingSchedule(plan, timeline)
        var frames: [(due: Int64, driver: Int, round: Int)] = []
        while schedule.due < .max {
            frames.append((schedule.due, schedule.driver, schedule.round))
            schedule.advance()
        }
        return (timeline, frames)
    }

    private func plan(drivers: Int, sockets: Int, rate: Double, pingsPerFrame: Int = 1) -> FleetPlan {
        FleetPlan(
            drivers: drivers, sockets: sockets, pingsPerSecond: rate * Double(drivers), pingsPerFrame: pingsPerFrame)
    }

    @Test(arguments: [
        (100, 100, 1.0, 1), (100, 10, 1.0, 1), (97, 13, 2.0, 1), (50, 50, 0.2, 1), (40, 40, 10.0, 5), (1, 1, 4.0, 1),
    ])
    func `every driver sends once a period from its beginning to its end, none lost and none doubled`(
        drivers: Int, sockets: Int, rate: Double, pingsPerFrame: Int
    ) {
        let plan = plan(drivers: drivers, sockets: sockets, rate: rate, pingsPerFrame: pingsPerFrame)
        let (timeline, frames) = frames(plan, LoadProfile(ramp: 10, warmUp: 5, steady: 20, drop: 5))
        #expect(zip(frames, frames.dropFirst()).allSatisfy { $0.due <= $1.due })
        #expect(frames.allSatisfy { $0.due % 1_000 == 0 && $0.due < timeline.end })
        let byDriver = Dictionary(grouping: frames, by: \.driver)
        #expect(byDriver.count == drivers)
        for own in byDriver.values {
            #expect(zip(own, own.dropFirst()).allSatisfy { $1.round == $0.round + 1 })
            #expect(zip(own, own.dropFirst()).allSatisfy { $1.due - $0.due == plan.period * 1_000 })
            let measured = own.count { timeline.window.contains($0.due) }
            #expect(measured == Int(20 * rate / Double(pingsPerFrame)))
        }
    }

    @Test func `the rate grows and shrinks linearly, and connections with it`() {
        let plan = plan(drivers: 1_000, sockets: 100, rate: 1)
        let (timeline, frames) = frames(plan, LoadProfile(ramp: 10, warmUp: 2, steady: 4, drop: 6))
        func count(_ from: Int64, _ seconds: Int64) -> Int {
            frames.count { (from..<(from + seconds * Self.second)).contains($0.due) }
        }
        for second in 0..<10 {
            let expected = 1_000 * (Double(second) + 0.5) / 10
            #expect(abs(Double(count(timeline.start + Int64(second) * Self.second, 1)) - expected) <= 20)
        }
        #expect(count(timeline.start + timeline.ramp, 6) == 6_000)
        for second in 0..<6 {
            let expected = 1_000 * (1 - (Double(second) + 0.5) / 6)
            let from = timeline.window.upperBound + Int64(second) * Self.second
            #expect(abs(Double(count(from, 1)) - expected) <= 20)
        }
        let half = frames.filter { $0.due < timeline.start + timeline.ramp / 2 }
        #expect(abs(Set(half.map { $0.driver % 100 }).count - 50) <= 2)
    }

    @Test func `without a ramp all begin at once and end at once`() {
        let (timeline, frames) = frames(plan(drivers: 10, sockets: 10, rate: 1), LoadProfile(warmUp: 1, steady: 3))
        #expect(frames.count == 40)
        #expect(frames.first?.due == timeline.start)
        #expect(timeline.window == (Self.start + Self.second)..<(Self.start + 4 * Self.second))
        #expect(timeline.end == timeline.window.upperBound)
    }

    @Test(arguments: [(2_000, 5_000, 1.0, 1.0), (2_000, 5_000, 0.5, 0.1), (3, 0, 1.0, 1.0), (10, 10, 0.0, 1.0)])
    func `a storm cuts the chosen part of each kind, each connection once, mixed evenly`(
        devices: Int, viewers: Int, deviceShare: Double, viewerShare: Double
    ) {
        let storm = Storm(at: 1, within: 5, devices: deviceShare, viewers: viewerShare)
        let numbers = Disturbance.selection(storm, devices: devices, viewers: viewers)
        let chosen = Int(Double(devices) * deviceShare)
        let watching = Int(Double(viewers) * viewerShare)
        #expect(Set(numbers).count == numbers.count)
        #expect(numbers.count { $0 < devices } == chosen)
        #expect(numbers.count { (devices..<(devices + viewers)).contains($0) } == watching)
        let early = numbers.prefix(numbers.count / 2).count { $0 < devices }
        #expect(abs(early - chosen / 2) <= 1)
    }
}
