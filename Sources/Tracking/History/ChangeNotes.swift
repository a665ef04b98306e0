/// What the history's writer leaves for the roll-up: which driver's hours have new pings, and from when on.
///
/// A driver reports a ping a second, so one note a batch would cost as much as the pings. Within a *generation* (from one
/// run of the roll-up to the next) an hour needs one note: the roll-up reads all of the hour behind the note's time. Only
/// an earlier ping needs another. That is what this remembers.

/// The notes of the transaction under way, and those that Postgres has of this generation.
public struct ChangeNotes: Sendable {
    /// The columns of `driver_location_changes` in the order in which `writeStream` writes them.
    public static let columns = "driver_id, hour, from_at, generation"

    /// The most hours that are remembered, some 25 MB; then all are forgotten, and noted again, which is harmless.
    static let capacity = 200_000

    private static let hour: Microseconds = 3_600_000_000

    private struct DriverHour: Hashable {
        var driver: ShortText
        /// When the hour of UTC begins.
        var start: Microseconds
    }

    /// The earliest time that was noted, in transactions that are committed.
    private var noted: [DriverHour: Microseconds] = [:]
    /// The same of the transaction under way.
    private var pending: [DriverHour: Microseconds] = [:]
    private var generation: Int64 = 0

    /// Nothing noted.
    public init() {}

    /// Hours remembered, for the bound's test.
    var count: Int { noted.count }

    /// A transaction of `generation` begins; what another that failed had pending is forgotten.
    public mutating func begin(generation: Int64) {
        pending.removeAll(keepingCapacity: true)
        if generation != self.generation { noted.removeAll(keepingCapacity: true) }
        self.generation = generation
    }

    /// The transaction has a ping of `driver` at `time`, microseconds since 1970 and not before.
    mutating func add(_ driver: ShortText, at time: Microseconds) {
        let key = DriverHour(driver: driver, start: time - time % Self.hour)
        if let earliest = noted[key], earliest <= time { return }
        if let earliest = pending[key], earliest <= time { return }
        pending[key] = time
    }

    /// Replaces `stream` by a whole COPY stream of the notes that the transaction needs, and returns how many they are.
    /// With none, `stream` is left empty.
    public func writeStream(into stream: inout [UInt8]) -> Int {
        stream.removeAll(keepingCapacity: true)
        if pending.isEmpty { return 0 }
        stream.append(contentsOf: CopyRow.header)
        for (key, time) in pending {
            Self.append(UInt16(4), to: &stream)
            Self.append(UInt32(key.driver.count), to: &stream)
            for index in 0..<key.driver.count { stream.append(key.driver[index]) }
            for value in [key.start - CopyRow.postgresEpoch, time - CopyRow.postgresEpoch, generation] {
                Self.append(UInt32(8), to: &stream)
                Self.append(UInt64(bitPattern: value), to: &stream)
            }
        }
        stream.append(contentsOf: CopyRow.trailer)
        return pending.count
    }

    /// The transaction is committed: its notes need not be written again.
    public mutating func committed() {
        if noted.count + pending.count > Self.capacity { noted.removeAll(keepingCapacity: true) }
        noted.merge(pending) { min($0, $1) }
        pending.removeAll(keepingCapacity: true)
    }

    private static func append<Number: FixedWidthInteger>(_ value: Number, to stream: inout [UInt8]) {
        var shift = Number.bitWidth
        while shift > 0 {
            shift -= 8
            stream.append(UInt8(truncatingIfNeeded: value >> Number(truncatingIfNeeded: shift)))
        }
    }
}

extension HistoryBatch {
    /// Notes the hours of the rows of `range`.
    public func note(_ range: Range<Int>, in notes: inout ChangeNotes) {
        for index in range {
            if let time = recordedAt(index), let driver = driverText(index) { notes.add(driver, at: time) }
        }
    }
}
