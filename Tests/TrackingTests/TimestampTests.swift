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
}
