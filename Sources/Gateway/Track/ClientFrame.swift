/// What a viewer sends: small JSON objects with an `id`, parsed off the hot path by Foundation.
import Foundation

/// A client's frame on the live WebSocket.
struct ClientFrame {
    private let members: [String: Any]

    /// Nil where the bytes are not a JSON object.
    init?(_ message: Span<UInt8>) {
        let data = message.withUnsafeBufferPointer { Data($0) }
        guard let members = try? JSONSerialization.jsonObject(with: data) as? [String: Any] else { return nil }
        self.members = members
    }

    /// The number that the reply carries; nil where there is none or it is no number.
    var id: Int64? { (members["id"] as? NSNumber)?.int64Value }
    /// A token to log in with.
    var token: String? { members["token"] as? String }
    /// Subjects to watch.
    var subscribe: [String]? { members["subscribe"] as? [String] }
    /// Subjects to watch no longer.
    var unsubscribe: [String]? { members["unsubscribe"] as? [String] }
    /// Where the viewer stood when its last connection ended.
    var cursor: String? { members["cursor"] as? String }
    /// The fastest rate the viewer wants, in writes a second.
    var maximumRate: Double? { (members["max_rate_hz"] as? NSNumber)?.doubleValue }
}
