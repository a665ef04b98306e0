// GPSLogger for Android, "Log to custom URL", as it sends, over real sockets.

import DroverClient
import Foundation
import LocalServers
import Testing

extension Integration {
    @Suite("GPSLogger")
    struct GPSLoggerTests {
        /// What `%ALL` becomes.
        private static func all(_ milliseconds: Int64) -> String {
            let time = PhoneAppScene.text(milliseconds, fraction: true).replacingOccurrences(of: ":", with: "%3A")
            let offset = PhoneAppScene.text(milliseconds + 3_600_000, fraction: true)
                .replacingOccurrences(of: ":", with: "%3A").replacingOccurrences(of: "Z", with: "%2B01%3A00")
            return "lat=52.520008&lon=13.404954&sat=11&desc=&alt=44.2&acc=8.5&dir=271.5&prov=gps&spd_kph=36.36&spd=10.1"
                + "&timestamp=\(milliseconds / 1_000)&timeoffset=\(offset)&time=\(time)&starttimestamp=1759999000"
                + "&date=2026-03-02&batt=83.0&ischarging=false&aid=0123456789abcdef&ser=unknown&act=&filename=20260302"
                + "&profile=Default+Profile&hdop=0.9&vdop=1.1&pdop=1.4&dist=15230&"
        }

        @Test func `all of ALL in a GET's address is kept and shown`() throws {
            let scene = try PhoneAppScene("gpslogger-1")
            let at = PhoneAppScene.start() + 125
            try scene.deliver([
                "GET /gpslogger?token=TOKEN&device=my-phone&\(Self.all(at)) HTTP/1.1", "Host: 127.0.0.1",
                "Connection: Keep-Alive", "Accept-Encoding: gzip", "User-Agent: okhttp/4.9.3",
            ])
            try scene.expectShown(at, latitude: 52.520008, longitude: 13.404954)
            #expect(try scene.rows() == ["\(at) 52.520008 13.404954 8.5 10.1 271.5 44.2 gps 1759999000"])
        }

        @Test func `ALL in the body of a POST, with the app's Basic credentials, is the same`() throws {
            let scene = try PhoneAppScene("gpslogger-2")
            let at = PhoneAppScene.start() + 125
            try scene.deliver(
                [
                    "POST /gpslogger HTTP/1.1", "Content-Type: application/x-www-form-urlencoded",
                    "Authorization: Basic \(base64("my-phone:\(scene.token)"))", "Host: 127.0.0.1",
                    "Connection: Keep-Alive", "Accept-Encoding: gzip", "User-Agent: okhttp/4.9.3",
                ], body: Self.all(at))
            #expect(try scene.rows() == ["\(at) 52.520008 13.404954 8.5 10.1 271.5 44.2 gps 1759999000"])
        }

        @Test func `the app's first address is understood`() throws {
            let scene = try PhoneAppScene("gpslogger-3")
            let at = PhoneAppScene.start() + 125
            let time = PhoneAppScene.text(at, fraction: true).replacingOccurrences(of: ":", with: "%3A")
            try scene.deliver([
                "GET /gpslogger?token=TOKEN&lat=52.52&longitude=13.4&time=\(time)&s=10.1 HTTP/1.1", "Host: 127.0.0.1",
            ])
            try scene.expectShown(at, latitude: 52.52, longitude: 13.4)
            #expect(try scene.rows() == ["\(at) 52.52 13.4 20 10.1 - - - -"])
        }

        @Test func `zeros and empty values are unknown`() throws {
            let scene = try PhoneAppScene("gpslogger-4")
            let at = PhoneAppScene.start()
            try scene.deliver([
                "GET /gpslogger?token=TOKEN&lat=52.52&lon=13.4&sat=0&desc=&alt=0.0&acc=0.0&dir=0.0&prov=network"
                    + "&spd_kph=0.0&spd=0.0&timestamp=\(at / 1_000)&batt=&hdop=&vdop=&pdop=& HTTP/1.1",
                "Host: 127.0.0.1",
            ])
            #expect(try scene.rows() == ["\(at) 52.52 13.4 20 - - - network -"])
        }

        @Test func `a line of a file without a place or without a time is taken and not kept`() throws {
            let scene = try PhoneAppScene("gpslogger-5")
            for query in ["timestamp=\(now() / 1_000)&batt=83", "lat=52.52&lon=13.4", ""] {
                try scene.deliver(["GET /gpslogger?token=TOKEN&\(query) HTTP/1.1", "Host: 127.0.0.1"])
            }
            #expect(try scene.rows().isEmpty)
        }

        @Test func `a token in the address is in no log`() throws {
            let scene = try PhoneAppScene("gpslogger-6")
            try scene.deliver(["GET /gpslogger?token=TOKEN&\(Self.all(now())) HTTP/1.1", "Host: 127.0.0.1"])
            let wrong = "drd_\(UUID().uuidString)"
            let reply = try scene.send(["GET /gpslogger?token=\(wrong)&lat=1&lon=2 HTTP/1.1", "Host: 127.0.0.1"])
            #expect(reply.status == 401)
            #expect(!scene.gateway.log.contains(scene.token))
            #expect(!scene.gateway.log.contains(wrong))
        }
    }
}
