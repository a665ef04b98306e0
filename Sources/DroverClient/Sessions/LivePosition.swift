/// What a viewer is told (API.md, "The live WebSocket").

/// A driver's position as pushed. Its bytes are valid during the callback only; copy what is kept.
public struct LivePosition {
    /// The driver's id as written.
    public let driver: UnsafeRawBufferPointer
    /// Fix time, epoch milliseconds.
    public let recordedAt: Int64
    /// Degrees.
    public let latitude: Double
    /// Degrees.
    public let longitude: Double
    /// Metres a second, or nil.
    public let speed: Double?
    /// Degrees clockwise from true north, or nil.
    public let heading: Double?
    /// Metres, or nil.
    public let accuracy: Double?
    private let subjectsText: UnsafeRawBufferPointer?

    /// The driver's id as a string.
    public var driverID: String { JSONCursor.unescape(driver) }

    /// The subjects through which this viewer sees the driver.
    public var subjects: [String] {
        guard let subjectsText else { return [] }
        var cursor = JSONCursor(subjectsText)
        return readStrings(&cursor)
    }

    /// Reads the object at the cursor; nil where it is none or names no driver and time.
    init?(_ cursor: inout JSONCursor) {
        guard cursor.enterObject() else { return nil }
        var driver: UnsafeRawBufferPointer?
        var recordedAt: Int64?
        var (latitude, longitude): (Double?, Double?) = (nil, nil)
        var (speed, heading, accuracy): (Double?, Double?, Double?) = (nil, nil, nil)
        var subjects: UnsafeRawBufferPointer?
        while let key = cursor.nextKey() {
            switch true {
            case key == "driver_id": driver = cursor.string()
            case key == "recorded_at": recordedAt = cursor.integer()
            case key == "lat": latitude = cursor.number()
            case key == "lng": longitude = cursor.number()
            case key == "speed": speed = cursor.number()
            case key == "heading": heading = cursor.number()
            case key == "accuracy": accuracy = cursor.number()
            case key == "subjects": subjects = cursor.skipValue()
            default: cursor.skipValue()
            }
        }
        guard !cursor.isBroken, let driver, let recordedAt, let latitude, let longitude else { return nil }
        self.driver = driver
        self.recordedAt = recordedAt
        self.latitude = latitude
        self.longitude = longitude
        self.speed = speed
        self.heading = heading
        self.accuracy = accuracy
        subjectsText = subjects
    }
}

/// What is told about a driver besides positions.
public struct DriverStatus: Sendable {
    /// The driver's id.
    public internal(set) var driverID = ""
    /// `live`, `stale` or `offline`.
    public internal(set) var state = ""
    /// Fix time of the newest position in epoch milliseconds, or nil.
    public internal(set) var lastRecordedAt: Int64?
    /// The gateway's word for why, or empty.
    public internal(set) var reason = ""
}

/// What the gateway answered to a subscription, or after a reconnection to its renewal.
public struct SubscriptionReply: Sendable {
    /// By subject: true where nothing was missed since the cursor, false where a full snapshot came.
    public internal(set) var recovered: [String: Bool] = [:]
    /// By subject: the error code with which it was refused.
    public internal(set) var refused: [String: String] = [:]
}

/// The strings of the array at the cursor.
func readStrings(_ cursor: inout JSONCursor) -> [String] {
    var strings: [String] = []
    guard cursor.enterArray() else { return [] }
    while cursor.nextElement(), let string = cursor.unescapedString() { strings.append(string) }
    return strings
}
