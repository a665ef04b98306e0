// Values as phones write them.

import Testing

@testable import Tracking

@Suite struct PhoneTextTests {
    @Test(arguments: [
        ("1760000000", 1_760_000_000_000_000), ("1760000000.5", 1_760_000_000_500_000),
        ("1760000000125", 1_760_000_000_125_000), ("2025-10-09T08:53:20Z", 1_760_000_000_000_000),
        ("2025-10-09T08:53:20.125Z", 1_760_000_000_125_000), ("2025-10-09T10:53:20+02:00", 1_760_000_000_000_000),
        ("2025-10-09T01:53:20-0700", 1_760_000_000_000_000), ("2025-10-09 08:53:20", 1_760_000_000_000_000),
    ])
    func `an instant is read in every spelling that phones have`(text: String, instant: Int64) throws {
        #expect(PhoneText.instant(try #require(ShortText(text))) == instant)
    }

    @Test(arguments: ["", "yesterday", "2025-10-09", "12:00", "2025-13-09 08:53:20"])
    func `what is no instant is none`(text: String) throws {
        #expect(PhoneText.instant(try #require(ShortText(text))) == nil)
    }

    @Test func `a member that is of another kind than it should be counts as absent`() throws {
        let document = Array(#"[12.5,"12.5","12x",null,{"a":[1]},true]"#.utf8)
        var scanner = JSONScanner()
        var numbers: [Double?] = []
        try scanner.elements(document.span) { (scanner) throws(JSONError) in
            numbers.append(try scanner.anyNumber(document.span))
        }
        #expect(numbers == [12.5, 12.5, nil, nil, nil, nil])
    }

    @Test func `zero is no accuracy and a negative one is no fix`() throws {
        var batch = PingBatch()
        for accuracy in [0, -1, 8] as [Double] {
            var fix = PhoneFix()
            (fix.latitude, fix.longitude, fix.recordedAt) = (1, 2, 3)
            fix.accuracy(accuracy)
            let isThere = fix.append(to: &batch, assumedAccuracy: 20)
            #expect(isThere)
        }
        #expect(batch.pings.map(\.ping.accuracy) == [20, -1, 8])
    }

    @Test func `a fix without a place is a sign of life, and one without a time is malformed`() {
        var batch = PingBatch()
        let isThere = PhoneFix().append(to: &batch, assumedAccuracy: 20)
        #expect(!isThere)
        var fix = PhoneFix()
        (fix.latitude, fix.longitude) = (1, 2)
        _ = fix.append(to: &batch, assumedAccuracy: 20)
        #expect(batch.pings.map(\.defect) == [.missing(.recordedAt)])
    }

    @Test func `speeds come in knots, kilometres an hour and metres a second`() {
        var fix = PhoneFix()
        fix.speed(3_600, .knots)
        #expect(fix.ping.speed == 1_852)
        fix.speed(36, .kilometresPerHour)
        #expect(fix.ping.speed == 10)
        fix.speed(-1, .metresPerSecond)
        #expect(fix.ping.speed == nil)
    }
}
