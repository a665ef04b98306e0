// The OsmAnd app's online tracking as it sends, over real sockets.

import DroverClient
import Foundation
import LocalServers
import Testing

extension Integration {
    @Suite("OsmAnd")
    struct OsmAndTests {
        @Test func `OsmAnd: a GET, milliseconds, metres a second, and the accuracy as hdop`() throws {
            let scene = try PhoneAppScene("osmand-1")
            let at = PhoneAppScene.start() + 125
            try scene.deliver([
                "GET /osmand?token=TOKEN&id=van-9&lat=52.52001&lon=13.404954&timestamp=\(at)&hdop=8.5&altitude=44.2"
                    + "&speed=10.1&bearing=271.5 HTTP/1.1",
                "User-Agent: Dalvik/2.1.0 (Linux; U; Android 14; Pixel 8 Build/AP1A.240405.002)", "Host: 127.0.0.1",
                "Connection: Keep-Alive", "Accept-Encoding: gzip",
            ])
            try scene.expectShown(at, latitude: 52.52001, longitude: 13.404954)
            #expect(try scene.rows() == ["\(at) 52.52001 13.404954 8.5 10.1 271.5 44.2 - -"])
        }

        @Test func `OsmAnd's zeros are unknown, its small numbers may have an exponent`() throws {
            let scene = try PhoneAppScene("osmand-2")
            let at = PhoneAppScene.start() + 125
            try scene.deliver([
                "GET /osmand?token=TOKEN&lat=52.52&lon=1.25E-5&timestamp=\(at)&hdop=0.0&altitude=0.0&speed=0.0"
                    + "&bearing=0.0 HTTP/1.1", "Host: 127.0.0.1",
            ])
            #expect(try scene.rows() == ["\(at) 52.52 1.25e-05 20 - - - - -"])
        }

        @Test func `one connection carries one position after the other`() throws {
            let scene = try PhoneAppScene("osmand-3")
            let at = PhoneAppScene.start()
            let stream = try ByteStream(port: scene.gateway.port)
            for step in 0..<3 {
                stream.send(
                    "GET /osmand?token=\(scene.token)&lat=52.52&lon=13.4&timestamp=\(at + Int64(step) * 1_000)&hdop=5.0"
                        + " HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
                let reply = try #require(try stream.takeReply())
                #expect(reply.status == 200, "\(reply)")
            }
            #expect(try scene.rows().count == 3)
        }
    }
}
