// A driver who is put out of service: his pings do not count, and he is shown nowhere, on every gateway.

import DroverClient
import Testing

extension Integration {
    @Suite("Driver states")
    struct DriverStates {
        private func put(_ gateway: RunningGateway, _ driver: String, _ body: String, _ key: String) throws
            -> HTTPResponse
        {
            try gateway.http("PUT", "/v1/drivers/\(driver)", token: key, body: body)
        }

        @Test func `a state is kept, told, and changed once`() throws {
            let shared = try SharedGateway.get()
            let gateway = shared.gateway
            let key = try gateway.key("assignments:write")
            try gateway.awaitStores()
            let unknown = try JSON(parsing: try gateway.http("GET", "/v1/drivers/st-1", token: key).text)
            #expect(unknown.names == ["id", "is_active"] && unknown["is_active"].flag == true)
            // Who was never out of service is not put back into it.
            #expect(try put(gateway, "st-1", #"{"is_active":true}"#, key).text == #"{"id":"st-1","is_active":true}"#)
            let reply = try put(gateway, "st-1", #"{"is_active":false}"#, key)
            #expect(reply.status == 200 && reply.header("Cache-Control") == "no-store")
            let state = try JSON(parsing: reply.text)
            #expect(state["id"].string == "st-1" && state["is_active"].flag == false)
            #expect(state["changed_at"].string?.hasSuffix("Z") == true)
            // Repeating it changes nothing, not even the time.
            #expect(try put(gateway, "st-1", #"{"is_active":false}"#, key).text == reply.text)
            #expect(try gateway.http("GET", "/v1/drivers/st-1", token: key).text == reply.text)
            let back = try JSON(parsing: try put(gateway, "st-1", #"{"is_active":true}"#, key).text)
            #expect(back["is_active"].flag == true && back["changed_at"].string != state["changed_at"].string)
            #expect(
                try gateway.sql(
                    "SELECT detail::text FROM api_audit_logs WHERE action = 'driver.state' AND subject = 'driver:st-1' ORDER BY id"
                ) == [#"{"is_active": false}"#, #"{"is_active": true}"#])
            for (body, status) in [
                ("{}", 400), (#"{"is_active":"no"}"#, 400), (#"{"is_active":null}"#, 400), ("x", 400),
            ] {
                #expect(try put(gateway, "st-1", body, key).status == status)
            }
            #expect(try put(gateway, "a%20b", #"{"is_active":true}"#, key).status == 400)
            let limited = try gateway.key("assignments:write", subjects: "driver:east-*")
            #expect(try put(gateway, "st-1", #"{"is_active":true}"#, limited).status == 403)
            #expect(try put(gateway, "st-1", #"{"is_active":true}"#, try gateway.key("pings:write")).status == 403)
        }

        @Test func `out of service a driver is off shift and shown nowhere, on every gateway, and then back`() throws {
            let first = try RunningGateway()
            let key = try first.key("pings:write,positions:read,assignments:write")
            try first.awaitStores()
            let second = try RunningGateway(beside: first)
            try second.awaitStores()
            let redis = try first.redisProbe()
            let drive = TestPing.drive("st-2", from: now() - 60_000, count: 60)
            try first.post(Array(drive[..<5]), token: key)
            try first.post([TestPing("st-3", at: now() - 5_000)], token: key)
            try eventually("the hash is written") { try redis.hash("driver:st-2:location")["lat"] != nil }
            let viewers = try [first, second].map { try $0.viewer(key) }
            for viewer in viewers {
                viewer.send(#"{"id":1,"subscribe":["driver:st-2"]}"#)
                let reply = try viewer.json(with: "subscribed")
                #expect(reply["subscribed"]["driver:st-2"]["positions"].array.count == 1, "\(reply)")
            }
            #expect(try put(first, "st-2", #"{"is_active":false}"#, key).status == 200)
            for gateway in [first, second] {
                try eventually("he is off the map") {
                    try gateway.http("GET", "/v1/drivers/st-2/position", token: key).status == 404
                }
            }
            try eventually("his hash and his place in the GEO set are gone") {
                try redis.hash("driver:st-2:location").isEmpty
                    && redis.command("ZSCORE", "drivers:geo", "st-2").text == nil
            }
            for viewer in viewers {
                let told = try awaitValue("the viewer is told") { () -> JSON? in
                    let frame = try viewer.json()
                    return frame["status"].isNull && frame["left"].isNull ? nil : frame
                }
                #expect("\(told)".contains("st-2"))
            }
            for (step, gateway) in [first, second].enumerated() {
                let pings = (0..<3).map { TestPing("st-2", at: now() + Int64(10 * step + $0)) }
                let reply = try gateway.post(pings, token: key)
                #expect(reply["rejected"].array.map { $0["reason"].string } == ["off_shift", "off_shift", "off_shift"])
            }
            // What he sent late of the time when he was in service is kept, and not shown.
            #expect(try first.post([drive[5]], token: key)["late"].integer == 1)
            #expect(try first.http("GET", "/v1/drivers/st-2/position", token: key).status == 404)
            // Nobody else is concerned, and what was kept before stays.
            #expect(try first.http("GET", "/v1/drivers/st-3/position", token: key).status == 200)
            try first.awaitHistory()
            #expect(try first.rows(of: "st-2") == 6)
            // A gateway that starts finds him out of service too, whatever history says.
            try second.restart()
            try second.awaitStores()
            #expect(try second.http("GET", "/v1/drivers/st-2/position", token: key).status == 404)
            let refused = try second.post([TestPing("st-2", at: now() + 20)], token: key)
            #expect(refused["rejected"][0]["reason"].string == "off_shift")

            #expect(try put(second, "st-2", #"{"is_active":true}"#, key).status == 200)
            for (gateway, step) in [(second, 0), (first, 1)] {
                try eventually("his pings count again") {
                    let ping = TestPing("st-2", at: now() + Int64(30 + step), latitude: 43.6505, longitude: -79.38)
                    return try gateway.post([ping], token: key)["rejected"].array.isEmpty
                }
                #expect(try gateway.http("GET", "/v1/drivers/st-2/position", token: key).status == 200)
            }
            try eventually("his hash is back") { try redis.hash("driver:st-2:location")["lat"] != nil }
        }
    }
}
