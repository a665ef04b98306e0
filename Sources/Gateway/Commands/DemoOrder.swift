/// The demo's order: a customer watches it, and two vans hand it over to each other.
import DroverClient
import Foundation

/// An order on a running gateway, with a tracking session for its customer.
struct DemoOrder {
    /// Seconds between two hand-overs.
    static let interval = 30

    private static let vans = ["van-0001", "van-0002"]
    private static let target = "/v1/orders/demo/drivers"
    private let headers: [(name: String, value: String)]
    /// The customer's map.
    let mapURL: String

    /// Assigns the order and opens the session. `key` needs `assignments:write` and `sessions:write`.
    init(gateway address: String, key: String) throws {
        headers = [("Authorization", "Bearer \(key)"), ("Content-Type", "application/json")]
        // A gateway that has just started may still be on its way to Postgres, and says so.
        var assigned = try HTTPClient.request("PUT", address + Self.target, headers: headers, body: Self.firstBody)
        for _ in 0..<100 where assigned.status == 503 {
            poll(nil, 0, 100)
            assigned = try HTTPClient.request("PUT", address + Self.target, headers: headers, body: Self.firstBody)
        }
        let reply = try HTTPClient.request(
            "POST", address + "/v1/tracking-sessions", headers: headers,
            body: "{\"subjects\":[\"order:demo\"],\"ttl_s\":86400}")
        let members = try JSONSerialization.jsonObject(with: Data(reply.text.utf8)) as? [String: Any]
        guard reply.status == 201, let url = members?["map_url"] as? String else {
            throw CommandError("the gateway made no tracking session: \(reply.status) \(reply.text)")
        }
        mapURL = url
    }

    /// The other van carries the order from now on, if it is time for that.
    func handOver(second: Int, over http: HTTPClient?) {
        guard second % Self.interval == 0 else { return }
        let body = Self.body(van: Self.vans[second / Self.interval % Self.vans.count])
        _ = http?.request("PUT", Self.target, headers: headers, body: Array(body.utf8)) { _ in }
    }

    private static var firstBody: String { body(van: vans[0]) }

    private static func body(van: String) -> String { "{\"drivers\":[\"\(van)\"]}" }
}
