import Foundation
import Testing

@testable import Tracking

@Suite struct TimestampTests {
    @Test(arguments: [
        ("1970-01-01T00:00:00Z", 0), ("2026-11-21T07:33:48.125Z", 1_795_246_428_125_000),
        ("2026-11-21T02:33:48.125-05:00", 1_795_246_428_125_000), ("2000-02-29t12:00:00.0000005z", 951_825_600_000_001),
        ("1969-12-31T23:59:59.999999Z", -1), ("2016-12-31T23:59:60Z", 1_483_228_800_000_000),
    ])
    func `an RFC 3339 instant becomes microseconds`(text: String, expected: Int64) throws {
        #expect(Timestamp.parse(try #require(ShortText(text))) == expected)
    }

    @Test(arguments: [
        "", "2026-11-21", "2026-11-21T07:33:48", "2026-02-30T00:00:00Z", "2025-02-29T00:00:00Z", "2026-13-01T00:00:00Z",
        "2026-11-21T24:00:00Z", "2026-11-21T07:60:00Z", "2026-11-21T07:33:61Z", "2026-11-21T07:33:48.Z",
        "2026-11-21T07:33:48+5:00", "2026-11-21T07:33:48Z ", "x026-11-21T07:33:48Z",
    ])
    func `what is not an instant with a zone is refused`(text: String) throws {
        #expect(Timestamp.parse(try #require(ShortText(text))) == nil)
    }

    @Test(arguments: [0, 1_795_246_428_125_000, 951_825_600_123_000, -86_400_000_000, 253_402_300_799_999_000])
    func `text and back is the same instant`(instant: Int64) throws {
        let text = try #require(ShortText(Timestamp.string(instant)))
        #expect(Timestamp.parse(text) == instant)
    }

    /// Foundation's formatter is another implementation of the same calendar.
    @Test func `random instants are written as Foundation writes them, and read back from any zone`() throws {
        var random = SeededGenerator(seed: 21)
        for _ in 0..<3_000 {
            let milliseconds = Int64.random(in: -62_135_596_800_000...253_402_300_799_999, using: &random)
            let text = Timestamp.string(milliseconds * 1_000)
            let date = Date(timeIntervalSince1970: Double(milliseconds / 1_000))
            if milliseconds % 1_000 == 0 || milliseconds > 0 {
                #expect(text.prefix(19) == date.formatted(.iso8601).prefix(19), "\(milliseconds)")
            }
            #expect(Timestamp.parse(try #require(ShortText(text))) == milliseconds * 1_000, "\(text)")
            let minutes = random.int(-1_439...1_439)
            let zone = "\(minutes < 0 ? "-" : "+")\(Self.pad(abs(minutes) / 60)):\(Self.pad(abs(minutes) % 60))"
            let shifted = try #require(ShortText("\(text.dropLast())\(zone)"))
            #expect(Timestamp.parse(shifted) == (milliseconds - Int64(minutes) * 60_000) * 1_000, "\(shifted.string)")
        }
    }

    private static func pad(_ value: Int) -> String { value < 10 ? "0\(value)" : "\(value)" }

    @Test(arguments: [
        ("2026-11-21T07:33:48.1234564Z", 123_456), ("2026-11-21T07:33:48.1234565Z", 123_457),
        ("2026-11-21T07:33:48.9999999Z", 1_000_000), ("2026-11-21T07:33:48.000000499999999999999999Z", 0),
        ("2026-11-21T07:33:48.1Z", 100_000), ("2026-11-21 07:33:48Z", 0), ("2026-11-21T07:33:48-00:00", 0),
        ("2026-11-21T07:33:48+00:00", 0),
    ])
    func `a fraction of any length is rounded to microseconds`(text: String, microseconds: Int64) throws {
        #expect(Timestamp.parse(try #require(ShortText(text))) == 1_795_246_428_000_000 + microseconds)
    }

    @Test(arguments: ["1900-02-29", "2100-02-29", "2026-04-31", "2026-00-10", "2026-01-00", "2026-01-32", "2026-1-01"])
    func `a day that no calendar has is refused`(day: String) throws {
        #expect(Timestamp.parse(try #require(ShortText("\(day)T00:00:00Z"))) == nil)
    }
}
