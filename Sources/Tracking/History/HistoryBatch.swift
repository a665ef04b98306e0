/// Pings on their way from the journal to Postgres: encoded once as they are read, then sorted and streamed as often as
/// it takes.

/// Rows in the order of the journal, with what is needed to sort, place and split them.
public struct HistoryBatch: Sendable {
    /// Which rows of a range a stream holds.
    public enum Selection: Sendable {
        /// Those that cannot be in the table yet unless something went wrong before: they are copied straight into it.
        case fresh
        /// Those the judge called late. They may repeat rows that the gateway no longer remembers.
        case late
        /// Both.
        case all
    }

    /// Why a record cannot be a row, whatever the database says.
    public enum Fault: Sendable {
        /// The bytes are not a record that this build reads.
        case unreadable
        /// The fix time is not within the years 1970 to 9999: no day partition can be named for it.
        case timeOutOfRange
    }

    private struct Entry {
        /// Where the row stands in `rows`; 0 bytes where it has a fault.
        var offset: Int
        var length: Int
        var recordedAt: Microseconds
        /// The first eight bytes of the driver's id, big-endian: decides most comparisons without a look at the row.
        var driverPrefix: UInt64
        var isLate: Bool
    }

    /// 9999-12-31T00:00:00Z, the end of the times that are stored.
    static let latestTime: Microseconds = 253_402_214_400_000_000

    private var rows: [UInt8] = []
    private var used = 0
    private var entries: [Entry] = []

    /// Each fault with the index of its record.
    public private(set) var faults: [(index: Int, fault: Fault)] = []
    /// The earliest time of receipt among the rows; nil where there is none.
    public private(set) var oldestReceivedAt: Microseconds?

    /// An empty batch.
    public init() {}

    /// Records in the batch.
    public var count: Int { entries.count }

    /// Empties the batch and keeps its memory.
    public mutating func removeAll() {
        entries.removeAll(keepingCapacity: true)
        faults.removeAll(keepingCapacity: true)
        used = 0
        oldestReceivedAt = nil
    }

    /// Encodes a journal record and appends it.
    public mutating func append(_ bytes: Span<UInt8>) {
        guard let record = PingRecord(bytes) else { return appendFault(.unreadable) }
        guard 0..<Self.latestTime ~= record.recordedAt, 0..<Self.latestTime ~= record.receivedAt else {
            return appendFault(.timeOutOfRange)
        }
        if rows.count - used < CopyRow.maximumBytes {
            rows.append(contentsOf: repeatElement(0, count: max(64 << 10, rows.count)))
        }
        let start = used
        var span = rows.mutableSpan
        var end = start
        CopyRow.encode(record, into: &span, at: &end)
        used = end
        var prefix: UInt64 = 0
        let driver = record.driver.text
        for index in 0..<8 { prefix = prefix << 8 | (index < driver.count ? UInt64(driver[index]) : 0) }
        entries.append(
            Entry(
                offset: start, length: used - start, recordedAt: record.recordedAt, driverPrefix: prefix,
                isLate: record.flags.contains(.late)))
        oldestReceivedAt = min(oldestReceivedAt ?? .max, record.receivedAt)
    }

    private mutating func appendFault(_ fault: Fault) {
        faults.append((entries.count, fault))
        entries.append(Entry(offset: used, length: 0, recordedAt: 0, driverPrefix: 0, isLate: false))
    }

    /// The fix time of the record at `index`; nil where it has a fault.
    public func recordedAt(_ index: Int) -> Microseconds? {
        entries[index].length == 0 ? nil : entries[index].recordedAt
    }

    /// The driver of the record at `index`; nil where it has a fault.
    public func driver(_ index: Int) -> String? {
        driverText(index)?.string
    }

    /// The same without an allocation.
    func driverText(_ index: Int) -> ShortText? {
        guard entries[index].length > 0 else { return nil }
        let start = entries[index].offset + CopyRow.driverOffset
        return ShortText(rows.span.extracting(start..<(start + driverLength(index))))
    }

    /// The length stands big-endian before the id, and is at most `ShortText.capacity`, so its last byte says it all.
    private func driverLength(_ index: Int) -> Int {
        Int(rows[entries[index].offset + CopyRow.driverOffset - 1])
    }

    /// Replaces `stream` by a whole COPY stream of the selected rows of `range`, sorted by driver and then time so that
    /// the index is filled in runs, and returns how many rows that is. With none, `stream` is left empty.
    public func writeStream(of range: Range<Int>, _ selection: Selection, into stream: inout [UInt8]) -> Int {
        stream.removeAll(keepingCapacity: true)
        var order: [Int] = []
        order.reserveCapacity(range.count)
        for index in range where entries[index].length > 0 {
            switch selection {
            case .fresh where entries[index].isLate, .late where !entries[index].isLate: continue
            default: order.append(index)
            }
        }
        if order.isEmpty { return 0 }
        order.sort(by: comesBefore)
        stream.append(contentsOf: CopyRow.header)
        for index in order {
            let entry = entries[index]
            stream.append(contentsOf: rows[entry.offset..<(entry.offset + entry.length)])
        }
        stream.append(contentsOf: CopyRow.trailer)
        return order.count
    }

    private func comesBefore(_ left: Int, _ right: Int) -> Bool {
        if entries[left].driverPrefix != entries[right].driverPrefix {
            return entries[left].driverPrefix < entries[right].driverPrefix
        }
        let leftLength = driverLength(left)
        let rightLength = driverLength(right)
        let leftStart = entries[left].offset + CopyRow.driverOffset
        let rightStart = entries[right].offset + CopyRow.driverOffset
        var index = 8
        while index < min(leftLength, rightLength) {
            let (one, other) = (rows[leftStart + index], rows[rightStart + index])
            if one != other { return one < other }
            index += 1
        }
        if leftLength != rightLength { return leftLength < rightLength }
        return entries[left].recordedAt < entries[right].recordedAt
    }
}
