// Orders on their way: estimates against drivers whose arrival is known, stages against every kind of wobble.
import RealModule
import Testing

@testable import Tracking

/// A driver on a line that leads north to the destination, `metres` away from it.
private func position(
    metres: Double, east: Double = 0, at seconds: Double, accuracy: Float = 5, speed: Float? = nil
) -> Position {
    let degrees = metres / (Distance.metresPerDegree7 * 1e7)
    return Position(
        recordedAt: Int64(seconds * 1e6), receivedAt: Int64(seconds * 1e6),
        latitude: Degrees7((43.65 - degrees) * 1e7), longitude: Degrees7((-79.38 + east / 80_600) * 1e7),
        accuracy: accuracy, speed: speed, heading: nil)
}

private let destination = Destination(latitude: 43.65, longitude: -79.38)!

/// A driver with an order, fed position by position.
private struct Way {
    var pace = DriverPace()
    var tracker: ArrivalTracker
    var limits = ArrivalLimits()
    private(set) var stages: [ArrivalStage] = []
    private(set) var estimates: [ArrivalEstimate] = []

    init(stage: ArrivalStage = .assigned) {
        tracker = ArrivalTracker(stage: stage)
    }

    mutating func drive(_ position: Position) {
        pace.move(to: position)
        let stage = tracker.move(
            to: position, destination: destination, pace: pace, limits: limits, now: position.recordedAt)
        if let stage { stages.append(stage) }
        if let estimate = tracker.estimate { estimates.append(estimate) }
    }
}

@Suite struct ArrivalTests {
    @Test func `a driver on his way reaches each stage once, in order`() {
        var way = Way()
        // 6 km at 10 m/s and then a while at the door.
        for second in 0..<900 { way.drive(position(metres: max(5, 6_000 - Double(second) * 10), at: Double(second))) }
        #expect(way.stages == [.departed, .arrivingSoon, .arriving, .arrived])
    }

    @Test func `the estimate is the road's length by the driver's pace, and sure of itself after minutes`() throws {
        var way = Way()
        for second in 0..<300 { way.drive(position(metres: 10_000 - Double(second) * 10, at: Double(second))) }
        let estimate = try #require(way.estimates.last)
        let expected = 7_010 * ArrivalLimits.detour / 10
        #expect(abs(Double(estimate.arrivesAt) / 1e6 - 299 - expected) < expected * 0.03)
        #expect(estimate.confidence == .high)
        #expect(way.estimates[60].confidence == .medium)
        #expect(way.estimates[0].confidence == .low)
    }

    @Test func `while a driver stands, the arrival moves away with the clock and never comes nearer`() throws {
        for seed in UInt64(0)..<20 {
            var random = SeededGenerator(seed: seed)
            var way = Way()
            for second in 0..<200 { way.drive(position(metres: 5_000 - Double(second) * 12, at: Double(second))) }
            var last = try #require(way.estimates.last)
            for second in 200..<900 {
                // A parked phone wobbles by as much as it says it is inaccurate.
                let wobble = Double(random.int(-4...4))
                way.drive(position(metres: 2_600 + wobble, east: wobble, at: Double(second), accuracy: 8))
                let estimate = try #require(way.estimates.last)
                // By a second each second, but for the four metres' worth of the wobble at a walk.
                #expect(estimate.arrivesAt >= last.arrivesAt - 8_000_000, "seed \(seed), second \(second)")
                if second > 210, second % 60 == 0 {
                    #expect(estimate.arrivesAt - last.arrivesAt > -8_000_000)
                }
                last = estimate
            }
            #expect(last.confidence == .low, "seed \(seed)")
            #expect(last.arrivesAt > 899_000_000 + Int64(2_500 * ArrivalLimits.detour / 12 * 1e6) * 3, "seed \(seed)")
        }
    }

    @Test func `no wobble repeats a stage or takes one back, wherever an order is followed from`() {
        for seed in UInt64(0)..<(isLongRun ? 20_000 : 500) {
            var random = SeededGenerator(seed: seed)
            let first = random.pick(ArrivalStage.allCases)
            var way = Way(stage: first)
            way.limits.soon = random.pick([0, 60_000_000, 300_000_000])
            var metres = Double(random.int(0...3_000))
            var second = 0.0
            for _ in 0..<120 {
                // Around one of the radii, or far off.
                if random.oneIn(20) { metres = Double(random.pick([45, 55, 290, 310, 1_500, 2_300])) }
                metres = max(0, metres + Double(random.int(-20...20)))
                second += Double(random.pick([1, 1, 1, 5, 400]))
                way.drive(
                    position(metres: metres, at: second, accuracy: random.pick([3, 20, 80, 190]), speed: nil))
            }
            #expect(way.stages == way.stages.sorted(), "seed \(seed)")
            #expect(Set(way.stages).count == way.stages.count, "seed \(seed)")
            #expect(way.stages.allSatisfy { $0 > first }, "seed \(seed)")
            if way.limits.soon == 0 { #expect(!way.stages.contains(.arrivingSoon), "seed \(seed)") }
        }
    }

    @Test func `an inexact position at the door needs a second one that agrees`() {
        var way = Way()
        way.limits.arrivingRadius = 100
        way.limits.soon = 0
        way.drive(position(metres: 900, at: 0))
        way.drive(position(metres: 20, at: 10, accuracy: 150))
        #expect(way.stages.isEmpty || way.stages == [.departed])
        way.drive(position(metres: 900, at: 20))
        way.drive(position(metres: 20, at: 30, accuracy: 150))
        way.drive(position(metres: 20, at: 40, accuracy: 150))
        #expect(way.stages.last == .arrived)
    }

    @Test func `an exact position at the door is enough, and what was skipped stays unsaid`() {
        var way = Way()
        way.drive(position(metres: 30, at: 0))
        #expect(way.stages == [.arrived])
    }

    @Test func `one estimate that is short rings nobody's bell, two in a row do`() {
        var way = Way()
        // At 8 m/s five minutes of road are 1,846 m.
        for second in 0..<200 { way.drive(position(metres: 3_450 - Double(second) * 8, at: Double(second))) }
        way.drive(position(metres: 1_835, at: 202))
        way.drive(position(metres: 1_910, at: 211))
        way.drive(position(metres: 1_835, at: 220))
        way.drive(position(metres: 1_910, at: 229))
        #expect(way.stages == [.departed])
        way.drive(position(metres: 1_830, at: 239))
        way.drive(position(metres: 1_750, at: 249))
        #expect(way.stages == [.departed, .arrivingSoon])
    }

    @Test func `a driver who waits at the shop has not departed`() {
        var way = Way()
        var random = SeededGenerator(seed: 1)
        for second in 0..<600 {
            way.drive(position(metres: 4_000 + Double(random.int(-60...60)), at: Double(second), accuracy: 65))
        }
        #expect(way.stages.isEmpty)
        way.drive(position(metres: 3_600, at: 601, accuracy: 65))
        #expect(way.stages == [.departed])
    }

    @Test func `after a long silence the pace is learned anew`() {
        var pace = DriverPace()
        for second in 0..<100 { pace.move(to: position(metres: 9_000 - Double(second) * 20, at: Double(second))) }
        #expect(abs((pace.metresPerSecond ?? 0) - 20) < 1)
        pace.move(to: position(metres: 2_000, at: 1_000))
        #expect(pace.metresPerSecond == nil)
        // What comes late changes nothing.
        let before = pace
        pace.move(to: position(metres: 8_000, at: 500))
        #expect(pace == before)
    }

    @Test func `degrees that are none, or nobody's, are no destination`() {
        #expect(Destination(latitude: 0, longitude: 0) == nil)
        #expect(Destination(latitude: 91, longitude: 0) == nil)
        #expect(Destination(latitude: 1, longitude: -180.5) == nil)
        #expect(Destination(latitude: .nan, longitude: 1) == nil)
        #expect(Destination(latitude: 0, longitude: 5)?.longitude == 50_000_000)
    }
}
