// `POST /locations` as Transistorsoft's library sends it, byte for byte over a socket: the reply, the row, the hash, the
// map.

import DroverClient
import Foundation
import LocalServers
import Testing

extension Integration {
    @Suite("POST /locations") struct LocationsTests {
        private static func text(_ milliseconds: Int64) -> String {
            let formatter = ISO8601DateFormatter()
            formatter.formatOptions = [.withInternetDateTime, .withFractionalSeconds]
            return formatter.string(from: Date(timeIntervalSince1970: Double(milliseconds) / 1_000))
        }

        /// A record in the library's default template, `step` times ten metres or so from the first.
        private static func record(
            at time: Int64, step: Int = 0, accuracy: Double = 5, uuid: String = UUID().uuidString, more: String = ""
        ) -> String {
            let latitude = Double(436_500_000 + 1_000 * step) / 1e7
            return #"{"event":"","is_moving":true,"uuid":"\#(uuid)","timestamp":"\#(text(time))","#
                + #""recorded_at":"\#(text(time + 40))","age":40,"odometer":1042.7,"coords":{"latitude":\#(latitude),"#
                + #""longitude":-79.38,"accuracy":\#(accuracy),"speed":8.5,"speed_accuracy":0.7,"heading":271.25,"#
                + #""heading_accuracy":3.1,"altitude":92.5,"ellipsoidal_altitude":56.1,"altitude_accuracy":2.4},"#
                + #""activity":{"type":"in_vehicle","confidence":100},"battery":{"is_charging":false,"level":0.75},"#
                + #""extras":{}\#(more)}"#
        }

        /// Sends a body as the library does on Android, and gives the reply.
        private static func send(
            _ gateway: RunningGateway, _ token: String, _ body: String, method: String = "POST",
            target: String = "/locations"
        ) throws -> RawReply {
            let stream = try ByteStream(port: gateway.port)
            stream.send(
                "\(method) \(target) HTTP/1.1\r\nContent-Type: application/json; charset=utf-8\r\n"
                    + "Authorization: Bearer \(token)\r\nContent-Length: \(body.utf8.count)\r\n"
                    + "Host: 127.0.0.1:\(gateway.port)\r\nConnection: Keep-Alive\r\nAccept-Encoding: gzip\r\n"
                    + "User-Agent: okhttp/4.12.0\r\n\r\n\(body)")
            return try #require(try stream.takeReply(), "a reply to \(body)")
        }

        private static func expectSuccess(
            _ reply: RawReply, sourceLocation: SourceLocation = #_sourceLocation
        ) throws {
            #expect(reply.status == 200, "\(reply)", sourceLocation: sourceLocation)
            #expect(reply.headers["content-type"] == "application/json", sourceLocation: sourceLocation)
            #expect(try JSON(parsing: reply.body)["success"].flag == true, sourceLocation: sourceLocation)
        }

        @Test func `a record reaches the row, the hash and the map of its device's driver, whatever id it carries`()
            throws
        {
            let shared = try SharedGateway.get()
            let gateway = shared.gateway
            let driver = "transistor-1"
            let token = try gateway.deviceToken(driver: driver)
            let viewer = try ScreenedViewer(gateway, shared.key)
            try viewer.subscribe(["driver:\(driver)"])
            let time = now() - 2_000
            let body = #"{"location":\#(Self.record(at: time)),"device_id":"somebody-else","company_token":"acme"}"#
            let reply = try Self.send(gateway, token, body)
            try Self.expectSuccess(reply)
            // Watched, so every 3 s: 5 m for each, in both versions' words.
            #expect(
                reply.body == #"{"success":true,"background_geolocation":[["setConfig",{"distanceFilter":15,"#
                    + #""geolocation":{"distanceFilter":15}}]]}"#)

            try viewer.read("the map has it") { $0.newest(driver) == time }
            let position = try JSON(
                parsing: gateway.http("GET", "/v1/drivers/\(driver)/position", token: shared.key).text)
            #expect(position["lat"].number == 43.65 && position["lng"].number == -79.38)
            #expect(position["speed"].number == 8.5 && position["heading"].number == 271.25)
            let probe = try gateway.redisProbe()
            try eventually("the hash is there") {
                try probe.hash("driver:\(driver):location")["recorded_at"] == String(time)
            }
            let hash = try probe.hash("driver:\(driver):location")
            #expect(hash["lat"] == "43.65" && hash["speed"] == "8.5")
            try gateway.awaitHistory()
            let row = try gateway.sql(
                """
                SELECT concat_ws(' ', lat, lng, speed, heading, accuracy, altitude,
                  (extract(epoch FROM recorded_at) * 1000)::bigint)
                FROM driver_location_events WHERE driver_id = $1
                """, [driver])
            #expect(row == ["43.65 -79.38 8.5 271.25 5 92.5 \(time)"])
            #expect(try gateway.rows(of: "somebody-else") == 0)
        }

        @Test func `a batch that is sent again after a lost reply is a success and adds nothing`() throws {
            let gateway = try RunningGateway()
            try gateway.awaitStores()
            let token = try gateway.deviceToken(driver: "transistor-2")
            let start = now() - 60_000
            let records = (0..<20).map { Self.record(at: start + Int64($0) * 1_000, step: $0) }
            let body = #"{"location":[\#(records.joined(separator: ","))],"device_id":"phone"}"#
            for _ in 0..<2 { try Self.expectSuccess(try Self.send(gateway, token, body)) }
            try gateway.awaitHistory()
            #expect(try gateway.rows(of: "transistor-2") == 20)
            let metrics = try gateway.metrics()
            #expect(metrics["drover_pings_total{verdict=\"accepted\"}"] == 20)
            #expect(metrics["drover_pings_total{verdict=\"duplicate\"}"] == 20)
            try gateway.expectConservation()
        }

        @Test func `other roots, methods and templates come to the same rows`() throws {
            let shared = try SharedGateway.get()
            let gateway = shared.gateway
            let token = try gateway.deviceToken(driver: "transistor-3")
            let start = now() - 60_000
            func at(_ step: Int64) -> Int64 { start + step * 1_000 }
            let columns = "/locations?columns=timestamp,lat,lng,accuracy,speed"
            let requests: [(method: String, target: String, body: String)] = [
                ("POST", "/locations", Self.record(at: at(0), step: 0)),
                ("PUT", "/locations", "[\(Self.record(at: at(1), step: 1)),\(Self.record(at: at(2), step: 2))]"),
                ("POST", "/locations", #"{"points":[\#(Self.record(at: at(3), step: 3))],"a":{"b":1}}"#),
                ("POST", "/locations", #"{"ts":\#(at(4)),"lat":43.6504,"lng":-79.38,"acc":5,"battery_level":75}"#),
                ("PUT", columns, #"{"location":[\#(at(5)),43.6505,-79.38,5,8.5]}"#),
                ("POST", columns, #"{"location":[["\#(Self.text(at(6)))",43.6506,-79.38,5,8.5]]}"#),
                (
                    "POST", "/locations",
                    #"{"coords":{"accuracy":5,"latitude":43.6507,"longitude":-79.38,"altitude":null,"#
                        + #""altitudeAccuracy":null,"heading":null,"speed":null},"timestamp":\#(at(7))}"#
                ),
            ]
            for request in requests {
                try Self.expectSuccess(
                    try Self.send(gateway, token, request.body, method: request.method, target: request.target))
            }
            try gateway.awaitHistory()
            let rows = try gateway.sql(
                """
                SELECT concat_ws(' ', (extract(epoch FROM recorded_at) * 1000)::bigint, lat)
                FROM driver_location_events WHERE driver_id = 'transistor-3' ORDER BY recorded_at
                """)
            #expect(rows == (0...7).map { "\(at(Int64($0))) \(Double(436_500_000 + 1_000 * $0) / 1e7)" })
        }

        @Test func `what is judged away, a heartbeat and a sample are a success to the app`() throws {
            let gateway = try RunningGateway()
            try gateway.awaitStores()
            let token = try gateway.deviceToken(driver: "transistor-4")
            let time = now() - 5_000
            let fix = Self.record(at: time)
            for body in [
                fix, Self.record(at: time, more: #","event":"heartbeat""#), Self.record(at: time + 1_000, accuracy: -1),
                Self.record(at: time + 1_000, accuracy: 900), Self.record(at: time + 600_000),
                Self.record(at: time + 2_000, more: #","sample":true"#), Self.record(at: time + 3_000, step: 90_000),
            ] {
                try Self.expectSuccess(try Self.send(gateway, token, #"{"location":\#(body)}"#))
            }
            let metrics = try gateway.metrics()
            #expect(metrics["drover_pings_received_total"] == 6)
            #expect(metrics["drover_pings_total{verdict=\"duplicate\"}"] == 1)
            #expect(metrics["drover_pings_rejected_total{reason=\"accuracy\"}"] == 2)
            #expect(metrics["drover_pings_rejected_total{reason=\"future\"}"] == 1)
            #expect(metrics["drover_pings_rejected_total{reason=\"jump\"}"] == 1)
            try gateway.expectConservation()
        }

        @Test func `what is none of its documents is refused and stays with the app`() throws {
            let shared = try SharedGateway.get()
            let token = try shared.gateway.deviceToken(driver: "transistor-5")
            for (body, code) in [
                (#"{"location":{"latitud":43.65,"longitud":-79.38}}"#, "bad_request"), ("{}", "bad_request"),
                (#"{"location":{"#, "malformed_json"),
            ] {
                let reply = try Self.send(shared.gateway, token, body)
                #expect(reply.status == 400, "\(body)")
                #expect(try JSON(parsing: reply.body)["code"].string == code, "\(body)")
            }
            let wrong = "drd_" + String(repeating: "A", count: 43)
            #expect(try Self.send(shared.gateway, wrong, Self.record(at: now())).status == 401)
        }

        @Test func `beyond its rate the app hears 503, after which it sends everything again`() throws {
            let gateway = try RunningGateway(
                settings: ["limits.device_pings_per_s": "1", "limits.device_burst": "5"])
            try gateway.awaitStores()
            let token = try gateway.deviceToken(driver: "transistor-6")
            let start = now() - 60_000
            let records = (0..<7).map { Self.record(at: start + Int64($0) * 1_000, step: $0) }
            let few = records.prefix(4).joined(separator: ",")
            try Self.expectSuccess(try Self.send(gateway, token, #"{"location":[\#(few)]}"#))
            let many = records.suffix(4).joined(separator: ",")
            let refused = try Self.send(gateway, token, #"{"location":[\#(many)]}"#)
            #expect(refused.status == 503)
            #expect(refused.headers["retry-after"] != nil)
            #expect(try gateway.metric("drover_pings_received_total") == 4)
        }

        @Test func `a backend's key names the driver in the record or beside it`() throws {
            let shared = try SharedGateway.get()
            let time = now() - 5_000
            let body = #"{"location":\#(Self.record(at: time)),"device_id":"transistor-7"}"#
            try Self.expectSuccess(try Self.send(shared.gateway, shared.key, body))
            try shared.gateway.awaitHistory()
            #expect(try shared.gateway.rows(of: "transistor-7") == 1)
        }
    }
}
