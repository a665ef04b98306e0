// What the live tests stand on: a gateway with a key for everything, sessions, assignments, drivers that move, and the
// screen of a viewer.

import DroverClient
import Foundation
import Synchronization
import Testing

extension RunningGateway {
    /// A key for everything that the live tests do.
    func masterKey() throws -> String {
        try key("pings:write,positions:read,sessions:write,assignments:write,devices:write")
    }

    /// Opens a tracking session.
    func session(
        _ subjects: [String], by key: String, seconds: Int = 600, precision: Int = 0,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws -> (id: String, token: String, expiresAt: Int64) {
        let names = subjects.map { "\"\($0)\"" }.joined(separator: ",")
        let body = "{\"subjects\":[\(names)],\"ttl_s\":\(seconds),\"precision_m\":\(precision)}"
        let response = try http(
            "POST", "/v1/tracking-sessions", token: key, headers: [("Content-Type", "application/json")], body: body)
        try #require(response.status == 201, "\(response.text)", sourceLocation: sourceLocation)
        let reply = try JSON(parsing: response.text)
        let token = try #require(reply["token"].string)
        LogBook.secrets.withLock { _ = $0.insert(token) }
        let end = try #require(reply["expires_at"].string.flatMap { ISO8601.milliseconds($0) })
        return (try #require(reply["id"].string), token, end)
    }
}

/// RFC 3339 as the API writes it.
enum ISO8601 {
    static func milliseconds(_ text: String) -> Int64? {
        let formatter = ISO8601DateFormatter()
        for options: ISO8601DateFormatter.Options in [
            [.withInternetDateTime, .withFractionalSeconds], [.withInternetDateTime],
        ] {
            formatter.formatOptions = options
            if let date = formatter.date(from: text) { return Int64((date.timeIntervalSince1970 * 1_000).rounded()) }
        }
        return nil
    }
}

/// Drivers that report whenever they are told to, each time a millisecond or more later and about a metre further.
final class MovingDrivers {
    let names: [String]
    private let gateway: RunningGateway
    private let key: String
    /// Fix times that the gateway has accepted, by driver.
    private(set) var accepted: [String: [Int64]] = [:]
    private var last: Int64 = 0
    private var step = 0

    init(_ names: [String], of gateway: RunningGateway, key: String) {
        (self.names, self.gateway, self.key) = (names, gateway, key)
    }

    /// All of them, or some, report; returns the fix time.
    @discardableResult
    func report(_ some: [String]? = nil, latitude: Double = 43.65, longitude: Double = -79.38) throws -> Int64 {
        last = max(now(), last + 1)
        step += 1
        let north = latitude + Double(step % 7) * 1e-5
        let moving = some ?? names
        for start in stride(from: 0, to: moving.count, by: 1_000) {
            let piece = moving[start..<min(start + 1_000, moving.count)]
            let pings = piece.map { TestPing($0, at: last, latitude: north, longitude: longitude) }
            let reply = try gateway.post(pings, token: key)
            try #require(reply["accepted"].integer == Int64(piece.count), "\(reply)")
        }
        for name in moving { accepted[name, default: []].append(last) }
        return last
    }
}

/// What a viewer sees, frame by frame.
struct Screen {
    struct Position: Equatable {
        var driver: String
        var subjects: [String]
        var recordedAt: Int64
    }

    enum Event: Equatable {
        case position(Position)
        case status(driver: String, state: String)
        case left(driver: String, subject: String)
        case event(type: String, subject: String)
    }

    private(set) var events: [Event] = []
    private(set) var cursor: String?
    /// Fix times by driver, in the order in which they came.
    private(set) var positions: [String: [Int64]] = [:]

    mutating func show(_ frame: JSON) throws {
        for left in frame["left"].array {
            events.append(.left(driver: left["driver_id"].string ?? "", subject: left["subject"].string ?? ""))
        }
        for status in frame["status"].array {
            events.append(.status(driver: status["driver_id"].string ?? "", state: status["state"].string ?? ""))
        }
        for event in frame["events"].array {
            events.append(.event(type: event["type"].string ?? "", subject: event["subject"].string ?? ""))
        }
        for position in frame["positions"].array { try show(position: position) }
        for name in frame["subscribed"].names {
            for position in frame["subscribed"][name]["positions"].array { try show(position: position) }
        }
        cursor = frame["cursor"].string ?? cursor
    }

    private mutating func show(position: JSON) throws {
        let driver = try #require(position["driver_id"].string)
        let recordedAt = try #require(position["recorded_at"].integer)
        let subjects = position["subjects"].array.compactMap(\.string)
        events.append(.position(Position(driver: driver, subjects: subjects, recordedAt: recordedAt)))
        positions[driver, default: []].append(recordedAt)
    }

    /// The newest fix time of a driver that was shown.
    func newest(_ driver: String) -> Int64 { positions[driver]?.last ?? 0 }
}

/// A viewer with its screen.
final class ScreenedViewer {
    let socket: WebSocketProbe
    var screen = Screen()
    private var questions = 0

    init(_ gateway: RunningGateway, _ token: String, receiveBytes: Int32? = nil) throws {
        socket = try WebSocketProbe(
            port: gateway.port, "/v1/track", token: token, subprotocols: "drover.v1", receiveBytes: receiveBytes)
        _ = try socket.json(with: "hello")
    }

    /// Subscribes and returns the answer's frames; `options` is raw JSON of more members, with a comma before.
    @discardableResult
    func subscribe(_ subjects: [String], cursor: String? = nil, options: String = "") throws -> [JSON] {
        questions += 1
        let names = subjects.map { "\"\($0)\"" }.joined(separator: ",")
        let from = cursor.map { ",\"cursor\":\"\($0)\"" } ?? ""
        socket.send("{\"id\":\(questions),\"subscribe\":[\(names)]\(from)\(options)}")
        var frames: [JSON] = []
        repeat {
            let frame = try socket.json(within: 20)
            try screen.show(frame)
            if frame["id"].integer == Int64(questions) { frames.append(frame) }
        } while frames.last.map { $0["more"].flag == true } ?? true
        return frames
    }

    /// Shows the next frame, where one comes in time.
    func showIfAny(within seconds: Double) throws {
        let frame: JSON
        do {
            frame = try socket.json(within: seconds)
        } catch is OutOfTime {
            return
        }
        try screen.show(frame)
    }

    /// Reads until the screen is as it should be.
    func read(_ what: String, within seconds: Double = 20, until isEnough: (Screen) -> Bool) throws {
        let deadline = Deadline(seconds: seconds)
        while !isEnough(screen) {
            guard !deadline.isOver else { throw OutOfTime(description: "not within \(seconds) s: \(what)") }
            try screen.show(try socket.json(within: seconds))
        }
    }
}
