// The fleet as a GeoJSON file that changes: what it holds, for whom, and how a reader learns that it has the newest.

import DroverClient
import Foundation
import LocalServers
import Testing

extension Integration {
    @Suite("GET /fleet.geojson")
    struct FleetGeoJSON {
        private func ids(_ response: HTTPResponse) throws -> [String] {
            try JSON(parsing: response.text)["features"].array.compactMap { $0["id"].string }.sorted()
        }

        @Test func `every driver is a Feature with how fresh it is`() throws {
            let gateway = try RunningGateway()
            try gateway.awaitStores()
            let key = try gateway.key()
            let at = now()
            // One after the other, which is their order.
            for ping in [
                TestPing("g-1", at: at, latitude: 43.65, longitude: -79.38, speed: 8.5, heading: 271),
                TestPing("g-2", at: at - 60_000, latitude: 1, longitude: 2),
                TestPing("g-3", at: at - 600_000, latitude: -33.5, longitude: 151.25),
            ] {
                try gateway.post([ping], token: key)
            }
            let response = try gateway.http("GET", "/fleet.geojson", token: key)
            #expect(response.status == 200)
            #expect(response.header("Content-Type") == "application/geo+json")
            #expect(response.header("Cache-Control") == "private, no-cache")
            let fleet = try JSON(parsing: response.text)
            #expect(fleet["type"].string == "FeatureCollection")
            #expect(fleet.names == ["features", "type"], "nothing moves with the clock alone")
            let features = fleet["features"].array
            #expect(features.map { $0["id"].string } == ["g-1", "g-2", "g-3"])
            #expect(features.map { $0["properties"]["state"].string } == ["live", "stale", "offline"])
            #expect(features.map { $0["properties"]["driver_id"].string } == ["g-1", "g-2", "g-3"])
            // Longitude first (RFC 7946, section 3.1.1).
            #expect(features[0]["geometry"]["coordinates"].array.map(\.number) == [-79.38, 43.65])
            let properties = features[0]["properties"]
            #expect(properties["recorded_at"].integer == at)
            #expect(properties["speed"].number == 8.5)
            #expect(properties["heading"].number == 271)
            #expect(properties["accuracy"].number == 5)
            #expect(!features[1]["properties"].names.contains("speed"))

            // Tools that can send no header carry the key in the address.
            for query in ["token=\(key)", "api_key=\(key)"] {
                #expect(try ids(gateway.http("GET", "/fleet.geojson?\(query)")) == ["g-1", "g-2", "g-3"])
            }
        }

        @Test func `a limited credential sees what lies within its subjects, on its grid`() throws {
            let gateway = try RunningGateway()
            try gateway.awaitStores()
            let key = try gateway.key(RunningGateway.steering)
            let at = now()
            try gateway.post(
                [
                    TestPing("m-1", at: at, latitude: 43.651234, longitude: -79.381234),
                    TestPing("m-2", at: at, latitude: 43.7, longitude: -79.4),
                    TestPing("o-1", at: at, latitude: 10.5, longitude: 20.5),
                ], token: key)
            try gateway.assign("orders/9f2", ["o-1"], key: key)
            let ours = try gateway.key("positions:read", subjects: "driver:m-*")
            #expect(try ids(gateway.http("GET", "/fleet.geojson", token: ours)) == ["m-1", "m-2"])
            let area = try gateway.key("positions:read", subjects: "area:10,20,11,21")
            #expect(try ids(gateway.http("GET", "/fleet.geojson", token: area)) == ["o-1"])
            let order = try gateway.session("order:9f2", key: key)
            #expect(try ids(gateway.http("GET", "/fleet.geojson", token: order.token)) == ["o-1"])
            let nobody = try gateway.key("positions:read", subjects: "driver:z-*")
            #expect(try ids(gateway.http("GET", "/fleet.geojson", token: nobody)) == [])

            let coarse = try gateway.session("driver:m-1", key: key, more: "\"precision_m\":5000")
            let seen = try JSON(parsing: try gateway.http("GET", "/fleet.geojson", token: coarse.token).text)
            let place = seen["features"][0]["geometry"]["coordinates"].array.compactMap(\.number)
            #expect(place.count == 2 && place != [-79.381234, 43.651234], "\(place)")
            #expect(seen["features"][0]["properties"]["accuracy"].number == 5_000)

            let writer = try gateway.key("pings:write")
            #expect(try gateway.http("GET", "/fleet.geojson", token: writer).status == 403)
            #expect(try gateway.http("GET", "/fleet.geojson").status == 401)
        }

        @Test func `who has the newest is told so, by its tag or its time, until something changes`() throws {
            let gateway = try RunningGateway()
            try gateway.awaitStores()
            let key = try gateway.key()
            let at = now() - 5_000
            try gateway.post([TestPing("t-1", at: at, latitude: 60)], token: key)
            func ask(_ headers: [(String, String)], by method: String = "GET") throws -> HTTPResponse {
                try gateway.http(method, "/fleet.geojson", token: key, headers: headers)
            }
            let first = try ask([])
            let tag = try #require(first.header("ETag"))
            #expect(tag.wholeMatch(of: #/"[0-9a-f]+"/#) != nil, "a strong tag: \(tag)")
            for known in [tag, "W/\(tag)", "\"other\", \(tag)", "*"] {
                let again = try ask([("If-None-Match", known)])
                #expect(again.status == 304, "\(known)")
                #expect(again.body.isEmpty)
                #expect(again.header("ETag") == tag)
            }
            #expect(try ask([("If-None-Match", "\"other\"")]).status == 200)

            // Within the second of a change the time cannot tell what came after it, so it is asked for until it can.
            let time = try awaitValue("a time that holds") { () throws -> String? in
                let time = try #require(try ask([]).header("Last-Modified"))
                return try ask([("If-Modified-Since", time)]).status == 304 ? time : nil
            }
            #expect(time.wholeMatch(of: #/\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT/#) != nil, "\(time)")
            #expect(try ask([("If-Modified-Since", "Sun, 06 Nov 1994 08:49:37 GMT")]).status == 200)
            #expect(try ask([("If-Modified-Since", "yesterday")]).status == 200)
            // The tag is more exact, so that the time does not count beside it (RFC 9110, section 13.1.3).
            #expect(try ask([("If-None-Match", "\"other\""), ("If-Modified-Since", time)]).status == 200)

            let head = try ask([], by: "HEAD")
            #expect(head.status == 200 && head.body.isEmpty && head.header("ETag") == tag)
            #expect(head.header("Content-Length") == "\(first.body.count)")

            try gateway.post([TestPing("t-1", at: at + 1_000, latitude: 60.0001)], token: key)
            for known in [("If-None-Match", tag), ("If-Modified-Since", time)] {
                let changed = try ask([known])
                #expect(changed.status == 200, "\(known)")
                #expect(changed.header("ETag") != tag)
            }
        }

        @Test func `that a driver goes stale is a change, too`() throws {
            let gateway = try RunningGateway(settings: ["live.stale_s": "3"])
            try gateway.awaitStores()
            let key = try gateway.key()
            try gateway.post([TestPing("s-1", at: now())], token: key)
            let fresh = try gateway.http("GET", "/fleet.geojson", token: key)
            #expect(fresh.text.contains("\"state\":\"live\""))
            let tag = try #require(fresh.header("ETag"))
            let stale = try awaitValue("a change") { () throws -> HTTPResponse? in
                let response = try gateway.http("GET", "/fleet.geojson", token: key, headers: [("If-None-Match", tag)])
                return response.status == 200 ? response : nil
            }
            #expect(stale.text.contains("\"state\":\"stale\""))
            #expect(stale.header("Last-Modified") != fresh.header("Last-Modified"))
        }
    }
}
