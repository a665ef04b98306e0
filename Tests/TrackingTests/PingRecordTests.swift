import Testing

@testable import Tracking

@Suite struct PingRecordTests {
    /// A record of random values, every optional one known or not.
    private func record(_ random: inout SeededGenerator) -> PingRecord {
        var ping = Ping()
        ping.recordedAt = Int64.random(in: .min ... .max, using: &random)
        ping.latitude = Int32.random(in: .min ... .max, using: &random)
        ping.longitude = Int32.random(in: .min ... .max, using: &random)
        ping.accuracy = Float.random(in: 0...200, using: &random)
        ping.speed = random.oneIn(2) ? nil : Float.random(in: 0...70, using: &random)
        ping.heading = random.oneIn(2) ? nil : Float.random(in: 0..<360, using: &random)
        ping.altitude = random.oneIn(2) ? nil : Float.random(in: -100...9_000, using: &random)
        ping.source = random.pick([nil] + PingSource.allCases)
        ping.sessionID = ShortText(String(repeating: "ä", count: random.int(0...32)))!
        return PingRecord(
            ping, driver: DriverID(String(repeating: "v", count: random.int(1...64)))!,
            receivedAt: Int64.random(in: .min ... .max, using: &random),
            flags: PingFlags(rawValue: UInt8(random.int(0...255))))
    }

    private func encoded(_ record: PingRecord) -> [UInt8] {
        var buffer = PingRecordBuffer()
        var bytes: [UInt8] = []
        buffer.encode(record) { bytes = $0.array }
        return bytes
    }

    private func decoded(_ bytes: [UInt8]) -> PingRecord? { PingRecord(bytes.span) }

    @Test func `a record and its bytes are the same`() {
        for seed in 0..<500 {
            var random = SeededGenerator(seed: UInt64(seed))
            let record = record(&random)
            let bytes = encoded(record)
            #expect(bytes.count == 45 + record.driver.text.count + record.sessionID.count, "seed \(seed)")
            #expect(bytes.count <= PingRecord.maximumBytes)
            #expect(decoded(bytes) == record, "seed \(seed)")
        }
    }

    @Test func `the layout is the documented one`() throws {
        var ping = Ping()
        ping.recordedAt = 0x0102_0304_0506_0708
        ping.latitude = -2
        ping.longitude = 0x0A0B_0C0D
        ping.accuracy = 1
        ping.speed = 2
        ping.source = .fused
        ping.sessionID = try #require(ShortText("s"))
        let record = PingRecord(
            ping, driver: try #require(DriverID("ab")), receivedAt: -1, flags: [.clamped, .mock])
        let expected: [UInt8] =
            [1, 5, 3, 2, 8, 7, 6, 5, 4, 3, 2, 1] + Array(repeating: 0xFF, count: 8) + [0xFE, 0xFF, 0xFF, 0xFF]
            + [0x0D, 0x0C, 0x0B, 0x0A, 0, 0, 0x80, 0x3F, 0, 0, 0, 0x40, 0, 0, 0xC0, 0x7F, 0, 0, 0xC0, 0x7F, 1]
            + Array("abs".utf8)
        #expect(encoded(record) == expected)
    }

    @Test func `bytes of any other length are refused`() {
        var random = SeededGenerator(seed: 4)
        let bytes = encoded(record(&random))
        for length in 0..<bytes.count { #expect(decoded(Array(bytes[..<length])) == nil, "\(length) bytes") }
        #expect(decoded(bytes + [0]) == nil)
        for (offset, value) in [(0, 0), (0, 2), (3, 0), (3, bytes[3] + 1), (3, 255), (44, bytes[44] + 1), (44, 255)]
            as [(Int, UInt8)]
        {
            var changed = bytes
            changed[offset] = value
            #expect(decoded(changed) == nil, "byte \(offset) = \(value)")
        }
    }

    @Test func `lengths that only add up are refused where a text is too long or no id`() {
        var random = SeededGenerator(seed: 5)
        let head = encoded(record(&random)).prefix(45)
        for (driver, session) in [(65, 0), (1, 65), (0, 1), (255, 255), (64, 64)] {
            var bytes = Array(head) + Array(repeating: UInt8(ascii: "v"), count: driver + session)
            bytes[3] = UInt8(driver)
            bytes[44] = UInt8(session)
            #expect((decoded(bytes) != nil) == (driver == 64 && session == 64), "\(driver), \(session)")
        }
        var bytes = Array(head) + [UInt8(ascii: " ")]
        bytes[3] = 1
        bytes[44] = 0
        #expect(decoded(bytes) == nil)
    }

    @Test func `no bytes make it trap`() {
        var random = SeededGenerator(seed: 6)
        for _ in 0..<2_000 {
            var bytes = encoded(record(&random))
            for _ in 0..<random.int(1...4) { bytes[random.int(0...bytes.count - 1)] = UInt8(random.int(0...255)) }
            guard let record = decoded(bytes), !record.accuracy.isNaN else { continue }
            #expect(decoded(encoded(record)) == record)
        }
    }
}
