// What a browser would make of the bytes: RFC 6455 frames, then JSON by a general parser.

import Foundation
import Testing

/// A live push as a viewer reads it.
struct Push {
    struct Position: Equatable {
        var driver: String
        var recordedAt: Int64
        var latitude: Double
        var longitude: Double
    }

    var now: Int64 = 0
    var positions: [Position] = []
    /// The state of each driver named.
    var status: [String: String] = [:]
}

enum FrameReader {
    /// The payloads of whole, unmasked text frames that stand one after the other.
    static func payloads(_ bytes: [UInt8]) throws -> [[UInt8]] {
        var payloads: [[UInt8]] = []
        var offset = 0
        while offset < bytes.count {
            try #require(bytes[offset] == 0x81, "a final text frame without extensions")
            try #require(offset + 1 < bytes.count && bytes[offset + 1] & 0x80 == 0, "server frames are not masked")
            var length = Int(bytes[offset + 1])
            var header = 2
            if length >= 126 {
                let extended = length == 126 ? 2 : 8
                header += extended
                try #require(offset + header <= bytes.count)
                length = bytes[offset + 2..<offset + header].reduce(0) { $0 << 8 | Int($1) }
                try #require(length >= (extended == 2 ? 126 : 65_536), "the shortest length form is required")
            }
            try #require(offset + header + length <= bytes.count, "a whole frame")
            payloads.append(Array(bytes[offset + header..<offset + header + length]))
            offset += header + length
        }
        return payloads
    }

    /// The pushes in one write, checked member by member against API.md.
    static func pushes(_ bytes: [UInt8]) throws -> [Push] {
        try payloads(bytes).map { payload in
            let value = try JSONSerialization.jsonObject(with: Data(payload))
            let object = try #require(value as? [String: Any])
            var push = Push()
            push.now = try #require(object["now"] as? Int64)
            if let positions = object["positions"] as? [[String: Any]] {
                try #require(Set(object.keys) == ["now", "positions", "cursor"])
                try #require((object["cursor"] as? String)?.split(separator: ":").count == 2)
                push.positions = try positions.map(position)
                try #require(!positions.isEmpty)
            } else {
                try #require(Set(object.keys) == ["now", "status"])
                for entry in try #require(object["status"] as? [[String: Any]]) {
                    let driver = try driver(of: entry)
                    try #require(push.status[driver] == nil, "one status a driver")
                    let state = try #require(entry["state"] as? String)
                    try #require((entry["reason"] != nil) == (state != "live"))
                    push.status[driver] = state
                }
                try #require(!push.status.isEmpty)
            }
            return push
        }
    }

    private static func driver(of entry: [String: Any]) throws -> String {
        let driver = try #require(entry["driver_id"] as? String)
        try #require(entry["subjects"] as? [String] == ["driver:\(driver)"])
        return driver
    }

    private static func position(_ entry: [String: Any]) throws -> Push.Position {
        let known: Set = ["driver_id", "subjects", "recorded_at", "lat", "lng", "speed", "heading", "accuracy"]
        try #require(known.isSuperset(of: entry.keys))
        try #require(entry["accuracy"] is NSNumber)
        return Push.Position(
            driver: try driver(of: entry), recordedAt: try #require(entry["recorded_at"] as? Int64),
            latitude: try #require(entry["lat"] as? Double), longitude: try #require(entry["lng"] as? Double))
    }
}

extension Span<UInt8> {
    /// A copy.
    var array: [UInt8] { indices.map { self[$0] } }
}
