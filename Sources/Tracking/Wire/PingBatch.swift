/// What a request or frame of pings decodes into; one is reused for ever, so that decoding allocates nothing.

/// A member of a native ping (API.md, "A native ping").
public enum PingField: UInt8, Sendable, CaseIterable {
    case recordedAt, latitude, longitude, accuracy, speed, heading, altitude, source, sequence, sessionID, battery
    case mock, driverID

    /// The name on the wire.
    public var name: StaticString {
        switch self {
        case .recordedAt: "recorded_at"
        case .latitude: "lat"
        case .longitude: "lng"
        case .accuracy: "accuracy"
        case .speed: "speed"
        case .heading: "heading"
        case .altitude: "altitude"
        case .source: "source"
        case .sequence: "seq"
        case .sessionID: "session_id"
        case .battery: "battery"
        case .mock: "mock"
        case .driverID: "driver_id"
        }
    }
}

/// Why a ping is `malformed` though the document around it is JSON.
public enum PingDefect: Sendable, Equatable {
    /// The element is not an object.
    case notAnObject
    /// The element is no GeoJSON Feature.
    case notAFeature
    /// The Feature's geometry is no Point.
    case notAPoint
    /// A required member is absent or null.
    case missing(PingField)
    /// The member has the wrong type or a value that its type cannot hold.
    case invalid(PingField)
    /// A member stands twice.
    case twice(PingField?)
    /// More members than a ping can sensibly have.
    case tooManyMembers

    /// One line for the sender.
    public var description: String {
        switch self {
        case .notAnObject: "a ping must be a JSON object"
        case .notAFeature: "expected a GeoJSON Feature"
        case .notAPoint: "geometry: expected a Point with the coordinates [longitude, latitude]"
        case .missing(let field): "\(field.name) is required"
        case .invalid(let field): "\(field.name): expected \(Self.expectation(field))"
        case .twice(let field?): "\(field.name) stands twice"
        case .twice(nil): "a member stands twice"
        case .tooManyMembers: "more than \(PingDecoder.maximumMembers) members"
        }
    }

    private static func expectation(_ field: PingField) -> String {
        switch field {
        case .recordedAt: "epoch milliseconds, or RFC 3339 text with a zone"
        case .latitude, .longitude, .accuracy, .speed, .heading, .altitude, .battery: "a number"
        case .source: "gps, network, fused or manual"
        case .sequence: "a whole number from 0 to 9223372036854775807"
        case .sessionID: "text of at most 64 bytes without control characters"
        case .mock: "true or false"
        case .driverID: "1 to 64 characters of A-Z a-z 0-9 _ . : -"
        }
    }
}

/// One element of a batch.
public struct DecodedPing: Sendable {
    /// The values; meaningless beyond `sequence` and `driver` where there is a defect.
    public var ping = Ping()
    /// The driver that the payload names, if it names one.
    public var driver: DriverID?
    /// Why it is `malformed`; nil for a ping that can be judged.
    public var defect: PingDefect?

    /// An empty element.
    public init() {}
}

/// The pings of one request or frame, in order.
public struct PingBatch: Sendable {
    /// The elements of the last document that was decoded.
    public internal(set) var pings: [DecodedPing] = []

    /// An empty batch with room for a usual frame.
    public init() {
        pings.reserveCapacity(64)
    }

    /// Forgets which drivers the payload names.
    public mutating func dropNames() {
        for index in pings.indices { pings[index].driver = nil }
    }

    mutating func removeAll() {
        pings.removeAll(keepingCapacity: true)
    }
}
