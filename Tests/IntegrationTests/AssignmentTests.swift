import DroverClient
import EventLoop
import Foundation
import LocalServers
import Synchronization
import Testing

extension Integration {
    @Suite("Assignments, devices and scopes") struct AssignmentTests {
        @Test(arguments: ["orders", "groups"])
        func `the drivers are replaced, added and taken out, and every reply is the list as it is then`(
            kind: String
        ) throws {
            let gateway = try RunningGateway()
            let key = try gateway.key(RunningGateway.steering)
            try gateway.awaitStores()
            let path = "/v1/\(kind)/9f2/drivers"
            func change(_ method: String, _ driver: String) throws -> [String] {
                let response = try gateway.http(
                    method, "\(path)/\(driver)", token: key, body: method == "PUT" ? "" : nil)
                try #require(response.status == 200, "\(response.text)")
                return try JSON(parsing: response.text)["drivers"].array.compactMap(\.string)
            }
            #expect(try gateway.drivers("\(kind)/9f2", key: key) == [])
            #expect(try gateway.assign("\(kind)/9f2", ["b", "a", "b"], key: key) == ["a", "b"])
            #expect(try gateway.assign("\(kind)/9f2", ["b", "c"], key: key) == ["b", "c"])
            #expect(try change("PUT", "d") == ["b", "c", "d"])
            #expect(try change("PUT", "d") == ["b", "c", "d"])
            #expect(try change("DELETE", "b") == ["c", "d"])
            #expect(try change("DELETE", "b") == ["c", "d"])
            #expect(try gateway.drivers("\(kind)/9f2", key: key) == ["c", "d"])
            #expect(try gateway.drivers("\(kind)/other", key: key) == [])
            #expect(try gateway.assign("\(kind)/9f2", [], key: key) == [])
            // Only what changed something has left a trail.
            #expect(try gateway.count("SELECT count(*) FROM api_audit_logs WHERE action LIKE '%.assign'") == 5)
            if kind == "orders" {
                #expect(try gateway.count("SELECT count(*) FROM driver_assignments") == 4)
                let open = "SELECT count(*) FROM driver_assignments WHERE released_at IS NULL"
                #expect(try gateway.count(open) == 0)
            }
        }

        @Test func `what is no assignment is refused with what is wrong`() throws {
            let gateway = try RunningGateway()
            let key = try gateway.key(RunningGateway.steering)
            try gateway.awaitStores()
            let many = (0...10_000).map { "\"\($0)\"" }.joined(separator: ",")
            let cases: [(method: String, path: String, body: String?, status: Int, code: String)] = [
                ("PUT", "/v1/orders/o/drivers", "{}", 400, "bad_request"),
                ("PUT", "/v1/orders/o/drivers", "{\"drivers\":[\"a b\"]}", 400, "bad_subject"),
                ("PUT", "/v1/orders/o/drivers", "{\"drivers\":[\"a\",null]}", 400, "bad_request"),
                ("PUT", "/v1/orders/o/drivers", "{\"drivers\":[\(many)]}", 400, "bad_request"),
                ("PUT", "/v1/orders/o/drivers", "drivers", 400, "malformed_json"),
                ("PUT", "/v1/orders/a%20b/drivers", "{\"drivers\":[]}", 400, "bad_subject"),
                ("PUT", "/v1/groups/g/drivers/a,b", "", 400, "bad_subject"),
                ("POST", "/v1/drivers/a%7Bb/devices", "{}", 400, "bad_subject"),
                ("POST", "/v1/drivers/a/devices", "{\"name\":\"\"}", 400, "bad_request"),
                ("DELETE", "/v1/drivers/a/devices/none", nil, 404, "not_found"),
            ]
            for (method, path, body, status, code) in cases {
                let response = try gateway.http(method, path, token: key, body: body)
                #expect(response.status == status, "\(method) \(path): \(response.text)")
                #expect(try JSON(parsing: response.text)["code"].string == code, "\(method) \(path)")
            }
            let most = (0..<10_000).map { "driver-with-a-longer-name-\($0)" }
            #expect(try gateway.assign("groups/region", most, key: key).count == 10_000)
        }

        @Test func `lists that two gateways put at the same time end as one of them, and the trail leads there`() throws
        {
            let one = try RunningGateway()
            let key = try one.key(RunningGateway.steering)
            let two = try RunningGateway(beside: one)
            try one.awaitStores()
            try two.awaitStores()
            let addresses = [one.address, two.address]
            let lists = (0..<4).map { list in (0..<40).map { "driver-\((list * 13 + $0) % 60)" } }
            DispatchQueue.concurrentPerform(iterations: 4) { worker in
                for round in 0..<10 {
                    let names = lists[(worker + round) % 4].map { "\"\($0)\"" }.joined(separator: ",")
                    let container = round % 2 == 0 ? "orders" : "groups"
                    let response = try? HTTPClient.request(
                        "PUT", "\(addresses[worker % 2])/v1/\(container)/shared/drivers",
                        headers: [(name: "Authorization", value: "Bearer \(key)")], body: "{\"drivers\":[\(names)]}")
                    #expect(response?.status == 200, "\(response?.text ?? "no reply")")
                }
            }
            for (container, subject) in [("orders", "order:shared"), ("groups", "group:shared")] {
                let result = try one.drivers("\(container)/shared", key: key)
                #expect(try two.drivers("\(container)/shared", key: key) == result)
                #expect(lists.contains { $0.sorted() == result })
                var walked: Set<String> = []
                for row in try one.sql(
                    "SELECT detail::text FROM api_audit_logs WHERE subject = $1 ORDER BY id", [subject])
                {
                    let detail = try JSON(parsing: try #require(row))
                    walked.subtract(detail["removed"].array.compactMap(\.string))
                    walked.formUnion(detail["added"].array.compactMap(\.string))
                }
                #expect(walked.sorted() == result)
            }
        }

        @Test func `a device's token is shown once, reports for its driver alone, and is revoked`() throws {
            let gateway = try RunningGateway()
            let key = try gateway.key(RunningGateway.steering)
            try gateway.awaitStores()
            let response = try gateway.http(
                "POST", "/v1/drivers/van-1/devices", token: key, body: "{\"name\":\"Ana's phone\"}")
            try #require(response.status == 201, "\(response.text)")
            let made = try JSON(parsing: response.text)
            let id = try #require(made["id"].string)
            let token = try #require(made["token"].string)
            LogBook.secrets.withLock { _ = $0.insert(token) }
            #expect(token.hasPrefix("drd_") && token.count == 47)
            #expect(response.header("Location") == "/v1/drivers/van-1/devices/\(id)")
            let body = "{\"recorded_at\":\(now()),\"lat\":43.6,\"lng\":-79.3,\"accuracy\":5}"
            let sent = try gateway.http("POST", "/v1/pings", token: token, body: body)
            #expect(try JSON(parsing: sent.text)["accepted"].integer == 1, "\(sent.text)")
            let foreign = try gateway.http("POST", "/v1/pings", token: token, body: TestPing("van-2", at: now()).json)
            #expect(foreign.status == 403)
            let listed = try gateway.http("GET", "/v1/drivers/van-1/devices", token: key)
            #expect(!listed.text.contains(token))
            #expect(try JSON(parsing: listed.text)["devices"][0]["name"].string == "Ana's phone")
            let path = "/v1/drivers/van-1/devices/\(id)"
            #expect(try gateway.http("DELETE", "/v1/drivers/van-2/devices/\(id)", token: key).status == 404)
            let socket = try gateway.ingest(token)
            #expect(try gateway.http("DELETE", path, token: key).status == 204)
            #expect(try socket.closure().code == 4403)
            // With several workers the others hear of it a moment later.
            try eventually("it is refused") {
                try gateway.http("POST", "/v1/pings", token: token, body: body).status == 401
            }
            #expect(try gateway.http("DELETE", path, token: key).status == 204)
            let after = try JSON(parsing: gateway.http("GET", "/v1/drivers/van-1/devices", token: key).text)
            #expect(after["devices"][0]["revoked_at"].string != nil)
        }

        @Test func `every change leaves one row in the audit trail, and no secret is in any`() throws {
            let gateway = try RunningGateway()
            let key = try gateway.key(RunningGateway.steering)
            let spare = try gateway.key()
            try gateway.awaitStores()
            let keys = try gateway.sql("SELECT id FROM api_keys ORDER BY created_at").compactMap { $0 }
            try #require(keys.count == 2)
            let session = try gateway.session("order:9f2", key: key)
            _ = try gateway.http("DELETE", "/v1/tracking-sessions/\(session.id)", token: key)
            _ = try gateway.http("DELETE", "/v1/tracking-sessions/\(session.id)", token: key)
            let device = try JSON(parsing: gateway.http("POST", "/v1/drivers/a/devices", token: key, body: "{}").text)
            let deviceID = try #require(device["id"].string)
            let deviceToken = try #require(device["token"].string)
            _ = try gateway.http("DELETE", "/v1/drivers/a/devices/\(deviceID)", token: key)
            try gateway.assign("orders/9f2", ["a"], key: key)
            try gateway.assign("groups/east", ["a"], key: key)
            _ = try gateway.drover("key", "revoke", keys[1])
            let rows = try gateway.sql(
                "SELECT concat_ws(' ', actor, action, subject, coalesce(address, '-')) FROM api_audit_logs ORDER BY id")
            #expect(
                rows.compactMap { $0 } == [
                    "cli key.create key:\(keys[0]) -", "cli key.create key:\(keys[1]) -",
                    "\(keys[0]) tracking_session.create tracking_session:\(session.id) 127.0.0.1",
                    "\(keys[0]) tracking_session.revoke tracking_session:\(session.id) 127.0.0.1",
                    "\(keys[0]) device.create device:\(deviceID) 127.0.0.1",
                    "\(keys[0]) device.revoke device:\(deviceID) 127.0.0.1",
                    "\(keys[0]) order.assign order:9f2 127.0.0.1", "\(keys[0]) group.assign group:east 127.0.0.1",
                    "cli key.revoke key:\(keys[1]) -",
                ])
            for secret in [key, spare, session.token, deviceToken] {
                let hash = "encode(sha256('\(secret)'::bytea), 'hex')"
                let found = try gateway.count(
                    "SELECT count(*) FROM api_audit_logs a WHERE a::text LIKE '%\(secret)%' OR a::text LIKE '%' || \(hash) || '%'"
                )
                #expect(found == 0)
            }
        }

        @Test func `keys of two brands on one gateway cannot reach each other`() throws {
            let gateway = try RunningGateway()
            let owner = try gateway.key(RunningGateway.steering)
            let east = try gateway.key(
                RunningGateway.steering, subjects: "group:east,order:east-*,driver:east-*,area:43,-80,44,-79")
            let west = try gateway.key(RunningGateway.steering, subjects: "group:west,order:west-*,driver:west-*")
            try gateway.awaitStores()
            func status(_ method: String, _ path: String, _ body: String? = nil, as key: String) throws -> Int {
                try gateway.http(method, path, token: key, body: body).status
            }
            func watch(_ subject: String, as key: String) throws -> Int {
                try status("POST", "/v1/tracking-sessions", "{\"subjects\":[\"\(subject)\"]}", as: key)
            }
            try gateway.assign("groups/east", ["member"], key: owner)
            // Named, by itself or by its beginning.
            #expect(try watch("group:east", as: east) == 201)
            #expect(try watch("group:east-2", as: east) == 403)
            #expect(try watch("order:east-1", as: east) == 201)
            #expect(try watch("order:west-1", as: east) == 403)
            #expect(try watch("driver:east-van", as: east) == 201)
            #expect(try watch("driver:west-van", as: east) == 403)
            // An area inside a named one.
            #expect(try watch("area:43.1,-79.9,43.9,-79.1", as: east) == 201)
            #expect(try watch("area:43.1,-79.9,44.1,-79.1", as: east) == 403)
            #expect(try watch("area:43.1,-79.9,43.9,-79.1", as: west) == 403)
            // A member of a named group, and only while it is one; an order whose carriers are all within.
            #expect(try watch("driver:member", as: east) == 201)
            #expect(try watch("driver:member", as: west) == 403)
            #expect(try watch("order:loose", as: east) == 403)
            try gateway.assign("orders/loose", ["member", "east-van"], key: owner)
            #expect(try watch("order:loose", as: east) == 201)
            #expect(try watch("order:loose", as: west) == 403)
            try gateway.assign("orders/loose", ["member", "west-van"], key: owner)
            #expect(try watch("order:loose", as: east) == 403)
            try gateway.assign("orders/loose", ["member"], key: owner)
            try gateway.assign("groups/east", [], key: owner)
            #expect(try watch("driver:member", as: east) == 403)
            #expect(try watch("order:loose", as: east) == 403)
            // A driver who carries an order of a named beginning.
            try gateway.assign("orders/east-7", ["member"], key: owner)
            #expect(try watch("driver:member", as: east) == 201)

            // Assignments: the order or group, and each driver that is added.
            #expect(try gateway.assign("orders/east-1", ["east-van"], key: east) == ["east-van"])
            #expect(try status("PUT", "/v1/orders/east-1/drivers", "{\"drivers\":[\"west-van\"]}", as: east) == 403)
            #expect(try status("PUT", "/v1/orders/west-1/drivers", "{\"drivers\":[\"east-van\"]}", as: east) == 403)
            #expect(try status("PUT", "/v1/groups/east/drivers/west-van", "", as: east) == 403)
            #expect(try status("PUT", "/v1/groups/east/drivers/east-van", "", as: east) == 200)
            #expect(try status("GET", "/v1/orders/east-1/drivers", as: west) == 403)
            #expect(try status("DELETE", "/v1/orders/east-1/drivers/east-van", as: west) == 403)
            #expect(try gateway.drivers("orders/east-1", key: owner) == ["east-van"])

            // Devices.
            #expect(try status("POST", "/v1/drivers/west-van/devices", "{}", as: east) == 403)
            #expect(try status("GET", "/v1/drivers/west-van/devices", as: east) == 403)
            #expect(try status("POST", "/v1/drivers/east-van/devices", "{}", as: east) == 201)

            // Sessions of the other are not to be found.
            let eastern = try gateway.session("order:east-1", key: east)
            let western = try gateway.session("order:west-1", key: west)
            let path = "/v1/tracking-sessions"
            #expect(try status("GET", "\(path)/\(western.id)", as: east) == 404)
            #expect(try status("DELETE", "\(path)/\(western.id)", as: east) == 404)
            #expect(try gateway.admits(western.token))
            #expect(try status("GET", "\(path)/\(eastern.id)", as: east) == 200)
            let listed = try JSON(parsing: gateway.http("GET", path, token: west).text)["sessions"].array
            #expect(listed.map { $0["id"].string } == [western.id])
            #expect(try JSON(parsing: gateway.http("GET", path, token: owner).text)["sessions"].array.count >= 9)
            #expect(try status("DELETE", "\(path)/\(eastern.id)", as: east) == 204)
        }

        @Test func `a key whose subjects make no sense is not made`() throws {
            let gateway = try RunningGateway(starts: false)
            for subjects in ["east", "group:", "area:1,2,3", "*", "group:east,,order:1"] {
                let result = try gateway.drover(
                    "key", "create", "--name", "x", "--permissions", "pings:write", "--subjects", subjects)
                #expect(result.status == .exited(1), "\(subjects)")
                #expect(result.output.contains("is no subject"), "\(subjects): \(result.output)")
            }
            _ = try gateway.key(subjects: "area:43,-80,44,-79,order:*")
            #expect(
                try gateway.sql("SELECT array_to_string(subjects, ' ') FROM api_keys") == ["area:43,-80,44,-79 order:*"]
            )
            #expect(try gateway.drover("key", "list").output.contains("area:43,-80,44,-79,order:*"))
        }
    }
}
