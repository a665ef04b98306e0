/// A record of `POST /locations`: what `CoordsRecord` reads, and the names that apps with a template of their own use for
/// the same. A name that stands twice counts as it stood last.

/// One record.
struct LocationRecord {
    /// The names that Drover knows.
    enum Member: String, CaseIterable, Sendable {
        case timestamp, time, ts
        case recordedAt = "recorded_at"
        case coords, battery
        case batteryLevel = "battery_level"
        case mock
        case isMock = "is_mock"
        case sample
        case latitude, lat, longitude, lng, lon
        case accuracy, acc, speed, heading, bearing, course, altitude, alt
        case driverID = "driver_id"
        case deviceID = "device_id"
        case sessionID = "session_id"
    }

    static let names = MemberNames<Member>()

    private var record = CoordsRecord()
    /// When the library had the fix, which is some time after the fix.
    private var storedAt: Microseconds?
    private var device: DriverID?
    private var driver: DriverID?

    /// Nothing is read yet.
    init() {}

    /// Whether it says where.
    var hasPlace: Bool { record.fix.hasPlace }
    /// Whether it is one of several samples towards a fix that comes in a record of its own.
    var isSample: Bool { record.isSample }
    /// Whom it names.
    var label: DriverID? { driver ?? device }

    /// The position.
    var fix: PhoneFix {
        var fix = record.fix
        fix.recordedAt = fix.recordedAt ?? storedAt
        fix.label = label
        return fix
    }

    /// Takes the value of a member, which is next.
    mutating func take(
        _ member: Member, _ scanner: inout JSONScanner, _ input: Span<UInt8>
    ) throws(JSONError) {
        switch member {
        case .timestamp, .time, .ts: try record.take(.timestamp, &scanner, input)
        case .recordedAt: storedAt = try scanner.anyInstant(input)
        case .coords: try record.take(.coords, &scanner, input)
        case .battery, .batteryLevel:
            guard scanner.peek(input) != UInt8(ascii: "{") else {
                return try record.take(.battery, &scanner, input)
            }
            guard let charge = try scanner.anyNumber(input) else { return }
            if charge > 1 { record.fix.battery(percent: charge) } else { record.fix.battery(share: charge) }
        case .mock, .isMock: try record.take(.mock, &scanner, input)
        case .sample: try record.take(.sample, &scanner, input)
        case .latitude, .lat: try record.take(.latitude, &scanner, input)
        case .longitude, .lng, .lon: try record.take(.longitude, &scanner, input)
        case .accuracy, .acc: try record.take(.accuracy, &scanner, input)
        case .speed: try record.take(.speed, &scanner, input)
        case .heading, .bearing, .course: try record.take(.heading, &scanner, input)
        case .altitude, .alt: try record.take(.altitude, &scanner, input)
        case .driverID: driver = try scanner.anyText(input).flatMap { DriverID($0) }
        case .deviceID: device = try scanner.anyText(input).flatMap { DriverID($0) }
        case .sessionID: record.fix.ping.sessionID = try scanner.anyText(input) ?? ShortText()
        }
    }
}
