/// The CSV of an archived day: its columns, how Postgres prints them, and how a record is read again.
///
/// Records are kept as text here. Everything that is asked of them (whose, when) stands at a fixed place, because times
/// have a fixed width and a driver's id comes first.
import DroverClient
import Glibc
import Tracking

/// See the file's head.
enum ArchiveColumns {
    /// In the order of the file, which is that of the table.
    static let names = CopyRow.columns.split(separator: ",").map { $0.trimmingPrefix(" ") }.map(String.init)

    /// The first line, without its end.
    static let header = names.joined(separator: ",")

    /// How long a time is: `2026-11-21T10:00:00.123456Z`.
    static let timeLength = 27

    /// A statement that streams `table` (quoted, with its schema) as the archive's CSV.
    static func copyStatement(of table: String) -> String {
        let values = names.map { name in
            name.hasSuffix("_at") ? "\(timeText("t.\(name)")) AS \(name)" : "t.\(name)"
        }
        return """
            COPY (SELECT \(values.joined(separator: ", ")) FROM \(table) t ORDER BY t.driver_id, t.recorded_at)
            TO STDOUT (FORMAT csv, HEADER, ENCODING 'UTF8')
            """
    }

    /// A moment in microseconds since 1970 as the archive prints it.
    static func time(_ microseconds: Microseconds) -> String {
        let (milliseconds, rest) = microseconds.quotientAndRemainder(dividingBy: 1_000)
        let digits = "\(rest)"
        return DroverClient.Timestamp.text(milliseconds).dropLast() + String(repeating: "0", count: 3 - digits.count)
            + digits + "Z"
    }

    /// An SQL expression that prints the timestamptz `expression` as the archive does.
    static func timeText(_ expression: String) -> String {
        "to_char(\(expression) AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"
    }
}

/// One record of an archive, with the line's end; valid only during the call that gets it.
struct ArchiveRecord {
    let bytes: UnsafeRawBufferPointer

    /// Whether the record is one of `driver`'s. An id is never quoted: Drover's ids hold none of CSV's signs.
    func isOf(_ driver: [UInt8]) -> Bool {
        bytes.count > driver.count && bytes[driver.count] == UInt8(ascii: ",") && bytes.starts(with: driver)
    }

    /// The time of the fix; nil where the record is not one of ours.
    var recordedAt: UnsafeRawBufferPointer? {
        guard let start = endOfFirstField.map({ $0 + 1 }), start + ArchiveColumns.timeLength < bytes.count else {
            return nil
        }
        return time(at: start, followedBy: UInt8(ascii: ","))
    }

    /// Whether it was received at or before `time`. Times of one width in one zone are in the order of their text.
    func isReceived(through time: [UInt8]) -> Bool {
        guard let received = receivedAt else { return false }
        return memcmp(received.baseAddress!, time, time.count) <= 0
    }

    /// The time of receipt, the last field; nil where the record is not one of ours.
    var receivedAt: UnsafeRawBufferPointer? {
        let start = bytes.count - 1 - ArchiveColumns.timeLength
        guard start > 0, bytes[start - 1] == UInt8(ascii: ",") else { return nil }
        return time(at: start, followedBy: UInt8(ascii: "\n"))
    }

    private func time(at start: Int, followedBy end: UInt8) -> UnsafeRawBufferPointer? {
        let text = UnsafeRawBufferPointer(rebasing: bytes[start..<(start + ArchiveColumns.timeLength)])
        guard bytes[start + text.count] == end, text[4] == UInt8(ascii: "-"), text[10] == UInt8(ascii: "T"),
            text[19] == UInt8(ascii: "."), text[26] == UInt8(ascii: "Z")
        else { return nil }
        return text
    }

    private var endOfFirstField: Int? {
        guard bytes.first == UInt8(ascii: "\"") else { return bytes.firstIndex(of: UInt8(ascii: ",")) }
        // A quote within is doubled, so the first single one closes.
        var index = 1
        while index + 1 < bytes.count {
            if bytes[index] == UInt8(ascii: "\"") {
                if bytes[index + 1] != UInt8(ascii: "\"") { return index + 1 }
                index += 1
            }
            index += 1
        }
        return nil
    }
}

/// Cuts a stream of CSV (RFC 4180) into records; a quoted field may hold line ends.
struct ArchiveRecords {
    /// Far above what a row can be; more is no archive of ours.
    private static let longest = 1 << 20

    /// What has come of the record that is not whole yet, and how much of it was looked at.
    private var rest: [UInt8] = []
    private var looked = 0
    private var isQuoted = false

    /// Whether all that came were whole records.
    var isAtEnd: Bool { rest.isEmpty }

    /// Takes `bytes` and hands each record that is whole now to `record`. False where a record is too long to be one.
    mutating func append(_ bytes: UnsafeRawBufferPointer, _ record: (ArchiveRecord) throws -> Void) rethrows -> Bool {
        rest.append(contentsOf: bytes)
        var start = 0
        var looked = self.looked
        var isQuoted = self.isQuoted
        try rest.withUnsafeBytes { content in
            guard let base = content.baseAddress else { return }
            while let found = memchr(base + looked, Int32(UInt8(ascii: "\n")), content.count - looked) {
                let end = UnsafeRawPointer(found) - base + 1
                if Self.hasOddQuotes(UnsafeRawBufferPointer(rebasing: content[looked..<end])) { isQuoted.toggle() }
                looked = end
                if isQuoted { continue }
                try record(ArchiveRecord(bytes: UnsafeRawBufferPointer(rebasing: content[start..<end])))
                start = end
            }
        }
        rest.removeFirst(start)
        (self.looked, self.isQuoted) = (looked - start, isQuoted)
        return rest.count <= Self.longest
    }

    private static func hasOddQuotes(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard var place = bytes.baseAddress else { return false }
        let end = place + bytes.count
        var isOdd = false
        while let found = memchr(place, Int32(UInt8(ascii: "\"")), end - place) {
            isOdd.toggle()
            place = UnsafeRawPointer(found) + 1
        }
        return isOdd
    }
}
