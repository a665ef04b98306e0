// Orders whose destination a backend tells Drover: who is told when they arrive, and what becomes of the place.

import DroverClient
import Foundation
import LocalServers
import Testing

/// A gateway of its own with a driver who comes from the south to 43.65,-79.38.
private final class Approach {
    static let destination = "{\"destination\":{\"lat\":43.65,\"lng\":-79.38}}"

    let gateway: RunningGateway
    let key: String
    private let start = now() - 400_000

    init(_ settings: [String: String] = [:]) throws {
        gateway = try RunningGateway(settings: settings)
        try gateway.awaitStores()
        key = try gateway.masterKey()
    }

    /// The driver is so many metres away, so many seconds after the start; the last ones are of now.
    func report(_ driver: String, metres: Double, at second: Int64) throws {
        let ping = TestPing(driver, at: start + second * 1_000, latitude: 43.65 - metres / 111_195, longitude: -79.38)
        let reply = try gateway.post([ping], token: key)
        try #require(reply["accepted"].integer == 1, "\(reply)")
    }

    /// Says where an order goes; `body` is the JSON.
    func send(_ order: String, _ body: String = destination, to other: RunningGateway? = nil) throws {
        let response = try (other ?? gateway).http("PUT", "/v1/orders/\(order)", token: key, body: body)
        try #require(response.status == 200, "\(response.text)")
    }
}

extension WebSocketProbe {
    /// The next word on an order's arrival.
    fileprivate func arrival(_ isIt: (JSON) -> Bool = { _ in true }) throws -> JSON {
        while true {
            let frame = try json(with: "arrivals", within: 20)
            #expect(frame["now"].integer.map { abs($0 - now()) < 60_000 } == true)
            if let found = frame["arrivals"].array.first(where: isIt) { return found }
        }
    }
}

extension Integration {
    @Suite struct OrderArrivalTests {
        @Test func `where an order goes is said, changed and taken back, each written into the audit trail once`()
            throws
        {
            let shared = try SharedGateway.get()
            let (gateway, key) = (shared.gateway, try shared.gateway.masterKey())
            func ask(_ method: String, _ body: String? = nil) throws -> String {
                let reply = try gateway.http(method, "/v1/orders/place-1", token: key, body: body)
                try #require(reply.status == 200, "\(reply.text)")
                return reply.text
            }
            let unknown = "{\"id\":\"place-1\",\"destination\":null}"
            let known = "{\"id\":\"place-1\",\"destination\":{\"lat\":43.6532,\"lng\":-79.3832001}}"
            #expect(try ask("GET") == unknown)
            let body = "{\"destination\":{\"lat\":43.6532,\"lng\":-79.38320012}}"
            for _ in 0..<2 { #expect(try ask("PUT", body) == known) }
            #expect(try ask("GET") == known)
            #expect(try ask("PUT", "{\"destination\":{\"lat\":1,\"lng\":-180}}").contains("\"lng\":-180}"))
            for _ in 0..<2 { #expect(try ask("PUT", "{\"destination\":null}") == unknown) }
            #expect(try ask("GET") == unknown)
            let trail = try gateway.sql(
                "SELECT action || ' ' || detail::text FROM api_audit_logs WHERE subject = 'order:place-1' ORDER BY id")
            let words = ["true", "true", "false"].map { "order.destination {\"known\": \($0)}" }
            #expect(trail == words, "a customer's address is in no trail")
        }

        @Test(arguments: [
            "{}", "{\"destination\":7}", "{\"destination\":{}}", "{\"destination\":{\"lat\":43}}",
            "{\"destination\":{\"lat\":91,\"lng\":0}}", "{\"destination\":{\"lat\":0,\"lng\":0}}",
            "{\"destination\":{\"lat\":\"43\",\"lng\":1}}", "{\"destination\":{\"lat\":1,\"lng\":180.5}}",
        ])
        func `what is no place is refused and changes nothing`(_ body: String) throws {
            let shared = try SharedGateway.get()
            let key = try shared.gateway.masterKey()
            let reply = try shared.gateway.http("PUT", "/v1/orders/place-2", token: key, body: body)
            #expect(reply.status == 400)
            #expect(try JSON(parsing: reply.text)["code"].string == "bad_request", "\(reply.text)")
            let rows = try shared.gateway.count("SELECT count(*) FROM order_destinations WHERE order_id = 'place-2'")
            #expect(rows == 0)
        }

        @Test func `an order's viewer is told when it arrives, and each stage of its way`() throws {
            let approach = try Approach(["arrivals.push_s": "1"])
            let gateway = approach.gateway
            try gateway.assign("orders/o-1", ["d-1"], key: approach.key)
            try approach.report("d-1", metres: 9_000, at: 0)
            let viewer = try gateway.viewer(gateway.session(["order:o-1"], by: approach.key).token)
            viewer.send("{\"id\":1,\"subscribe\":[\"order:o-1\"]}")
            _ = try viewer.json(with: "subscribed")
            #expect(try gateway.http("GET", "/v1/orders/o-1/arrival", token: approach.key).status == 404)

            try approach.send("o-1")
            let first = try viewer.arrival()
            #expect(first["subject"].string == "order:o-1" && first["driver_id"].string == "d-1")
            #expect(first["lat"].number == 43.65 && first["lng"].number == -79.38)
            #expect(first["stage"].string == "assigned" && first["confidence"].string == "low")
            let remaining = try #require(first["remaining_m"].integer)
            #expect(abs(remaining - 9_000) < 20)
            // At 6 m/s, of which nothing is known yet, and roads' detour.
            let ahead: Int64 = try #require(first["arrives_at"].integer) - now()
            #expect(abs(ahead - 1_950_000) < 60_000)

            try approach.report("d-1", metres: 7_000, at: 60)
            // Either is told first; when it arrives is told again each second.
            #expect(try viewer.json(with: "events", within: 20)["events"][0]["type"].string == "departed")
            let moving = try viewer.arrival { $0["stage"].string == "departed" }
            #expect(moving["confidence"].string == "low", "the newest position is minutes old")
            // A viewer who comes now is told at once, over an event stream as well.
            let late = try gateway.viewer(approach.key)
            late.send("{\"id\":1,\"subscribe\":[\"order:o-1\"]}")
            #expect(try late.arrival()["driver_id"].string == "d-1")
            let stream = try ByteStream(port: gateway.port)
            stream.send(
                "GET /v1/track/events?subject=order:o-1 HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                    + "Authorization: Bearer \(approach.key)\r\n\r\n")
            while try #require(try stream.takeLine()) != "event: arrivals" {}
            #expect(try #require(try stream.takeLine()).hasPrefix("data: {\"now\":"))

            try approach.report("d-1", metres: 250, at: 250)
            _ = try viewer.arrival { $0["stage"].string == "arriving" }
            let answer = try gateway.http("GET", "/v1/orders/o-1/arrival", token: approach.key)
            let told = try JSON(parsing: answer.text)["arrivals"][0]
            #expect(told["stage"].string == "arriving" && told["remaining_m"].integer == 250)
            try approach.report("d-1", metres: 10, at: 300)
            _ = try viewer.arrival { $0["stage"].string == "arrived" }
            // A stage is written down a moment after it is shown.
            try eventually("the last stage is written down") {
                try gateway.sql("SELECT type FROM order_events WHERE order_id = 'o-1' ORDER BY id")
                    == ["assigned", "departed", "arriving", "arrived"]
            }
            // He goes on to the next one: an arrival does not go back.
            try approach.report("d-1", metres: 500, at: 350)
            let gone = try viewer.arrival { $0["remaining_m"].integer ?? 0 > 400 }
            #expect(gone["stage"].string == "arrived")
        }

        @Test
        func `who may see positions only roughly is told the distance only roughly, and who watches drivers nothing`()
            throws
        {
            let approach = try Approach(["arrivals.push_s": "1"])
            let gateway = approach.gateway
            try gateway.assign("orders/o-1", ["d-1"], key: approach.key)
            try approach.send("o-1")
            try approach.report("d-1", metres: 9_120, at: 390)
            let token = try gateway.session(["order:o-1"], by: approach.key, precision: 500).token
            let viewer = try gateway.viewer(token)
            viewer.send("{\"id\":1,\"subscribe\":[\"order:o-1\"]}")
            #expect(try viewer.arrival()["remaining_m"].integer == 9_000)
            let asked = try gateway.http("GET", "/v1/orders/o-1/arrival", token: token)
            #expect(try JSON(parsing: asked.text)["arrivals"][0]["remaining_m"].integer == 9_000)
            #expect(try gateway.http("GET", "/v1/orders/o-2/arrival", token: token).status == 403)

            let other = try gateway.viewer(approach.key)
            other.send("{\"id\":1,\"subscribe\":[\"driver:d-1\"]}")
            _ = try other.json(with: "subscribed")
            for metres in [9_100.0, 9_080] {
                try approach.report("d-1", metres: metres, at: metres == 9_100 ? 393 : 396)
                // What comes in between would be an arrival.
                _ = try viewer.arrival()
                while true {
                    let frame = try other.json()
                    #expect(frame["arrivals"].isNull, "\(frame)")
                    if !frame["positions"].isNull { break }
                }
            }
        }

        @Test func `another gateway hears where an order goes and who carries it`() throws {
            let approach = try Approach(["arrivals.push_s": "1"])
            let gateway = approach.gateway
            let second = try RunningGateway(beside: gateway)
            try second.awaitStores()
            try approach.report("d-1", metres: 5_000, at: 390)
            try approach.report("d-2", metres: 3_000, at: 390)
            let viewer = try gateway.viewer(approach.key)
            viewer.send("{\"id\":1,\"subscribe\":[\"order:o-1\"]}")
            _ = try viewer.json(with: "subscribed")
            try second.assign("orders/o-1", ["d-1"], key: approach.key)
            try approach.send("o-1", to: second)
            #expect(try viewer.arrival()["driver_id"].string == "d-1")
            try second.assign("orders/o-1", ["d-2"], key: approach.key)
            _ = try viewer.arrival { $0["driver_id"].string == "d-2" }
            try approach.send("o-1", "{\"destination\":null}", to: second)
            try eventually("it is known no more") {
                try gateway.http("GET", "/v1/orders/o-1/arrival", token: approach.key).status == 404
            }
        }

        @Test func `the place goes with its customer`() throws {
            let approach = try Approach()
            let gateway = approach.gateway
            try approach.send("o-1")
            try approach.send("o-2")
            _ = try gateway.session("order:o-1", key: approach.key, more: "\"customer_id\":\"ann\"")
            let key = try gateway.key("telemetry:erase")
            let reply = try gateway.http("DELETE", "/v1/customers/ann/tracking", token: key)
            #expect([200, 202].contains(reply.status), "\(reply.text)")
            #expect(try gateway.sql("SELECT order_id FROM order_destinations") == ["o-2"])
        }
    }
}
