/// A layout as a JSON object: the rows of writes and the bodies of webhooks.
import Tracking

extension FieldLayout {
    /// Appends `{"name":value,…}`. What is unknown is left out, as everywhere in Drover's JSON; a row without the member
    /// is NULL to `jsonb_to_recordset`.
    func append(_ source: FieldSource, to writer: inout JSONWriter) {
        writer.raw("{")
        var isFirst = true
        for field in fields {
            let start = writer.bytes.count
            if !isFirst { writer.raw(",") }
            writer.string(field.name)
            writer.raw(":")
            let isKnown =
                switch field.content {
                case .constant(let text): writer.known(text) { $0.string($1) }
                case .value(let value, let unit): value.append(source, unit, to: &writer)
                }
            if isKnown {
                isFirst = false
            } else {
                writer.bytes.removeLast(writer.bytes.count - start)
            }
        }
        writer.raw("}")
    }
}

extension FieldLayout.Value {
    /// Appends the value; false, with nothing appended, where it is unknown.
    fileprivate func append(_ source: FieldSource, _ unit: FieldLayout.Unit?, to writer: inout JSONWriter) -> Bool {
        let position = source.position
        switch self {
        case .driver: return writer.known(source.driver) { $0.id($1) }
        case .order: return writer.known(source.order) { $0.string($1) }
        case .user: return writer.known(source.user) { $0.string($1) }
        case .latitude: return writer.known(position) { $0.degrees($1.latitude) }
        case .longitude: return writer.known(position) { $0.degrees($1.longitude) }
        case .point: return writer.known(position) { $0.point($1, unit) }
        case .accuracy: return writer.known(position) { $0.thousandths($1.accuracy) }
        case .speed: return writer.known(position?.speed) { $0.thousandths(Float(Double($1) * (unit?.factor ?? 1))) }
        case .heading: return writer.known(position?.heading) { $0.thousandths($1 >= 359.9995 ? 0 : $1) }
        case .recordedAt: return writer.known(position) { $0.instant($1.recordedAt, unit) }
        case .receivedAt: return writer.known(position) { $0.instant($1.receivedAt, unit) }
        case .age: return writer.known(position) { $0.instant(max(0, source.now - $1.recordedAt), unit) }
        case .id: return writer.known(source.event) { $0.string($1.id) }
        case .type: return writer.known(source.event) { $0.string($1.type) }
        case .status: return writer.known(source.event) { $0.string($1.status) }
        case .at: return writer.known(source.event) { $0.instant($1.at, unit) }
        case .notes: return writer.known(source.event?.notes) { $0.string($1) }
        case .eta: return writer.known(source.arrival) { $0.instant($1.at, unit) }
        case .confidence: return writer.known(source.arrival) { $0.string($1.confidence) }
        case .distance:
            return writer.known(source.arrival) {
                $0.fixed(Int64(($1.distanceMetres * (unit?.factor ?? 1) * 1_000).rounded()), decimals: 3)
            }
        }
    }
}

extension JSONWriter {
    /// Writes what is known; false where nothing is.
    fileprivate mutating func known<Part>(_ part: Part?, _ write: (inout JSONWriter, Part) -> Void) -> Bool {
        guard let part else { return false }
        write(&self, part)
        return true
    }

    fileprivate mutating func instant(_ instant: Microseconds, _ unit: FieldLayout.Unit?) {
        let milliseconds = DecimalText.milliseconds(instant)
        switch unit {
        case .iso: string(Timestamp.string(instant))
        case .s: fixed(milliseconds, decimals: 3)
        default: integer(milliseconds)
        }
    }

    fileprivate mutating func point(_ position: Position, _ unit: FieldLayout.Unit?) {
        switch unit {
        case .wkt:
            raw("\"POINT(")
            degrees(position.longitude)
            raw(" ")
            degrees(position.latitude)
            raw(")\"")
        case .latlng:
            raw("\"")
            degrees(position.latitude)
            raw(",")
            degrees(position.longitude)
            raw("\"")
        default:
            raw("{\"type\":\"Point\",\"coordinates\":[")
            degrees(position.longitude)
            raw(",")
            degrees(position.latitude)
            raw("]}")
        }
    }
}

extension DecimalText {
    /// Whole milliseconds, downwards: what a hash or row says is never ahead of the fix.
    static func milliseconds(_ instant: Microseconds) -> Int64 {
        let quotient = instant / 1_000
        return instant % 1_000 < 0 ? quotient - 1 : quotient
    }
}
