// What a phone with OwnTracks hears in reply: where the others of its groups are, and the same under its passphrase.

import DroverClient
import Foundation
import LocalServers
import Sodium
import Testing

extension Integration {
    @Suite("OwnTracks' replies")
    struct OwnTracksReplies {
        private static let passphrase = "correct horse battery staple"

        /// A device's token with a passphrase beside it.
        private static func encrypted(_ gateway: RunningGateway, _ driver: String) throws -> String {
            let token = try gateway.deviceToken(driver: driver)
            try gateway.sql(
                "UPDATE driver_devices SET encryption_key = $1 WHERE driver_id = $2", [passphrase, driver])
            return token
        }

        /// `{"_type":"encrypted",…}` as the apps write it: iOS escapes slashes.
        private static func seal(_ message: String, _ passphrase: String = passphrase) throws -> String {
            let secret = try #require(SecretBox(passphrase: passphrase))
            let data = Data(secret.seal(Array(message.utf8))).base64EncodedString()
            return "{\"_type\":\"encrypted\",\"data\":\"\(data.replacingOccurrences(of: "/", with: "\\/"))\"}"
        }

        private static func open(_ reply: String) throws -> String {
            let envelope = try JSON(parsing: reply)
            #expect(envelope.names == ["_type", "data"])
            #expect(envelope["_type"].string == "encrypted")
            let box = try #require(envelope["data"].string.flatMap { Data(base64Encoded: $0) })
            let secret = try #require(SecretBox(passphrase: passphrase))
            return String(decoding: try #require(secret.open(Array(box))), as: UTF8.self)
        }

        @Test func `friends are the others of the driver's groups, each with a card, a place and two characters`()
            throws
        {
            let gateway = try RunningGateway()
            let key = try gateway.masterKey()
            try gateway.assign("groups/east", ["jane", "kim-17", "lee-17", "silent"], key: key)
            try gateway.assign("groups/west", ["mo-99"], key: key)
            let at = now() - 60_000
            try gateway.post(
                [
                    TestPing("kim-17", at: at, latitude: 52.5163, longitude: 13.3777, accuracy: 12, speed: 10),
                    TestPing("lee-17", at: at, heading: 90), TestPing("mo-99", at: at),
                ], token: key)
            let phone = OwnTracksPhone(gateway: gateway, system: .iOS, token: try gateway.deviceToken(driver: "jane"))
            let reply = try phone.publish(OwnTracksPhone.location(at: at / 1_000))
            let seconds = at / 1_000
            #expect(
                reply == #"[{"_type":"card","tid":"17","name":"kim-17"},"#
                    + #"{"_type":"location","tid":"17","lat":52.5163,"lon":13.3777,"tst":\#(seconds),"acc":12,"vel":36,"#
                    + #""topic":"owntracks/drover/kim-17"},{"_type":"card","tid":"07","name":"lee-17"},"#
                    + #"{"_type":"location","tid":"07","lat":43.6532,"lon":-79.3832,"tst":\#(seconds),"acc":5,"cog":90,"#
                    + #""topic":"owntracks/drover/lee-17"}]"#)
            // Also with a message that is no position. A backend's key has no friends.
            #expect(try phone.publish("") == reply)
            let backend = OwnTracksPhone(gateway: gateway, system: .iOS, token: key)
            #expect(try backend.publish("") == "[]")

            gateway.set("phones.friends", "false")
            try gateway.restart()
            #expect(try phone.publish("") == "[]")
        }

        @Test func `what is encrypted is taken, and answered under the same passphrase`() throws {
            let gateway = try RunningGateway()
            let key = try gateway.masterKey()
            try gateway.assign("groups/east", ["jane", "kim-17"], key: key)
            try gateway.post([TestPing("kim-17", at: now() - 60_000)], token: key)
            let phone = OwnTracksPhone(
                gateway: gateway, system: .iOS, token: try Self.encrypted(gateway, "jane"))
            let seconds = now() / 1_000 - 60
            let friends = try Self.open(try phone.publish(try Self.seal(OwnTracksPhone.location(at: seconds))))
            #expect(try JSON(parsing: friends).array.map { $0["_type"].string } == ["card", "location"])
            // Another message too, and a list in the clear from the same phone is answered in the clear.
            #expect(try Self.open(try phone.publish(try Self.seal("{\"_type\":\"lwt\",\"tst\":1}"))) == friends)
            #expect(try phone.publish(OwnTracksPhone.location(at: seconds + 1)) == friends)
            try gateway.awaitHistory()
            #expect(try gateway.rows(of: "jane") == 2)
            #expect(!gateway.log.contains(Self.passphrase))
        }

        @Test func `what cannot be decrypted waits on the phone, and the log says why`() throws {
            let gateway = try RunningGateway()
            try gateway.awaitStores()
            let body = OwnTracksPhone.location(at: now() / 1_000 - 60)
            let plain = OwnTracksPhone(
                gateway: gateway, system: .iOS, token: try gateway.deviceToken(driver: "without-key"))
            let first = try plain.send(try Self.seal(body))
            #expect(first.status == 503 && first.headers["retry-after"] != nil, "\(first)")
            let phone = OwnTracksPhone(
                gateway: gateway, system: .android, token: try Self.encrypted(gateway, "with-key"))
            for wrong in [
                try Self.seal(body, "another passphrase"), "{\"_type\":\"encrypted\",\"data\":\"AAAA\"}",
                "{\"_type\":\"encrypted\",\"data\":\"!\"}", "{\"_type\":\"encrypted\"}",
            ] {
                #expect(try phone.send(wrong).status == 503, "\(wrong)")
            }
            for reason in ["no passphrase of this device is known here", "enter that one"] {
                try eventually("the log says: \(reason)") { gateway.log.contains(reason) }
            }
            // As soon as the device has its key, what waited is taken.
            try gateway.sql(
                "UPDATE driver_devices SET encryption_key = $1 WHERE driver_id = 'without-key'", [Self.passphrase])
            #expect(try Self.open(try plain.publish(try Self.seal(body))) == "[]")
            #expect(!gateway.log.contains(Self.passphrase))
        }

        @Test func `a passphrase that is known works while Postgres is away, an unknown one is asked for later`() throws
        {
            let gateway = try RunningGateway(ownPostgres: true)
            try gateway.awaitStores()
            let known = OwnTracksPhone(gateway: gateway, system: .iOS, token: try Self.encrypted(gateway, "known"))
            let other = OwnTracksPhone(gateway: gateway, system: .iOS, token: try Self.encrypted(gateway, "other"))
            let seconds = now() / 1_000 - 60
            #expect(try Self.open(try known.publish(try Self.seal(OwnTracksPhone.location(at: seconds)))) == "[]")
            // The token is known, the passphrase is not: it was never needed.
            #expect(try other.publish(OwnTracksPhone.location(at: seconds)) == "[]")
            try gateway.awaitHistory()
            gateway.postgres.kill()
            try eventually("the gateway has noticed") { try gateway.metric("drover_postgres_up") == 0 }
            #expect(try Self.open(try known.publish(try Self.seal(OwnTracksPhone.location(at: seconds + 1)))) == "[]")
            let later = try Self.seal(OwnTracksPhone.location(at: seconds + 1))
            #expect(try other.send(later).status == 503)
            try gateway.postgres.start()
            try eventually("the passphrase is found") { try other.send(later).status == 200 }
            try gateway.awaitHistory()
            #expect(try gateway.rows(of: "known") == 2)
            #expect(try gateway.rows(of: "other") == 2)
        }
    }
}
