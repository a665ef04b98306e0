/// Newest positions as a GTFS-realtime feed of vehicle positions, which transit tools read: protocol buffers (proto2),
/// written by hand since the feed uses a dozen fields. Names and numbers are those of gtfs-realtime.proto, version 2.0
/// (google/transit, gtfs-realtime/proto).

/// One FeedMessage, made entity by entity.
public struct GTFSRealtimeFeed: Sendable {
    /// What the web servers of feeds answer with; it is registered nowhere, and readers ask for it by this name.
    public static let mediaType = "application/x-protobuf"
    /// The oldest position a feed may have (GTFS Realtime Best Practices, "Feed Publishing").
    public static let maximumAge: Microseconds = 90_000_000

    private var message = ProtocolBuffer()
    private var entity = ProtocolBuffer()
    private var vehicle = ProtocolBuffer()
    private var part = ProtocolBuffer()

    /// An empty feed, made at `now`: `gtfs_realtime_version` 2.0, the full data set.
    public init(now: Microseconds) {
        part.text(1, "2.0")
        part.integer(2, 0)  // incrementality: FULL_DATASET
        part.integer(3, Self.seconds(now))
        message.message(1, &part)
    }

    /// The message so far.
    public var bytes: [UInt8] { message.bytes }

    /// Appends an entity whose id, vehicle id and label are the driver's. The position's accuracy has no field.
    public mutating func append(_ driver: DriverID, _ position: Position) {
        let id = driver.string
        // Position.latitude and .longitude are single precision: a metre is lost east of 122°, as the format has it.
        part.single(1, Float(Double(position.latitude) / 1e7))
        part.single(2, Float(Double(position.longitude) / 1e7))
        if let heading = position.heading { part.single(3, heading) }
        if let speed = position.speed { part.single(5, speed) }
        vehicle.message(2, &part)
        vehicle.integer(5, Self.seconds(position.recordedAt))
        part.text(1, id)
        part.text(2, id)
        vehicle.message(8, &part)
        entity.text(1, id)
        entity.message(4, &vehicle)
        message.message(2, &entity)
    }

    private static func seconds(_ instant: Microseconds) -> UInt64 {
        UInt64(max(0, Timestamp.floorDivide(instant, 1_000_000)))
    }
}

/// A message of protocol buffers while it is written (protobuf.dev, "Encoding").
private struct ProtocolBuffer: Sendable {
    /// How a field's value is delimited, in the low three bits of its tag.
    private enum WireType: UInt64 {
        case varint = 0
        case delimited = 2
        case fixed32 = 5
    }

    private(set) var bytes: [UInt8] = []

    mutating func integer(_ field: UInt64, _ value: UInt64) {
        tag(field, .varint)
        varint(value)
    }

    mutating func single(_ field: UInt64, _ value: Float) {
        tag(field, .fixed32)
        let bits = value.bitPattern
        for shift: UInt32 in [0, 8, 16, 24] { bytes.append(UInt8(truncatingIfNeeded: bits >> shift)) }
    }

    mutating func text(_ field: UInt64, _ value: String) {
        tag(field, .delimited)
        varint(UInt64(value.utf8.count))
        bytes.append(contentsOf: value.utf8)
    }

    /// Appends a message as a field, and empties it for the next, keeping its memory.
    mutating func message(_ field: UInt64, _ inner: inout ProtocolBuffer) {
        tag(field, .delimited)
        varint(UInt64(inner.bytes.count))
        bytes.append(contentsOf: inner.bytes)
        inner.bytes.removeAll(keepingCapacity: true)
    }

    private mutating func tag(_ field: UInt64, _ type: WireType) {
        varint(field << 3 | type.rawValue)
    }

    private mutating func varint(_ value: UInt64) {
        var rest = value
        while rest > 0x7F {
            bytes.append(UInt8(rest & 0x7F) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }
}
