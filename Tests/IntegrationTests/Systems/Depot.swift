// The Driver Operations Platform (seed 002) as the tests of its story meet it: its tables, a day of rows, its people.

import DroverClient
import Foundation
import LocalServers
import Synchronization
import Testing

/// The platform with its gateway.
struct Depot {
    let gateway: RunningGateway
    let redis: RedisProbe
    private let tokens = SignedTokens()

    init(ownPostgres: Bool = false, settings: [String: String] = [:]) throws {
        gateway = try RunningGateway(
            ownPostgres: ownPostgres, settings: settings, file: SystemFile.path("driver-operations"),
            schema: try SystemFile.sql("driver-operations") + SystemFile.sql("driver-operations-day"), starts: false)
        redis = try gateway.redisProbe()
        let keySet = gateway.directory.path + "/jwks.json"
        try tokens.keySet.write(toFile: keySet, atomically: true, encoding: .utf8)
        gateway.set("access.jwks_file", keySet)
        try gateway.start()
        try gateway.awaitStores()
    }

    // MARK: People and places

    private static func id(_ kind: Int, _ number: Int) -> String {
        func padded(_ number: Int, _ width: Int) -> String {
            String(repeating: "0", count: width - "\(number)".count) + "\(number)"
        }
        return "\(padded(kind, 8))-0000-4000-8000-\(padded(number, 12))"
    }

    static func user(_ number: Int) -> String { id(1, number) }
    static func warehouse(_ number: Int) -> String { id(2, number) }
    static func assignment(_ number: Int) -> String { id(4, number) }

    /// What the platform signs for a user.
    func token(_ number: Int, role: String) -> String {
        let token = tokens.token(#""sub":"\#(Self.user(number))","role":"\#(role)","aud":"driver-operations""#)
        LogBook.secrets.withLock { _ = $0.insert(token) }
        return token
    }

    func manager(_ number: Int) throws -> ScreenedViewer {
        try ScreenedViewer(gateway, token(number, role: "manager"))
    }

    // MARK: What they do

    /// A driver's phone sends a ping.
    func report(
        _ driver: Int, at time: Int64 = now(), latitude: Double = 43.6426, to other: RunningGateway? = nil
    ) throws -> JSON {
        let ping = TestPing(nil, at: time, latitude: latitude, longitude: -79.3871, speed: 12.5, heading: 90)
        return try (other ?? gateway).post([ping], token: token(driver, role: "driver"))
    }

    /// The same until it counts; gives the fix time.
    func reportUntilAccepted(_ driver: Int, latitude: Double = 43.6426) throws -> Int64 {
        try awaitValue("a ping of driver \(driver) counts") {
            let time = now()
            return try report(driver, at: time, latitude: latitude)["accepted"].integer == 1 ? time : nil
        }
    }

    /// A driver begins with today's assignment.
    func start(_ driver: Int) throws {
        try gateway.sql(
            """
            INSERT INTO shifts (assignment_id, arrived_at, parcels_start, started_at) VALUES ($1, now(), 96, now())
            """, [Self.assignment(driver)])
        try gateway.sql("UPDATE assignments SET status = 'active' WHERE id = $1", [Self.assignment(driver)])
    }

    /// And is done with it, in one transaction of the platform.
    func complete(_ driver: Int, at instant: String = "now()") throws {
        try gateway.run(
            """
            BEGIN;
            UPDATE shifts SET parcels_delivered = 95, parcels_returned = 1, completed_at = \(instant)
            WHERE assignment_id = '\(Self.assignment(driver))';
            UPDATE assignments SET status = 'completed', updated_at = now() WHERE id = '\(Self.assignment(driver))';
            COMMIT
            """)
    }

    // MARK: What is left of it

    func hash(_ driver: Int) throws -> [String: String] { try redis.hash("driver:\(Self.user(driver)):location") }

    func isInGeoSet(_ driver: Int) throws -> Bool {
        try redis.command("ZSCORE", "drivers:geo", Self.user(driver)).text != nil
    }

    /// The status of `GET /v1/drivers/{id}/position`.
    func position(_ driver: Int, _ token: String, at other: RunningGateway? = nil) throws -> Int {
        try (other ?? gateway).http("GET", "/v1/drivers/\(Self.user(driver))/position", token: token).status
    }

    /// Rows of history.
    func rows(_ driver: Int) throws -> Int {
        try gateway.count(
            "SELECT count(*) FROM drover.driver_location_events WHERE driver_id = '\(Self.user(driver))'")
    }
}

extension JSON {
    /// Why the pings of a reply were refused.
    var reasons: [String] { self["rejected"].array.compactMap { $0["reason"].string } }
}
