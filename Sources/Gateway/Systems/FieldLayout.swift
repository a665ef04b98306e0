/// Which fields a platform wants, under which names and in which units, as its configuration says:
/// `lat, lng, speed=speed:kmh, timestamp=recorded_at:iso, current_location=point:geojson`.
///
/// One grammar for the Redis hash (`FieldLayout+hash.swift`) and for the JSON of rows and webhooks
/// (`FieldLayout+json.swift`): `name[=value[:unit]]`, separated by commas. A name alone is the value of that name in
/// Drover's own unit; `name='text'` is always that text.

/// A list of fields. Every name stands once.
struct FieldLayout: Sendable, Equatable {
    /// Where a layout is used, which says what its values can be.
    enum Use: Sendable {
        /// A driver's hash: himself and his position. What changes without a ping, such as its age, has no place there.
        case hash
        /// Rows of a write: the same, its age, and whose order it is about.
        case row
        /// An event of an order.
        case event
    }

    /// What a field holds.
    enum Value: String, CaseIterable, Sendable {
        case driver, order, user
        case latitude = "lat"
        case longitude = "lng"
        /// Both, as one value.
        case point
        /// Metres.
        case accuracy
        case speed, heading
        case recordedAt = "recorded_at"
        case receivedAt = "received_at"
        /// Of the position when the field is written.
        case age
        /// The event's id, the same at every attempt to deliver it.
        case id
        /// The event's type in Drover's word, and in the platform's.
        case type, status
        /// When the event happened.
        case at
        case notes
        /// The estimate of arrival: when, how sure (`high`, `medium`, `low`), how far as the crow flies.
        case eta, confidence, distance
    }

    /// How a value is written.
    enum Unit: String, Sendable {
        /// Metres a second, kilometres an hour, statute miles an hour, knots; three decimals, finer than the
        /// millimetre a second that Drover writes.
        case mps, kmh, mph, kn
        /// Milliseconds, seconds with three decimals (of instants: since 1970), RFC 3339 text in UTC with milliseconds.
        case ms, s, iso
        /// `{"type":"Point","coordinates":[lng,lat]}` (RFC 7946), `POINT(lng lat)` (OGC simple features), `lat,lng`;
        /// seven decimals.
        case geojson, wkt, latlng
        /// Metres, kilometres, statute miles; three decimals.
        case m, km, mi
    }

    /// A field's contents.
    enum Content: Sendable, Equatable {
        /// The unit is nil where the value has one form only.
        case value(Value, Unit?)
        case constant(String)
    }

    /// One field.
    struct Field: Sendable, Equatable {
        let name: String
        let content: Content
    }

    /// In the order of the text.
    let fields: [Field]

    /// Drover's own hash.
    static let nativeHash = "lat, lng, accuracy, recorded_at, timestamp=recorded_at:iso, heading, speed"

    /// The most fields, and the most bytes of a name or constant.
    private static let maximumFields = 64
    private static let maximumText = 128

    /// Reads a layout, as what it is used for allows.
    init(_ text: String, for use: Use) throws(FieldLayoutError) {
        var fields: [Field] = []
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            let field = try Self.field(Self.trimmed(part), use)
            guard !fields.contains(where: { $0.name == field.name }) else {
                throw FieldLayoutError("\(field.name) stands twice")
            }
            fields.append(field)
        }
        guard fields.count <= Self.maximumFields else {
            throw FieldLayoutError("expected at most \(Self.maximumFields) fields, found \(fields.count)")
        }
        self.fields = fields
    }

    /// The values that `use` knows.
    static func values(for use: Use) -> [Value] {
        Value.allCases.filter { $0.uses.contains(use) }
    }

    private static func field(_ text: Substring, _ use: Use) throws(FieldLayoutError) -> Field {
        let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(trimmed)
        let name = String(parts[0])
        guard isName(name) else {
            throw FieldLayoutError("\"\(text)\": expected name, name=value, name=value:unit or name='text'")
        }
        guard parts.count == 2 else { return Field(name: name, content: try content(parts[0], of: name, use)) }
        if parts[1].count >= 2, parts[1].hasPrefix("'"), parts[1].hasSuffix("'") {
            let constant = String(parts[1].dropFirst().dropLast())
            guard constant.utf8.count <= maximumText, constant.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F }) else {
                throw FieldLayoutError("\(name): expected at most \(maximumText) bytes without control characters")
            }
            return Field(name: name, content: .constant(constant))
        }
        return Field(name: name, content: try content(parts[1], of: name, use))
    }

    private static func content(_ text: Substring, of name: String, _ use: Use) throws(FieldLayoutError) -> Content {
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(trimmed)
        guard let value = Value(rawValue: String(parts[0])), value.uses.contains(use) else {
            let known = values(for: use).map(\.rawValue).joined(separator: ", ")
            throw FieldLayoutError("\(name): there is no value \(parts[0]) here. There are: \(known)")
        }
        guard parts.count == 2 else { return .value(value, value.units.first) }
        guard let unit = Unit(rawValue: String(parts[1])), value.units.contains(unit) else {
            guard !value.units.isEmpty else { throw FieldLayoutError("\(name): \(value.rawValue) has no unit") }
            let known = value.units.map(\.rawValue).joined(separator: ", ")
            throw FieldLayoutError("\(name): \(value.rawValue) is not written as \(parts[1]). There are: \(known)")
        }
        return .value(value, unit)
    }

    private static func isName(_ text: String) -> Bool {
        !text.isEmpty && text.utf8.count <= maximumText
            && text.utf8.allSatisfy { $0 > 0x20 && $0 != 0x7F && !"=:,'\"\\".utf8.contains($0) }
    }

    private static func trimmed(_ text: Substring) -> Substring {
        var text = text
        while let first = text.first, first.isWhitespace { text.removeFirst() }
        while let last = text.last, last.isWhitespace { text.removeLast() }
        return text
    }
}

extension FieldLayout.Value {
    /// The units it can be written in, Drover's own first; none where it has one form only.
    fileprivate var units: [FieldLayout.Unit] {
        switch self {
        case .speed: [.mps, .kmh, .mph, .kn]
        case .recordedAt, .receivedAt, .at, .eta: [.ms, .s, .iso]
        case .age: [.ms, .s]
        case .point: [.geojson, .wkt, .latlng]
        case .distance: [.m, .km, .mi]
        case .driver, .order, .user, .latitude, .longitude, .accuracy, .heading, .id, .type, .status, .notes,
            .confidence:
            []
        }
    }

    fileprivate var uses: [FieldLayout.Use] {
        switch self {
        case .driver, .latitude, .longitude, .point, .accuracy, .speed, .heading, .recordedAt, .receivedAt:
            [.hash, .row, .event]
        case .order, .user, .age, .eta, .confidence, .distance: [.row, .event]
        case .id, .type, .status, .at, .notes: [.event]
        }
    }
}

extension FieldLayout.Unit {
    /// What one of Drover's own units is in this one: of metres a second, and of metres.
    var factor: Double {
        switch self {
        case .kmh: 3.6
        case .mph: 3_600 / 1_609.344
        case .kn: 3_600 / 1_852
        case .km: 1 / 1_000
        case .mi: 1 / 1_609.344
        case .mps, .m, .ms, .s, .iso, .geojson, .wkt, .latlng: 1
        }
    }
}

/// Why a layout cannot be read: what stands there and what is expected.
struct FieldLayoutError: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) {
        self.description = description
    }
}
