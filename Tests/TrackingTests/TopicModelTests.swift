import Testing

@testable import Tracking

/// The fan-out of orders, groups and areas, and the return of viewers that were cut off, against a simple model.
@Suite struct TopicModelTests {
    @Test(arguments: 1...12)
    func `a viewer sees whom its subjects lead to, on the newest, is told once who left, and leaves nothing behind`(
        seed: Int
    ) throws {
        var model = TopicModel(seed: UInt64(seed))
        for _ in 0..<(isLongRun ? 30_000 : 1_500) { try model.step(cuts: false) }
        try model.settle()
        try model.checkThatNothingIsLeft()
    }

    @Test(arguments: 1...16)
    func `who returns after a cut is told everything or told that it is not everything`(seed: Int) throws {
        var model = TopicModel(seed: UInt64(1_000 + seed))
        for _ in 0..<(isLongRun ? 30_000 : 1_500) { try model.step(cuts: true) }
        #expect(model.recovered > 5 && model.notRecovered > 0, "\(model.recovered), \(model.notRecovered)")
        try model.settle()
        try model.checkThatNothingIsLeft()
    }

    /// With room for few positions, those that were overwritten must not be missed silently.
    @Test(arguments: 1...4)
    func `a log that is too small makes snapshots, not holes`(seed: Int) throws {
        var model = TopicModel(seed: UInt64(2_000 + seed), replayBytes: 0)
        for _ in 0..<(isLongRun ? 30_000 : 3_000) { try model.step(cuts: true) }
        try model.settle()
        try model.checkThatNothingIsLeft()
    }
}

extension TopicModel {
    mutating func step(cuts: Bool) throws {
        steps += 1
        let pause = Microseconds(random.int(0...60_000))
        clock += pause
        monotonic += pause
        switch random.int(0...29) {
        case 0...8: move()
        case 9...12: try flush()
        case 13...15: try subscribe()
        case 16: unsubscribe()
        case 17: openViewer()
        case 18: if random.oneIn(4) { close() }
        case 19: setRate()
        case 20, 21: try writable()
        case 22: sweep()
        case 23: handOver()
        case 24: arrive()
        case 25: deliver()
        case 26: try answerFurther()
        case 27: if cuts { cut() }
        case 28: if cuts { try comeBack() }
        default: if random.oneIn(8) { pass(random.pick([5_000_000, 31_000_000, 61_000_000, 130_000_000])) }
        }
        for handle in viewers.keys.sorted() where viewers[handle]!.isGone && random.oneIn(3) { close(handle) }
        if steps % 4 == 0 { try checkBounds() }
    }

    private mutating func pass(_ time: Microseconds) {
        clock += time
        monotonic += time
        if random.oneIn(2) { sweep() }
    }
}
