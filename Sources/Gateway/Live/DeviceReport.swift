/// What a gateway knows of a driver's devices, as it stands in Redis.
import Foundation
import Tracking

/// One gateway's field in the hash of a driver's devices: JSON of what is known, times in epoch milliseconds.
struct DeviceReport {
    var state: DeviceState
    /// When it was written.
    var at: Microseconds

    init(_ state: DeviceState, at: Microseconds) {
        self.state = state
        self.at = at
    }

    /// `{"at":…,"connections":1,"ended":"dropped|closed","ended_at":…,"trouble":"low_accuracy|clock","trouble_at":…,
    /// "ahead_ms":…}`; of ends and troubles only what there was.
    var text: String {
        var writer = JSONWriter()
        func member(_ name: String, _ value: Int64) {
            writer.raw("\"\(name)\":")
            writer.integer(value)
        }
        writer.raw("{")
        member("at", at / 1_000)
        writer.raw(",")
        member("connections", Int64(state.connections))
        if state.lastEnd != .none {
            writer.raw(",\"ended\":\"\(state.lastEnd == .closed ? "closed" : "dropped")\",")
            member("ended_at", state.endedAt / 1_000)
        }
        if state.troubledAt != DeviceState.never {
            let ahead: Microseconds? = if case .clock(let ahead) = state.trouble { ahead } else { nil }
            writer.raw(",\"trouble\":\"\(ahead == nil ? "low_accuracy" : "clock")\",")
            member("trouble_at", state.troubledAt / 1_000)
            if let ahead {
                writer.raw(",")
                member("ahead_ms", ahead / 1_000)
            }
        }
        writer.raw("}")
        return String(decoding: writer.bytes, as: UTF8.self)
    }

    /// Nil where it is no report of this version.
    init?(_ text: String) {
        guard let members = try? JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any],
            let at = Self.time(members["at"]), let connections = members["connections"] as? Int,
            (0...1_000_000).contains(connections)
        else { return nil }
        self.at = at
        state = DeviceState()
        state.connections = Int32(connections)
        if let end = members["ended"] as? String, let endedAt = Self.time(members["ended_at"]) {
            state.lastEnd = end == "closed" ? .closed : .dropped
            state.endedAt = endedAt
        }
        if let trouble = members["trouble"] as? String, let troubledAt = Self.time(members["trouble_at"]) {
            state.trouble = trouble == "clock" ? .clock(ahead: Self.time(members["ahead_ms"]) ?? 0) : .lowAccuracy
            state.troubledAt = troubledAt
        }
    }

    private static func time(_ value: Any?) -> Microseconds? {
        guard let milliseconds = value as? Int64, milliseconds.magnitude < UInt64.max / 4_000 else { return nil }
        return milliseconds * 1_000
    }

    /// The same as of a gateway that is gone: its connections broke when it was last heard of.
    var orphaned: DeviceState {
        var left = state
        guard left.connections > 0 else { return left }
        left.connections = 0
        left.lastEnd = .dropped
        left.endedAt = max(at, left.endedAt)
        return left
    }
}
