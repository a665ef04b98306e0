/// A driver's newest position: what maps, hashes and the bus show.
import RealModule

/// An accepted ping that became its driver's newest.
public struct Position: Sendable, Equatable {
    /// The device's fix time.
    public var recordedAt: Microseconds
    /// The gateway's time of receipt.
    public var receivedAt: Microseconds
    /// Degrees north times 10⁷.
    public var latitude: Degrees7
    /// Degrees east times 10⁷.
    public var longitude: Degrees7
    /// Metres.
    public var accuracy: Float
    /// Metres a second; nil is unknown.
    public var speed: Float?
    /// Degrees in [0, 360); nil is unknown.
    public var heading: Float?

    /// A position from its parts.
    public init(
        recordedAt: Microseconds, receivedAt: Microseconds, latitude: Degrees7, longitude: Degrees7, accuracy: Float,
        speed: Float?, heading: Float?
    ) {
        self.recordedAt = recordedAt
        self.receivedAt = receivedAt
        self.latitude = latitude
        self.longitude = longitude
        self.accuracy = accuracy
        self.speed = speed
        self.heading = heading
    }

    /// The position of an accepted ping.
    public init(_ ping: Ping, receivedAt: Microseconds) {
        self.init(
            recordedAt: ping.recordedAt, receivedAt: receivedAt, latitude: ping.latitude, longitude: ping.longitude,
            accuracy: ping.accuracy, speed: ping.speed, heading: ping.heading)
    }

    /// The position of a journal record.
    public init(_ record: PingRecord) {
        self.init(
            recordedAt: record.recordedAt, receivedAt: record.receivedAt, latitude: record.latitude,
            longitude: record.longitude, accuracy: record.accuracy, speed: record.speed, heading: record.heading)
    }

    /// What the judge remembers of it.
    public var anchor: Anchor {
        Anchor(recordedAt: recordedAt, latitude: latitude, longitude: longitude, accuracy: accuracy)
    }

    /// The position on a grid whose cells measure `metres` from south to north and about as much from west to east: the
    /// middle of its cell, always the same for the same cell, so that watching for long reveals no more than once.
    public func coarsened(to metres: Int32) -> Position {
        guard metres > 0 else { return self }
        var position = self
        let side = max(1, Int64((Double(metres) / Distance.metresPerDegree7).rounded()))
        let row = Timestamp.floorDivide(Int64(latitude) + 900_000_000, side)
        position.latitude = Degrees7(min(900_000_000, row * side + side / 2 - 900_000_000))
        // Cells of one row are equally wide; towards the poles a degree of longitude shrinks.
        let shrink = max(0.01, Double.cos(Double(position.latitude) / 1e7 * .pi / 180))
        let width = min(3_600_000_000, max(1, Int64((Double(side) / shrink).rounded())))
        let column = Timestamp.floorDivide(Int64(longitude) + 1_800_000_000, width)
        position.longitude = Degrees7(min(1_800_000_000, column * width + width / 2 - 1_800_000_000))
        position.accuracy = max(accuracy, Float(metres))
        return position
    }

    /// Appends `"recorded_at":…,"lat":…,"lng":…,"speed":…,"heading":…,"accuracy":…`; what is unknown is left out, and so
    /// are `lat` and `lng` where they stand elsewhere.
    @inline(__always)
    public func appendMembers(to writer: inout JSONWriter, withPlace: Bool = true) {
        writer.raw("\"recorded_at\":")
        writer.integer(Timestamp.floorDivide(recordedAt, 1_000))
        if withPlace {
            writer.raw(",\"lat\":")
            writer.degrees(latitude)
            writer.raw(",\"lng\":")
            writer.degrees(longitude)
        }
        if let speed {
            writer.raw(",\"speed\":")
            writer.thousandths(speed)
        }
        if let heading {
            writer.raw(",\"heading\":")
            // 359.9996° would print as 360, which is out of range: north is 0.
            writer.thousandths(heading >= 359.9995 ? 0 : heading)
        }
        writer.raw(",\"accuracy\":")
        writer.thousandths(accuracy)
    }
}
