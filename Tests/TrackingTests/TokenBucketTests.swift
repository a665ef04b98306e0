// The token bucket against a slow one that counts millionths of tokens microsecond by microsecond, in wide integers.
import Testing

@testable import Tracking

/// What a token bucket is by its definition: the level is moved on by every microsecond, and capped at every one.
private struct SlowBucket {
    let rate: Int128
    let burst: Int128
    var level: Int128
    var at: Int64

    init(_ limit: RateLimit, now: Int64) {
        rate = Int128(limit.perSecond)
        burst = Int128(limit.burst) * 1_000_000
        level = burst
        at = now
    }

    mutating func move(to now: Int64) {
        // Beyond full, nothing happens any more.
        while at < now, level < burst {
            level = min(burst, level + rate)
            at += 1
        }
        at = now
    }

    mutating func take(_ count: Int, now: Int64) -> Bool {
        move(to: now)
        guard rate > 0 else { return true }
        guard level >= min(Int128(count) * 1_000_000, burst) else { return false }
        level -= Int128(count) * 1_000_000
        return true
    }
}

@Suite struct TokenBucketTests {
    @Test func `at every moment it is what a bucket is by definition`() {
        for seed in UInt64(0)..<(isLongRun ? 10_000 : 300) {
            var random = SeededGenerator(seed: seed)
            let limit = RateLimit(
                perSecond: random.pick([777, 999, 50_000, 999_983, 10_000_000]),
                burst: random.pick([1, 2, 10, 333]))
            var now = Int64(random.int(0...1_000_000))
            var bucket = TokenBucket(limit, now: now)
            var slow = SlowBucket(limit, now: now)
            for step in 0..<60 {
                // Waits about as long as a token takes, sometimes much less or more.
                let token = max(1, 1_000_000 / Int(limit.perSecond))
                now += Int64(random.int(0...random.pick([1, token, token * 3])))
                let count = random.pick([0, 1, 1, 1, 2, Int(limit.burst), Int(limit.burst) + 3])
                let wait = bucket.wait(for: count, limit, now: now)
                #expect(bucket.take(count, limit, now: now) == slow.take(count, now: now), "seed \(seed), step \(step)")
                #expect(
                    bucket.available(limit, now: now) == Int64((Double(slow.level) / 1_000_000).rounded(.down)),
                    "seed \(seed), step \(step)")
                #expect(bucket.isFull(limit, now: now) == (slow.level == slow.burst), "seed \(seed), step \(step)")
                #expect(wait >= 0)
            }
        }
    }

    @Test func `the wait is exact: a microsecond earlier it is refused`() {
        for seed in UInt64(0)..<2_000 {
            var random = SeededGenerator(seed: seed)
            let limit = RateLimit(
                perSecond: random.int(1...random.pick([10, 1_000, 10_000_000])), burst: random.int(1...5_000))
            var now = Int64(random.int(0...1_000_000_000))
            var bucket = TokenBucket(limit, now: now)
            _ = bucket.take(random.int(1...10_000), limit, now: now)
            now += Int64(random.int(0...100))
            if random.oneIn(3) { bucket.charge(random.int(0...100), limit, now: now) }
            let count = random.int(1...6_000)
            let wait = bucket.wait(for: count, limit, now: now)
            var later = bucket
            #expect(later.take(count, limit, now: now + wait) == true, "seed \(seed)")
            if wait > 0 {
                var earlier = bucket
                #expect(earlier.take(count, limit, now: now + wait - 1) == false, "seed \(seed)")
            }
        }
    }

    @Test func `in any stretch of time no more than the burst and the rate get through`() {
        for seed in UInt64(0)..<200 {
            var random = SeededGenerator(seed: seed)
            let limit = RateLimit(perSecond: random.int(1...1_000), burst: random.int(1...100))
            var bucket = TokenBucket(limit, now: 0)
            var taken: [(at: Int64, count: Int64)] = []
            var now: Int64 = 0
            for _ in 0..<300 {
                now += Int64(random.int(0...random.pick([0, 1_000, 100_000])))
                let count = random.int(1...Int(min(limit.burst, 5)))
                if bucket.take(count, limit, now: now) { taken.append((now, Int64(count))) }
            }
            for start in taken.indices {
                var sum: Int64 = 0
                for (at, count) in taken[start...] {
                    sum += count
                    let most = limit.burst + ((at - taken[start].at) * limit.perSecond + 999_999) / 1_000_000
                    #expect(sum <= most, "seed \(seed)")
                }
            }
        }
    }

    @Test func `a full bucket gives more than it holds, and then nothing until the debt is paid`() {
        let limit = RateLimit(perSecond: 10, burst: 100)
        var bucket = TokenBucket(limit, now: 0)
        #expect(bucket.take(600, limit, now: 0) == true)
        #expect(bucket.available(limit, now: 0) == -500)
        #expect(bucket.take(1, limit, now: 50_099_999) == false)
        #expect(bucket.take(1, limit, now: 50_100_000) == true)
        #expect(bucket.take(101, limit, now: 50_100_000) == false)
        #expect(bucket.wait(for: 101, limit, now: 50_100_000) == 10_000_000)
    }

    @Test func `a charge ends at a debt of a burst and forgives none that is deeper`() {
        let limit = RateLimit(perSecond: 1, burst: 10)
        var bucket = TokenBucket(limit, now: 0)
        for _ in 0..<5 { bucket.charge(10, limit, now: 0) }
        #expect(bucket.available(limit, now: 0) == -10)
        bucket = TokenBucket(limit, now: 0)
        #expect(bucket.take(50, limit, now: 0) == true)
        bucket.charge(10, limit, now: 0)
        #expect(bucket.available(limit, now: 0) == -40)
    }

    @Test func `a clock that is set back or far ahead breaks nothing`() {
        let limit = RateLimit(perSecond: 10_000_000, burst: 1_000_000_000)
        var bucket = TokenBucket(limit, now: 1_000_000_000)
        #expect(bucket.take(1_000_000, limit, now: 0) == true)
        #expect(bucket.available(limit, now: 0) == 999_000_000)
        #expect(bucket.available(limit, now: 100_000) == 1_000_000_000)
        #expect(bucket.available(limit, now: .max) == 1_000_000_000)
        #expect(bucket.take(1, limit, now: .max) == true)
        #expect(bucket.wait(for: 1, limit, now: .max) == 0)
    }

    @Test func `zero a second is unlimited`() {
        let limit = RateLimit(perSecond: 0, burst: 1)
        var bucket = TokenBucket(limit, now: 0)
        for _ in 0..<1_000 { #expect(bucket.take(1_000_000, limit, now: 0) == true) }
        bucket.charge(1_000, limit, now: 0)
        #expect(bucket.take(1, limit, now: 0) == true)
        #expect(bucket.wait(for: 1, limit, now: 0) == 0)
        #expect(limit.secondsToFill == 0)
    }
}
