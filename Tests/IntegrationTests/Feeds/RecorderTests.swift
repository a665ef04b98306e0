// OwnTracks' Recorder as its viewers see it: the requests of its own front end, every endpoint and format, the WebSocket.

import DroverClient
import Foundation
import FoundationXML
import LocalServers
import Testing

extension Integration {
    @Suite("The Recorder's interface")
    struct Recorder {
        private static let permissions = "pings:write,positions:read,history:read"

        private static func get(
            _ gateway: RunningGateway, _ target: String, _ key: String,
            sourceLocation: SourceLocation = #_sourceLocation
        ) throws -> JSON {
            let response = try gateway.http("GET", target, token: key)
            #expect(response.status == 200, "\(target): \(response.text)", sourceLocation: sourceLocation)
            return try JSON(parsing: response.text)
        }

        /// UTC without a zone, as the front end writes it.
        private static func date(_ milliseconds: Int64) -> String {
            let formatter = ISO8601DateFormatter()
            return String(formatter.string(from: Date(timeIntervalSince1970: Double(milliseconds) / 1_000)).dropLast())
        }

        @Test func `the front end's requests in its order are answered as it reads them`() throws {
            let gateway = try RunningGateway()
            let key = try gateway.key(Self.permissions)
            // Whole seconds: OwnTracks has no others.
            let start = now() / 1_000 * 1_000 - 600_000
            let drive = TestPing.drive("van-17", from: start, count: 300)
            try gateway.post(drive, token: key)
            try gateway.post([TestPing("kim", at: start, latitude: 52.5163, longitude: 13.3777)], token: key)
            try gateway.awaitHistory()

            let users = try Self.get(gateway, "/api/0/list", key)["results"].array.compactMap(\.string)
            #expect(users == ["drover"])
            let devices = try Self.get(gateway, "/api/0/list?user=drover", key)["results"].array.compactMap(\.string)
            #expect(devices == ["kim", "van-17"])

            let last = try Self.get(gateway, "/api/0/last", key).array
            #expect(last.count == 2)
            let van = try #require(last.first { $0["device"].string == "van-17" })
            #expect(van["_type"].string == "location")
            #expect(van["username"].string == "drover")
            #expect(van["tid"].string == "17")
            #expect(van["tst"].integer == start / 1_000 + 299)
            #expect(van["lat"].number == drive[299].latitude)
            #expect(van["lon"].number == -79.38)
            #expect(van["vel"].integer == 40)
            #expect(van["cog"].integer == 0)
            #expect(van["acc"].integer == 5)
            #expect(van["topic"].string == "owntracks/drover/van-17")

            let range = "from=\(Self.date(start))&to=\(Self.date(start + 299_000))"
            let past = try Self.get(
                gateway, "/api/0/locations?\(range)&user=drover&device=van-17&format=json", key)
            #expect(past["data"].array.count == 300)
            #expect(past["data"].array.map { $0["tst"].integer } == drive.map { $0.recordedAt / 1_000 })
            #expect(past["status"].integer == 200)
            let version = try Self.get(gateway, "/api/0/version", key)["version"].string
            #expect(version?.isEmpty == false)
            #expect(past["version"].string == version)

            let socket = try gateway.webSocket("/ws/last?token=\(key)", token: nil)
            socket.send("LAST")
            let first = try [socket.json(), socket.json()]
            #expect(Set(first.map { $0["device"].string }) == ["kim", "van-17"])
            #expect(first.allSatisfy { $0["_type"].string == "location" })
            guard case .text("LAST") = try socket.next() else {
                Issue.record("the word does not come back")
                return
            }
            let at = start + 400_000
            try gateway.post([TestPing("kim", at: at, latitude: 52.5164, longitude: 13.3777)], token: key)
            let update = try socket.json()
            #expect(update["device"].string == "kim")
            #expect(update["tst"].integer == at / 1_000)
            #expect(update["lat"].number == 52.5164)
        }

        @Test func `lists and last positions are limited by user, device and fields`() throws {
            let gateway = try SharedGateway.get().gateway
            let key = try SharedGateway.get().key
            try gateway.post(
                [TestPing("limit-1", at: now() - 5_000), TestPing("limit-2", at: now() - 5_000)], token: key)
            func last(_ query: String, headers: [(String, String)] = []) throws -> [String] {
                let response = try gateway.http("GET", "/api/0/last" + query, token: key, headers: headers)
                #expect(response.status == 200)
                return try JSON(parsing: response.text).array.compactMap { $0["device"].string }
            }
            #expect(Set(try last("")).isSuperset(of: ["limit-1", "limit-2"]))
            #expect(try last("?user=drover&device=limit-1") == ["limit-1"])
            #expect(try last("?user=Drover&device=limit-1") == ["limit-1"])
            #expect(try last("?user=jane").isEmpty)
            #expect(try last("?user=drover&device=nobody").isEmpty)
            let headers = [("X-Limit-User", "drover"), ("X-Limit-Device", "limit-2")]
            #expect(try last("?device=limit-1", headers: headers) == ["limit-2"])
            let fields = try Self.get(gateway, "/api/0/last?user=drover&device=limit-1&fields=tst,tid,vel", key)
            #expect(fields.array.map(\.names) == [["tid", "tst"]])
            #expect(try Self.get(gateway, "/api/0/list?user=jane", key)["results"].array.isEmpty)
            #expect(try Self.get(gateway, "/api/0/list?user=drover&device=limit-1", key)["results"].array.isEmpty)

            let target = "/api/0/last?user=drover&device=limit-1"
            let response = try gateway.http("GET", target, token: key)
            let tag = try #require(response.header("ETag"))
            let again = try gateway.http("GET", target, token: key, headers: [("If-None-Match", tag)])
            #expect(again.status == 304 && again.body.isEmpty)
            try gateway.post([TestPing("limit-1", at: now(), latitude: 43.6533)], token: key)
            let changed = try gateway.http("GET", target, token: key, headers: [("If-None-Match", tag)])
            #expect(changed.status == 200)
        }

        @Test func `a driver's past comes in every format, the newest of it where it is limited`() throws {
            let gateway = try RunningGateway()
            let key = try gateway.key(Self.permissions)
            let start = now() / 1_000 * 1_000 - 3_600_000
            let drive = TestPing.drive("van-1", from: start, count: 1_200)
            for piece in [drive[..<1_000], drive[1_000...]] { try gateway.post(Array(piece), token: key) }
            try gateway.awaitHistory()
            func text(_ query: String, type: String) throws -> String {
                let target = "/api/0/locations?user=drover&device=van-1" + query
                let response = try gateway.http("GET", target, token: key)
                #expect(response.status == 200, "\(query)")
                #expect(response.header("Content-Type")?.hasPrefix(type) == true, "\(query)")
                return response.text
            }
            let json = try JSON(parsing: try text("", type: "application/json"))
            #expect(json["data"].array.count == 1_200)
            #expect(json["count"].integer == 1_200)
            let newest = try JSON(parsing: try text("&limit=7&fields=tst", type: "application/json"))["data"].array
            #expect(newest.compactMap { $0["tst"].integer } == drive.suffix(7).map { $0.recordedAt / 1_000 })
            #expect(newest.map(\.names) == Array(repeating: ["tst"], count: 7))
            let points = try JSON(parsing: try text("&format=geojson&limit=2", type: "application/geo+json"))
            #expect(points["features"].array.count == 2)
            #expect(points["features"][0]["geometry"]["coordinates"][0].number == -79.38)
            let line = try JSON(parsing: try text("&format=linestring", type: "application/geo+json"))
            #expect(line["geometry"]["type"].string == "LineString")
            #expect(line["geometry"]["coordinates"].array.count == 1_200)
            let csv = try text("&format=csv", type: "text/csv").components(separatedBy: "\r\n")
            #expect(csv.count == 1_202 && csv[0].hasPrefix("tst,isotst,lat,lon,"))
            let xml = try text("&format=xml", type: "application/xml")
            #expect(try XMLPoints(xml).count == 1_200)
            #expect(
                try text("&format=gpx", type: "application/gpx+xml").components(separatedBy: "<trkpt ").count == 1_201)

            // A time covers its second, and a zone may be named.
            let second = Self.date(start + 5_000)
            for range in ["from=\(second)&to=\(second)", "from=\(second)Z&to=\(second)%2B00:00"] {
                let one = try JSON(parsing: try text("&" + range, type: "application/json"))["data"].array
                #expect(one.compactMap { $0["tst"].integer } == [start / 1_000 + 5], "\(range)")
            }
            let day = second.prefix(10)
            let all = try JSON(
                parsing: try text("&from=\(Self.date(start).prefix(10))&to=\(day)", type: "application/json"))
            #expect(all["data"].array.count >= 1)
        }

        @Test func `what is asked wrongly, and who may not ask`() throws {
            let gateway = try SharedGateway.get().gateway
            let key = try gateway.key(Self.permissions)
            for query in [
                "", "?user=drover", "?device=van-1", "?user=drover&device=van-1&format=kml",
                "?user=drover&device=van-1&from=yesterday", "?user=drover&device=van-1&limit=0",
                "?user=drover&device=van-1&from=2026-01-02&to=2026-01-01",
            ] {
                #expect(try gateway.http("GET", "/api/0/locations" + query, token: key).status == 400, "\(query)")
            }
            for about in ["user=jane&device=van-1", "user=drover&device=a%20b", "user=drover&device=nobody-yet"] {
                #expect(try Self.get(gateway, "/api/0/locations?\(about)", key)["data"].array.isEmpty, "\(about)")
            }
            let reader = try gateway.key("positions:read")
            let target = "/api/0/locations?user=drover&device=van-1"
            #expect(try gateway.http("GET", target, token: reader).status == 403)
            for path in ["version", "list", "last", "locations"] {
                #expect(try gateway.http("GET", "/api/0/" + path).status == 401, "\(path)")
                #expect(try gateway.http("POST", "/api/0/" + path, token: key, body: "").status == 405, "\(path)")
            }
            #expect(try gateway.http("GET", "/ws/last").status == 426)
        }

        @Test func `a limited credential sees what lies within its subjects, also as that changes`() throws {
            let gateway = try RunningGateway()
            let master = try gateway.masterKey()
            try gateway.assign("groups/east", ["in-1"], key: master)
            let limited = try gateway.key(Self.permissions, subjects: "group:east,driver:own-*")
            let at = now() - 60_000
            try gateway.post(["in-1", "out-1", "own-1"].map { TestPing($0, at: at) }, token: master)
            func devices(_ token: String) throws -> [String] {
                try Self.get(gateway, "/api/0/list?user=drover", token)["results"].array.compactMap(\.string)
            }
            #expect(try devices(master) == ["in-1", "out-1", "own-1"])
            #expect(try devices(limited) == ["in-1", "own-1"])
            let session = try gateway.session(["group:east"], by: master, precision: 1_000)
            let place = try Self.get(gateway, "/api/0/last", session.token).array
            #expect(place.compactMap { $0["device"].string } == ["in-1"])
            #expect(place[0]["lat"].number != 43.6532)
            let target = "/api/0/locations?user=drover&device="
            #expect(try gateway.http("GET", target + "out-1", token: limited).status == 403)
            #expect(try gateway.http("GET", target + "in-1", token: limited).status == 200)

            let socket = try gateway.webSocket("/ws/last", token: limited)
            func tell(_ names: [String], _ step: Int64) throws {
                try gateway.post(names.map { TestPing($0, at: at + step * 1_000) }, token: master)
            }
            socket.send("LAST")
            #expect(Set(try [socket.json(), socket.json()].map { $0["device"].string }) == ["in-1", "own-1"])
            _ = try socket.next()
            try gateway.assign("groups/east", ["out-1"], key: master)
            try tell(["in-1", "out-1"], 1)
            #expect(try socket.json()["device"].string == "out-1")
            // What nobody may see of it did not come before this.
            try tell(["in-1"], 2)
            try tell(["own-1"], 3)
            let next = try socket.json()
            #expect(next["device"].string == "own-1")
        }

        @Test func `the WebSocket takes one driver, and ends as others do`() throws {
            let gateway = try RunningGateway()
            let key = try gateway.key()
            let at = now() - 60_000
            try gateway.post(["one", "two"].map { TestPing($0, at: at) }, token: key)
            let basic = ["Authorization: Basic \(base64("viewer:\(key)"))"]
            let limits = ["X-Limit-User: drover", "X-Limit-Device: two"]
            let socket = try WebSocketProbe(port: gateway.port, "/ws/last", headers: basic + limits)
            #expect(socket.reply.status == 101)
            socket.send("anything else")
            socket.send("LAST")
            #expect(try socket.json()["device"].string == "two")
            guard case .text("LAST") = try socket.next() else {
                Issue.record("the word does not come back")
                return
            }
            try gateway.post([TestPing("one", at: at + 1_000)], token: key)
            try gateway.post([TestPing("two", at: at + 2_000)], token: key)
            let update = try socket.json()
            #expect(update["device"].string == "two" && update["tst"].integer == (at + 2_000) / 1_000)

            #expect(try gateway.webSocket("/ws/last", token: "drk_wrong").closure().code == 4401)
            let writer = try gateway.key("pings:write")
            #expect(try gateway.webSocket("/ws/last", token: writer).closure().code == 4403)
            try gateway.sql("UPDATE api_keys SET revoked_at = now()")
            #expect(try socket.closure(within: 30).code == 4403)
        }
    }
}

/// The points of the Recorder's XML, read by a parser.
private final class XMLPoints: NSObject, XMLParserDelegate {
    private(set) var count = 0

    init(_ text: String) throws {
        super.init()
        let parser = XMLParser(data: Data(text.utf8))
        parser.delegate = self
        try #require(parser.parse(), "\(String(describing: parser.parserError))")
    }

    func parser(
        _ parser: XMLParser, didStartElement name: String, namespaceURI: String?, qualifiedName: String?,
        attributes: [String: String]
    ) {
        if name == "point" { count += 1 }
    }
}
