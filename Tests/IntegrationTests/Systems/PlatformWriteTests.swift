// What a platform's own tables are told: newest positions at a rate, devices that were heard of, and what follows from
// changes of its rows.

import Synchronization
import Testing

extension Integration {
    @Suite("Platform writes") struct PlatformWriteTests {
        private func start() throws -> RunningGateway {
            let gateway = try RunningGateway(
                file: SystemFile.schemas + "/vans.yaml", schema: try SystemFile.sql("vans"))
            try gateway.awaitStores()
            return gateway
        }

        private func van(_ gateway: RunningGateway, _ name: String) throws -> String? {
            try gateway.sql(
                "SELECT lat || ' ' || lng || ' ' || kmh || ' ' || (extract(epoch FROM at) * 1000)::bigint FROM vans WHERE van = $1",
                [name]
            ).first ?? nil
        }

        @Test func `newest positions are written at a rate, and a row that the table refuses is left out`() throws {
            let gateway = try start()
            let device = try keyFor(gateway)
            let start = now() - 60_000
            // Twenty pings of two vans in one second or two, and one of a van that the table does not take.
            for step in 0..<20 {
                let pings = ["van-1", "van-2"].map {
                    TestPing($0, at: start + Int64(step) * 1_000, latitude: 43.65, longitude: -79.38, speed: 10)
                }
                try gateway.post(pings, token: device)
            }
            try gateway.post([TestPing("van-bad", at: start, latitude: 43.65, longitude: -79.38)], token: device)
            let expected = "43.65 -79.38 36 \(start + 19_000)"
            for name in ["van-1", "van-2"] {
                try eventually("\(name) is written") { try van(gateway, name) == expected }
            }
            try eventually("the bad row was left out") {
                try gateway.metric("drover_platform_write_refused_total{write=\"positions\"}") == 1
            }
            #expect(try gateway.count("SELECT count(*) FROM vans") == 2)
            #expect(try gateway.count("SELECT max(writes) FROM vans") < 20)
            // Who did not move is not written again.
            let before = try gateway.count("SELECT writes FROM vans WHERE van = 'van-2'")
            try gateway.post(
                [TestPing("van-1", at: start + 21_000, latitude: 43.6502, longitude: -79.38)], token: device)
            try eventually("the next position") {
                try gateway.count("SELECT count(*) FROM vans WHERE van = 'van-1' AND lat = 43.6502 AND kmh IS NULL")
                    == 1
            }
            #expect(try gateway.count("SELECT writes FROM vans WHERE van = 'van-2'") == before)
        }

        @Test func `what cannot be written is named, and replaced by what is newer`() throws {
            let gateway = try start()
            let device = try keyFor(gateway)
            try gateway.sql("ALTER TABLE vans RENAME TO lorries")
            let start = now() - 60_000
            try gateway.post([TestPing("van-1", at: start, latitude: 43.65, longitude: -79.38)], token: device)
            try eventually("readiness names the statement") {
                let body = try gateway.readiness().body
                return body["degraded"]["write_positions"].string?.contains("statement keep_vans") == true
            }
            #expect(try gateway.readiness().status == 200)
            try gateway.post(
                [TestPing("van-1", at: start + 1_000, latitude: 43.6502, longitude: -79.38, speed: 1)], token: device)
            try gateway.sql("ALTER TABLE lorries RENAME TO vans")
            try eventually("the newest is written") {
                try van(gateway, "van-1") == "43.6502 -79.38 3.6 \(start + 1_000)"
            }
            #expect(try gateway.count("SELECT writes FROM vans WHERE van = 'van-1'") == 1)
            try eventually("nothing is degraded any more") {
                try gateway.readiness().body["degraded"]["write_positions"].isNull
            }
        }

        @Test func `devices that were heard of are told, and that they came and went`() throws {
            let gateway = try start()
            let token = try gatewayDevice(gateway, "van-3")
            let socket = try gateway.ingest(token)
            socket.send(TestPing(nil, at: now(), sequence: 1).json)
            _ = try socket.json(with: "ack")
            func phone() throws -> String? {
                try gateway.sql("SELECT phone || ' ' || online FROM phones WHERE van = 'van-3'").first ?? nil
            }
            try eventually("it is online") { try phone() == "device-van-3 true" }
            #expect(
                try gateway.count(
                    "SELECT count(*) FROM phones WHERE seen >= since AND abs(extract(epoch FROM now() - seen)) < 60")
                    == 1)
            socket.stream.finishSending()
            try eventually("it is gone") { try phone() == "device-van-3 false" }
            #expect(
                try gateway.count("SELECT count(*) FROM drover.driver_sessions WHERE driver_id = 'van-3'") == 1)
        }

        @Test func `what follows from a change of the platform's rows happens at once`() throws {
            let gateway = try start()
            try gateway.sql("INSERT INTO parcels VALUES ('p1', 'packed')")
            try eventually("the first status is logged") { try gateway.count("SELECT count(*) FROM parcel_log") == 1 }
            try gateway.sql("UPDATE parcels SET status = 'sent'")
            try eventually("the next one too") {
                try gateway.sql("SELECT status FROM parcel_log ORDER BY status") == ["packed", "sent"]
            }
        }

        private func keyFor(_ gateway: RunningGateway) throws -> String {
            try gateway.key("pings:write,positions:read")
        }

        private func gatewayDevice(_ gateway: RunningGateway, _ driver: String) throws -> String {
            let token = "drd_test-\(driver)-\(UInt64.random(in: 0 ... .max))"
            try gateway.sql(
                "INSERT INTO drover.driver_devices (id, driver_id, token_sha256) VALUES ($1, $2, sha256($3::bytea))",
                ["device-\(driver)", driver, token])
            LogBook.secrets.withLock { _ = $0.insert(token) }
            return token
        }
    }
}
