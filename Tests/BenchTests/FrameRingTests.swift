/// The frames of a socket that wait.
import Testing

@testable import drover_bench

@Suite struct FrameRingTests {
    private func frame(_ number: Int) -> OutgoingFrame {
        OutgoingFrame(due: Int64(number), driver: 0, round: 0, pings: 1)
    }

    @Test func `frames are sent and acknowledged in their order, also where the ring has wrapped and grown`() {
        var ring = FrameRing()
        var added = 0
        var sent = 0
        var removed = 0
        for step in 0..<500 {
            for _ in 0...(step % 7) {
                let isTaken = ring.append(frame(added))
                #expect(isTaken)
                added += 1
            }
            while ring.hasUnsent, sent - removed < 5 {
                #expect(ring.firstUnsent.due == Int64(sent))
                sent += 1
                ring.markSent(last: sent)
            }
            for _ in 0..<min(ring.sent, 1 + step % 5) {
                let frame = ring.removeFirst()
                #expect(frame.due == Int64(removed) && frame.last == removed + 1)
                removed += 1
            }
            #expect(ring.count == added - removed && ring.sent == sent - removed)
        }
        #expect(removed > 100)
    }

    @Test func `a ring that is full takes nothing more`() {
        var ring = FrameRing()
        var taken = 0
        for number in 0...FrameRing.limit where ring.append(frame(number)) { taken += 1 }
        #expect(taken == FrameRing.limit)
        ring.markSent(last: 1)
        let first = ring.removeFirst()
        #expect(first.due == 0)
        let isTaken = ring.append(frame(-1))
        #expect(isTaken)
    }
}
