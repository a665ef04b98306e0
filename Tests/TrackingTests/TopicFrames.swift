// Pushes to viewers of any subjects, as a client of theirs reads them.

import Foundation
import Testing

/// One push, or a part of an answer.
struct TopicPush {
    struct Position {
        var driver: String
        var subjects: [String]
        var recordedAt: Int64
        var latitude: Int64
        var longitude: Int64
    }

    var left: [(driver: String, subject: String)] = []
    var status: [(driver: String, subjects: [String], state: String, reason: String?)] = []
    var positions: [Position] = []
    var cursor: String?

    /// The pushes of one write, in order: who left, then statuses, then positions.
    static func read(_ bytes: [UInt8]) throws -> [TopicPush] {
        let pushes = try FrameReader.payloads(bytes).map { try TopicPush($0) }
        let order = pushes.map { !$0.left.isEmpty ? 0 : !$0.status.isEmpty ? 1 : 2 }
        try #require(order == order.sorted() && Set(order).count == order.count, "one push of each kind, in order")
        return pushes
    }

    init(_ payload: [UInt8]) throws {
        let object = try #require(try JSONSerialization.jsonObject(with: Data(payload)) as? [String: Any])
        if let entries = object["left"] as? [[String: Any]] {
            try #require(Set(object.keys) == ["left"] && !entries.isEmpty)
            left = try entries.map {
                (try #require($0["driver_id"] as? String), try #require($0["subject"] as? String))
            }
        } else if let entries = object["status"] as? [[String: Any]] {
            try #require(Set(object.keys) == ["now", "status"] && !entries.isEmpty)
            status = try entries.map { entry in
                let state = try #require(entry["state"] as? String)
                let reason = entry["reason"] as? String
                try #require((reason != nil) == (state != "live"))
                let driver = try #require(entry["driver_id"] as? String)
                return (driver, try #require(entry["subjects"] as? [String]), state, reason)
            }
        } else {
            try #require(Set(object.keys) == ["now", "positions", "cursor"])
            cursor = try #require(object["cursor"] as? String)
            positions = try #require(object["positions"] as? [[String: Any]]).map { try Position($0) }
            try #require(!positions.isEmpty)
        }
    }
}

extension TopicPush.Position {
    init(_ entry: [String: Any]) throws {
        driver = try #require(entry["driver_id"] as? String)
        subjects = try #require(entry["subjects"] as? [String])
        try #require(Set(subjects).count == subjects.count, "a subject is named once")
        recordedAt = try #require(entry["recorded_at"] as? Int64)
        latitude = Int64((try #require(entry["lat"] as? Double) * 1e7).rounded())
        longitude = Int64((try #require(entry["lng"] as? Double) * 1e7).rounded())
    }

    /// An element of an answer.
    init(_ element: [UInt8]) throws {
        try self.init(try #require(try JSONSerialization.jsonObject(with: Data(element)) as? [String: Any]))
    }
}
