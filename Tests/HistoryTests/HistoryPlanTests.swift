import Testing

@testable import Tracking

struct HistoryPlanTests {
    @Test(arguments: [[0], [4_999], [17], [17, 18], [0, 2_499, 2_500, 4_999]])
    func `bad rows are found by halves, and everything else is written once and in order`(bad: [Int]) {
        var plan = HistoryPlan(count: 5_000)
        var written: [Int] = []
        var aside: [Int] = []
        var attempts = 0
        while let step = plan.next {
            attempts += 1
            switch step {
            case .write(let range, _):
                if bad.contains(where: range.contains) {
                    plan.metBadRow()
                } else {
                    written.append(contentsOf: range)
                    plan.succeeded()
                }
            case .setAside(let index):
                #expect(index == written.count + aside.count, "a checkpoint may not skip a record")
                aside.append(index)
                plan.succeeded()
            }
        }
        #expect(aside == bad)
        #expect(written == (0..<5_000).filter { !bad.contains($0) })
        // Each bad row costs at most a refusal and a success on each of the thirteen levels, and its own two.
        #expect(attempts <= bad.count * 28)
    }

    @Test func `a row that exists sends the same records by the staging table, once`() {
        var plan = HistoryPlan(count: 10)
        #expect(plan.next == .write(0..<10, .direct))
        let first = plan.metExistingRow()
        #expect(first && plan.next == .write(0..<10, .staging))
        let second = plan.metExistingRow()
        #expect(!second)
        plan.metBadRow()
        #expect(plan.next == .write(0..<5, .staging))
    }

    @Test func `records known to be no rows are set aside between the others`() {
        var plan = HistoryPlan(count: 6, faulty: [0, 3, 5])
        var steps: [HistoryPlan.Step] = []
        while let step = plan.next {
            steps.append(step)
            plan.succeeded()
        }
        #expect(steps == [.setAside(0), .write(1..<3, .direct), .setAside(3), .write(4..<5, .direct), .setAside(5)])
    }

    @Test func `an empty batch needs nothing`() {
        #expect(HistoryPlan(count: 0).next == nil)
    }
}

struct DeadLetterGuardTests {
    @Test func `ten rows may always be set aside and the eleventh only among many good ones`() {
        var guarding = DeadLetterGuard()
        for _ in 0..<10 {
            #expect(guarding.allowsAnother)
            guarding.setAside()
        }
        #expect(!guarding.allowsAnother)
        guarding.stored(1_088)
        #expect(!guarding.allowsAnother, "11 of 1,099 are more than one in a hundred")
        guarding.stored(1)
        #expect(guarding.allowsAnother)
    }

    @Test func `a hundred of the last ten thousand are the most, and old ones are forgotten`() {
        var guarding = DeadLetterGuard()
        guarding.stored(20_000)
        for _ in 0..<100 {
            #expect(guarding.allowsAnother)
            guarding.setAside()
        }
        #expect(!guarding.allowsAnother)
        guarding.stored(9_899)
        #expect(!guarding.allowsAnother, "all hundred are still within the window")
        guarding.stored(1)
        #expect(guarding.allowsAnother, "the oldest of the hundred has left the window")
    }
}

struct PartitionMapTests {
    @Test func `a partition holds its lower bound and not its upper one`() {
        var map = PartitionMap([.init(lower: 200, upper: 300), .init(lower: 0, upper: 100)])
        let times: [Microseconds] = [-1, 0, 99, 100, 199, 200, 299, 300]
        let covered = times.filter { map.covers($0) }
        #expect(covered == [0, 99, 200, 299])
    }

    @Test func `a day is cut where other partitions reach into it`() {
        let map = PartitionMap([.init(lower: 0, upper: 100), .init(lower: 150, upper: 250)])
        let day = PartitionBounds(lower: 50, upper: 200)
        #expect(map.gap(around: 120, within: day) == PartitionBounds(lower: 100, upper: 150))
        #expect(PartitionMap().gap(around: 120, within: day) == day)
    }

    @Test func `names say the day, and which part of it after a change of the zone`() {
        #expect(PartitionName.name(day: "20260308") == "driver_location_events_20260308")
        #expect(PartitionName.name(day: "20260308", part: 2) == "driver_location_events_20260308_part2")
    }
}
