/// A kept ping as the journal holds it: self-contained, little-endian, 45 bytes and two short texts.
///
/// Layout: version u8 · flags u8 · source u8 (0 unknown) · driver length u8 · recorded_at i64 · received_at i64 ·
/// latitude i32 · longitude i32 · accuracy, speed, heading, altitude f32 (NaN is unknown) · session length u8 ·
/// driver · session.

/// One journal record.
public struct PingRecord: Sendable, Equatable {
    /// The newest layout this build writes, and the only one it reads.
    public static let version: UInt8 = 1
    /// The longest encoding in bytes.
    public static let maximumBytes = 45 + 2 * ShortText.capacity

    /// Whose ping it is.
    public var driver: DriverID
    /// The device's fix time.
    public var recordedAt: Microseconds
    /// The gateway's time of receipt.
    public var receivedAt: Microseconds
    /// Degrees north times 10⁷.
    public var latitude: Degrees7
    /// Degrees east times 10⁷.
    public var longitude: Degrees7
    /// Metres, 0 < accuracy < 200 by default.
    public var accuracy: Float
    /// Metres a second, after the clamp.
    public var speed: Float?
    /// Degrees in [0, 360).
    public var heading: Float?
    /// Metres.
    public var altitude: Float?
    /// Where the position came from.
    public var source: PingSource?
    /// What the judge noted.
    public var flags: PingFlags
    /// The device's session label, or empty.
    public var sessionID: ShortText

    /// A record of `ping`, as judged.
    public init(_ ping: Ping, driver: DriverID, receivedAt: Microseconds, flags: PingFlags) {
        self.driver = driver
        recordedAt = ping.recordedAt
        self.receivedAt = receivedAt
        latitude = ping.latitude
        longitude = ping.longitude
        accuracy = ping.accuracy
        speed = ping.speed
        heading = ping.heading
        altitude = ping.altitude
        source = ping.source
        self.flags = flags
        sessionID = ping.sessionID
    }

    /// Reads a record; nil where the bytes are not one that this build knows.
    public init?(_ bytes: Span<UInt8>) {
        guard bytes.count >= 45, bytes[0] == Self.version else { return nil }
        let driverLength = Int(bytes[3])
        let sessionLength = Int(bytes[44])
        guard bytes.count == 45 + driverLength + sessionLength,
            let driver = DriverID(bytes.extracting(45..<(45 + driverLength))),
            let session = ShortText(bytes.extracting((45 + driverLength)..<bytes.count))
        else { return nil }
        self.driver = driver
        flags = PingFlags(rawValue: bytes[1])
        source = PingSource(rawValue: bytes[2])
        recordedAt = Int64(bitPattern: LittleEndian.load64(bytes, at: 4))
        receivedAt = Int64(bitPattern: LittleEndian.load64(bytes, at: 12))
        latitude = Int32(bitPattern: LittleEndian.load32(bytes, at: 20))
        longitude = Int32(bitPattern: LittleEndian.load32(bytes, at: 24))
        accuracy = Float(bitPattern: LittleEndian.load32(bytes, at: 28))
        speed = Self.known(LittleEndian.load32(bytes, at: 32))
        heading = Self.known(LittleEndian.load32(bytes, at: 36))
        altitude = Self.known(LittleEndian.load32(bytes, at: 40))
        sessionID = session
    }

    private static func known(_ bits: UInt32) -> Float? {
        let value = Float(bitPattern: bits)
        return value.isNaN ? nil : value
    }

    /// Writes the record at the start of `buffer` and returns its length. `buffer` must hold `maximumBytes`.
    public func encode(into buffer: inout MutableSpan<UInt8>) -> Int {
        precondition(buffer.count >= Self.maximumBytes, "a record needs a buffer of PingRecord.maximumBytes")
        buffer[0] = Self.version
        buffer[1] = flags.rawValue
        buffer[2] = source?.rawValue ?? 0
        buffer[3] = UInt8(driver.text.count)
        LittleEndian.store64(UInt64(bitPattern: recordedAt), into: &buffer, at: 4)
        LittleEndian.store64(UInt64(bitPattern: receivedAt), into: &buffer, at: 12)
        LittleEndian.store32(UInt32(bitPattern: latitude), into: &buffer, at: 20)
        LittleEndian.store32(UInt32(bitPattern: longitude), into: &buffer, at: 24)
        LittleEndian.store32(accuracy.bitPattern, into: &buffer, at: 28)
        LittleEndian.store32((speed ?? .nan).bitPattern, into: &buffer, at: 32)
        LittleEndian.store32((heading ?? .nan).bitPattern, into: &buffer, at: 36)
        LittleEndian.store32((altitude ?? .nan).bitPattern, into: &buffer, at: 40)
        buffer[44] = UInt8(sessionID.count)
        var end = 45
        for index in 0..<driver.text.count {
            buffer[end] = driver.text[index]
            end += 1
        }
        for index in 0..<sessionID.count {
            buffer[end] = sessionID[index]
            end += 1
        }
        return end
    }
}

/// Memory for one encoded record, reused for all.
public struct PingRecordBuffer: Sendable {
    private var bytes: [UInt8] = Array(repeating: 0, count: PingRecord.maximumBytes)

    /// Room for a record.
    public init() {}

    /// Encodes `record` and lends its bytes.
    @inline(__always)
    public mutating func encode(_ record: PingRecord, _ body: (Span<UInt8>) -> Void) {
        var span = bytes.mutableSpan
        let length = record.encode(into: &span)
        body(bytes.span.extracting(0..<length))
    }
}

/// Little-endian integers in byte spans.
enum LittleEndian {
    @inline(__always)
    static func load32(_ bytes: Span<UInt8>, at offset: Int) -> UInt32 {
        var value: UInt32 = 0
        for index in 0..<4 { value |= UInt32(bytes[offset + index]) << (8 * UInt32(index)) }
        return value
    }

    @inline(__always)
    static func load64(_ bytes: Span<UInt8>, at offset: Int) -> UInt64 {
        var value: UInt64 = 0
        for index in 0..<8 { value |= UInt64(bytes[offset + index]) << (8 * UInt64(index)) }
        return value
    }

    @inline(__always)
    static func store32(_ value: UInt32, into buffer: inout MutableSpan<UInt8>, at offset: Int) {
        for index in 0..<4 { buffer[offset + index] = UInt8(truncatingIfNeeded: value >> (8 * UInt32(index))) }
    }

    @inline(__always)
    static func store64(_ value: UInt64, into buffer: inout MutableSpan<UInt8>, at offset: Int) {
        for index in 0..<8 { buffer[offset + index] = UInt8(truncatingIfNeeded: value >> (8 * UInt64(index))) }
    }
}
