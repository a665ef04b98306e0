import EventLoop
import Glibc
import Synchronization
import Testing

@Suite struct LoopTests {
    @Test func `a timer fires once after its delay, or again and again`() {
        let loop = EventLoop()
        var once = 0
        var often = 0
        let single = LoopTimer(loop: loop) { once += 1 }
        var repeated: LoopTimer?
        repeated = LoopTimer(loop: loop) {
            often += 1
            if often == 3 {
                repeated?.close()
                single.close()
            }
        }
        single.start(afterMilliseconds: 1)
        repeated?.start(afterMilliseconds: 1, everyMilliseconds: 1)
        loop.run()
        #expect(once == 1)
        #expect(often == 3)
    }

    @Test func `a wake-up from another thread reaches the loop, several at once as one`() {
        let loop = EventLoop()
        var calls = 0
        var wakeUp: LoopWakeUp?
        wakeUp = LoopWakeUp(loop: loop, keepsLoopAlive: true) {
            calls += 1
            wakeUp?.close()
        }
        for _ in 0..<10 { wakeUp?.wake() }
        loop.run()
        #expect(calls == 1)
    }

    @Test func `the end of a turn comes after what the turn has handled`() {
        let loop = EventLoop()
        var order: [String] = []
        let timer = LoopTimer(loop: loop) { order.append("timer") }
        loop.atEndOfTurn { order.append("end") }
        timer.start(afterMilliseconds: 0)
        loop.runOnce()
        loop.removeEndOfTurnHook()
        timer.close()
        loop.run()
        #expect(order.contains("timer"))
        #expect(order.last == "end")
    }

    @Test func `a closed handle lets the loop end and its owner go`() {
        let loop = EventLoop()
        weak var gone: LoopTimer?
        do {
            let timer = LoopTimer(loop: loop) {}
            timer.start(afterMilliseconds: 60_000)
            gone = timer
            timer.close()
        }
        loop.run()
        #expect(gone == nil)
    }
}
