import Crypto
import DroverClient
import Foundation
import LocalServers
import Testing

extension Integration {
    /// Another platform's events as pings: made-up webhooks in a file of the test's own.
    @Suite struct IncomingWebhookTests {
        private static let schema = """
            CREATE TABLE parcels (id text PRIMARY KEY, brand text NOT NULL, theirs text NOT NULL);
            INSERT INTO parcels VALUES ('p-1', 'acme', 'A-77');
            """
        private static let file = """
            system:
              name: parcels
              statements:
                parcel_of:
                  sql: SELECT id AS driver_id FROM parcels WHERE brand = {platform} AND theirs = {driver}
              incoming:
                plain:
                  driver: who
                  lat: at.0
                  lng: at.1
                  recorded_at: when:s
                  speed: speed:mph
                  heading: course
                  accuracy: radius
                  source: fused
                  event: number
                  platform: "'acme'"
                  key: "seen:{platform}:{event}"
                  ttl_s: 600
                brands:
                  driver: parcel.code
                  driver_statement: parcel_of
                  lat: parcel.place.lat
                  lng: parcel.place.lng
                  recorded_at: parcel.place.time
                  accuracy_default_m: 40
                  event: id
                  platform: brand
                  signature_header: X-Acme-Signature
                  signature_secret_env: ACME_SECRET
            """

        private func gateway(_ settings: [String: String] = [:]) throws -> (RunningGateway, TemporaryDirectory) {
            let directory = try TemporaryDirectory(prefix: "dw")
            let path = directory.path + "/parcels.yaml"
            try Self.file.write(toFile: path, atomically: true, encoding: .utf8)
            let gateway = try RunningGateway(settings: settings, file: path, schema: Self.schema, starts: false)
            gateway.environment["ACME_SECRET"] = "between us"
            try gateway.start()
            try gateway.awaitStores()
            return (gateway, directory)
        }

        private func plain(_ number: Int, at seconds: Int64, driver: String = "\"d-1\"") -> String {
            """
            {"number":\(number),"who":\(driver),"at":[43.65,-79.38],"when":\(seconds),"speed":30,"course":90,"radius":12,
            "more":{"x":[1,2]}}
            """
        }

        @Test func `an event becomes a ping in Drover's units, and changes nothing when it is sent again`() throws {
            let (gateway, directory) = try gateway()
            defer { directory.remove() }
            let key = try gateway.key()
            let seconds = now() / 1_000
            func post(_ body: String) throws -> (Int, JSON) {
                let response = try gateway.http("POST", "/v1/webhooks/plain", token: key, body: body)
                return (response.status, try JSON(parsing: response.text))
            }
            let (status, reply) = try post(plain(1, at: seconds))
            #expect(status == 200)
            #expect(reply["accepted"].integer == 1, "\(reply)")
            let redis = try gateway.redisProbe()
            #expect(try redis.command("GET", "seen:acme:1").text == "taken")
            let life = try #require(try redis.command("TTL", "seen:acme:1").number)
            #expect((590...600).contains(life))
            try gateway.awaitHistory()
            let row = try gateway.sql(
                """
                SELECT lat || ' ' || lng || ' ' || round(speed::numeric, 4) || ' ' || heading || ' ' || accuracy || ' '
                    || source || ' ' || extract(epoch FROM recorded_at)::bigint FROM driver_location_events
                """)
            #expect(row == ["43.65 -79.38 13.4112 90 12 fused \(seconds)"])

            // Sent again, even with another position: it was here.
            let (again, answer) = try post(plain(1, at: seconds + 5))
            #expect(again == 200)
            #expect(answer["duplicate"].flag == true)
            #expect(answer.names == ["duplicate"])
            // A whole number as a driver's name, and the ping is judged: the key stays, as a repetition changes nothing.
            let (judged, rejected) = try post(plain(2, at: seconds - 90 * 86_400, driver: "17"))
            #expect(judged == 200)
            #expect(rejected["rejected"][0]["reason"].string == "stale")
            #expect(try redis.command("GET", "seen:acme:2").text == "taken")
            #expect(try gateway.metric("drover_pings_received_total") == 2)
        }

        @Test func `a ping that cannot be taken leaves no key, so that the retry is not lost`() throws {
            let (gateway, directory) = try gateway(["limits.key_pings_per_s": "1"])
            defer { directory.remove() }
            let key = try gateway.key()
            let redis = try gateway.redisProbe()
            let seconds = now() / 1_000 - 100
            var refused: [Int] = []
            for number in 1...20 {
                let response = try gateway.http(
                    "POST", "/v1/webhooks/plain", token: key, body: plain(number, at: seconds + Int64(number)))
                let kept = try redis.command("GET", "seen:acme:\(number)").text
                #expect(kept == (response.status == 200 ? "taken" : nil), "\(number): \(response.status)")
                if response.status != 200 {
                    #expect(response.status == 429)
                    refused.append(number)
                }
            }
            let first = try #require(refused.first)
            try eventually("it is taken when it is sent again") {
                let response = try gateway.http(
                    "POST", "/v1/webhooks/plain", token: key, body: plain(first, at: seconds + Int64(first)))
                let reply = try JSON(parsing: response.text)
                return reply["accepted"].integer == 1 || reply["late"].integer == 1
            }
            // Somebody else is at it: not lost, not doubled.
            try redis.command("SET", "seen:acme:99", "pending", "EX", "30")
            let busy = try gateway.http("POST", "/v1/webhooks/plain", token: key, body: plain(99, at: seconds + 50))
            #expect(busy.status == 503)
            #expect(busy.header("Retry-After") == "1")
            // Nothing is taken where nobody knows whether it was here.
            gateway.redis.kill()
            try eventually("Redis is away") {
                try gateway.http("POST", "/v1/webhooks/plain", token: key, body: plain(100, at: seconds + 60)).status
                    == 503
            }
            try gateway.redis.restart()
            try eventually("it is back") {
                try gateway.http("POST", "/v1/webhooks/plain", token: key, body: plain(100, at: seconds + 60)).status
                    == 200
            }
        }

        @Test func `the sender's signature and the platform's own ids are looked at`() throws {
            let (gateway, directory) = try gateway()
            defer { directory.remove() }
            let key = try gateway.key()
            func send(_ body: String, _ signature: String?) throws -> HTTPResponse {
                try gateway.http(
                    "POST", "/v1/webhooks/brands", token: key,
                    headers: signature.map { [("X-Acme-Signature", $0)] } ?? [], body: body)
            }
            func code(_ body: String, _ secret: String = "between us") -> [UInt8] {
                Array(
                    HMAC<SHA256>.authenticationCode(
                        for: Data(body.utf8), using: SymmetricKey(data: Data(secret.utf8))))
            }
            func hexadecimal(_ bytes: [UInt8]) -> String {
                bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
            }
            let time = Date(timeIntervalSince1970: Double(now() / 1_000)).ISO8601Format()
            func body(_ id: String, code: String) -> String {
                """
                {"id":"\(id)","brand":"acme","parcel":{"code":"\(code)","place":{"lat":43.1,"lng":-79.2,"time":"\(time)"}}}
                """
            }
            let one = body("e-1", code: "A-77")
            #expect(try send(one, nil).status == 401)
            #expect(try send(one, hexadecimal(code(one, "another"))).status == 401)
            #expect(try send(one, "sha256=").status == 401)
            let taken = try send(one, "sha256=" + hexadecimal(code(one)))
            #expect(taken.status == 200, "\(taken.text)")
            let two = body("e-2", code: "A-77")
            #expect(try send(two, Data(code(two)).base64EncodedString()).status == 200, "the same instant again")
            let position = try JSON(
                parsing: gateway.http("GET", "/v1/drivers/p-1/position", token: key).text)
            #expect(position["lat"].number == 43.1)
            #expect(position["accuracy"].number == 40)
            let unknown = body("e-3", code: "A-78")
            #expect(try send(unknown, hexadecimal(code(unknown))).status == 404)
            let redis = try gateway.redisProbe()
            #expect(try redis.command("EXISTS", "webhook:acme:e-3").number == 0)
            #expect(try redis.command("GET", "webhook:acme:e-1").text == "taken")
            let life = try #require(try redis.command("TTL", "webhook:acme:e-1").number)
            #expect((3_590...3_600).contains(life))
        }

        @Test func `what is no event is refused, and so is who may not send pings`() throws {
            let (gateway, directory) = try gateway()
            defer { directory.remove() }
            let key = try gateway.key()
            func status(_ name: String, _ body: String, token: String? = nil) throws -> Int {
                try gateway.http("POST", "/v1/webhooks/\(name)", token: token ?? key, body: body).status
            }
            let good = plain(5, at: now() / 1_000)
            #expect(try status("nobody", good) == 404)
            #expect(try status("plain", "[1]") == 400)
            #expect(try status("plain", "{\"number\":1,\"number\":2}") == 400)
            #expect(try status("plain", "{\"who\":\"d-1\"}") == 400, "no event")
            #expect(try status("plain", "{\"number\":7}") == 400, "nobody")
            #expect(try status("plain", good, token: gateway.key("positions:read")) == 403)
            #expect(try status("plain", good, token: "drk_nothing") == 401)
            #expect(try status("plain", good, token: gateway.key("pings:write", subjects: "driver:other-*")) == 403)
            #expect(try gateway.redisProbe().command("EXISTS", "seen:acme:5").number == 0)
            #expect(try status("plain", good) == 200)
        }

        @Test(arguments: [
            ("driver: who", "driver_: who", "system.incoming.plain.driver_ is not known"),
            ("lng: at.1", "lng: at..1", "system.incoming.plain.lng is a path"),
            ("speed:mph", "speed:knots", "system.incoming.plain.speed is a path"),
            ("{platform}:{event}", "{platform}", "system.incoming.plain.key is a key that holds {event} once"),
            ("ttl_s: 600", "ttl_s: 6", "system.incoming.plain.ttl_s is 60 to 604800 (s)"),
            ("source: fused", "source: magic", "system.incoming.plain.source is gps, network, fused or manual"),
            ("driver_statement: parcel_of", "driver_statement: parcels_of", "names no statement"),
            ("ACME_SECRET", "ACME_SECRET_2", "names ACME_SECRET_2, which is not set"),
        ]) func `a section that cannot be is refused at the start, by its member`(
            right: String, wrong: String, words: String
        ) throws {
            let directory = try TemporaryDirectory(prefix: "dw")
            defer { directory.remove() }
            let path = directory.path + "/parcels.yaml"
            let text = Self.file.replacingOccurrences(of: right, with: wrong)
            try #require(text != Self.file)
            try text.write(toFile: path, atomically: true, encoding: .utf8)
            let gateway = try RunningGateway(file: path, starts: false)
            gateway.environment["ACME_SECRET"] = "between us"
            let result = try gateway.drover("serve", "--config", path)
            #expect(result.status?.isSuccess == false)
            #expect(result.output.contains(words), "\(result.output)")
        }
    }
}
