// OwnTracks in: what the apps send, from the phone to the table, the hash and the map.

import DroverClient
import Foundation
import LocalServers
import Testing

extension Integration {
    @Suite("OwnTracks")
    struct OwnTracks {
        /// What both apps say at most, in their own order.
        private static func whole(_ system: OwnTracksPhone.System, at seconds: Int64) -> String {
            switch system {
            case .iOS:
                #"{"batt":83,"lon":-79.3832,"acc":8,"p":101.325,"bs":1,"vel":36,"vac":3,"lat":43.6532,"t":"t","#
                    + #""conn":"m","m":2,"tst":\#(seconds),"alt":92,"_type":"location","ssid":"home","cog":271,"#
                    + #""motionactivities":["automotive"],"inregions":["depot"],"created_at":\#(seconds + 2),"#
                    + #""topic":"owntracks\/jane\/phone","tid":"JP"}"#
            case .android:
                #"{"_type":"location","BSSID":"00:11:22:33:44:55","SSID":"home","_id":"1a2b3c4d","acc":8,"alt":92,"#
                    + #""batt":83,"bs":1,"cog":271,"conn":"w","created_at":\#(seconds + 2),"lat":43.6532,"#
                    + #""lon":-79.3832,"m":1,"source":"fused","t":"u","tid":"ph","topic":"owntracks/jane/phone","#
                    + #""tst":\#(seconds),"vac":3,"vel":36}"#
            }
        }

        @Test(arguments: OwnTracksPhone.System.allCases)
        func `a location goes from the app's own request to the table, the hash and the map`(
            system: OwnTracksPhone.System
        ) throws {
            let (gateway, key) = (try SharedGateway.get().gateway, try SharedGateway.get().key)
            let driver = "owntracks-\(system)"
            let phone = OwnTracksPhone(
                gateway: gateway, system: system, token: try gateway.deviceToken(driver: driver))
            let viewer = try ScreenedViewer(gateway, key)
            try viewer.subscribe(["driver:\(driver)"])
            let seconds = now() / 1_000 - 30
            #expect(try phone.publish(Self.whole(system, at: seconds)) == "[]")

            try viewer.read("the location is on the map") { $0.newest(driver) == seconds * 1_000 }
            let position = try JSON(parsing: try gateway.http("GET", "/v1/drivers/\(driver)/position", token: key).text)
            #expect(position["lat"].number == 43.6532)
            #expect(position["lng"].number == -79.3832)
            #expect(position["speed"].number == 10)
            #expect(position["heading"].number == 271)
            #expect(position["accuracy"].number == 8)

            try gateway.awaitHistory()
            let row = try gateway.sql(
                """
                SELECT concat_ws(' ', extract(epoch FROM recorded_at)::bigint, lat, lng, accuracy, speed, heading, altitude,
                    coalesce(source::text, 'unknown'))
                FROM driver_location_events WHERE driver_id = $1
                """, [driver])
            let source = system == .android ? "fused" : "unknown"
            #expect(row == ["\(seconds) 43.6532 -79.3832 8 10 271 92 \(source)"])

            let probe = try gateway.redisProbe()
            let hash = try awaitValue("the hash") { () -> [String: String]? in
                let hash = try probe.hash("driver:\(driver):location")
                return hash.isEmpty ? nil : hash
            }
            #expect(hash["lat"] == "43.6532" && hash["lng"] == "-79.3832")
            #expect(hash["recorded_at"] == String(seconds * 1_000))
        }

        @Test(arguments: ["/pub", "/owntracks", "/api/v1/owntracks/points"])
        func `each of the paths takes it, a list too, and the same again is no other row`(path: String) throws {
            let gateway = try SharedGateway.get().gateway
            let driver = "paths-\(path.count)"
            var phone = OwnTracksPhone(
                gateway: gateway, system: .iOS, token: try gateway.deviceToken(driver: driver))
            phone.path = path
            let seconds = now() / 1_000 - 60
            let first = OwnTracksPhone.location(at: seconds)
            #expect(try phone.publish(first) == "[]")
            // An iPhone reports a fix twice, the second time with a time of making and another pressure.
            let again = OwnTracksPhone.location(at: seconds, more: ",\"created_at\":\(seconds + 9),\"p\":99.9")
            #expect(try phone.publish(again) == "[]")
            let second = OwnTracksPhone.location(at: seconds + 1)
            let third = OwnTracksPhone.location(at: seconds + 2)
            #expect(try phone.publish("{\"locations\":[\(second)]}") == "[]")
            #expect(try phone.publish("[\(third),{\"_type\":\"lwt\",\"tst\":1}]") == "[]")
            try gateway.awaitHistory()
            #expect(try gateway.rows(of: driver) == 3)
        }

        @Test func `every other message is taken, and is no position`() throws {
            let gateway = try RunningGateway()
            try gateway.awaitStores()
            let phone = OwnTracksPhone(
                gateway: gateway, system: .android, token: try gateway.deviceToken(driver: "messages"))
            let place = "\"lat\":43.6,\"lon\":-79.4,\"acc\":9,\"tst\":\(now() / 1_000)"
            let bodies = [
                "{\"_type\":\"lwt\",\"tst\":1760000000}",
                "{\"_type\":\"transition\",\"wtst\":1,\(place),\"tid\":\"ne\",\"event\":\"enter\",\"desc\":\"d\",\"t\":\"c\"}",
                "{\"_type\":\"waypoint\",\"desc\":\"d\",\(place),\"rad\":100,\"rid\":\"a1\"}",
                "{\"_type\":\"waypoints\",\"waypoints\":[{\"_type\":\"waypoint\",\(place)}],\"_creator\":\"x\"}",
                "{\"_type\":\"status\",\"android\":{\"wifi\":1,\"ps\":0,\"bo\":0,\"hib\":0,\"loc\":0}}",
                "{\"_type\":\"card\",\"tid\":\"ne\",\"name\":\"Jane\",\"face\":\"iVBORw0KGgo=\"}",
                "{\"_type\":\"cmd\",\"action\":\"reportLocation\"}",
                "{\"_type\":\"configuration\",\"mode\":3}", "{\"_type\":\"steps\",\"steps\":7,\"tst\":1760000000}",
                "{\"_type\":\"beacon\",\"uuid\":\"u\",\"major\":1,\"minor\":2,\"tst\":1}",
                "{\"_type\":\"request\",\"request\":\"tours\"}", "{\"_type\":\"from-tomorrow\",\(place)}",
                // A friend is deleted, and a phone that knows no place.
                "", "  \r\n", "{\"_type\":\"location\",\"tst\":1760000000,\"tid\":\"ne\"}",
            ]
            for body in bodies { #expect(try phone.publish(body) == "[]", "\(body)") }
            #expect(try gateway.metric("drover_pings_received_total") == 0)
        }

        @Test func `a refused point gets the app's own success, and is counted with its reason`() throws {
            let gateway = try RunningGateway()
            try gateway.awaitStores()
            let phone = OwnTracksPhone(
                gateway: gateway, system: .iOS, token: try gateway.deviceToken(driver: "refused"))
            let seconds = now() / 1_000 - 600
            let bodies = [
                (OwnTracksPhone.location(at: seconds), nil),
                (OwnTracksPhone.location(at: seconds + 1, latitude: 44.65), "jump"),
                (OwnTracksPhone.location(at: seconds + 3_600), "future"),
                (OwnTracksPhone.location(at: seconds + 2, latitude: 91), "coordinates"),
                ("{\"_type\":\"location\",\"lat\":43.6,\"lon\":-79.4,\"acc\":2000,\"tst\":\(seconds + 3)}", "accuracy"),
                ("{\"_type\":\"location\",\"lat\":43.6,\"lon\":-79.4,\"acc\":5}", "malformed"),
            ]
            for (body, _) in bodies { #expect(try phone.publish(body) == "[]", "\(body)") }
            let metrics = try gateway.metrics()
            for reason in bodies.compactMap(\.1) {
                #expect(metrics["drover_pings_rejected_total{reason=\"\(reason)\"}"] == 1, "\(reason)")
            }
            try gateway.awaitHistory()
            #expect(try gateway.rows(of: "refused") == 1)
            try gateway.expectConservation()
        }

        @Test func `only a wrong credential is told, and what is no message of OwnTracks`() throws {
            let gateway = try SharedGateway.get().gateway
            let token = try gateway.deviceToken(driver: "wrong")
            let body = OwnTracksPhone.location(at: now() / 1_000)
            for wrong in ["", "drd_wrong", token + "x"] {
                let reply = try OwnTracksPhone(gateway: gateway, system: .iOS, token: wrong).send(body)
                #expect(reply.status == 401, "\(reply)")
            }
            let phone = OwnTracksPhone(gateway: gateway, system: .iOS, token: token)
            for odd in ["{}", "7", "{\"lat\":1,\"lon\":2,\"tst\":3}", "{\"_type\":\"location\""] {
                let reply = try phone.send(odd)
                #expect(reply.status == 400, "\(odd): \(reply)")
            }
            let viewer = try gateway.key("positions:read")
            #expect(try OwnTracksPhone(gateway: gateway, system: .iOS, token: viewer).send(body).status == 403)
        }

        @Test func `a backend's key names the driver by the header, the query or the topic`() throws {
            let gateway = try SharedGateway.get().gateway
            let key = try SharedGateway.get().key
            let seconds = now() / 1_000 - 60
            var phone = OwnTracksPhone(gateway: gateway, system: .android, token: key)
            phone.device = "named-by-header"
            #expect(try phone.publish(OwnTracksPhone.location(at: seconds)) == "[]")
            for (target, topic) in [("/pub?u=jane&d=named-by-query", "phone"), ("/pub", "named-by-topic")] {
                let body = OwnTracksPhone.location(at: seconds)
                    .replacingOccurrences(of: "jane/phone", with: "jane/\(topic)")
                let reply = try gateway.http("POST", target, token: key, body: body)
                #expect(reply.status == 200 && reply.text == "[]", "\(reply.text)")
            }
            try gateway.awaitHistory()
            for driver in ["named-by-header", "named-by-query", "named-by-topic"] {
                #expect(try gateway.rows(of: driver) == 1, "\(driver)")
            }
        }
    }
}
