import DroverClient
import Foundation
import LocalServers
import Testing

extension Integration {
    @Suite("Driver sessions") struct DriverSessionTests {
        private static let path = "/v1/ingest"

        private func device(
            _ gateway: RunningGateway, _ token: String, app: String? = nil
        ) throws -> WebSocketProbe {
            let socket = try WebSocketProbe(
                port: gateway.port, Self.path, token: token, subprotocols: "drover.ingest.v1",
                headers: app.map { ["User-Agent: \($0)"] } ?? [])
            try #require(socket.reply.status == 101, "\(socket.reply)")
            _ = try socket.json(with: "hello")
            return socket
        }

        /// Says goodbye and waits until the gateway has heard it.
        private func leave(_ socket: WebSocketProbe) throws {
            socket.send([3, 232], opcode: 8)
            #expect(try socket.closure().code == 1000)
        }

        private func value(_ gateway: RunningGateway, _ expression: String, of driver: String) throws -> String? {
            try gateway.sql("SELECT (\(expression))::text FROM driver_sessions WHERE driver_id = $1", [driver])
                .first.flatMap { $0 }
        }

        @Test func `a thousand pings change a device's row a few times, and its last sign of life is right`() throws {
            let gateway = try RunningGateway(settings: ["history.sessions_s": "1"])
            try gateway.awaitStores()
            let token = try gateway.deviceToken(driver: "van-1")
            let before = now()
            let socket = try device(gateway, token, app: "Courier/4.2 (Android 15)")
            try eventually("the device shows as connected") {
                try value(gateway, "connected_since IS NOT NULL", of: "van-1") == "true"
            }
            for sequence in 1...1_000 {
                socket.send(TestPing(nil, at: now() - 1_000 + Int64(sequence), sequence: Int64(sequence)).json)
            }
            try eventually("all are acknowledged") {
                try socket.json(with: "ack")["ack"].integer == 1_000
            }
            let last = now()
            try eventually("the last of them is in the row") {
                let seen = try value(gateway, "(extract(epoch FROM last_seen) * 1000)::bigint", of: "van-1")
                return try #require(seen.flatMap { Int64($0) }) >= last - 2_000
                    && (try gateway.metric("drover_driver_sessions_rows_total")) >= 2
            }
            #expect(try gateway.metric("drover_driver_sessions_rows_total") <= 30)
            #expect(try value(gateway, "app_version", of: "van-1") == "Courier/4.2 (Android 15)")
            #expect(try value(gateway, "device_id", of: "van-1") == "device-van-1")
            let since = try value(gateway, "(extract(epoch FROM connected_since) * 1000)::bigint", of: "van-1")
            #expect((before...last).contains(try #require(since.flatMap { Int64($0) })))
        }

        @Test func `a device that goes, and comes back with another app, shows so`() throws {
            let gateway = try RunningGateway(settings: ["history.sessions_s": "3600"])
            try gateway.awaitStores()
            let token = try gateway.deviceToken(driver: "van-1")
            let first = try device(gateway, token, app: "Courier/1")
            try eventually("the device shows as connected") {
                try value(gateway, "connected_since IS NOT NULL", of: "van-1") == "true"
            }
            let since = try value(gateway, "connected_since", of: "van-1")
            try leave(first)
            try eventually("it shows as gone") {
                try value(gateway, "connected_since IS NULL", of: "van-1") == "true"
            }
            let second = try device(gateway, token, app: "Courier/2\t" + String(repeating: "x", count: 200))
            try eventually("it is back") { try value(gateway, "connected_since IS NOT NULL", of: "van-1") == "true" }
            #expect(try value(gateway, "connected_since", of: "van-1") != since)
            let app = try #require(try value(gateway, "app_version", of: "van-1"))
            #expect(app.hasPrefix("Courier/2x"))
            #expect(app.count == 100)
            // At the end of the process nobody is connected any more.
            gateway.stop()
            #expect(try value(gateway, "connected_since IS NULL", of: "van-1") == "true")
            withExtendedLifetime(second) {}
        }

        @Test func `a crash leaves nobody connected once the gateway is back`() throws {
            let gateway = try RunningGateway(settings: ["history.sessions_s": "1"])
            try gateway.awaitStores()
            let lost = try device(gateway, try gateway.deviceToken(driver: "van-1"))
            try eventually("the device shows as connected") {
                try value(gateway, "connected_since IS NOT NULL", of: "van-1") == "true"
            }
            #expect(try value(gateway, "app_version IS NULL", of: "van-1") == "true")
            gateway.kill()
            try gateway.start()
            try gateway.awaitStores()
            let other = try device(gateway, try gateway.deviceToken(driver: "van-2"))
            try eventually("the first one is no longer connected") {
                try value(gateway, "connected_since IS NULL", of: "van-1") == "true"
            }
            withExtendedLifetime((lost, other)) {}
        }

        @Test func `requests count as signs of life, from a JWT's device too, and the list of devices shows them`()
            throws
        {
            let keys = SignedTokens()
            let gateway = try RunningGateway(settings: ["history.sessions_s": "1"], starts: false)
            let keySet = gateway.directory.path + "/jwks.json"
            try keys.keySet.write(toFile: keySet, atomically: true, encoding: .utf8)
            gateway.set("access.jwks_file", keySet)
            try gateway.start()
            let key = try gateway.key(RunningGateway.steering)
            try gateway.awaitStores()
            let made = try JSON(
                parsing: gateway.http("POST", "/v1/drivers/van-1/devices", token: key, body: "{\"name\":\"phone\"}")
                    .text)
            let token = try #require(made["token"].string)
            func devices() throws -> JSON {
                try JSON(parsing: gateway.http("GET", "/v1/drivers/van-1/devices", token: key).text)["devices"]
            }
            #expect(try devices().array.first?["last_seen"].isNull == true)
            let before = now()
            let response = try gateway.http(
                "POST", "/v1/pings", token: token, headers: [("User-Agent", "Tracker \"9\"")],
                body: TestPing.array([TestPing(nil, at: before)]))
            #expect(response.status == 200)
            try eventually("the list shows it") { try devices().array.first?["last_seen"].string != nil }
            let shown = try #require(try devices().array.first)
            #expect(shown["app_version"].string == "Tracker \"9\"")
            #expect(shown["connected_since"].isNull)
            let socket = try device(gateway, token)
            try eventually("it is connected") { try devices().array.first?["connected_since"].string != nil }
            try leave(socket)

            // Each token of the platform's own has another id; the driver has one row for them.
            for number in 1...2 {
                let signed = keys.token("\"role\":\"device\",\"sub\":\"van-2\",\"jti\":\"t\(number)\"")
                try gateway.post([TestPing(nil, at: now() - 10 + Int64(number))], token: signed)
            }
            try eventually("the row is there") { try value(gateway, "device_id", of: "van-2") == "jwt" }
            // A backend's key is no device.
            try gateway.post([TestPing("van-3", at: now())], token: key)
            try gateway.post([TestPing(nil, at: now())], token: token)
            try eventually("what came later is written") {
                try value(gateway, "(extract(epoch FROM last_seen) * 1000)::bigint > \(before)", of: "van-1") == "true"
            }
            #expect(try gateway.count("SELECT count(*) FROM driver_sessions") == 2)
        }

        @Test func `a goodbye after an erasure brings no row back`() throws {
            let gateway = try RunningGateway(settings: ["history.sessions_s": "3600"])
            let key = try gateway.key("telemetry:erase,devices:write")
            try gateway.awaitStores()
            let socket = try device(gateway, try gateway.deviceToken(driver: "van-1"), app: "Courier/1")
            try eventually("the device shows as connected") {
                try value(gateway, "connected_since IS NOT NULL", of: "van-1") == "true"
            }
            let erased = try gateway.http("DELETE", "/v1/drivers/van-1/telemetry", token: key)
            #expect([200, 202].contains(erased.status), "\(erased.text)")
            try eventually("the erasure is done") {
                try gateway.count("SELECT count(*) FROM erasures WHERE finished_at IS NULL") == 0
            }
            #expect(try socket.closure(within: 30).code == 4403)
            // What is left is written at the end.
            #expect(gateway.stop()?.isSuccess == true)
            #expect(try gateway.count("SELECT count(*) FROM driver_sessions") == 0)
        }

        @Test func `what happens while Postgres is away is written when it is back`() throws {
            let gateway = try RunningGateway(ownPostgres: true, settings: ["history.sessions_s": "1"])
            try gateway.awaitStores()
            let token = try gateway.deviceToken(driver: "van-1")
            let socket = try device(gateway, token)
            try eventually("the device shows as connected") {
                try value(gateway, "connected_since IS NOT NULL", of: "van-1") == "true"
            }
            gateway.postgres.stop()
            try eventually("the gateway notices") { try gateway.metric("drover_postgres_up") == 0 }
            socket.send(TestPing(nil, at: now(), sequence: 7).json)
            try eventually("the ping is acknowledged") { try socket.json(with: "ack")["ack"].integer == 7 }
            let heard = now()
            try leave(socket)
            try gateway.postgres.start()
            try eventually("the row has both") {
                // The test's own connection ended with the server.
                let both = try? value(
                    gateway,
                    "connected_since IS NULL AND last_seen > timestamptz 'epoch' + \(heard - 5_000) * interval '1 ms'",
                    of: "van-1")
                return both == "true"
            }
        }
    }
}
