// Keys' own limits: so many requests in a period, and how they are written.
import Testing
import Tracking

@testable import Gateway

@Suite struct QuotaTests {
    private static let second: Microseconds = 1_000_000

    private static func quota(_ requests: Int64, _ milliseconds: Int64) throws -> RequestQuota {
        try #require(RequestQuota(requests: requests, periodMilliseconds: milliseconds))
    }

    @Test func `a window takes its requests, refuses the next, and is over a period after its first`() throws {
        let quotas = Quotas()
        let quota = try Self.quota(3, 900_000)
        for (index, seconds) in [Int64(10), 11, 600].enumerated() {
            let (isTaken, standing) = quotas.take("key", quota, now: seconds * Self.second)
            #expect(isTaken)
            #expect(standing.remaining == Int64(2 - index))
            #expect(standing.wait == (910 - seconds) * Self.second)
        }
        for seconds in [Int64(601), 909] {
            let (isTaken, standing) = quotas.take("key", quota, now: seconds * Self.second)
            #expect(!isTaken && standing.remaining == 0 && standing.wait == (910 - seconds) * Self.second)
        }
        // Another key has its own.
        #expect(quotas.take("other", quota, now: 602 * Self.second).isTaken)
        let (isTaken, standing) = quotas.take("key", quota, now: 910 * Self.second)
        #expect(isTaken && standing.remaining == 2 && standing.wait == 900 * Self.second)
    }

    @Test func `a key whose limit was changed begins anew`() throws {
        let quotas = Quotas()
        #expect(quotas.take("key", try Self.quota(1, 60_000), now: 0).isTaken)
        #expect(!quotas.take("key", try Self.quota(1, 60_000), now: 1).isTaken)
        #expect(quotas.take("key", try Self.quota(2, 60_000), now: 2).standing.remaining == 1)
    }

    @Test func `a limit reads requests and a period`() throws {
        for (text, requests, milliseconds) in [
            ("1000/900s", 1_000, 900_000), ("1000/900000ms", 1_000, 900_000), ("60/1m", 60, 60_000),
            ("5/24h", 5, 86_400_000), ("1/1s", 1, 1_000),
        ] as [(String, Int64, Int64)] {
            let quota = try KeyCommands.quota(text)
            #expect(quota.requests == requests && quota.periodMilliseconds == milliseconds, "\(text)")
        }
        for text in [
            "", "1000", "1000/", "/900s", "1000/900", "0/1s", "-1/1s", "1/0s", "1/25h", "1/999ms", "1/1s/1s", "x/1s",
            "1/9223372036854775807h", "1.5/1s",
        ] {
            let error = #expect(throws: CommandError.self) { try KeyCommands.quota(text) }
            #expect(error?.description.contains("such as 1000/900s") == true)
        }
    }
}
