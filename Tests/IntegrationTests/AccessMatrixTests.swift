import DroverClient
import Foundation
import LocalServers
import Testing

extension Integration {
    /// Who may do what: every endpoint and kind of subject with every kind of credential, each cell by a real request.
    ///
    /// The columns:
    /// none · garb(age of a key's form) · xses, xjwt: an expired session, an expired JWT · rkey, rses, rdev: a revoked key,
    /// session and device · bare: a key without the permission · othr: a key with all permissions, limited to another brand
    /// · oses, odev, ojwt: the right kind but for another subject: a session, a device, a viewer's JWT · sess, vjwt: a
    /// session and a viewer's JWT that name m-1, m-o, m-g and a box · dev: m-1's device · lim: a key limited to `…:m-*` and
    /// the box · bjwt: a backend's JWT · key: a key with all permissions.
    @Suite struct AccessMatrixTests {
        private static let matrix = """
                                none garb xses xjwt rkey rses rdev bare othr oses odev ojwt sess vjwt dev  lim  bjwt key
            POST pings          401  401  401  401  401  401  401  403  403  403  403  403  403  403  200  200  200  200
            POST webhook        401  401  401  401  401  401  401  403  404  403  404  403  403  403  404  404  404  404
            POST /overland      401  401  401  401  401  401  401  403  200  403  200  403  403  403  200  200  200  200
            GET /overland       401  401  401  401  401  401  401  403  200  403  200  403  403  403  200  200  200  200
            POST /api/v1/overland/batches 401  401  401  401  401  401  401  403  200  403  200  403  403  403  200  200  200  200
            GET /api/v1/overland/batches 401  401  401  401  401  401  401  403  200  403  200  403  403  403  200  200  200  200
            POST /osmand        401  401  401  401  401  401  401  403  200  403  200  403  403  403  200  200  200  200
            GET /osmand         401  401  401  401  401  401  401  403  200  403  200  403  403  403  200  200  200  200
            POST /gpslogger     401  401  401  401  401  401  401  403  200  403  200  403  403  403  200  200  200  200
            GET /gpslogger      401  401  401  401  401  401  401  403  200  403  200  403  403  403  200  200  200  200
            WS ingest           4401 4401 4401 4401 4401 4401 4401 4403 rej  4403 rej  4403 4403 4403 ack  ack  ack  ack
            WS driver           4401 4401 4401 4401 4401 4401 4401 4403 no   no   4403 no   yes  yes  4403 yes  yes  yes
            WS order            4401 4401 4401 4401 4401 4401 4401 4403 no   no   4403 no   yes  yes  4403 yes  yes  yes
            WS group            4401 4401 4401 4401 4401 4401 4401 4403 no   no   4403 no   yes  yes  4403 yes  yes  yes
            WS area             4401 4401 4401 4401 4401 4401 4401 4403 no   no   4403 no   yes  yes  4403 yes  yes  yes
            WS last             4401 4401 4401 4401 4401 4401 4401 4403 0    0    4403 0    1    1    4403 1    1    1
            WS larger area      4401 4401 4401 4401 4401 4401 4401 4403 no   no   4403 no   no   no   4403 no   yes  yes
            SSE order           401  401  401  401  401  401  401  403  403  403  403  403  200  200  403  200  200  200
            GET position        401  401  401  401  401  401  401  403  403  403  403  403  200  200  403  200  200  200
            GET near            401  401  401  401  401  401  401  403  0    0    403  0    1    1    403  1    1    1
            GET area            401  401  401  401  401  401  401  403  0    0    403  0    1    1    403  1    1    1
            GET version         401  401  401  401  401  401  401  403  200  200  403  200  200  200  403  200  200  200
            GET list            401  401  401  401  401  401  401  403  0    0    403  0    1    1    403  1    1    1
            GET last            401  401  401  401  401  401  401  403  0    0    403  0    1    1    403  1    1    1
            GET order           401  401  401  401  401  401  401  403  403  403  403  403  1    1    403  1    1    1
            GET group           401  401  401  401  401  401  401  403  403  403  403  403  1    1    403  1    1    1
            GET arrival         401  401  401  401  401  401  401  403  403  403  403  403  404  404  403  404  404  404
            GET groups          401  401  401  401  401  401  401  403  no   no   403  no   yes  yes  403  yes  yes  yes
            POST session        401  401  401  401  401  401  401  403  403  403  403  403  403  403  403  201  201  201
            GET session         401  401  401  401  401  401  401  403  404  403  403  403  403  403  403  200  200  200
            LIST sessions       401  401  401  401  401  401  401  403  200  403  403  403  403  403  403  200  200  200
            DELETE session      401  401  401  401  401  401  401  403  404  403  403  403  403  403  403  204  204  204
            GET carriers        401  401  401  401  401  401  401  403  403  403  403  403  403  403  403  200  200  200
            PUT carriers        401  401  401  401  401  401  401  403  403  403  403  403  403  403  403  200  200  200
            PUT carrier         401  401  401  401  401  401  401  403  403  403  403  403  403  403  403  200  200  200
            DELETE carrier      401  401  401  401  401  401  401  403  403  403  403  403  403  403  403  200  200  200
            GET destination     401  401  401  401  401  401  401  403  403  403  403  403  403  403  403  200  200  200
            PUT destination     401  401  401  401  401  401  401  403  403  403  403  403  403  403  403  200  200  200
            GET members         401  401  401  401  401  401  401  403  403  403  403  403  403  403  403  200  200  200
            PUT members         401  401  401  401  401  401  401  403  403  403  403  403  403  403  403  200  200  200
            PUT member          401  401  401  401  401  401  401  403  403  403  403  403  403  403  403  200  200  200
            DELETE member       401  401  401  401  401  401  401  403  403  403  403  403  403  403  403  200  200  200
            GET /fleet.geojson  401  401  401  401  401  401  401  403  200  200  403  200  200  200  403  200  200  200
            GET feed            401  401  401  401  401  401  401  403  200  200  403  200  200  200  403  200  200  200
            GET vehicles        401  401  401  401  401  401  401  403  200  200  403  200  200  200  403  200  200  200
            GET vehicle         401  401  401  401  401  401  401  403  404  404  403  404  404  404  403  404  404  404
            GET history         401  401  401  401  401  401  401  403  403  403  403  403  403  403  403  200  200  200
            GET locations       401  401  401  401  401  401  401  403  403  403  403  403  403  403  403  200  200  200
            GET trips           401  401  401  401  401  401  401  403  403  403  403  403  403  403  403  200  200  200
            GET driver          401  401  401  401  401  401  401  403  403  403  403  403  403  403  403  200  200  200
            PUT driver          401  401  401  401  401  401  401  403  403  403  403  403  403  403  403  200  200  200
            GET devices         401  401  401  401  401  401  401  403  403  403  403  403  403  403  403  200  200  200
            POST device         401  401  401  401  401  401  401  403  403  403  403  403  403  403  403  201  201  201
            DELETE device       401  401  401  401  401  401  401  403  403  403  403  403  403  403  403  204  204  204
            GET enrolment       401  401  401  401  401  401  401  403  403  403  200  403  403  403  200  403  403  403
            DELETE telemetry    401  401  401  401  401  401  401  403  403  403  403  403  403  403  403  200  200  200
            DELETE customer     401  401  401  401  401  401  401  403  403  403  403  403  403  403  403  403  200  200
            GET erasure         401  401  401  401  401  401  401  403  404  403  403  403  403  403  403  404  404  404
            POST locations      401  401  401  401  401  401  401  403  403  403  200  403  403  403  200  200  200  200
            PUT locations       401  401  401  401  401  401  401  403  403  403  200  403  403  403  200  200  200  200
            GET /metrics        401  401  401  401  401  401  401  200  403  403  403  403  403  403  403  200  200  200
            GET /healthz        200  200  200  200  200  200  200  200  200  200  200  200  200  200  200  200  200  200
            GET /readyz         200  200  200  200  200  200  200  200  200  200  200  200  200  200  200  200  200  200
            GET /map            200  200  200  200  200  200  200  200  200  200  200  200  200  200  200  200  200  200
            GET /openapi.yaml   200  200  200  200  200  200  200  200  200  200  200  200  200  200  200  200  200  200
            POST pub            401  401  401  401  401  401  401  403  403  403  200  403  403  403  200  200  200  200
            POST points         401  401  401  401  401  401  401  403  403  403  200  403  403  403  200  200  200  200
            """

        @Test func `every endpoint answers every kind of credential as the table says`() throws {
            let world = try AccessWorld()
            let lines = Self.matrix.split(separator: "\n")
            let columns = lines[0].split(separator: " ").map(String.init)
            #expect(Set(columns) == Set(world.tokens.keys).union(["none"]), "every credential has its column")
            var cells = 0
            for line in lines.dropFirst() {
                let words = line.split(separator: " ").map(String.init)
                let name = words.dropLast(columns.count).joined(separator: " ")
                for (column, expected) in zip(columns, words.suffix(columns.count)) {
                    let answer = try world.answer(name, world.tokens[column])
                    #expect(answer == expected, "\(name) with \(column)")
                    cells += 1
                }
            }
            #expect(cells == (lines.count - 1) * columns.count)
        }
    }
}

/// Two brands on one gateway: ours, whose ids begin with `m-`, and another.
private final class AccessWorld {
    static let box = "43,-80,44,-79"
    private static let operatorID = "0d5b3a90-9f1c-4c54-9d27-4f6c3e0a9b11"
    let gateway: RunningGateway
    private(set) var tokens: [String: String] = [:]
    private let master: String
    /// One ping for all cells: what is repeated is acknowledged, too.
    private let ping = TestPing(
        "m-1", at: Int64(Date().timeIntervalSince1970 * 1_000), latitude: 43.5, longitude: -79.5)

    init() throws {
        let signed = SignedTokens()
        gateway = try RunningGateway(starts: false)
        let keySet = gateway.directory.path + "/jwks.json"
        try signed.keySet.write(toFile: keySet, atomically: true, encoding: .utf8)
        gateway.set("access.jwks_file", keySet)
        // From nowhere are metrics open, so that the table has the credential's part.
        gateway.set("web.metrics_from", "")
        gateway.set("mds.provider_id", Self.operatorID)
        try gateway.start()
        let all =
            "pings:write,positions:read,history:read,sessions:write,assignments:write,devices:write,telemetry:erase"
        let ours = "driver:m-*,order:m-*,group:m-*,area:\(Self.box)"
        master = try gateway.key(all + ",metrics:read")
        try gateway.awaitStores()
        try gateway.post([ping], token: master)
        try gateway.assign("orders/m-o", ["m-1"], key: master)
        try gateway.assign("groups/m-g", ["m-1"], key: master)

        tokens["garb"] = "drk_" + String(repeating: "A", count: 43)
        tokens["key"] = master
        tokens["lim"] = try gateway.key(all + ",metrics:read", subjects: ours)
        tokens["othr"] = try gateway.key(all, subjects: "driver:o-*,order:o-*,group:o-*")
        tokens["bare"] = try gateway.key("metrics:read")
        tokens["rkey"] = try gateway.key(all)
        try gateway.sql(
            "UPDATE api_keys SET revoked_at = now() WHERE id = (SELECT id FROM api_keys ORDER BY created_at DESC LIMIT 1)"
        )
        let names = ["driver:m-1", "order:m-o", "group:m-g", "area:\(Self.box)"]
        let others = ["driver:o-1", "order:o-o", "group:o-g", "area:0,0,1,1"]
        tokens["sess"] = try session(names).token
        tokens["oses"] = try session(others).token
        let ended = try session(names)
        try gateway.sql(
            "UPDATE tracking_sessions SET expires_at = now() - interval '1 minute' WHERE id = $1", [ended.id])
        try gateway.redisProbe().command("FLUSHALL")
        tokens["xses"] = ended.token
        let revoked = try session(names)
        try #require(try gateway.http("DELETE", "/v1/tracking-sessions/\(revoked.id)", token: master).status == 204)
        tokens["rses"] = revoked.token
        tokens["dev"] = try device("m-1").token
        tokens["odev"] = try device("o-1").token
        let lost = try device("m-1")
        try #require(try gateway.http("DELETE", "/v1/drivers/m-1/devices/\(lost.id)", token: master).status == 204)
        tokens["rdev"] = lost.token
        func list(_ names: [String]) -> String { names.map { "\"\($0)\"" }.joined(separator: ",") }
        tokens["vjwt"] = signed.token("\"role\":\"viewer\",\"sub\":\"c1\",\"subjects\":[\(list(names))]")
        tokens["ojwt"] = signed.token("\"role\":\"viewer\",\"sub\":\"c2\",\"subjects\":[\(list(others))]")
        tokens["xjwt"] = signed.token(
            endingIn: -120, "\"role\":\"viewer\",\"sub\":\"c1\",\"subjects\":[\(list(names))]")
        let permissions = (all + ",metrics:read").split(separator: ",").map(String.init)
        tokens["bjwt"] = signed.token("\"role\":\"backend\",\"sub\":\"b\",\"permissions\":[\(list(permissions))]")
    }

    private func session(_ names: [String]) throws -> (id: String, token: String) {
        let list = names.map { "\"\($0)\"" }.joined(separator: ",")
        let reply = try gateway.http("POST", "/v1/tracking-sessions", token: master, body: "{\"subjects\":[\(list)]}")
        let json = try JSON(parsing: reply.text)
        return (try #require(json["id"].string), try #require(json["token"].string))
    }

    private func device(_ driver: String) throws -> (id: String, token: String) {
        let reply = try gateway.http(
            "POST", "/v1/drivers/\(driver)/devices", token: master, body: "{\"name\":\"phone\"}")
        let json = try JSON(parsing: reply.text)
        return (try #require(json["id"].string), try #require(json["token"].string))
    }

    // MARK: The cells

    /// What the row's request comes to with a token: a status, a close code, or a word for what went well.
    func answer(_ row: String, _ token: String?) throws -> String {
        switch row {
        case "POST pings":
            // A device's ping needs no name, a backend's does.
            return try status("POST", "/v1/pings", token, ping.json)
        case "POST locations", "PUT locations":
            // What m-1 has sent already: nobody's place changes. To a device the name is a label.
            let record =
                "{\"timestamp\":\(ping.recordedAt),\"coords\":{\"latitude\":10,\"longitude\":10,\"accuracy\":5}}"
            let method = String(row.prefix { $0 != " " })
            return try status(method, "/locations", token, "{\"location\":\(record),\"device_id\":\"m-1\"}")
        // No webhook is configured here: who may send one learns that.
        case "POST webhook": return try status("POST", "/v1/webhooks/nobody", token, "{}")
        // Without positions, since a phone's are its own driver's whatever they say.
        case "POST /overland", "POST /api/v1/overland/batches":
            return try status("POST", String(row.dropFirst(5)), token, "{\"locations\":[]}")
        case "POST /osmand": return try status("POST", "/osmand", token, "{\"location\":{}}")
        case "POST /gpslogger": return try status("POST", "/gpslogger", token, "batt=83")
        case "POST pub", "POST points":
            return try status("POST", row == "POST pub" ? "/pub?d=m-1" : "/api/v1/owntracks/points?d=m-1", token, fix)
        case "WS ingest": return try ingest(token)
        case "WS last": return try last(token)
        case "WS driver": return try watch("driver:m-1", token)
        case "WS order": return try watch("order:m-o", token)
        case "WS group": return try watch("group:m-g", token)
        case "WS area": return try watch("area:43.2,-79.8,43.8,-79.2", token)
        case "WS larger area": return try watch("area:42,-81,45,-78", token)
        case "SSE order": return try events("order:m-o", token)
        case "GET position": return try status("GET", "/v1/drivers/m-1/position", token)
        // Nobody has said where it goes.
        case "GET arrival": return try status("GET", "/v1/orders/m-o/arrival", token)
        case "GET destination": return try status("GET", "/v1/orders/m-o", token)
        case "PUT destination": return try status("PUT", "/v1/orders/m-o", token, "{\"destination\":null}")
        case "GET history": return try status("GET", "/v1/drivers/m-1/history", token)
        case "GET trips": return try status("GET", "/v1/drivers/m-1/trips", token)
        case "GET version": return try status("GET", "/api/0/version", token)
        case "GET list": return try entries("/api/0/list?user=drover", token) { $0["results"].array.count }
        case "GET last": return try entries("/api/0/last", token) { $0.array.count }
        case "GET locations": return try status("GET", "/api/0/locations?user=drover&device=m-1", token)
        case "GET near": return try count("/v1/drivers?near=43.5,-79.5&radius_m=1000", token)
        case "GET area": return try count("/v1/drivers?area=43,-80,44,-79", token)
        case "GET order": return try count("/v1/drivers?order=m-o", token)
        case "GET group": return try count("/v1/drivers?group=m-g", token)
        case "GET groups":
            let response = try gateway.http("GET", "/v1/groups", token: token)
            guard response.status == 200 else { return String(response.status) }
            let ids = try JSON(parsing: response.text)["groups"].array.compactMap { $0["id"].string }
            return ids.contains("m-g") ? "yes" : "no"
        case "POST session": return try status("POST", "/v1/tracking-sessions", token, "{\"subjects\":[\"order:m-o\"]}")
        case "GET session":
            return try status("GET", "/v1/tracking-sessions/\(try session(["order:m-o"]).id)", token)
        case "LIST sessions": return try status("GET", "/v1/tracking-sessions", token)
        case "DELETE session":
            return try status("DELETE", "/v1/tracking-sessions/\(try session(["order:m-o"]).id)", token)
        case "GET driver": return try status("GET", "/v1/drivers/m-1", token)
        // It is in service already, so that no other row is concerned.
        case "PUT driver": return try status("PUT", "/v1/drivers/m-1", token, "{\"is_active\":true}")
        case "GET devices": return try status("GET", "/v1/drivers/m-1/devices", token)
        case "GET enrolment": return try status("GET", "/v1/enrolment", token)
        case "GET feed": return try status("GET", "/gtfs-rt/vehicle-positions.pb", token)
        case "GET vehicles": return try status("GET", "/mds/vehicles/status", token)
        // Of a vehicle that is not there: whom it is shown to, the feeds' own tests tell.
        case "GET vehicle": return try status("GET", "/mds/vehicles/status/\(Self.operatorID)", token)
        case "POST device": return try status("POST", "/v1/drivers/m-1/devices", token, "{\"name\":\"phone\"}")
        case "DELETE device":
            return try status("DELETE", "/v1/drivers/m-1/devices/\(try device("m-1").id)", token)
        // Of a driver who is in no other row. Done within three seconds or still under way: who may, may.
        case "DELETE telemetry":
            let answer = try status("DELETE", "/v1/drivers/m-7/telemetry", token)
            return answer == "202" ? "200" : answer
        case "DELETE customer": return try status("DELETE", "/v1/customers/nobody/tracking", token)
        case "GET erasure": return try status("GET", "/v1/erasures/unknown", token)
        default: return try assignment(row, token)
        }
    }

    private func assignment(_ row: String, _ token: String?) throws -> String {
        let words = row.split(separator: " ").map(String.init)
        if words[1].hasPrefix("/") { return try status(words[0], words[1], token) }
        let container = words[1].hasPrefix("carrier") ? "/v1/orders/m-o/drivers" : "/v1/groups/m-g/drivers"
        switch words[0] + (words[1].hasSuffix("s") ? " list" : "") {
        case "GET list": return try status("GET", container, token)
        case "PUT list": return try status("PUT", container, token, "{\"drivers\":[\"m-1\"]}")
        // A PUT says its length, also where it is 0.
        case "PUT": return try status("PUT", container + "/m-1", token, "")
        // One that is not there: the next rows need the other.
        case "DELETE": return try status("DELETE", container + "/m-9", token)
        default: throw StreamEnded(description: "there is no request for the row \(row)")
        }
    }

    private func status(_ method: String, _ target: String, _ token: String?, _ body: String? = nil) throws -> String {
        String(try gateway.http(method, target, token: token, body: body).status)
    }

    /// The same fix as the ping, in OwnTracks' words.
    private var fix: String {
        "{\"_type\":\"location\",\"lat\":43.5,\"lon\":-79.5,\"acc\":5,\"tst\":\(ping.recordedAt / 1_000)}"
    }

    /// The number of drivers in the answer, or its status where it is no 200.
    private func count(_ target: String, _ token: String?) throws -> String {
        try entries(target, token) { $0["drivers"].array.count }
    }

    private func entries(_ target: String, _ token: String?, _ count: (JSON) -> Int) throws -> String {
        let response = try gateway.http("GET", target, token: token)
        guard response.status == 200 else { return String(response.status) }
        return String(count(try JSON(parsing: response.text)))
    }

    /// The number of drivers that the Recorder's WebSocket shows, or the code that it is closed with.
    private func last(_ token: String?) throws -> String {
        let socket = try gateway.webSocket("/ws/last", token: token)
        socket.send("LAST")
        var count = 0
        while true {
            switch try socket.next() {
            case .text("LAST"): return String(count)
            case .text: count += 1
            case .close(let code, _): return String(code)
            case .end: return "1006"
            }
        }
    }

    private func events(_ subject: String, _ token: String?) throws -> String {
        let stream = try ByteStream(port: gateway.port)
        let credential = token.map { "Authorization: Bearer \($0)\r\n" } ?? ""
        stream.send("GET /v1/track/events?subject=\(subject) HTTP/1.1\r\nHost: 127.0.0.1\r\n\(credential)\r\n")
        let line = try #require(try stream.take(12, within: 10))
        return String(decoding: line.suffix(3), as: UTF8.self)
    }

    private func ingest(_ token: String?) throws -> String {
        let socket = try gateway.webSocket("/v1/ingest", token: token, subprotocols: "drover.ingest.v1")
        socket.send(ping.json)
        while true {
            switch try socket.next() {
            case .text(let text):
                let json = try JSON(parsing: text)
                guard !json["ack"].isNull else { continue }
                return json["rejected"].isNull ? "ack" : "rej"
            case .close(let code, _): return String(code)
            case .end: return "1006"
            }
        }
    }

    private func watch(_ subject: String, _ token: String?) throws -> String {
        let socket = try gateway.webSocket("/v1/track", token: token, subprotocols: "drover.v1")
        socket.send("{\"id\":7,\"subscribe\":[\"\(subject)\"]}")
        while true {
            switch try socket.next() {
            case .text(let text):
                let json = try JSON(parsing: text)
                if token == nil, !json["error"].isNull {
                    // Without a token the log-in is due within 5 s; a wrong one is told at once.
                    socket.send("{\"id\":8,\"token\":\"\"}")
                } else if json["error"]["code"].string == "forbidden" {
                    return "no"
                } else if !json["subscribed"][subject].isNull {
                    return "yes"
                }
            case .close(let code, _): return String(code)
            case .end: return "1006"
            }
        }
    }
}
