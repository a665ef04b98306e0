// What is sent too fast is refused with the time after which it is taken, and then it is.

import DroverClient
import EventLoop
import LocalServers
import Testing

extension Integration {
    @Suite("Limits")
    struct Limits {
        /// Waits as long as a reply says, by asking again only then.
        private func pass(_ seconds: Int, since start: Int64) throws {
            try eventually("\(seconds) s are over", within: Double(seconds) + 10) {
                SystemClock.monotonicMicroseconds() - start >= Int64(seconds) * 1_000_000
            }
        }

        /// The seconds of a 429, which must be a whole one.
        private func retryAfter(
            _ response: HTTPResponse, sourceLocation: SourceLocation = #_sourceLocation
        ) throws -> Int {
            try #require(response.status == 429, "\(response.text)", sourceLocation: sourceLocation)
            #expect(try JSON(parsing: response.text)["code"].string == "rate", sourceLocation: sourceLocation)
            let seconds = try #require(
                response.header("Retry-After").flatMap { Int($0) }, sourceLocation: sourceLocation)
            #expect(seconds >= 1, sourceLocation: sourceLocation)
            return seconds
        }

        /// `r` and `t` of a RateLimit field.
        private func rateLimit(_ response: HTTPResponse) throws -> (remaining: Int, seconds: Int) {
            let field = try #require(response.header("RateLimit"))
            let match = try #require(field.wholeMatch(of: #/"default";r=(\d+);t=(\d+)/#), "\(field)")
            return (try #require(Int(match.1)), try #require(Int(match.2)))
        }

        @Test func `a key's requests are taken up to its burst, and again after Retry-After`() throws {
            let gateway = try RunningGateway(settings: ["limits.key_requests_per_s": "1", "limits.key_burst": "5"])
            let key = try gateway.key()
            let other = try gateway.key()
            for left in stride(from: 4, through: 1, by: -1) {
                let reply = try gateway.http("GET", "/v1/drivers?near=1,2", token: key)
                #expect(reply.status == 200)
                #expect(reply.header("RateLimit-Policy") == "\"default\";q=5;w=5")
                // A second may have passed meanwhile.
                let standing = try rateLimit(reply)
                #expect((left...left + 1).contains(standing.remaining))
                #expect((5 - left - 1...5 - left).contains(standing.seconds))
            }
            // The rest of the burst, and whatever has come back since.
            var reply = try gateway.http("GET", "/v1/drivers?near=1,2", token: key)
            var taken = 5
            while reply.status == 200 {
                reply = try gateway.http("POST", "/v1/pings", token: key, body: "[]")
                if reply.status == 400 { taken += 1 }
                guard reply.status != 429 else { break }
                try #require(taken < 60)
                reply = try gateway.http("GET", "/v1/drivers?near=1,2", token: key)
                if reply.status == 200 { taken += 1 }
            }
            let start = SystemClock.monotonicMicroseconds()
            let seconds = try retryAfter(reply)
            #expect(seconds == 1)
            #expect(try rateLimit(reply).remaining == 0)
            #expect(reply.header("RateLimit-Policy") == "\"default\";q=5;w=5")
            // Another credential and what needs none are not concerned.
            #expect(try gateway.http("GET", "/v1/drivers?near=1,2", token: other).status == 200)
            let health = try gateway.http("GET", "/healthz")
            #expect(health.status == 200 && health.header("RateLimit") == nil)
            try pass(seconds, since: start)
            #expect(try gateway.http("GET", "/v1/drivers?near=1,2", token: key).status == 200)
            #expect(try gateway.metric("drover_rate_limited_total{scope=\"key\"}") >= 1)
        }

        @Test func `a device's pings in requests: n less one, n and one more`() throws {
            let gateway = try RunningGateway(
                settings: ["limits.device_pings_per_s": "2", "limits.device_burst": "10"])
            try gateway.awaitStores()
            let pings = TestPing.drive(nil, from: now() - 600_000, count: 21)
            for (first, isAllTaken) in [(9, false), (10, true)] {
                let device = try gateway.deviceToken(driver: "van-\(first)")
                let sent = SystemClock.monotonicMicroseconds()
                try gateway.post(Array(pings[..<first]), token: device)
                let rest = Array(pings[first..<first + (isAllTaken ? 1 : 2)])
                let refused = try gateway.http("POST", "/v1/pings", token: device, body: TestPing.array(rest))
                // Half a second brings one back; on a machine so slow this says nothing.
                guard SystemClock.monotonicMicroseconds() - sent < 500_000 else { continue }
                let start = SystemClock.monotonicMicroseconds()
                let seconds = try retryAfter(refused)
                #expect(seconds == 1)
                try pass(seconds, since: start)
                let reply = try gateway.post(rest, token: device)
                #expect(reply["accepted"].integer == Int64(rest.count), "nothing of them was stored before")
            }
            // More at once than a burst goes through when all is there, and then nothing for a while.
            let device = try gateway.deviceToken(driver: "van-20")
            try gateway.post(Array(pings[..<20]), token: device)
            let refused = try gateway.http("POST", "/v1/pings", token: device, body: TestPing.array([pings[20]]))
            #expect((4...6).contains(try retryAfter(refused)))
            #expect(try gateway.metric("drover_rate_limited_total{scope=\"device\"}") >= 1)
            try gateway.expectConservation()
        }

        @Test func `two WebSockets of one device share its bucket; beyond it 4429 and no acknowledgement`() throws {
            let gateway = try RunningGateway(
                settings: ["limits.device_pings_per_s": "1", "limits.device_burst": "10"])
            try gateway.awaitStores()
            let device = try gateway.deviceToken(driver: "van-1")
            let pings = TestPing.drive(nil, from: now() - 600_000, count: 40)
            let first = try gateway.ingest(device)
            let second = try gateway.ingest(device)
            first.send(TestPing.array(Array(pings[..<5])))
            #expect(try first.json()["ack"].integer == 5)
            second.send(TestPing.array(Array(pings[5..<10])))
            #expect(try second.json()["ack"].integer == 5)
            let start = SystemClock.monotonicMicroseconds()
            first.send(TestPing.array(Array(pings[10..<20])))
            let closed = try first.closure()
            #expect(closed.code == 4429)
            #expect(closed.texts.isEmpty, "\(closed.texts)")
            #expect(try gateway.metric("drover_pings_received_total") == 10)
            #expect(try gateway.metric("drover_rate_limited_total{scope=\"device\"}") == 1)
            // Another device is not concerned, and a new connection fills nothing.
            let other = try gateway.ingest(try gateway.deviceToken(driver: "van-2"))
            other.send(TestPing.array(Array(pings[..<10])))
            #expect(try other.json()["ack"].integer == 10)
            let third = try gateway.ingest(device)
            third.send(TestPing.array(Array(pings[10..<20])))
            #expect(try third.closure().code == 4429)
            try pass(10, since: start)
            second.send(TestPing.array(Array(pings[10..<20])))
            #expect(try second.json()["ack"].integer == 15)
            try gateway.awaitHistory()
            #expect(try gateway.rows(of: "van-1") == 20)
            try gateway.expectConservation()
        }

        @Test func `a key's pings have no limit unless one is set`() throws {
            let gateway = try RunningGateway(settings: ["limits.key_pings_per_s": "3"])
            let key = try gateway.key()
            let drive = TestPing.drive("van-1", from: now() - 600_000, count: 32)
            try gateway.post(Array(drive[..<30]), token: key)
            let reply = try gateway.http("POST", "/v1/pings", token: key, body: TestPing.array(drive))
            #expect((8...10).contains(try retryAfter(reply)))
            let socket = try gateway.ingest(key)
            socket.send(TestPing.array(drive))
            #expect(try socket.closure().code == 4429)
            #expect(try gateway.metric("drover_rate_limited_total{scope=\"key\"}") == 2)
        }

        @Test func `an address is limited unless it is exempt, and guessing is limited sooner`() throws {
            let exempt = try RunningGateway(
                settings: ["limits.address_requests_per_s": "1", "limits.address_burst": "20"])
            for _ in 0..<60 { #expect(try exempt.http("GET", "/v1/drivers").status == 401) }
            let gateway = try RunningGateway(
                settings: [
                    "limits.address_requests_per_s": "1", "limits.address_burst": "50",
                    "limits.exempt_addresses": "192.0.2.0/24",
                ])
            let key = try gateway.key()
            // 11 each: itself and ten for the failure.
            var guesses = 0
            var reply = try gateway.http("GET", "/v1/drivers", token: "drk_guess")
            while reply.status == 401 {
                guesses += 1
                try #require(guesses < 50)
                reply = try gateway.http("GET", "/v1/drivers", token: "drk_guess-\(guesses)")
            }
            #expect((5...8).contains(guesses), "\(guesses)")
            let start = SystemClock.monotonicMicroseconds()
            let seconds = try retryAfter(reply)
            #expect(try gateway.http("GET", "/v1/drivers?near=1,2", token: key).status == 429)
            #expect(try gateway.http("GET", "/nothing").status == 429)
            #expect(try gateway.http("GET", "/healthz").status == 200)
            #expect(try gateway.http("GET", "/readyz").status == 200)
            #expect(try gateway.http("GET", "/openapi.yaml").status == 200)
            let redis = try gateway.redisProbe()
            try eventually("Redis is told of every guess and its cost") {
                let counted = try redis.command("GET", "rate_limit:127.0.0.1:drivers").text.flatMap { Int($0) }
                return counted.map { $0 >= guesses * 11 } ?? false
            }
            #expect((1...60_000).contains(try redis.command("PTTL", "rate_limit:127.0.0.1:drivers").number ?? 0))
            let handshake = try WebSocketProbe(port: gateway.port, "/v1/track", token: key)
            #expect(handshake.reply.status == 429)
            #expect(handshake.reply.headers["retry-after"] != nil)
            #expect(try gateway.metric("drover_rate_limited_total{scope=\"address\"}") >= 4)
            try pass(seconds, since: start)
            let again = try gateway.http("GET", "/v1/drivers?near=1,2", token: key)
            #expect(again.status == 200, "\(again.text)")
        }

        @Test func `two gateways over one Redis share a key's count`() throws {
            let settings = [
                "limits.key_requests_per_s": "1", "limits.key_burst": "100", "limits.window_s": "15",
            ]
            let first = try RunningGateway(settings: settings)
            let second = try RunningGateway(settings: settings, starts: false)
            second.set("redis.url", first.redis.url)
            second.environment["DROVER_POSTGRES_URL"] = first.postgres.url(database: first.database)
            try second.start()
            try first.awaitStores()
            try second.awaitStores()
            let key = try first.key()
            let id = try #require(try first.sql("SELECT id FROM api_keys").first ?? nil)
            let redis = try first.redisProbe()
            // Each stays below its own burst of 100; together that is more than the 115 of a window.
            var taken = 0
            for gateway in [first, second] {
                for _ in 0..<65 {
                    #expect(try gateway.http("GET", "/v1/drivers?near=1,2", token: key).status == 200)
                    taken += 1
                }
            }
            let name = "rate_limit:\(id):drivers"
            // Each knows with the answer to what it has told last; a request or two may be quicker than that.
            for gateway in [first, second] {
                let refused = try awaitValue("the key is refused") { () -> HTTPResponse? in
                    try eventually("Redis knows of all \(taken)") {
                        try redis.command("GET", name).text == "\(taken)"
                    }
                    let reply = try gateway.http("GET", "/v1/drivers?near=1,2", token: key)
                    if reply.status == 200 { taken += 1 }
                    return reply.status == 429 ? reply : nil
                }
                #expect((1...15).contains(try retryAfter(refused)))
            }
            #expect(taken < 145, "a gateway's own bucket holds more than that")
            let left = try #require(try redis.command("PTTL", name).number)
            #expect((1...15_000).contains(left))
            let refused = try second.http("GET", "/v1/drivers?near=1,2", token: key)
            let start = SystemClock.monotonicMicroseconds()
            try pass(try retryAfter(refused), since: start)
            #expect(try second.http("GET", "/v1/drivers?near=1,2", token: key).status == 200)
            // The other has heard of the same end a moment earlier or later.
            try eventually("the first takes it again", within: 2) {
                try first.http("GET", "/v1/drivers?near=1,2", token: key).status == 200
            }
        }

        @Test func `without Redis each gateway's own buckets go on`() throws {
            let gateway = try RunningGateway(settings: ["limits.key_requests_per_s": "1", "limits.key_burst": "5"])
            let key = try gateway.key()
            #expect(try gateway.http("GET", "/v1/drivers?near=1,2", token: key).status == 200)
            gateway.redis.stop()
            try eventually("Redis is gone") { try gateway.metric("drover_redis_up") == 0 }
            var taken = 0
            while try gateway.http("GET", "/v1/drivers?near=1,2", token: key).status == 200 {
                taken += 1
                try #require(taken < 60)
            }
            #expect(taken >= 4)
        }

        @Test func `a viewer's frames beyond its rate get an error, and 4429 where it goes on`() throws {
            let gateway = try RunningGateway(settings: ["limits.viewer_frames_per_s": "2"])
            let viewer = try gateway.viewer(try gateway.key())
            var codes: [String?] = []
            for id in 1...20 { viewer.send("{\"id\":\(id),\"unsubscribe\":[]}") }
            for id in 1...20 {
                let reply = try viewer.json()
                #expect(reply["id"].integer == Int64(id))
                codes.append(reply["error"]["code"].string)
            }
            #expect(codes.allSatisfy { $0 == nil })
            // A second may have brought two more.
            for id in 21...30 { viewer.send("{\"id\":\(id),\"unsubscribe\":[]}") }
            var last = JSON(nil)
            for _ in 21...30 { last = try viewer.json() }
            #expect(last["id"].integer == 30)
            #expect(last["error"]["code"].string == "rate")
            #expect(last["error"]["retry"].flag == true)
            for id in 31...90 { viewer.send("{\"id\":\(id),\"unsubscribe\":[]}") }
            #expect(try viewer.closure().code == 4429)
            #expect(try gateway.metric("drover_rate_limited_total{scope=\"viewer\"}") >= 10)
        }
    }
}
