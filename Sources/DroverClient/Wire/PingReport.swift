/// A ping as a device sends it, and its native JSON.
import EventLoop

/// One position report in the native units.
public struct PingReport: Sendable, Equatable {
    /// The fix time in milliseconds since 1970-01-01T00:00:00Z.
    public var recordedAt: Int64
    /// Degrees north, WGS 84.
    public var latitude: Double
    /// Degrees east, WGS 84.
    public var longitude: Double
    /// Horizontal radius in metres; sent as it is, so that the gateway can judge it.
    public var accuracy: Double
    /// Metres a second; nil is unknown.
    public var speed: Double?
    /// Degrees clockwise from true north; nil is unknown.
    public var heading: Double?
    /// Metres above mean sea level; nil is unknown.
    public var altitude: Double?

    /// The wall clock in milliseconds since 1970-01-01T00:00:00Z.
    public static var now: Int64 { SystemClock.wallMicroseconds() / 1_000 }

    /// A report with what is required, and what else is known; of a fix of just now where no time is given.
    public init(
        recordedAt: Int64 = PingReport.now, latitude: Double, longitude: Double, accuracy: Double, speed: Double? = nil,
        heading: Double? = nil, altitude: Double? = nil
    ) {
        self.recordedAt = recordedAt
        self.latitude = latitude
        self.longitude = longitude
        self.accuracy = accuracy
        self.speed = speed
        self.heading = heading
        self.altitude = altitude
    }

    /// Writes it as a native ping (API.md, "A native ping"): coordinates to 1e-7 degrees, the rest to 1e-4.
    ///
    /// - Parameters:
    ///   - driver: the `driver_id` member in JSON, quotes included; empty leaves it out.
    ///   - sequence: the `seq` member; nil leaves it out.
    public func write(to writer: ByteWriter, driver: UnsafeRawBufferPointer, sequence: Int64?) {
        writer.append("{\"recorded_at\":")
        writer.append(recordedAt)
        writer.append(",\"lat\":")
        writer.append(latitude, decimals: 7)
        writer.append(",\"lng\":")
        writer.append(longitude, decimals: 7)
        writer.append(",\"accuracy\":")
        writer.append(accuracy, decimals: 4)
        if let speed {
            writer.append(",\"speed\":")
            writer.append(speed, decimals: 4)
        }
        if let heading {
            writer.append(",\"heading\":")
            writer.append(heading, decimals: 4)
        }
        if let altitude {
            writer.append(",\"altitude\":")
            writer.append(altitude, decimals: 4)
        }
        if let sequence {
            writer.append(",\"seq\":")
            writer.append(sequence)
        }
        if !driver.isEmpty {
            writer.append(",\"driver_id\":")
            writer.append(driver)
        }
        writer.append(UInt8(ascii: "}"))
    }
}
