/// A position as a phone app says it, on its way to a ping: where the apps' units become Drover's and their sentinels
/// become unknown. Every app's decoder fills one of these a position; what an app means by a value is the decoder's to know.

/// What a speed is measured in.
public enum SpeedUnit: String, Sendable, CaseIterable {
    /// International knots: exactly 1,852 m an hour.
    case knots = "kn"
    /// Metres a second.
    case metresPerSecond = "mps"
    /// Kilometres an hour.
    case kilometresPerHour = "kmh"

    /// How many metres a second one of it is.
    var metresPerSecond: Double {
        switch self {
        case .knots: 1_852.0 / 3_600
        case .metresPerSecond: 1
        case .kilometresPerHour: 1 / 3.6
        }
    }
}

/// See the file's head.
struct PhoneFix {
    /// The fix time; nil is not said.
    var recordedAt: Microseconds?
    /// Degrees north; nil is not said.
    var latitude: Degrees7?
    /// Degrees east; nil is not said.
    var longitude: Degrees7?
    /// The id in the payload: a label, which names the driver only where a backend's key sends.
    var label: DriverID?
    /// Everything else.
    var ping = Ping()
    private var hasAccuracy = false

    /// Nothing is said yet.
    init() {}

    /// Whether the app says where it is.
    var hasPlace: Bool { latitude != nil || longitude != nil }

    /// The horizontal radius in metres. 0 is Android's "unknown"; negatives are CoreLocation's "this is no fix", which the
    /// judge refuses by their accuracy.
    mutating func accuracy(_ metres: Double?) {
        guard let metres, metres != 0, metres.isFinite else { return }
        ping.accuracy = Float(metres)
        hasAccuracy = true
    }

    /// The speed; negatives are unknown.
    mutating func speed(_ value: Double?, _ unit: SpeedUnit) {
        ping.speed = value.flatMap { Unit.speed($0 * unit.metresPerSecond) }
    }

    /// Degrees clockwise from north; what is outside [0, 360] is unknown.
    mutating func heading(_ degrees: Double?) {
        ping.heading = degrees.flatMap { Unit.heading($0) }
    }

    /// Metres.
    mutating func altitude(_ metres: Double?) {
        ping.altitude = metres.flatMap { Unit.altitude($0) }
    }

    /// A charge in [0, 1]; -1 is unknown.
    mutating func battery(share: Double?) {
        ping.battery = share.flatMap { Unit.battery($0) }
    }

    /// A charge in percent; -1 is unknown.
    mutating func battery(percent: Double?) {
        battery(share: percent.map { $0 / 100 })
    }

    /// Appends the ping. False, with nothing appended, where the app says no place: that is a sign of life. A place of which
    /// something is missing is a ping all the same, a malformed one. `assumedAccuracy` is in metres and stands for an
    /// accuracy that the app does not know.
    func append(to batch: inout PingBatch, assumedAccuracy: Float) -> Bool {
        guard hasPlace else { return false }
        var decoded = DecodedPing()
        decoded.ping = ping
        decoded.driver = label
        if !hasAccuracy { decoded.ping.accuracy = assumedAccuracy }
        if let recordedAt { decoded.ping.recordedAt = recordedAt } else { decoded.defect = .missing(.recordedAt) }
        if let latitude { decoded.ping.latitude = latitude } else { decoded.defect = .missing(.latitude) }
        if let longitude { decoded.ping.longitude = longitude } else { decoded.defect = .missing(.longitude) }
        batch.pings.append(decoded)
        return true
    }
}
