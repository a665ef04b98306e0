// Traccar Client 8, 9 and 10 as they send, over real sockets.

import DroverClient
import Foundation
import LocalServers
import Testing

extension Integration {
    @Suite("Traccar Client")
    struct TraccarTests {
        @Test func `version 8 for Android: a POST with all in its address, and knots`() throws {
            let scene = try PhoneAppScene("traccar-1")
            let at = PhoneAppScene.start()
            try scene.deliver([
                "POST /osmand?token=TOKEN&id=48241179&timestamp=\(at / 1_000)&lat=52.520008&lon=13.404954&speed=19.44"
                    + "&bearing=271.0&altitude=44.0&accuracy=8.0&batt=83.0&charge=true HTTP/1.1",
                "User-Agent: Dalvik/2.1.0 (Linux; U; Android 14; Pixel 8 Build/AP1A.240405.002)", "Host: 127.0.0.1",
                "Connection: Keep-Alive", "Accept-Encoding: gzip", "Content-Length: 0",
            ])
            try scene.expectShown(at, latitude: 52.520008, longitude: 13.404954)
            // 19.44 kn in metres a second.
            #expect(try scene.rows() == ["\(at) 52.520008 13.404954 8 10.0008 271 44 - -"])
        }

        @Test func `version 8 for Android writes 0 for what it does not know`() throws {
            let scene = try PhoneAppScene("traccar-2")
            let at = PhoneAppScene.start()
            try scene.deliver([
                "POST /osmand?token=TOKEN&id=48241179&timestamp=\(at / 1_000)&lat=52.52&lon=13.4&speed=0.0&bearing=0.0"
                    + "&altitude=0.0&accuracy=0.0&batt=83.0 HTTP/1.1", "Host: 127.0.0.1", "Content-Length: 0",
            ])
            try scene.expectShown(at, latitude: 52.52, longitude: 13.4)
            #expect(try scene.rows() == ["\(at) 52.52 13.4 20 - - - - -"])
        }

        @Test func `version 8 for iOS leaves out what it does not know, and says so of an alarm`() throws {
            let scene = try PhoneAppScene("traccar-3")
            let at = PhoneAppScene.start()
            try scene.deliver([
                "POST /osmand?token=TOKEN&id=48241179&timestamp=\(at / 1_000)&lat=52.52&lon=13.4&alarm=sos HTTP/1.1",
                "Host: 127.0.0.1", "Accept: */*", "Accept-Language: en-US,en;q=0.9", "Connection: keep-alive",
                "User-Agent: TraccarClient/1 CFNetwork/1494.0.7 Darwin/23.4.0", "Content-Length: 0",
            ])
            #expect(try scene.rows() == ["\(at) 52.52 13.4 20 - - - - -"])
        }

        @Test func `version 9: JSON, metres a second, and heartbeats without coords`() throws {
            let scene = try PhoneAppScene("traccar-4")
            let at = PhoneAppScene.start() + 125
            let head = [
                "POST /osmand?token=TOKEN HTTP/1.1", "Content-Type: application/json",
                "User-Agent: Dalvik/2.1.0 (Linux; U; Android 14)", "Host: 127.0.0.1", "Connection: Keep-Alive",
                "Accept-Encoding: gzip",
            ]
            let time = PhoneAppScene.text(at, fraction: true)
            try scene.deliver(
                head,
                body: #"{"location":{"timestamp":"\#(time)","coords":{"latitude":52.520008,"longitude":13.404954,"#
                    + #""accuracy":8.2,"speed":10.1,"heading":271.4,"altitude":44},"is_moving":true,"odometer":15230,"#
                    + #""event":"","battery":{"level":0.83,"is_charging":false},"activity":{"type":"in_vehicle"},"#
                    + #""extras":{},"_":"&id=48241179&lat=52.520008&lon=13.404954&timestamp=\#(time)&"},"#
                    + #""device_id":"48241179"}"#)
            try scene.deliver(
                head,
                body:
                    #"{"location":{"timestamp":"\#(PhoneAppScene.text(at + 1_000, fraction: true))","is_moving":false,"#
                    + #""event":"heartbeat","battery":{"level":-1,"is_charging":false},"extras":{"heartbeat":true}},"#
                    + #""device_id":"48241179"}"#)
            // Integers without decimals, -1 for the unknown, and a place without `coords` around it.
            try scene.deliver(
                head,
                body:
                    #"{"location":{"timestamp":"\#(PhoneAppScene.text(at + 2_000, fraction: true))","latitude":52.5201,"#
                    + #""longitude":13.404954,"accuracy":8,"speed":-1,"heading":-1,"altitude":44},"device_id":"1"}"#)
            try scene.expectShown(at + 2_000, latitude: 52.5201, longitude: 13.404954)
            #expect(
                try scene.rows() == [
                    "\(at) 52.520008 13.404954 8.2 10.1 271.4 44 - -",
                    "\(at + 2_000) 52.5201 13.404954 8 - - 44 - -",
                ])
        }

        @Test func `version 10: a form in the body beside a token in the address, and knots`() throws {
            let scene = try PhoneAppScene("traccar-5")
            let at = PhoneAppScene.start()
            try scene.deliver(
                [
                    "POST /osmand?token=TOKEN HTTP/1.1",
                    "Content-Type: application/x-www-form-urlencoded; charset=UTF-8",
                    "User-Agent: Dalvik/2.1.0 (Linux; U; Android 15)", "Host: 127.0.0.1", "Connection: Keep-Alive",
                    "Accept-Encoding: gzip",
                ],
                body: "id=48241179&lat=52.520008&lon=13.404954&timestamp=\(at / 1_000)&accuracy=8.0&altitude=44.0"
                    + "&speed=19.44&bearing=271.0&batt=83&charge=false")
            try scene.expectShown(at, latitude: 52.520008, longitude: 13.404954)
            #expect(try scene.rows() == ["\(at) 52.520008 13.404954 8 10.0008 271 44 - -"])
        }

        @Test func `version 10's heartbeat without a place is a sign of life and no position`() throws {
            let scene = try PhoneAppScene("traccar-6", settings: ["history.sessions_s": "1"])
            let head = [
                "POST /osmand HTTP/1.1", "Content-Type: application/x-www-form-urlencoded; charset=UTF-8",
                "Authorization: Bearer TOKEN", "User-Agent: TraccarClient/10.1.0", "Host: 127.0.0.1",
            ]
            try scene.deliver(head, body: "id=48241179&timestamp=\(now() / 1_000)&batt=83&charge=true")
            try eventually("the device was seen") {
                try scene.gateway.sql(
                    "SELECT app_version FROM driver_sessions WHERE driver_id = $1", [scene.driver])
                    == ["TraccarClient/10.1.0"]
            }
            #expect(try scene.rows().isEmpty)
        }

        @Test func `the unit in the address goes before the app's; one that is none is told`() throws {
            let scene = try PhoneAppScene("traccar-7")
            let at = PhoneAppScene.start()
            for (index, unit) in ["kmh", "mps", "kn"].enumerated() {
                try scene.deliver([
                    "GET /osmand?token=TOKEN&unit=\(unit)&id=1&timestamp=\(at / 1_000 + Int64(index))&lat=52.52&lon=13.4"
                        + "&speed=18&accuracy=8 HTTP/1.1", "Host: 127.0.0.1",
                ])
            }
            let speeds = try scene.rows().map { $0.split(separator: " ")[4] }
            #expect(speeds == ["5", "18", "9.26"])
            let refused = try scene.send([
                "GET /osmand?token=TOKEN&unit=mph&lat=52.52&lon=13.4 HTTP/1.1", "Host: 127.0.0.1",
            ])
            #expect(refused.status == 400)
            #expect(refused.body.contains("unit: expected one of kn, mps, kmh"))
        }

        @Test func `a fix that is not valid, or out of this world, is taken and not kept`() throws {
            let scene = try PhoneAppScene("traccar-8")
            let time = now() / 1_000
            for query in [
                "lat=52.52&lon=13.4&valid=false", "lat=0&lon=0", "lat=91&lon=13.4", "lat=NaN&lon=NaN", "lat=52.52", "",
            ] {
                try scene.deliver([
                    "POST /osmand?token=TOKEN&id=1&timestamp=\(time)&\(query) HTTP/1.1", "Host: 127.0.0.1",
                    "Content-Length: 0",
                ])
            }
            #expect(try scene.rows().isEmpty)
        }

        @Test func `a wrong token is 401, JSON that is no location is 400`() throws {
            let scene = try PhoneAppScene("traccar-9")
            let wrong = try scene.send([
                "POST /osmand?token=TOKENx&id=1&lat=52.52&lon=13.4 HTTP/1.1", "Host: 127.0.0.1", "Content-Length: 0",
            ])
            #expect(wrong.status == 401)
            for body in ["{", "{}"] {
                let reply = try scene.send(
                    ["POST /osmand?token=TOKEN HTTP/1.1", "Host: 127.0.0.1", "Content-Type: application/json"],
                    body: body)
                #expect(reply.status == 400)
            }
        }
    }
}
