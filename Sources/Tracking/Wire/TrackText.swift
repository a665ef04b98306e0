/// The pieces of text that the export formats share.

extension JSONWriter {
    /// An instant as RFC 3339 in UTC with microseconds, as precise as it is kept: `2026-11-21T10:00:00.123456Z`.
    mutating func instant(_ instant: Microseconds) {
        bytes.append(addingCapacity: Timestamp.fineTextBytes) { Timestamp.appendMicroseconds(instant, to: &$0) }
    }

    /// A measurement as the shortest decimal that is read back as the same `Float`, and never with an exponent, which
    /// XML's decimals do not have.
    mutating func real(_ value: Float) {
        guard value.isFinite else { return raw("0") }
        let text = value.description
        guard let exponent = text.firstIndex(of: "e") else {
            return raw(text.hasSuffix(".0") ? String(text.dropLast(2)) : text)
        }
        guard value.magnitude < 1 else { return integer(Int64(max(-1e18, min(1e18, Double(value))))) }
        let zeros = -(Int(text[text.index(after: exponent)...]) ?? 0) - 1
        raw(value < 0 ? "-0." : "0.")
        raw(String(repeating: "0", count: zeros))
        raw(text[..<exponent].filter(\.isNumber))
    }

    /// A label without quotes, byte for byte.
    mutating func label(_ label: StaticString) {
        label.withUTF8Buffer { unsafe bytes.append(contentsOf: $0) }
    }

    /// A point's members beside its place, without braces; what is unknown is left out.
    mutating func properties(of point: TrackPoint) {
        raw("\"recorded_at\":\"")
        instant(point.recordedAt)
        raw("\"")
        if let speed = point.speed {
            raw(",\"speed\":")
            real(speed)
        }
        if let heading = point.heading {
            raw(",\"heading\":")
            real(heading)
        }
        raw(",\"accuracy\":")
        real(point.accuracy)
        if let source = point.source {
            raw(",\"source\":\"")
            label(source.name)
            raw("\"")
        }
        if !point.sessionID.isEmpty {
            raw(",\"session_id\":")
            string(point.sessionID.string)
        }
        if point.flags.contains(.clamped) { raw(",\"clamped\":true") }
        if point.flags.contains(.late) { raw(",\"late\":true") }
        if point.flags.contains(.mock) { raw(",\"mock\":true") }
        raw(",\"received_at\":\"")
        instant(point.receivedAt)
        raw("\"")
    }
}
