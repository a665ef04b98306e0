import Testing

@testable import Tracking

struct CopyRowTests {
    /// The bytes of one record's stream, without header and trailer.
    private func row(_ record: PingRecord) -> [UInt8] {
        var batch = HistoryBatch()
        append(record, to: &batch)
        var stream: [UInt8] = []
        #expect(batch.writeStream(of: 0..<1, .all, into: &stream) == 1)
        #expect(
            Array(stream.prefix(19)) == Array("PGCOPY\n".utf8) + [0xFF, 0x0D, 0x0A, 0] + [UInt8](repeating: 0, count: 8)
        )
        #expect(Array(stream.suffix(2)) == [0xFF, 0xFF])
        return Array(stream.dropFirst(19).dropLast(2))
    }

    private func append(_ record: PingRecord, to batch: inout HistoryBatch) {
        var bytes = [UInt8](repeating: 0, count: PingRecord.maximumBytes)
        var span = bytes.mutableSpan
        let length = record.encode(into: &span)
        batch.append(bytes.span.extracting(0..<length))
    }

    @Test func `a full record becomes twelve fields in the binary form of their types`() throws {
        var record = try somePing(7, flags: [.clamped, .mock]) { ping in
            ping.recordedAt = 946_684_800_000_001
            ping.latitude = 5_000_000
            ping.longitude = -10_000_000
            ping.accuracy = 1.5
            ping.speed = 2
            ping.heading = 0.5
            ping.altitude = -4
            ping.source = .network
            ping.sessionID = try #require(ShortText("s1"))
        }
        record.receivedAt = record.recordedAt + 250_000
        let expected: [UInt8] =
            [0, 12] + [0, 0, 0, 8] + Array("driver-7".utf8)
            + [0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 1]
            + [0, 0, 0, 8, 0x3F, 0xE0, 0, 0, 0, 0, 0, 0]
            + [0, 0, 0, 8, 0xBF, 0xF0, 0, 0, 0, 0, 0, 0]
            + [0, 0, 0, 4, 0x40, 0, 0, 0] + [0, 0, 0, 4, 0x3F, 0, 0, 0] + [0, 0, 0, 4, 0x3F, 0xC0, 0, 0]
            + [0, 0, 0, 4, 0xC0, 0x80, 0, 0] + [0, 0, 0, 7] + Array("network".utf8) + [0, 0, 0, 2] + Array("s1".utf8)
            + [0, 0, 0, 2, 0, 5] + [0, 0, 0, 8, 0, 0, 0, 0, 0, 3, 0xD0, 0x91]
        #expect(row(record) == expected)
    }

    @Test func `what is unknown becomes NULL`() throws {
        let record = try somePing(7) { ping in
            ping.speed = nil
            ping.source = nil
        }
        let null: [UInt8] = [0xFF, 0xFF, 0xFF, 0xFF]
        // Behind count, driver, time and two coordinates: speed, heading, accuracy, altitude, source, session.
        let optional = Array(row(record)[(2 + 12 + 12 + 12 + 12)...])
        #expect(Array(optional[0..<8]) == null + null)
        #expect(Array(optional[16..<28]) == null + null + null)
    }

    @Test func `the longest record fits the bound that buffers are made for`() throws {
        let long = try #require(ShortText(String(repeating: "x", count: 64)))
        var record = try somePing(1) { ping in
            ping.heading = 1
            ping.altitude = 1
            ping.source = .network
            ping.sessionID = long
        }
        record.driver = try #require(DriverID(long))
        #expect(row(record).count == CopyRow.maximumBytes)
    }

    @Test func `rows are sorted by driver and then time, whatever their order in the journal`() throws {
        var batch = HistoryBatch()
        let names = ["b", "driver-00000002", "driver-00000001", "driver-0000000", "a", "b"]
        for (index, name) in names.enumerated() {
            var record = try somePing(0, at: Double(10 - index))
            record.driver = try #require(DriverID(name))
            append(record, to: &batch)
        }
        var stream: [UInt8] = []
        #expect(batch.writeStream(of: 0..<6, .all, into: &stream) == 6)
        var order: [String] = []
        var position = 19
        while stream[position] == 0 {
            let length = Int(stream[position + 5])
            order.append(String(decoding: stream[(position + 6)..<(position + 6 + length)], as: UTF8.self))
            var fields = 12
            position += 2
            while fields > 0 {
                let size = stream[position..<(position + 4)].reduce(0) { $0 << 8 | Int($1) }
                position += 4 + (size == 0xFFFF_FFFF ? 0 : size)
                fields -= 1
            }
        }
        #expect(order == names.sorted())
        #expect(batch.driver(1) == "driver-00000002")
    }

    @Test func `late rows and fresh ones are streamed apart`() throws {
        var batch = HistoryBatch()
        for number in 0..<10 { append(try somePing(number, flags: number % 3 == 0 ? .late : []), to: &batch) }
        var stream: [UInt8] = []
        #expect(batch.writeStream(of: 0..<10, .late, into: &stream) == 4)
        #expect(batch.writeStream(of: 0..<10, .fresh, into: &stream) == 6)
        #expect(batch.writeStream(of: 1..<3, .late, into: &stream) == 0)
        #expect(stream.isEmpty)
    }

    @Test func `records that no table could take are faults and not rows`() throws {
        var batch = HistoryBatch()
        batch.append([1, 2, 3].span)
        append(try somePing(1) { $0.recordedAt = .max }, to: &batch)
        append(try somePing(2) { $0.recordedAt = -1 }, to: &batch)
        append(try somePing(3), to: &batch)
        #expect(batch.faults.map(\.index) == [0, 1, 2])
        #expect(batch.faults.map(\.fault) == [.unreadable, .timeOutOfRange, .timeOutOfRange])
        var stream: [UInt8] = []
        #expect(batch.writeStream(of: 0..<4, .all, into: &stream) == 1)
        #expect(batch.driver(0) == nil)
        #expect(batch.recordedAt(3) == someNoon)
        batch.removeAll()
        #expect(batch.count == 0 && batch.faults.isEmpty && batch.oldestReceivedAt == nil)
    }
}
