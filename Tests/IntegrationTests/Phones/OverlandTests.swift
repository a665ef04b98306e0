// Overland for iOS and Android, and GPSLogger's Dawarich sender, as they send, over real sockets.

import DroverClient
import Foundation
import LocalServers
import Testing

extension Integration {
    @Suite("Overland")
    struct OverlandTests {
        /// The head of Overland for iOS, which sends with AFNetworking.
        private static let head = [
            "POST /overland HTTP/1.1", "Host: 127.0.0.1", "Content-Type: application/json", "Connection: keep-alive",
            "Accept: */*", "User-Agent: Overland/1.4 (iPhone; iOS 17.4.1; Scale/3.00)", "Accept-Language: en-US;q=1",
            "Authorization: Bearer TOKEN", "Accept-Encoding: gzip, deflate, br",
        ]

        /// A fix as `GLManager` writes it; NSJSONSerialization knows no order of members.
        private static func fix(_ milliseconds: Int64, latitude: Double = 52.520008, more: String = "") -> String {
            #"{"type":"Feature","properties":{"timestamp":"\#(PhoneAppScene.text(milliseconds))","altitude":44,"#
                + #""speed":10,"course":271,"horizontal_accuracy":8,"vertical_accuracy":3,"speed_accuracy":0.52,"#
                + #""course_accuracy":4.1,"motion":["driving"],"battery_state":"unplugged","battery_level":0.83,"#
                + #""device_id":"my phone","wifi":""\#(more)},"#
                + #""geometry":{"type":"Point","coordinates":[13.404954,\#(latitude)]}}"#
        }

        /// What a phone is asked to set while its driver is watched: `rates.watched_ms` is 3 s, the nearest that the app has
        /// is 5.
        private static let watched =
            #","set":{"send_interval":"5s","main":{"min_time":"5s"},"trip":{"min_time":"5s"}}"#

        /// Sends a batch, which the phone must then delete: it reads `result` of a JSON object with a JSON media type.
        private func deliver(
            _ scene: PhoneAppScene, _ body: String, head: [String] = head, wish: String = watched,
            sourceLocation: SourceLocation = #_sourceLocation
        ) throws {
            let reply = try scene.send(head, body: body, sourceLocation: sourceLocation)
            #expect(reply.status == 200, "\(reply)", sourceLocation: sourceLocation)
            #expect(reply.headers["content-type"] == "application/json", sourceLocation: sourceLocation)
            #expect(reply.body == #"{"result":"ok"\#(wish)}"#, sourceLocation: sourceLocation)
        }

        @Test func `a batch of Overland for iOS is kept, shown, and may be deleted on the phone`() throws {
            let scene = try PhoneAppScene("overland-1")
            let at = PhoneAppScene.start()
            let trip = #","trip_id":"2026-03-02T08:00:00Z""#
            let body =
                #"{"locations":[\#(Self.fix(at, more: trip)),\#(Self.fix(at + 5_000, latitude: 52.5202, more: trip))],"#
                + #""trip":{"mode":"car","start":"2026-03-02T08:00:00Z","distance":-1,"start_location":null,"#
                + #""current_location":\#(Self.fix(at))}}"#
            try deliver(scene, body)
            try scene.expectShown(at + 5_000, latitude: 52.5202, longitude: 13.404954)
            let position = try scene.position()
            #expect(position["speed"].number == 10)
            #expect(position["heading"].number == 271)
            #expect(position["accuracy"].number == 8)
            #expect(
                try scene.rows() == [
                    "\(at) 52.520008 13.404954 8 10 271 44 - 2026-03-02T08:00:00Z",
                    "\(at + 5_000) 52.5202 13.404954 8 10 271 44 - 2026-03-02T08:00:00Z",
                ])
            // The phone did not get the reply and sends all of it again.
            try deliver(scene, body)
            #expect(try scene.rows().count == 2)
        }

        @Test func `a phone with a backlog is on the map by its current fix, and the backlog is kept behind it`() throws
        {
            let scene = try PhoneAppScene("overland-2")
            let at = PhoneAppScene.start()
            let backlog = (0..<3).map { Self.fix(at - 3_600_000 + $0 * 1_000) }.joined(separator: ",")
            try deliver(scene, #"{"locations":[\#(backlog)],"current":\#(Self.fix(at, latitude: 52.6))}"#)
            try scene.expectShown(at, latitude: 52.6, longitude: 13.404954)
            #expect(try scene.rows().count == 4)
            let late = "SELECT recorded_at FROM driver_location_events WHERE driver_id = $1 AND flags & 2 = 2"
            #expect(try scene.gateway.sql(late, [scene.driver]).count == 3)
            // The current fix comes once more when its turn in the queue has come.
            try deliver(scene, #"{"locations":[\#(Self.fix(at, latitude: 52.6))]}"#)
            #expect(try scene.rows().count == 4)
        }

        @Test func `trips, visits and what the app did are no positions, and may be deleted on the phone`() throws {
            let scene = try PhoneAppScene("overland-3")
            let at = PhoneAppScene.start()
            let time = PhoneAppScene.text(at)
            let place = #""geometry":{"type":"Point","coordinates":[13.4,52.5]}"#
            let others = [
                #"{"type":"Feature",\#(place),"properties":{"timestamp":"\#(time)","type":"trip","mode":"car","#
                    + #""start":"\#(time)","end":"\#(time)","duration":930.5,"distance":-1,"steps":0}}"#,
                #"{"type":"Feature",\#(place),"properties":{"timestamp":"\#(time)","action":"visit","#
                    + #""arrival_date":"\#(time)","departure_date":null,"horizontal_accuracy":30}}"#,
                #"{"type":"Feature","properties":{"timestamp":"\#(time)","action":"will_terminate"}}"#,
                #"{"type":"Feature","geometry":null,"properties":{"timestamp":"\#(time)"}}"#,
            ].joined(separator: ",")
            try deliver(scene, #"{"locations":[\#(others)]}"#)
            try deliver(scene, #"{"locations":[]}"#)
            #expect(try scene.rows().isEmpty)
            try deliver(scene, #"{"locations":[\#(others),\#(Self.fix(at + 1_000))]}"#)
            #expect(try scene.rows().count == 1)
        }

        @Test func `points that are judged away do not come back: the phone may delete them`() throws {
            let scene = try PhoneAppScene("overland-4")
            let at = PhoneAppScene.start()
            let time = PhoneAppScene.text(at)
            let bad = [
                // CoreLocation's word for a fix that is none.
                #"{"type":"Feature","geometry":{"type":"Point","coordinates":[13.4,52.5]},"properties":"#
                    + #"{"timestamp":"\#(time)","horizontal_accuracy":-1}}"#,
                #"{"type":"Feature","geometry":{"type":"Point","coordinates":[0,0]},"properties":"#
                    + #"{"timestamp":"\#(time)","horizontal_accuracy":5}}"#,
                #"{"type":"Feature","geometry":{"type":"Point","coordinates":[13.4,52.5]},"properties":{}}"#,
                Self.fix(now() + 3_600_000), Self.fix(at - 400 * 86_400_000),
            ].joined(separator: ",")
            try deliver(scene, #"{"locations":[\#(bad)]}"#)
            #expect(try scene.rows().isEmpty)
        }

        @Test func `a zone without a colon and speeds of -1, as in the app's own description, are understood`() throws {
            let scene = try PhoneAppScene("overland-5")
            let at = PhoneAppScene.start()
            let west = PhoneAppScene.text(at - 7 * 3_600_000).replacingOccurrences(of: "Z", with: "-0700")
            try deliver(
                scene,
                #"{"locations":[{"type":"Feature","geometry":{"type":"Point","coordinates":[-122.030581,37.3318]},"#
                    + #""properties":{"timestamp":"\#(west)","altitude":0,"speed":-1,"course":-1,"#
                    + #""horizontal_accuracy":30,"vertical_accuracy":-1,"motion":["driving","stationary"],"pauses":false,"#
                    + #""activity":"other_navigation","desired_accuracy":100,"deferred":1000,"#
                    + #""significant_change":"disabled","locations_in_payload":1,"battery_state":"charging","#
                    + #""battery_level":-1,"device_id":"","wifi":""}}]}"#)
            try scene.expectShown(at, latitude: 37.3318, longitude: -122.030581)
            #expect(try scene.rows() == ["\(at) 37.3318 -122.030581 30 - - 0 - -"])
        }

        @Test func `Overland for Android: a flag for the battery, text for coordinates and trip, an undefined id`()
            throws
        {
            let scene = try PhoneAppScene("overland-6")
            let at = PhoneAppScene.start() + 125
            try deliver(
                scene,
                #"{"locations":[{"type":"Feature","geometry":{"type":"Point","coordinates":["13.404954","52.520008"]},"#
                    + #""properties":{"timestamp":"\#(PhoneAppScene.text(at, fraction: true))","altitude":44.1,"speed":10.5,"#
                    + #""horizontal_accuracy":8.2,"vertical_accuracy":-1,"motion":["in_vehicle"],"pauses":true,"#
                    + #""activity":"other","desired_accuracy":"high","deferred":"disabled","#
                    + #""significant_change":"disabled","locations_in_payload":1,"battery_state":true,"#
                    + #""battery_level":0.5,"device_id":"undefined","wifi":""}}],"#
                    + #""trip":"{\"distance\":12,\"mode\":\"car\"}"}"#,
                head: [
                    "POST /overland?token=TOKEN HTTP/1.1", "Content-Type: application/json; charset=utf-8",
                    "User-Agent: Dalvik/2.1.0 (Linux; U; Android 10; Pixel 3 Build/QQ3A.200805.001)",
                    "Host: 127.0.0.1", "Connection: Keep-Alive", "Accept-Encoding: gzip",
                ])
            try scene.expectShown(at, latitude: 52.520008, longitude: 13.404954)
            #expect(try scene.rows() == ["\(at) 52.520008 13.404954 8.2 10.5 - 44.1 - -"])
        }

        @Test func `GPSLogger's Dawarich sender: percent for the battery, api_key in the address`() throws {
            let scene = try PhoneAppScene("overland-7")
            let at = PhoneAppScene.start() + 125
            let east = PhoneAppScene.text(at + 3_600_000, fraction: true).replacingOccurrences(of: "Z", with: "+01:00")
            try deliver(
                scene,
                #"{"locations":[{"type":"Feature","geometry":{"type":"Point","coordinates":[13.404954,52.520008]},"#
                    + #""properties":{"timestamp":"\#(east)","altitude":44.5,"speed":10.25,"horizontal_accuracy":8.5,"#
                    + #""vertical_accuracy":5.1,"activity":"","desired_accuracy":0,"deffered":0,"#
                    + #""significant_change":"","locations_in_payload":1,"device_id":"pixel","wifi":"","#
                    + #""battery_state":"unplugged","battery_level":83}}]}"#,
                head: [
                    "POST /api/v1/overland/batches?api_key=TOKEN HTTP/1.1",
                    "Content-Type: application/json; charset=utf-8",
                    "Host: 127.0.0.1", "Connection: Keep-Alive", "Accept-Encoding: gzip", "User-Agent: okhttp/4.9.3",
                ])
            try scene.expectShown(at, latitude: 52.520008, longitude: 13.404954)
            #expect(try scene.rows() == ["\(at) 52.520008 13.404954 8.5 10.25 - 44.5 - -"])
        }

        @Test func `Overland asks who is there, and is told a name`() throws {
            let scene = try PhoneAppScene("overland-8")
            for path in ["/overland", "/api/v1/overland/batches"] {
                let reply = try scene.send([
                    "GET \(path) HTTP/1.1", "Host: 127.0.0.1", "Accept: */*", "Authorization: Bearer TOKEN",
                ])
                #expect(reply.status == 200)
                #expect(reply.headers["content-type"] == "application/json")
                #expect(reply.body == #"{"name":"Drover","driver_id":"overland-8"}"#)
            }
        }

        @Test func `a bare token under Basic, with and without its colon, is the token`() throws {
            let scene = try PhoneAppScene("overland-9")
            for credentials in ["TOKEN:", "TOKEN", base64("label:\(scene.token)")] {
                let head = Self.head.map { $0.replacingOccurrences(of: "Bearer TOKEN", with: "Basic \(credentials)") }
                try deliver(scene, #"{"locations":[]}"#, head: head)
            }
            for credentials in ["", ":", "TOKENx:", base64(scene.token)] {
                let head = Self.head.map { $0.replacingOccurrences(of: "Bearer TOKEN", with: "Basic \(credentials)") }
                #expect(try scene.send(head, body: #"{"locations":[]}"#).status == 401, "\(credentials)")
            }
        }

        @Test func `what is no batch, and who is nobody, is refused and nothing is kept`() throws {
            let scene = try PhoneAppScene("overland-10")
            for (body, code) in [
                ("{", "malformed_json"), ("", "malformed_json"), ("[]", "bad_request"), ("{}", "bad_request"),
            ] {
                let reply = try scene.send(Self.head, body: body)
                #expect(reply.status == 400)
                #expect(reply.headers["content-type"] == "application/problem+json")
                #expect(try JSON(parsing: reply.body)["code"].string == code)
            }
            let head = Self.head.filter { !$0.hasPrefix("Authorization") }
            #expect(try scene.send(head, body: #"{"locations":[\#(Self.fix(now()))]}"#).status == 401)
            #expect(try scene.rows().isEmpty)
        }

        @Test func `a phone whose driver nobody watches is asked to report rarely`() throws {
            let scene = try PhoneAppScene("overland-12", isWatched: false)
            try deliver(
                scene, #"{"locations":[\#(Self.fix(PhoneAppScene.start()))]}"#,
                wish: #","set":{"send_interval":"15s","main":{"min_time":"10s"},"trip":{"min_time":"10s"}}"#)
        }

        @Test func `a backend's key sends for the driver whom the device id names`() throws {
            let scene = try PhoneAppScene("overland-11")
            let at = PhoneAppScene.start()
            let head = Self.head.map { $0.replacingOccurrences(of: "TOKEN", with: scene.key) }
            let fix = Self.fix(at).replacingOccurrences(of: "my phone", with: scene.driver)
            try deliver(scene, #"{"locations":[\#(fix),\#(Self.fix(at + 1_000))]}"#, head: head, wish: "")
            try scene.expectShown(at, latitude: 52.520008, longitude: 13.404954)
            // The other one names nobody.
            #expect(try scene.rows().count == 1)
        }
    }
}
