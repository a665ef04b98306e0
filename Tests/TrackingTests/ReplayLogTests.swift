import Testing

@testable import Tracking

@Suite struct ReplayLogTests {
    private func position(_ number: Int, at time: Microseconds) -> Position {
        Position(
            recordedAt: Microseconds(number), receivedAt: time, latitude: 0, longitude: 0, accuracy: 1, speed: nil,
            heading: nil)
    }

    @Test func `an empty log has no entries`() {
        let log = ReplayLog(bytes: 1 << 20)
        #expect(log.end == 0 && log.entry(0) == nil && log.entry(.max) == nil)
    }

    @Test(arguments: [0, 1, 1_024 * 56, 1_024 * 64, 300_000, 1 << 20])
    func `the log grows while its entries are young, up to its limit, and then forgets the oldest`(bytes: Int) {
        var log = ReplayLog(bytes: bytes)
        let stride = MemoryLayout<ReplayLog.Entry>.stride
        let limit = max(1_024, bytes / stride)
        var last = ReplayLog.none
        for number in 0..<40_000 {
            last = log.append(position(number, at: Microseconds(number)), previous: last)
            #expect(last == UInt64(number))
        }
        let kept = (0..<40_000).filter { log.entry(UInt64($0)) != nil }
        #expect(kept.count <= limit && kept.count > limit / 2, "\(kept.count) of \(limit)")
        #expect(kept == Array(40_000 - kept.count..<40_000), "the newest, without a gap")
        for number in kept {
            #expect(log.entry(UInt64(number))?.position.recordedAt == Microseconds(number))
            #expect(log.entry(UInt64(number))?.previous == UInt64(number - 1))
        }
        #expect(log.entry(40_000) == nil)
    }

    @Test func `where the oldest cannot be asked for any more the log does not grow`() {
        var log = ReplayLog(bytes: 1 << 24)
        for number in 0..<20_000 {
            // A thousand a minute and a bit: what is overwritten is older than a viewer may be away.
            _ = log.append(position(number, at: Microseconds(number) * 60_000), previous: ReplayLog.none)
        }
        #expect((0..<20_000).count { log.entry(UInt64($0)) != nil } == 1_024)
    }

    @Test func `a number that is skipped is nobody's, and is followed by the next`() {
        var log = ReplayLog(bytes: 0)
        log.skip()
        let first = log.append(position(1, at: 5), previous: ReplayLog.none)
        log.skip()
        log.skip()
        let second = log.append(position(2, at: 6), previous: first)
        #expect((first, second, log.end) == (1, 4, 5))
        #expect(log.entry(second)?.previous == first && log.entry(first)?.position.recordedAt == 1)
    }
}
