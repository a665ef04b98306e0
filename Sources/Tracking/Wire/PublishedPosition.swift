/// A position as it stands on the bus: JSON that any service can read, and from which another gateway takes the position.

/// Writes and reads the payload of a driver's channel.
public enum PublishedPosition {
    fileprivate enum Member: String, CaseIterable, Sendable {
        case driver = "driver_id"
        case recordedAt = "recorded_at"
        case latitude = "lat"
        case longitude = "lng"
        case speed
        case heading
        case accuracy
        case receivedAt = "received_at"
        case recordedMicroseconds = "recorded_us"
    }

    fileprivate static let names = MemberNames<Member>()

    /// Appends `{"driver_id":…,"recorded_at":…,"lat":…,"lng":…,"speed":…,"heading":…,"accuracy":…,"received_at":…}`; times
    /// in epoch milliseconds. A fix time between two milliseconds is also there as `recorded_us`.
    public static func append(_ id: DriverID, _ position: Position, to writer: inout JSONWriter) {
        writer.raw("{\"driver_id\":")
        writer.id(id)
        writer.raw(",")
        position.appendMembers(to: &writer)
        writer.raw(",\"received_at\":")
        writer.integer(Timestamp.floorDivide(position.receivedAt, 1_000))
        if position.recordedAt % 1_000 != 0 {
            writer.raw(",\"recorded_us\":")
            writer.integer(position.recordedAt)
        }
        writer.raw("}")
    }

    /// The driver and its position; nil where the payload is of another kind.
    public static func read(_ payload: Span<UInt8>) -> (driver: DriverID, position: Position)? {
        var scanner = JSONScanner()
        return try? scanner.published(payload)
    }
}

extension JSONScanner {
    fileprivate mutating func published(
        _ input: Span<UInt8>
    ) throws(JSONError) -> (driver: DriverID, position: Position)? {
        var driver: DriverID?
        var recordedAt: Microseconds?
        var exactly: Microseconds?
        var receivedAt: Microseconds?
        var latitude: Int64?
        var longitude: Int64?
        var accuracy: Double?
        var speed: Double?
        var heading: Double?
        try members(PublishedPosition.names, input) { scanner, name throws(JSONError) in
            switch name {
            case .driver: driver = Self.text(try scanner.string(input), input).flatMap { DriverID($0) }
            case .recordedAt: recordedAt = try scanner.number(input).scaled(by: 3)
            case .recordedMicroseconds: exactly = try scanner.number(input).scaled(by: 0)
            case .receivedAt: receivedAt = try scanner.number(input).scaled(by: 3)
            case .latitude: latitude = try scanner.number(input).scaled(by: 7)
            case .longitude: longitude = try scanner.number(input).scaled(by: 7)
            case .accuracy: accuracy = try scanner.number(input).double
            case .speed: speed = try scanner.number(input).double
            case .heading: heading = try scanner.number(input).double
            }
        }
        try expectEnd(input)
        guard let driver, let recordedAt, let latitude, let longitude, let accuracy, accuracy > 0,
            abs(latitude) <= 900_000_000, abs(longitude) <= 1_800_000_000
        else { return nil }
        return (
            driver,
            Position(
                recordedAt: exactly ?? recordedAt, receivedAt: receivedAt ?? recordedAt,
                latitude: Degrees7(latitude), longitude: Degrees7(longitude), accuracy: Float(accuracy),
                speed: speed.flatMap(Unit.speed), heading: heading.flatMap(Unit.heading))
        )
    }
}
