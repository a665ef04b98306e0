// How a phone is set up: what a new device is answered with, and what its own page asks for.

import DroverClient
import Foundation
import LocalServers
import Synchronization
import Testing

extension Integration {
    @Suite("Enrolment")
    struct Enrolment {
        private static let apps = [
            "owntracks", "overland", "traccar", "gpslogger", "osmand", "browser", "transistorsoft", "native",
        ]

        /// A new device of the driver, as it is answered.
        private func make(
            _ gateway: RunningGateway, _ driver: String, key: String, _ body: String = "{}"
        ) throws -> JSON {
            let response = try gateway.http("POST", "/v1/drivers/\(driver)/devices", token: key, body: body)
            try #require(response.status == 201, "\(response.text)")
            #expect(response.header("Cache-Control") == "no-store")
            let reply = try JSON(parsing: response.text)
            for secret in [reply["token"].string, reply["encryption_key"].string].compactMap({ $0 }) {
                LogBook.secrets.withLock { _ = $0.insert(secret) }
            }
            return reply
        }

        private func app(_ name: String, in reply: JSON) throws -> JSON {
            try #require(reply["apps"].array.first { $0["app"].string == name }, "\(name) is there")
        }

        @Test func `a new device is answered with how every app is set up and where its page is`() throws {
            let gateway = try RunningGateway()
            try gateway.awaitStores()
            let key = try gateway.key(RunningGateway.steering)
            let reply = try make(gateway, "van-1", key: key, #"{"name":"phone"}"#)
            let token = try #require(reply["token"].string)
            #expect(token.hasPrefix("drd_"))
            #expect(reply["enroll_url"].string == "\(gateway.address)/enroll#token=\(token)")
            #expect(reply["encryption_key"].isNull, "nothing is encrypted that nobody asked for")
            #expect(reply["apps"].array.map { $0["app"].string } == Self.apps)
            for app in reply["apps"].array {
                #expect(app["qr_svg"].isNull, "drawn only where somebody asks: \(app)")
                #expect(app["steps"].array.count == 3, "\(app)")
                #expect(!app["name"].isNull && !app["platforms"].isNull, "\(app)")
            }

            let two = try make(gateway, "van-1", key: key, #"{"apps":["traccar","owntracks"],"qr":true}"#)
            #expect(two["apps"].array.map { $0["app"].string } == ["owntracks", "traccar"])
            for app in two["apps"].array {
                let svg = try #require(app["qr_svg"].string)
                let link = try #require(app["link"].string)
                #expect(try QRReader.text(ofSVG: svg) == link)
            }
            #expect(try make(gateway, "van-1", key: key, #"{"apps":[]}"#)["apps"].array.isEmpty)
        }

        @Test func `OwnTracks' link holds its file, in letters that every app decodes alike`() throws {
            let gateway = try RunningGateway()
            try gateway.awaitStores()
            let key = try gateway.key(RunningGateway.steering)
            // Every remainder of a length by three, and characters that base64, JSON or a query would mark.
            for (driver, secret) in [
                ("v-1", ">?~\\\"+/=&é"), ("van:22", "??????>>>>>>~~~~~~"),
                ("DRV-3-x", String(repeating: "k", count: 32)),
            ] {
                let body = try JSONSerialization.data(withJSONObject: ["encryption_key": secret])
                let reply = try make(gateway, driver, key: key, String(decoding: body, as: UTF8.self))
                #expect(reply["encryption_key"].string == secret)
                let id = try #require(reply["id"].string)
                #expect(
                    try gateway.sql("SELECT encryption_key FROM driver_devices WHERE id = $1", [id]) == [secret])
                let ownTracks = try app("owntracks", in: reply)
                let link = try #require(ownTracks["link"].string)
                let start = "owntracks:///config?inline="
                try #require(link.hasPrefix(start))
                let inline = String(link.dropFirst(start.count))
                #expect(inline.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber) }, "nothing to be escaped")
                let decoded = try #require(Data(base64Encoded: inline))
                let configuration = try JSON(parsing: String(decoding: decoded, as: UTF8.self))
                let file = try JSON(parsing: try #require(ownTracks["file"]["content"].string))
                #expect(configuration.description.count == file.description.count)
                for member in configuration.names {
                    #expect(configuration[member].description == file[member].description)
                }
                #expect(configuration["_type"].string == "configuration")
                #expect(configuration["mode"].integer == 3)
                #expect(configuration["url"].string == "\(gateway.address)/pub")
                #expect(configuration["auth"].flag == true)
                #expect(configuration["username"].string == driver)
                #expect(configuration["password"].string == reply["token"].string)
                #expect(configuration["encryptionKey"].string == secret)
                #expect(configuration["cmd"].flag == false)
                #expect(configuration["tid"].string?.count == 2)
                #expect(ownTracks["file"]["name"].string?.hasSuffix(".otrc") == true)
            }
            // A key of an earlier set-up must not stay on the phone.
            let plain = try make(gateway, "v-4", key: key)
            let file = try #require(try app("owntracks", in: plain)["file"]["content"].string)
            #expect(try JSON(parsing: file)["encryptionKey"].string == "")
        }

        @Test func `the other apps' links and files say where to report and with which token`() throws {
            let gateway = try RunningGateway(settings: ["web.public_url": "https://drover.example.org/"])
            try gateway.awaitStores()
            let key = try gateway.key(RunningGateway.steering)
            let reply = try make(gateway, "van:1", key: key)
            let token = try #require(reply["token"].string)
            let base = "https://drover.example.org"
            #expect(reply["enroll_url"].string == "\(base)/enroll#token=\(token)")

            func query(of name: String) throws -> [String: String] {
                let link = try #require(try app(name, in: reply)["link"].string)
                let items = try #require(URLComponents(string: link)?.queryItems)
                return Dictionary(items.map { ($0.name, $0.value ?? "") }) { first, _ in first }
            }
            let overland = try query(of: "overland")
            #expect(try app("overland", in: reply)["link"].string?.hasPrefix("overland://setup?") == true)
            #expect(overland == ["url": "\(base)/overland", "token": token, "device_id": "van:1"])

            let traccar = try query(of: "traccar")
            #expect(try app("traccar", in: reply)["link"].string?.hasPrefix("org.traccar.client://config?") == true)
            // The server's address keeps its own query, which a link that begins with http would lose.
            #expect(traccar["url"] == "\(base)/osmand?token=\(token)")
            #expect(traccar["id"] == "van:1")
            #expect(traccar["accuracy"] == "highest")

            #expect(try app("browser", in: reply)["link"].string == "\(base)/driver#token=\(token)")

            let profile = try app("gpslogger", in: reply)
            #expect(profile["link"].isNull, "its link would show the token to every proxy")
            let lines = try #require(profile["file"]["content"].string).split(separator: "\n").map(String.init)
            #expect(profile["file"]["name"].string == "drover.properties")
            for line in [
                "log_customurl_enabled=true", "log_customurl_url=\(base)/gpslogger", "log_customurl_body=%ALL",
                "log_customurl_basicauth_username=van:1", "log_customurl_basicauth_password=\(token)",
            ] {
                #expect(lines.contains(line), "\(line)")
            }

            let library = try JSON(
                parsing: try #require(try app("transistorsoft", in: reply)["file"]["content"].string))
            #expect(library["url"].string == "\(base)/locations")
            #expect(library["headers"]["Authorization"].string == "Bearer \(token)")
            #expect(library["locationsOrderDirection"].string == "DESC")

            let native = try app("native", in: reply)["settings"].array
            #expect(native.first?["value"].string == "wss://drover.example.org/v1/ingest")
            // Whatever has the token in it is marked as a secret.
            for setting in reply["apps"].array.flatMap({ $0["settings"].array }) {
                let value = try #require(setting["value"].string)
                #expect(value.contains(token) == (setting["secret"].flag == true), "\(setting)")
            }
        }

        @Test func `a device's own page asks with its token, and gets codes that a camera reads`() throws {
            let gateway = try RunningGateway()
            try gateway.awaitStores()
            let key = try gateway.key(RunningGateway.steering)
            let made = try make(gateway, "van-9", key: key, #"{"encryption":true}"#)
            let token = try #require(made["token"].string)
            let passphrase = try #require(made["encryption_key"].string)
            #expect(passphrase.utf8.count == 32)
            let response = try gateway.http("GET", "/v1/enrolment", token: token)
            #expect(response.status == 200)
            #expect(response.header("Cache-Control") == "no-store")
            let enrolment = try JSON(parsing: response.text)
            #expect(enrolment["driver_id"].string == "van-9")
            #expect(enrolment["enroll_url"].string == made["enroll_url"].string)
            let page = try #require(enrolment["qr_svg"].string)
            #expect(try QRReader.text(ofSVG: page) == made["enroll_url"].string)
            var codes = 0
            for app in enrolment["apps"].array {
                let name = try #require(app["app"].string)
                let before = try self.app(name, in: made)
                #expect(app["link"].string == before["link"].string, "\(name)")
                #expect(app["file"].description.count == before["file"].description.count, "\(name)")
                guard let link = app["link"].string else {
                    #expect(app["qr_svg"].isNull, "\(name)")
                    continue
                }
                let svg = try #require(app["qr_svg"].string, "\(name)")
                #expect(try QRReader.text(ofSVG: svg) == link, "\(name)")
                codes += 1
            }
            #expect(codes == 4)

            // Nobody else gets it, and the device itself no longer than it is one.
            #expect(try gateway.http("GET", "/v1/enrolment", token: key).status == 403)
            #expect(try gateway.http("GET", "/v1/enrolment").status == 401)
            let id = try #require(made["id"].string)
            #expect(try gateway.http("DELETE", "/v1/drivers/van-9/devices/\(id)", token: key).status == 204)
            // With several workers the others hear of it a moment later.
            try eventually("it is refused") { try gateway.http("GET", "/v1/enrolment", token: token).status == 401 }
            for secret in [token, passphrase] {
                #expect(!gateway.log.contains(secret))
                let trail = try gateway.sql("SELECT string_agg(api_audit_logs::text, ' ') FROM api_audit_logs")
                #expect(trail[0]?.contains("device.create") == true && trail[0]?.contains(secret) == false)
            }
        }

        @Test(arguments: [
            (#"{"apps":["owntracks","pigeon"]}"#, "pigeon is none of the apps"),
            (#"{"apps":"owntracks"}"#, "apps is a list of texts"),
            (#"{"encryption":"yes"}"#, "encryption is true or false"),
            (#"{"encryption_key":""}"#, "encryption_key is a text of 1 to 32 characters"),
            (
                #"{"encryption_key":"kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"}"#,
                "encryption_key is a text of 1 to 32 characters"
            ),
            (#"{"encryption_key":"éééééééééééééééée"}"#, "encryption_key has 1 to 32 bytes"),
            (#"{"encryption":false,"encryption_key":"k"}"#, "encryption is false beside an encryption_key"),
            (#"{"qr":1}"#, "qr is true or false"),
        ])
        func `what cannot be meant is refused, and no device is made`(body: String, detail: String) throws {
            let shared = try SharedGateway.get()
            try shared.gateway.awaitStores()
            let key = try shared.gateway.key("devices:write")
            let response = try shared.gateway.http("POST", "/v1/drivers/refused-1/devices", token: key, body: body)
            #expect(response.status == 400)
            let problem = try JSON(parsing: response.text)
            #expect(problem["code"].string == "bad_request")
            #expect(problem["detail"].string?.hasPrefix(detail) == true, "\(problem)")
            #expect(
                try shared.gateway.count("SELECT count(*) FROM driver_devices WHERE driver_id = 'refused-1'") == 0)
        }
    }
}
