// A key's own limit: so many requests in a period, told in RateLimit fields, shared by all gateways of a Redis.

import DroverClient
import EventLoop
import LocalServers
import Synchronization
import Testing

extension Integration {
    @Suite("Key limits")
    struct KeyLimits {
        private func key(_ gateway: RunningGateway, _ limit: String) throws -> (id: String, token: String) {
            let result = try gateway.drover(
                "key", "create", "--name", "limited", "--permissions", "positions:read", "--rate-limit", limit)
            try #require(result.status?.isSuccess == true, "\(result.output)")
            let token = result.output.filter { !$0.isWhitespace }
            LogBook.secrets.withLock { _ = $0.insert(token) }
            let id = try #require(
                try gateway.sql("SELECT id FROM api_keys ORDER BY created_at DESC LIMIT 1").first ?? nil)
            return (id, token)
        }

        private func ask(_ gateway: RunningGateway, _ token: String) throws -> HTTPResponse {
            try gateway.http("GET", "/v1/drivers?near=1,2", token: token)
        }

        @Test func `a key with 5 requests in 900 s gets five, and then 429 until its window ends`() throws {
            let gateway = try RunningGateway()
            let (id, token) = try key(gateway, "5/900s")
            try gateway.awaitStores()
            for left in [4, 3, 2, 1, 0] {
                let reply = try ask(gateway, token)
                #expect(reply.status == 200)
                #expect(reply.header("RateLimit-Policy") == "\"default\";q=5;w=900")
                let field = try #require(reply.header("RateLimit"))
                let match = try #require(field.wholeMatch(of: #/"default";r=(\d+);t=(\d+)/#), "\(field)")
                #expect(Int(match.1) == left)
                #expect((840...900).contains(Int(match.2) ?? 0))
            }
            let refused = try ask(gateway, token)
            #expect(refused.status == 429)
            #expect((840...900).contains(refused.header("Retry-After").flatMap { Int($0) } ?? 0))
            #expect(
                try JSON(parsing: refused.text)["detail"].string?.hasPrefix("more than 5 requests in 900 s") == true)
            let redis = try gateway.redisProbe()
            try eventually("Redis is told of the five") {
                try redis.command("GET", "rate_limit:\(id):all").text == "5"
            }
            #expect((840_000...900_000).contains(try redis.command("PTTL", "rate_limit:\(id):all").number ?? 0))
            // Other keys keep the configured limit.
            let other = try gateway.http("GET", "/v1/drivers?near=1,2", token: try gateway.key())
            #expect(other.header("RateLimit-Policy") == "\"default\";q=1000;w=10")
            #expect(try gateway.metric("drover_rate_limited_total{scope=\"key\"}") == 1)
            let list = try gateway.drover("key", "list").output
            #expect(list.split(separator: "\n").contains { $0.contains(id) && $0.contains("\t5/900s\t") }, "\(list)")
            #expect(list.split(separator: "\n").contains { $0.contains("\tdefault\t") })
            for limit in ["5", "0/900s", "5/25h"] {
                let wrong = try gateway.drover(
                    "key", "create", "--name", "x", "--permissions", "positions:read", "--rate-limit", limit)
                #expect(wrong.status?.isSuccess == false)
                #expect(wrong.output.contains("such as 1000/900s"))
            }
        }

        @Test func `the window ends, and the key's requests are taken again`() throws {
            let gateway = try RunningGateway()
            let (_, token) = try key(gateway, "2/2s")
            try gateway.awaitStores()
            let start = SystemClock.monotonicMicroseconds()
            var taken = 0
            while try ask(gateway, token).status == 200 {
                taken += 1
                try #require(taken < 20)
            }
            // A machine so slow that the window has ended meanwhile says nothing here.
            if SystemClock.monotonicMicroseconds() - start < 1_000_000 { #expect(taken == 2) }
            try eventually("a new window has begun") { try ask(gateway, token).status == 200 }
        }

        @Test func `two gateways share a key's window, and a restarted one learns of it`() throws {
            let first = try RunningGateway()
            let (id, token) = try key(first, "10/600s")
            try first.awaitStores()
            let second = try RunningGateway(beside: first)
            try second.awaitStores()
            let redis = try first.redisProbe()
            for _ in 0..<6 { #expect(try ask(first, token).status == 200) }
            try eventually("Redis knows of six") { try redis.command("GET", "rate_limit:\(id):all").text == "6" }
            #expect(try ask(second, token).status == 200)
            try eventually("Redis knows of seven") { try redis.command("GET", "rate_limit:\(id):all").text == "7" }
            // By now the second has heard of the first's six: three are left.
            let left = try awaitValue("the second knows the window") { () -> Int? in
                let reply = try ask(second, token)
                guard reply.status == 200, let field = reply.header("RateLimit"),
                    let match = field.wholeMatch(of: #/"default";r=(\d+);t=(\d+)/#), let left = Int(match.1)
                else { return nil }
                return left <= 3 ? left : nil
            }
            var taken = 0
            while try ask(second, token).status == 200 {
                taken += 1
                try #require(taken < 20)
            }
            #expect(taken == left)
            try eventually("the first has heard of it") { try ask(first, token).status == 429 }
        }

        @Test func `an address's counter has the configured key and a window of 900 s`() throws {
            let gateway = try RunningGateway(
                settings: [
                    "limits.counter_key": "throttle:{endpoint}:{client}", "limits.window_s": "900",
                    "limits.exempt_addresses": "192.0.2.0/24",
                ])
            let key = try gateway.key()
            try gateway.awaitStores()
            #expect(try ask(gateway, key).status == 200)
            let redis = try gateway.redisProbe()
            try eventually("the counter is there") {
                try redis.command("GET", "throttle:drivers:127.0.0.1").text == "1"
            }
            #expect((840_000...900_000).contains(try redis.command("PTTL", "throttle:drivers:127.0.0.1").number ?? 0))
            #expect(try redis.command("KEYS", "rate_limit:*").list.isEmpty)
        }
    }
}
