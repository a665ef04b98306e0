// What a platform's backend does beside sending pings: sessions, assignments, devices.

import DroverClient
import Synchronization
import Testing

/// A tracking session as its maker got it.
struct TestSession {
    let id: String
    let token: String
    let reply: JSON
    let location: String?
}

extension RunningGateway {
    /// Every permission to steer.
    static let steering = "sessions:write,assignments:write,devices:write,positions:read,pings:write"

    /// A new tracking session; `more` is further members, such as `"ttl_s":5`.
    func session(
        _ subjects: String..., key: String, more: String = "", sourceLocation: SourceLocation = #_sourceLocation
    ) throws -> TestSession {
        let names = subjects.map { "\"\($0)\"" }.joined(separator: ",")
        let body = "{\"subjects\":[\(names)]\(more.isEmpty ? "" : "," + more)}"
        let response = try http("POST", "/v1/tracking-sessions", token: key, body: body)
        try #require(response.status == 201, "\(response.text)", sourceLocation: sourceLocation)
        let reply = try JSON(parsing: response.text)
        let token = try #require(reply["token"].string, sourceLocation: sourceLocation)
        LogBook.secrets.withLock { _ = $0.insert(token) }
        return TestSession(
            id: try #require(reply["id"].string), token: token, reply: reply, location: response.header("Location"))
    }

    /// Puts the drivers of an order or group, such as `orders/9f2`, and gives those it has then.
    @discardableResult
    func assign(
        _ container: String, _ drivers: [String], key: String, sourceLocation: SourceLocation = #_sourceLocation
    ) throws -> [String] {
        let names = drivers.map { "\"\($0)\"" }.joined(separator: ",")
        let response = try http("PUT", "/v1/\(container)/drivers", token: key, body: "{\"drivers\":[\(names)]}")
        try #require(response.status == 200, "\(response.text)", sourceLocation: sourceLocation)
        return try JSON(parsing: response.text)["drivers"].array.compactMap(\.string)
    }

    /// Who carries an order or belongs to a group.
    func drivers(_ container: String, key: String) throws -> [String] {
        let response = try http("GET", "/v1/\(container)/drivers", token: key)
        try #require(response.status == 200, "\(response.text)")
        return try JSON(parsing: response.text)["drivers"].array.compactMap(\.string)
    }

    /// Whether a token opens anything: 401 says no, and so does 503, which fails the test.
    func admits(_ token: String) throws -> Bool {
        let status = try http("GET", "/v1/drivers/nobody/position", token: token).status
        try #require(status != 503)
        return status != 401
    }
}
