/// A position as OwnTracks' apps and the viewers of its Recorder read it: seconds, whole metres, km/h, a topic.

/// See the file's head.
public struct OwnTracksLocation: Sendable {
    /// What the format calls a user. Drover has none of them, so there is one, and drivers are its devices.
    public static let user = "drover"

    /// How much is said.
    public enum Detail: Sendable {
        /// What the apps show of a friend.
        case friend
        /// What the Recorder's interface says besides: whose it is, and its times as text.
        case recorder
    }

    let driver: DriverID
    let trackerID: String
    let recordedAt: Microseconds
    let receivedAt: Microseconds
    let latitude: Degrees7
    let longitude: Degrees7
    let accuracy: Float
    let speed: Float?
    let heading: Float?
    let altitude: Float?

    /// A driver's newest position. `trackerID` is the last two characters of the id unless given.
    public init(_ position: Position, of driver: DriverID, trackerID: String? = nil) {
        self.driver = driver
        self.trackerID = trackerID ?? Self.trackerID(of: driver)
        recordedAt = position.recordedAt
        receivedAt = position.receivedAt
        latitude = position.latitude
        longitude = position.longitude
        accuracy = position.accuracy
        speed = position.speed
        heading = position.heading
        altitude = nil
    }

    /// A point of a driver's past.
    public init(_ point: TrackPoint, of driver: DriverID) {
        self.driver = driver
        trackerID = Self.trackerID(of: driver)
        recordedAt = point.recordedAt
        receivedAt = point.receivedAt
        latitude = point.latitude
        longitude = point.longitude
        accuracy = point.accuracy
        speed = point.speed
        heading = point.heading
        altitude = point.altitude
    }

    /// What stands on a marker: the last two characters of the id, as the apps derive it from the topic.
    public static func trackerID(of driver: DriverID) -> String { String(driver.string.suffix(2)) }

    /// The topic that a driver's positions would have over MQTT.
    public static func topic(of driver: DriverID) -> String { "owntracks/\(user)/\(driver.string)" }

    /// Appends the JSON object. `fields` are the members that are wanted; nil is all.
    public func append(to writer: inout JSONWriter, _ detail: Detail, fields: Set<String>? = nil) {
        writer.raw("{")
        let start = writer.bytes.count
        forEachMember(detail) { name, value in
            guard fields?.contains(name) ?? true else { return }
            if writer.bytes.count > start { writer.raw(",") }
            writer.raw("\"\(name)\":")
            value.append(to: &writer)
        }
        writer.raw("}")
    }

    /// A member's value.
    enum Value {
        case integer(Int64)
        case degrees(Degrees7)
        case text(String)

        func append(to writer: inout JSONWriter) {
            switch self {
            case .integer(let value): writer.integer(value)
            case .degrees(let value): writer.degrees(value)
            case .text(let value): writer.string(value)
            }
        }
    }

    /// The members that are known, in order. Units: https://owntracks.org/booklet/tech/json/.
    func forEachMember(_ detail: Detail, _ body: (String, Value) -> Void) {
        body("_type", .text("location"))
        body("tid", .text(trackerID))
        body("lat", .degrees(latitude))
        body("lon", .degrees(longitude))
        body("tst", .integer(Timestamp.floorDivide(recordedAt, 1_000_000)))
        body("acc", .integer(max(1, Self.rounded(accuracy))))
        if let altitude { body("alt", .integer(Self.rounded(altitude))) }
        if let speed { body("vel", .integer(Self.rounded(speed * 3.6))) }
        if let heading { body("cog", .integer(Self.rounded(heading) % 360)) }
        body("topic", .text(Self.topic(of: driver)))
        guard detail == .recorder else { return }
        body("username", .text(Self.user))
        body("device", .text(driver.string))
        let time = Timestamp.string(recordedAt).prefix(19)
        body("isotst", .text(time + "Z"))
        body("disptst", .text(String(time.map { $0 == "T" ? " " : $0 })))
        body("isorcv", .text(Timestamp.string(receivedAt).prefix(19) + "Z"))
    }

    /// The nearest whole number. What a corrupt store may hold is brought into the range of an `Int32`.
    private static func rounded(_ value: Float) -> Int64 {
        value.isFinite ? Int64(max(-2e9, min(2e9, value.rounded()))) : 0
    }
}
