// What the tests of the phone apps stand on: a phone with a device's token, the bytes that its app sends, and the four
// places where a position must turn up: the reply, the row, the hash and a viewer's screen.

import DroverClient
import Foundation
import LocalServers
import Testing

/// A phone, the gateway it reports to, and somebody who watches it.
final class PhoneAppScene {
    let gateway: RunningGateway
    let key: String
    let driver: String
    let token: String
    private let viewer: ScreenedViewer

    /// A driver of its own, on a gateway that other tests use too unless some of its settings are to differ.
    init(_ driver: String, isWatched: Bool = true, settings: [String: String] = [:]) throws {
        if settings.isEmpty {
            let shared = try SharedGateway.get()
            (gateway, key) = (shared.gateway, shared.key)
        } else {
            gateway = try RunningGateway(settings: settings)
            key = try gateway.key()
        }
        self.driver = driver
        try gateway.awaitStores()
        token = try gateway.deviceToken(driver: driver)
        viewer = try ScreenedViewer(gateway, key)
        if isWatched { try viewer.subscribe(["driver:\(driver)"]) }
    }

    /// A whole second of a minute ago, in epoch milliseconds: apps that send seconds lose nothing of it.
    static func start() -> Int64 { now() / 1_000 * 1_000 - 60_000 }

    /// Sends a request over a connection of its own: the lines of its head, and a body whose length is added. `TOKEN` in a
    /// line stands for the device's token.
    func send(_ head: [String], body: String? = nil, sourceLocation: SourceLocation = #_sourceLocation) throws
        -> RawReply
    {
        let stream = try ByteStream(port: gateway.port)
        var lines = head.map { $0.replacingOccurrences(of: "TOKEN", with: token) }
        if let body { lines.append("Content-Length: \(body.utf8.count)") }
        stream.send(lines.joined(separator: "\r\n") + "\r\n\r\n" + (body ?? ""))
        return try #require(try stream.takeReply(), sourceLocation: sourceLocation)
    }

    /// Sends a request that the app must take for delivered: 200 without a word.
    func deliver(_ head: [String], body: String? = nil, sourceLocation: SourceLocation = #_sourceLocation) throws {
        let reply = try send(head, body: body, sourceLocation: sourceLocation)
        #expect(reply.status == 200, "\(reply)", sourceLocation: sourceLocation)
        #expect(reply.headers["content-length"] == "0", sourceLocation: sourceLocation)
        #expect(reply.body.isEmpty, sourceLocation: sourceLocation)
    }

    /// The driver's rows, oldest first: time, latitude, longitude, accuracy, speed, heading, altitude, source and session,
    /// `-` where they are unknown.
    func rows() throws -> [String] {
        try gateway.awaitHistory()
        let columns = ["lat", "lng", "accuracy", "speed", "heading", "altitude", "source", "session_id"]
            .map { "coalesce(nullif(\($0)::text, ''), '-')" }.joined(separator: ", ")
        return try gateway.sql(
            "SELECT concat_ws(' ', (extract(epoch FROM recorded_at) * 1000)::bigint, \(columns)) "
                + "FROM driver_location_events WHERE driver_id = $1 ORDER BY recorded_at", [driver]
        ).compactMap { $0 }
    }

    /// Waits until the viewer's screen and the hash in Redis show the position of that time.
    func expectShown(
        _ recordedAt: Int64, latitude: Double, longitude: Double, sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        try viewer.read("the viewer sees it") { $0.newest(driver) == recordedAt }
        let redis = try gateway.redisProbe()
        let hash = try awaitValue("the hash has it") {
            let hash = try redis.hash("driver:\(driver):location")
            return hash["recorded_at"] == String(recordedAt) ? hash : nil
        }
        #expect(hash["lat"].flatMap { Double($0) } == latitude, sourceLocation: sourceLocation)
        #expect(hash["lng"].flatMap { Double($0) } == longitude, sourceLocation: sourceLocation)
    }

    /// The newest position as the API gives it.
    func position() throws -> JSON {
        try JSON(parsing: try gateway.http("GET", "/v1/drivers/\(driver)/position", token: key).text)
    }

    /// RFC 3339 in UTC: `2026-03-02T08:15:30Z`, with milliseconds where they are wanted.
    static func text(_ milliseconds: Int64, fraction: Bool = false) -> String {
        let formatter = ISO8601DateFormatter()
        formatter.formatOptions = fraction ? [.withInternetDateTime, .withFractionalSeconds] : [.withInternetDateTime]
        return formatter.string(from: Date(timeIntervalSince1970: Double(milliseconds) / 1_000))
    }
}
