/// A location record as Transistorsoft's background-geolocation writes it, and with it Traccar Client 9, which is built on
/// that library; a browser's `JSON.stringify(GeolocationPosition)` has the same form.
/// Source: flutter_background_geolocation 5.1.2, lib/models/config/doc_templates.dart and lib/models/location.dart;
/// https://www.w3.org/TR/geolocation/, section 6.

/// Reads one record.
struct CoordsRecord {
    /// The members that Drover reads; the last six stand in `coords`, or beside it where a platform has flattened the record.
    enum Member: String, CaseIterable, Sendable {
        case timestamp, coords, battery, mock, sample
        case latitude, longitude, accuracy, speed, heading, altitude
    }

    private enum BatteryMember: String, CaseIterable, Sendable {
        case level
    }

    private static let names = MemberNames<Member>()
    private static let batteryNames = MemberNames<BatteryMember>()

    /// What it says. -1 is the library's "unknown" for speed, heading and battery.
    var fix = PhoneFix()
    /// One of several samples towards one fix, which comes in a record of its own: not to be kept.
    private(set) var isSample = false

    /// Nothing is read yet.
    init() {}

    /// Reads a record, which is next; what is no object is stepped over and says nothing.
    mutating func read(_ scanner: inout JSONScanner, _ input: Span<UInt8>) throws(JSONError) {
        try scanner.members(Self.names, input) { (scanner, member) throws(JSONError) in
            try take(member, &scanner, input)
        }
    }

    /// Takes the value of a record's member, for records whose members stand among others.
    mutating func take(
        _ member: Member, _ scanner: inout JSONScanner, _ input: Span<UInt8>
    ) throws(JSONError) {
        switch member {
        case .timestamp: fix.recordedAt = try scanner.anyInstant(input)
        case .coords:
            try scanner.members(Self.names, input) { (scanner, member) throws(JSONError) in
                try place(member, &scanner, input)
            }
        case .battery:
            try scanner.members(Self.batteryNames, input) { (scanner, _) throws(JSONError) in
                fix.battery(share: try scanner.anyNumber(input))
            }
        case .mock: fix.ping.isMock = try scanner.anyFlag(input) ?? false
        case .sample: isSample = try scanner.anyFlag(input) ?? false
        default: try place(member, &scanner, input)
        }
    }

    /// A member of `coords`. Others are stepped over, `coords` within `coords` too: nothing here recurs with the input.
    private mutating func place(
        _ member: Member, _ scanner: inout JSONScanner, _ input: Span<UInt8>
    ) throws(JSONError) {
        switch member {
        case .latitude: fix.latitude = try scanner.anyDegrees(input)
        case .longitude: fix.longitude = try scanner.anyDegrees(input)
        case .accuracy: fix.accuracy(try scanner.anyNumber(input))
        case .speed: fix.speed(try scanner.anyNumber(input), .metresPerSecond)
        case .heading: fix.heading(try scanner.anyNumber(input))
        case .altitude: fix.altitude(try scanner.anyNumber(input))
        case .timestamp, .coords, .battery, .mock, .sample: try scanner.skipValue(input)
        }
    }
}
