// After a restart a driver's newest position is known before its first ping is judged, and credentials still work.

import DroverClient
import LocalServers
import Testing

extension Integration {
    @Suite("A restart")
    struct Restart {
        /// Where the newest is found again.
        enum Source: String, CaseIterable { case journal, hash, postgres }

        @Test(arguments: Source.allCases)
        func `the newest is rebuilt`(from source: Source) throws {
            let gateway = try RunningGateway()
            let key = try gateway.key()
            try gateway.awaitStores()
            let at = now() - 600_000
            let drive = TestPing.drive("van-1", from: at, count: 10)
            #expect(try gateway.post(drive, token: key)["accepted"].integer == 10)
            try gateway.awaitHistory()
            let redis = try gateway.redisProbe()
            try eventually("the hash") {
                try redis.hash("driver:van-1:location")["recorded_at"] == "\(drive[9].recordedAt)"
            }
            gateway.stop()
            if source != .hash { try redis.command("FLUSHALL") }
            // Without its journal it is another node that has nothing but the stores.
            if source != .journal { gateway.set("journal.directory", gateway.directory.path + "/fresh") }
            if source == .hash { try gateway.sql("DELETE FROM driver_location_events") }
            try gateway.start()
            try gateway.awaitStores()
            let position = try gateway.http("GET", "/v1/drivers/van-1/position", token: key)
            #expect(try JSON(parsing: position.text)["recorded_at"].integer == drive[9].recordedAt)
            let again = try gateway.post([drive[9]], token: key)
            // A hash is no proof that the ping was kept: it is kept again where it is not there.
            #expect(again[source == .hash ? "late" : "duplicate"].integer == 1, "\(again)")
            let older = try gateway.post([TestPing("van-1", at: drive[9].recordedAt - 500)], token: key)
            #expect(older["late"].integer == 1, "\(older)")
            let far = try gateway.post([TestPing("van-1", at: drive[9].recordedAt + 1_000, latitude: 50)], token: key)
            #expect(far["rejected"][0]["reason"].string == "jump", "\(far)")
            let newer = try gateway.post(
                [TestPing("van-1", at: drive[9].recordedAt + 2_000, latitude: 43.651, longitude: -79.38)], token: key)
            #expect(newer["accepted"].integer == 1, "\(newer)")
        }

        @Test func `what was remembered is a duplicate after the restart`() throws {
            let gateway = try RunningGateway()
            let key = try gateway.key()
            try gateway.awaitStores()
            let drive = TestPing.drive("van-1", from: now() - 600_000, count: 64)
            try gateway.post(drive, token: key)
            gateway.kill()
            try gateway.start()
            #expect(try gateway.post(drive, token: key)["duplicate"].integer == 64)
            try gateway.awaitHistory()
            gateway.stop()
            // From Postgres alone.
            try gateway.redisProbe().command("FLUSHALL")
            gateway.set("journal.directory", gateway.directory.path + "/fresh")
            try gateway.start()
            try gateway.awaitStores()
            #expect(try gateway.post(drive, token: key)["duplicate"].integer == 64)
            #expect(try gateway.rows(of: "van-1") == 64)
        }

        @Test func `a fix between two milliseconds is found again as it was`() throws {
            let gateway = try RunningGateway()
            let key = try gateway.key()
            try gateway.awaitStores()
            let text = try SharedPostgres.server.get().psql(
                "SELECT to_char((now() - interval '1 minute') AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS') || '.123456Z'"
            )
            let body = "{\"driver_id\":\"van-1\",\"recorded_at\":\"\(text)\",\"lat\":1,\"lng\":2,\"accuracy\":3}"
            let first = try gateway.http("POST", "/v1/pings", token: key, body: body)
            #expect(try JSON(parsing: first.text)["accepted"].integer == 1)
            try gateway.awaitHistory()
            let redis = try gateway.redisProbe()
            try eventually("the hash") { try !redis.hash("driver:van-1:location").isEmpty }
            gateway.stop()
            gateway.set("journal.directory", gateway.directory.path + "/fresh")
            try gateway.start()
            try gateway.awaitStores()
            let again = try gateway.http("POST", "/v1/pings", token: key, body: body)
            let reply = try JSON(parsing: again.text)
            #expect((reply["duplicate"].integer ?? 0) + (reply["late"].integer ?? 0) == 1, "\(reply)")
            try gateway.awaitHistory()
            #expect(try gateway.rows(of: "van-1") == 1)
        }

        @Test func `known credentials work without Postgres, unknown ones are told to come back`() throws {
            let gateway = try RunningGateway(ownPostgres: true)
            let key = try gateway.key()
            let other = try gateway.key()
            try gateway.awaitStores()
            try gateway.post([TestPing("van-1", at: now() - 60_000)], token: key)
            gateway.stop()
            gateway.postgres.stop()
            try gateway.start()
            #expect(try gateway.post([TestPing("van-1", at: now() - 50_000)], token: key)["accepted"].integer == 1)
            let device = try gateway.ingest(key)
            device.send(TestPing("van-1", at: now() - 40_000).json)
            #expect(try device.json()["ack"].integer == 1)
            for token in [other, "drk_unknown"] {
                let response = try gateway.http("POST", "/v1/pings", token: token, body: TestPing("v", at: now()).json)
                #expect(response.status == 503)
                #expect(response.header("Retry-After") != nil)
                #expect(try gateway.webSocket("/v1/ingest", token: token).closure().code == 1013)
            }
            try gateway.postgres.start()
            try gateway.awaitStores()
            #expect(try gateway.http("GET", "/v1/drivers?near=1,1", token: other).status == 200)
            #expect(try gateway.http("GET", "/v1/drivers?near=1,1", token: "drk_unknown").status == 401)
            try gateway.awaitHistory()
            #expect(try gateway.rows(of: "van-1") == 3)
        }

        @Test func `no token is in the file of known credentials`() throws {
            let gateway = try RunningGateway()
            let key = try gateway.key()
            try gateway.post([TestPing("van-1", at: now())], token: key)
            let path = (gateway.environment["DROVER_JOURNAL_DIRECTORY"] ?? "") + "/credentials"
            let text = try Command.runChecked(["cat", path])
            #expect(!text.isEmpty)
            #expect(!text.contains(key))
            #expect(try Command.runChecked(["stat", "-c", "%a", path]) == "600\n")
        }
    }
}
