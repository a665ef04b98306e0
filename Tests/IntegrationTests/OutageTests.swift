// Stores that are stopped, frozen or emptied while pings come in.

import DroverClient
import EventLoop
import LocalServers
import Testing

extension Integration {
    @Suite("An outage")
    struct Outage {
        @Test func `without Postgres pings are acknowledged and kept, and written when it returns`() throws {
            let gateway = try RunningGateway(ownPostgres: true)
            let key = try gateway.key()
            try gateway.awaitStores()
            let socket = try gateway.ingest(key)
            let drive = TestPing.drive("van-1", from: now() - 3_600_000, count: 600)
            socket.send(TestPing.array(Array(drive[..<100])))
            #expect(try socket.json()["ack"].integer == 100)
            try gateway.awaitHistory()
            gateway.postgres.kill()
            let before = try gateway.metric("drover_journal_durable_lsn")
            for start in stride(from: 100, to: 500, by: 100) {
                socket.send(TestPing.array(Array(drive[start..<(start + 100)])))
                #expect(try socket.json()["ack"].integer == Int64(start + 100))
            }
            #expect(try gateway.metric("drover_journal_durable_lsn") == before + 400)
            #expect(try gateway.metric("drover_history_lag_records") == 400)
            try eventually("readiness names Postgres") {
                let ready = try gateway.readiness()
                return ready.status == 200 && ready.body["ready"].flag == true
                    && ready.body["degraded"].names.contains("postgres")
                    && ready.body["degraded"].names.contains("history")
            }
            #expect(try gateway.metric("drover_postgres_up") == 0)
            // A driver that nobody can be asked about is taken as new.
            #expect(try gateway.post([TestPing("van-new", at: now())], token: key)["accepted"].integer == 1)
            try gateway.postgres.start()
            // While it drains, more comes.
            socket.send(TestPing.array(Array(drive[500...])))
            #expect(try socket.json()["ack"].integer == 600)
            try gateway.awaitHistory()
            #expect(try gateway.rows(of: "van-1") == 600)
            #expect(try gateway.rows(of: "van-new") == 1)
            // In the order of receipt a driver's fixes stand in the order of their times.
            let disorder = """
                SELECT count(*) FROM (SELECT received_at, lag(received_at) OVER (PARTITION BY driver_id
                    ORDER BY recorded_at) AS earlier FROM driver_location_events) e WHERE received_at < earlier
                """
            #expect(try gateway.count(disorder) == 0)
            try gateway.awaitStores()
            try gateway.expectConservation()
        }

        @Test func `a frozen Postgres delays no acknowledgement`() throws {
            let gateway = try RunningGateway(ownPostgres: true)
            let key = try gateway.key()
            try gateway.awaitStores()
            let socket = try gateway.ingest(key)
            let drive = TestPing.drive("van-1", from: now() - 3_600_000, count: 200)
            socket.send(TestPing.array(Array(drive[..<100])))
            _ = try socket.json()
            gateway.postgres.freeze()
            for ping in drive[100...] { socket.send(ping.json) }
            var acknowledged: Int64 = 0
            while acknowledged < 200 { acknowledged = try socket.json()["ack"].integer ?? 0 }
            gateway.postgres.thaw()
            try gateway.awaitHistory()
            #expect(try gateway.rows(of: "van-1") == 200)
            try gateway.expectConservation()
        }

        @Test func `without Redis local viewers see every position, and hashes are right a second after its return`()
            throws
        {
            let gateway = try RunningGateway()
            let key = try gateway.key()
            try gateway.awaitStores()
            let viewer = try gateway.viewer(key)
            viewer.send("{\"id\":1,\"subscribe\":[\"driver:van-1\"]}")
            _ = try viewer.json(with: "subscribed")
            var time = now() - 600_000
            /// One position, and the viewer's sight of it: one after the other none may be left out.
            func move() throws {
                time += 1_000
                try gateway.post([TestPing("van-1", at: time)], token: key)
                let seen = try viewer.json(with: "positions")["positions"].array
                #expect(seen.map { $0["recorded_at"].integer } == [time])
            }
            for _ in 0..<3 { try move() }
            try withinASecond("the hash after Redis' return") { _ in
                gateway.redis.kill()
                for _ in 0..<5 { try move() }
                try eventually("readiness names Redis") {
                    let ready = try gateway.readiness()
                    return ready.status == 200 && ready.body["degraded"].names.contains("redis")
                }
                try move()
                try gateway.redis.restart()
            } _: {
                let redis = try gateway.redisProbe()
                return try redis.hash("driver:van-1:location")["recorded_at"] == "\(time)"
                    && redis.command("ZSCORE", "drivers:geo", "van-1").text != nil
            }
            for _ in 0..<3 { try move() }
            try gateway.awaitStores()
        }

        @Test func `a frozen Redis holds up neither acknowledgements nor viewers`() throws {
            let gateway = try RunningGateway()
            let key = try gateway.key()
            try gateway.awaitStores()
            let viewer = try gateway.viewer(key)
            viewer.send("{\"id\":1,\"subscribe\":[\"driver:van-1\"]}")
            _ = try viewer.json(with: "subscribed")
            let start = now() - 60_000
            try gateway.post([TestPing("van-1", at: start)], token: key)
            _ = try viewer.json(with: "positions")
            gateway.redis.freeze()
            for step in 1...10 {
                let time = start + Int64(step) * 1_000
                try gateway.post([TestPing("van-1", at: time)], token: key)
                #expect(try viewer.json(with: "positions")["positions"][0]["recorded_at"].integer == time)
            }
            gateway.redis.thaw()
            let redis = try gateway.redisProbe()
            try eventually("the hash is right again") {
                try redis.hash("driver:van-1:location")["recorded_at"] == "\(start + 10_000)"
            }
        }

        @Test func `an emptied Redis is filled again by the next positions`() throws {
            let gateway = try RunningGateway()
            let key = try gateway.key()
            try gateway.awaitStores()
            let redis = try gateway.redisProbe()
            let at = now() - 60_000
            try gateway.post([TestPing("van-1", at: at)], token: key)
            try eventually("the hash") { try !redis.hash("driver:van-1:location").isEmpty }
            try redis.command("FLUSHALL")
            // The gateway's own memory is not moved by it.
            let late = try gateway.post([TestPing("van-1", at: at - 1_000)], token: key)
            #expect(late["late"].integer == 1)
            try gateway.post([TestPing("van-1", at: at + 1_000)], token: key)
            try eventually("the hash is there again") {
                try redis.hash("driver:van-1:location")["recorded_at"] == "\(at + 1_000)"
            }
            #expect(try redis.command("ZSCORE", "drivers:geo", "van-1").text != nil)
        }

        @Test func `without both stores a new driver's frames are acknowledged`() throws {
            let gateway = try RunningGateway(ownPostgres: true)
            let key = try gateway.key()
            try gateway.awaitStores()
            let socket = try gateway.ingest(key)
            socket.send(TestPing("van-1", at: now() - 10_000).json)
            #expect(try socket.json()["ack"].integer == 1)
            gateway.redis.kill()
            gateway.postgres.kill()
            try eventually("both are missed") {
                try gateway.readiness().body["degraded"].names.filter { $0 == "redis" || $0 == "postgres" }.count == 2
            }
            socket.send(TestPing("van-2", at: now() - 10_000).json)
            #expect(try socket.json()["ack"].integer == 2)
            socket.send(TestPing("van-2", at: now() - 9_000).json)
            socket.send(TestPing("van-3", at: now() - 9_000).json)
            var acknowledged: Int64 = 0
            while acknowledged < 4 { acknowledged = try socket.json()["ack"].integer ?? 0 }
            #expect(try gateway.post([TestPing("van-4", at: now())], token: key)["accepted"].integer == 1)
            let viewer = try gateway.viewer(key)
            viewer.send("{\"id\":1,\"subscribe\":[\"driver:van-5\",\"driver:van-2\"]}")
            let snapshot = try viewer.json(with: "subscribed")["subscribed"]
            #expect(snapshot["driver:van-2"]["positions"].array.count == 1)
            try gateway.postgres.start()
            try gateway.redis.restart()
            try gateway.awaitHistory()
            #expect(try gateway.count("SELECT count(*) FROM driver_location_events") == 5)
            try gateway.expectConservation()
        }

        @Test func `a gateway starts without its stores, says so, and finds them`() throws {
            let gateway = try RunningGateway(ownPostgres: true, starts: false)
            let key = try gateway.key()
            gateway.postgres.stop()
            gateway.redis.kill()
            try gateway.start()
            let ready = try gateway.readiness()
            #expect(ready.status == 200)
            #expect(Set(ready.body["degraded"].names).isSuperset(of: ["redis", "postgres", "history"]))
            // Nobody can say who this is: try again, which is something else than being refused.
            let response = try gateway.http("POST", "/v1/pings", token: key, body: TestPing("van-1", at: now()).json)
            #expect(response.status == 503)
            #expect(response.header("Retry-After") != nil)
            #expect(try gateway.webSocket("/v1/ingest", token: key).closure().code == 1013)
            #expect(try gateway.webSocket("/v1/track", token: key).closure().code == 1013)
            try gateway.postgres.start()
            try gateway.redis.restart()
            try gateway.awaitStores()
            #expect(try gateway.post([TestPing("van-1", at: now())], token: key)["accepted"].integer == 1)
        }

        @Test func `at the journal's limit pings are refused, nothing acknowledged is lost, and it recovers`() throws {
            let gateway = try RunningGateway(
                ownPostgres: true, settings: ["journal.limit_mib": "2", "journal.segment_mib": "1"])
            let key = try gateway.key()
            try gateway.awaitStores()
            let start = now() - 20 * 86_400_000
            try gateway.post([TestPing("van-1", at: start - 1_000)], token: key)
            try gateway.awaitHistory()
            gateway.postgres.kill()
            var acknowledged = 1
            var refusal: HTTPResponse?
            while refusal == nil, acknowledged < 200_000 {
                let pings = TestPing.drive("van-1", from: start + Int64(acknowledged) * 1_000, count: 1_000)
                let response = try gateway.http("POST", "/v1/pings", token: key, body: TestPing.array(pings))
                if response.status == 200 {
                    acknowledged += Int(try JSON(parsing: response.text)["accepted"].integer ?? 0)
                } else {
                    refusal = response
                }
            }
            let told = try #require(refusal)
            #expect(told.status == 503)
            #expect(told.header("Retry-After") != nil)
            #expect(try JSON(parsing: told.text)["code"].string == "unavailable")
            #expect(try gateway.metric("drover_journal_bytes") <= 2 << 20)
            // A smaller batch may still fit; a device that goes on is told to come back.
            let socket = try gateway.ingest(key)
            var closure: UInt16?
            var sent = 0
            var acknowledgedPings: Int64 = 0
            while closure == nil {
                let from = start + (Int64(acknowledged) + 10_000 + acknowledgedPings) * 1_000
                socket.send(TestPing.array(TestPing.drive("van-2", from: from, count: 500)))
                switch try socket.next() {
                case .text(let text):
                    acknowledgedPings += 500
                    let reply = try JSON(parsing: text)
                    #expect(reply["ack"].integer == acknowledgedPings)
                    // Each drive begins where the last one did: a jump, until three agree.
                    sent += 500 - (reply["rejected"].array.count)
                case .close(let code, _): closure = code
                case .end: closure = 1006
                }
            }
            #expect(closure == 1013)
            try eventually("single pings are refused as well") {
                let ping = TestPing("van-3", at: now())
                let isRefused = try gateway.http("POST", "/v1/pings", token: key, body: ping.json).status == 503
                if !isRefused { sent += 1 }
                return isRefused
            }
            let ready = try gateway.readiness()
            #expect(ready.status == 503)
            #expect(ready.body["obstacle"].string?.isEmpty == false)
            try gateway.postgres.start()
            try eventually("it takes pings again", within: 60) { try gateway.readiness().status == 200 }
            #expect(try gateway.post([TestPing("van-4", at: now())], token: key)["accepted"].integer == 1)
            try gateway.awaitHistory()
            #expect(try gateway.rows(of: "van-1") == acknowledged)
            let kept = (try gateway.rows(of: "van-2"), try gateway.rows(of: "van-3"))
            #expect(kept.0 + kept.1 == sent, "\(kept) of \(sent)")
            #expect(try gateway.rows(of: "van-4") == 1)
            try gateway.expectConservation()
        }
    }
}
