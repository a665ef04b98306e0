/// A kept ping as one row of Postgres' binary COPY format, so that the server parses no number and the gateway prints none.
///
/// The format is fixed by PostgreSQL's manual, "COPY", "Binary Format"; each field is what the type's `recv` function
/// reads. Everything is big-endian. Timestamps count microseconds from 2000-01-01T00:00:00Z.

/// The binary form of a row of `driver_location_events`.
public enum CopyRow {
    /// The columns of a row, in the order in which `append` writes them: the list that the COPY statement names.
    public static let columns =
        "driver_id, recorded_at, lat, lng, speed, heading, accuracy, altitude, source, session_id, flags, received_at"

    /// How many `columns` there are.
    static let columnCount: Int16 = 12

    /// 2000-01-01T00:00:00Z in microseconds since 1970: the zero of Postgres' clock.
    public static let postgresEpoch: Microseconds = 946_684_800_000_000

    /// The longest row in bytes: a field count, twelve lengths, the fixed fields, the longest source and two full texts.
    static let maximumBytes = 2 + 12 * 4 + 4 * 8 + 4 * 4 + 7 + 2 + 2 * ShortText.capacity

    /// Bytes of a row before the driver's id: the field count and the id's length.
    static let driverOffset = 6

    /// What a stream begins with: the signature, no flags, no header extension.
    public static let header: [UInt8] =
        [0x50, 0x47, 0x43, 0x4F, 0x50, 0x59, 0x0A, 0xFF, 0x0D, 0x0A, 0x00] + [UInt8](repeating: 0, count: 8)

    /// What a stream ends with: a field count of -1.
    public static let trailer: [UInt8] = [0xFF, 0xFF]

    /// Writes the row of `record` at `end` and moves `end` behind it. `buffer` must hold `maximumBytes` from there.
    static func encode(_ record: borrowing PingRecord, into buffer: inout MutableSpan<UInt8>, at end: inout Int) {
        var field = Field(position: end)
        field.put(columnCount, &buffer)
        field.text(record.driver.text, &buffer)
        field.timestamp(record.recordedAt, &buffer)
        field.degrees(record.latitude, &buffer)
        field.degrees(record.longitude, &buffer)
        field.real(record.speed, &buffer)
        field.real(record.heading, &buffer)
        field.real(record.accuracy, &buffer)
        field.real(record.altitude, &buffer)
        field.label(record.source, &buffer)
        if record.sessionID.isEmpty { field.null(&buffer) } else { field.text(record.sessionID, &buffer) }
        field.put(Int32(2), &buffer)
        field.put(Int16(record.flags.rawValue), &buffer)
        field.timestamp(record.receivedAt, &buffer)
        end = field.position
    }

    /// Writes fields one after the other.
    private struct Field {
        var position: Int

        @inline(__always)
        mutating func put<Number: FixedWidthInteger>(_ value: Number, _ buffer: inout MutableSpan<UInt8>) {
            var shift = Number.bitWidth
            while shift > 0 {
                shift -= 8
                buffer[position] = UInt8(truncatingIfNeeded: value >> Number(truncatingIfNeeded: shift))
                position += 1
            }
        }

        @inline(__always)
        mutating func null(_ buffer: inout MutableSpan<UInt8>) {
            put(Int32(-1), &buffer)
        }

        mutating func text(_ text: borrowing ShortText, _ buffer: inout MutableSpan<UInt8>) {
            put(Int32(text.count), &buffer)
            for index in 0..<text.count { put(text[index], &buffer) }
        }

        mutating func timestamp(_ value: Microseconds, _ buffer: inout MutableSpan<UInt8>) {
            put(Int32(8), &buffer)
            put(value - postgresEpoch, &buffer)
        }

        mutating func degrees(_ value: Degrees7, _ buffer: inout MutableSpan<UInt8>) {
            put(Int32(8), &buffer)
            // A division by the exact 10⁷ gives the double nearest to the decimal, so that Postgres prints seven digits.
            put((Double(value) / 1e7).bitPattern, &buffer)
        }

        mutating func real(_ value: Float?, _ buffer: inout MutableSpan<UInt8>) {
            guard let value else { return null(&buffer) }
            put(Int32(4), &buffer)
            put(value.bitPattern, &buffer)
        }

        /// An enum's label travels as text.
        mutating func label(_ source: PingSource?, _ buffer: inout MutableSpan<UInt8>) {
            switch source {
            case nil: null(&buffer)
            case .gps: bytes([0x67, 0x70, 0x73], &buffer)
            case .network: bytes([0x6E, 0x65, 0x74, 0x77, 0x6F, 0x72, 0x6B], &buffer)
            case .fused: bytes([0x66, 0x75, 0x73, 0x65, 0x64], &buffer)
            case .manual: bytes([0x6D, 0x61, 0x6E, 0x75, 0x61, 0x6C], &buffer)
            }
        }

        @inline(__always)
        mutating func bytes<let count: Int>(_ value: InlineArray<count, UInt8>, _ buffer: inout MutableSpan<UInt8>) {
            put(Int32(count), &buffer)
            for index in 0..<count { put(value[index], &buffer) }
        }
    }
}
