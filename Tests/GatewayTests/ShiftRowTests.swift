import Testing
import Tracking

@testable import Gateway

@Suite struct ShiftRowTests {
    @Test(
        arguments: [
            ("2026-11-21 12:00:00+00", 1_795_262_400_000_000), ("2026-11-21 07:00:00-05", 1_795_262_400_000_000),
            ("2026-11-21 17:30:00.25+05:30", 1_795_262_400_250_000),
            ("2026-11-21T12:00:00.000001Z", 1_795_262_400_000_001), ("infinity", .max), ("-infinity", .min),
            ("1970-01-01 00:00:00+00", 0), ("2026-11-21 12:00:00", nil), ("2026-11-21", nil), ("noon", nil), ("", nil),
        ] as [(String, Microseconds?)])
    func `an instant is read as Postgres prints it, and one without a zone is none`(
        text: String, expected: Microseconds?
    ) {
        #expect(Shifts.instant(text) == expected)
    }
}
