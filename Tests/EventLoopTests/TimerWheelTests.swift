import EventLoop
import Testing

@Suite struct TimerWheelTests {
    @Test func `everybody is woken in the second asked for, however far away`() {
        var wheel = TimerWheel(slots: 8)
        for number in 0..<100 { wheel.schedule(number, in: 1 + number % 30) }
        for second in 1...30 {
            #expect(wheel.takeDue(in: second).sorted() == (0..<100).filter { 1 + $0 % 30 == second })
        }
        #expect(wheel.isEmpty)
    }

    @Test func `an earlier second wins over a later one, whichever was set first`() {
        var wheel = TimerWheel(slots: 8)
        wheel.schedule(3, in: 5)
        wheel.schedule(3, in: 2)
        wheel.schedule(3, in: 7)
        #expect(wheel.takeDue(in: 1).isEmpty)
        #expect(wheel.takeDue(in: 2) == [3])
        #expect(wheel.isEmpty)
    }

    @Test func `who has been taken back is not woken, and may come again`() {
        var wheel = TimerWheel(slots: 4)
        for number in 0..<3 { wheel.schedule(number, in: 1) }
        wheel.cancel(1)
        wheel.cancel(1)
        #expect(wheel.takeDue(in: 1).sorted() == [0, 2])
        wheel.schedule(1, in: 2)
        #expect(wheel.takeDue(in: 2) == [1])
    }

    @Test func `it does what a plain list of deadlines does, at random`() {
        for seed in UInt64(1)...200 {
            var random = Random(state: seed)
            var wheel = TimerWheel(slots: 1 + random.below(9))
            var deadlines: [Int: Int] = [:]
            for second in 1...60 {
                for _ in 0..<random.below(6) {
                    let number = random.below(12)
                    if random.below(4) == 0 {
                        wheel.cancel(number)
                        deadlines[number] = nil
                    } else {
                        let due = second + random.below(20)
                        wheel.schedule(number, in: due)
                        deadlines[number] = min(deadlines[number] ?? .max, due)
                    }
                }
                let expected = deadlines.filter { $0.value <= second }.keys.sorted()
                #expect(wheel.takeDue(in: second).sorted() == expected, "seed \(seed), second \(second)")
                for number in expected { deadlines[number] = nil }
            }
        }
    }

    /// A small generator of its own: seeds that failed can be run again.
    private struct Random {
        var state: UInt64

        mutating func below(_ bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % bound
        }
    }
}
