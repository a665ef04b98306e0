import Testing

@testable import Tracking

/// 2026-11-21T12:00:00Z.
private let noon: Microseconds = 1_795_262_400_000_000
private let minute: Microseconds = 60_000_000

private func ping(_ recordedAt: Microseconds, latitude: Degrees7 = 436_532_000, isMock: Bool = false) -> Ping {
    var ping = Ping()
    ping.recordedAt = recordedAt
    ping.latitude = latitude
    ping.longitude = -793_832_000
    ping.accuracy = 5
    ping.isMock = isMock
    return ping
}

private func shifts(_ spans: (Microseconds, Microseconds)...) -> Shifts {
    var shifts = Shifts()
    for (from, until) in spans { shifts.insert(from: from, until: until) }
    return shifts
}

/// A judge of one driver where shifts are required.
private struct Bench {
    var judge: Judge
    let driver: DriverIndex

    init(_ shifts: Shifts?, rules: JudgeRules = JudgeRules()) {
        judge = Judge(rules: rules, requiresShifts: true)
        driver = judge.addDriver()
        judge.shifts.set(shifts, of: driver)
    }

    mutating func verdict(_ ping: Ping, at now: Microseconds) -> String {
        var ping = ping
        return judge.judge(&ping, of: driver, now: now).words
    }
}

/// Shifts without tricks: what is inserted and clipped, a truth value a minute.
private struct MinuteModel {
    static let span = 0..<120
    var isOn = Array(repeating: false, count: span.count)

    mutating func insert(_ from: Int, _ until: Int) {
        for minute in Self.span where from <= minute && minute < until { isOn[minute] = true }
    }

    mutating func clip(_ from: Int, _ until: Int) {
        for minute in Self.span where !(from <= minute && minute < until) { isOn[minute] = false }
    }

    /// Only the latest four stretches count.
    mutating func forgetOld() {
        var stretches = 0
        for minute in Self.span.reversed() where isOn[minute] {
            if minute + 1 == Self.span.upperBound || !isOn[minute + 1] { stretches += 1 }
            if stretches > Shifts.capacity { isOn = isOn.enumerated().map { $0.offset > minute && $0.element } }
        }
    }

    func standing(_ minute: Int, at now: Int) -> Shifts.Standing {
        guard isOn[minute] else { return .off }
        return isOn[min(minute, now)...max(minute, now)].allSatisfy(\.self) ? .on : .over
    }

    func nextChange(after now: Int) -> Int? {
        (now + 1..<Self.span.upperBound).first { isOn[$0] != isOn[$0 - 1] }
    }
}

@Suite struct ShiftTests {
    @Test func `a shift begins at its first instant and is over at its last`() {
        let shifts = shifts((noon, noon + minute))
        #expect(!shifts.contains(noon - 1) && shifts.contains(noon))
        #expect(shifts.contains(noon + minute - 1) && !shifts.contains(noon + minute))
        #expect(shifts.standing(of: noon, now: noon) == .on)
        #expect(shifts.standing(of: noon + minute - 1, now: noon + minute) == .over)
        #expect(shifts.standing(of: noon + minute, now: noon + minute) == .off)
    }

    @Test func `an empty or backward span is no shift`() {
        #expect(shifts((noon, noon), (noon, noon - 1)) == .never)
        #expect(shifts((noon, .max)).nextChange(after: noon) == nil)
        #expect(Shifts.always.contains(.min) && Shifts.always.contains(.max - 1))
    }

    @Test func `spans that touch are one shift, so a fix of the first is shown in the second`() {
        let shifts = shifts((noon, noon + minute), (noon + minute, noon + 2 * minute))
        #expect(shifts.standing(of: noon, now: noon + minute) == .on)
        #expect(shifts.nextChange(after: noon) == noon + 2 * minute)
    }

    @Test func `shifts agree with a list of minutes, whatever is inserted and clipped`() {
        for seed in 1...400 as ClosedRange<UInt64> {
            var random = SeededGenerator(seed: seed)
            var shifts = Shifts()
            var model = MinuteModel()
            for _ in 0..<Int.random(in: 1...9, using: &random) {
                let from = Int.random(in: 0..<119, using: &random)
                let until = min(119, from + Int.random(in: 0...25, using: &random))
                if Int.random(in: 0..<5, using: &random) == 0 {
                    shifts = shifts.clipped(
                        from: noon + Microseconds(from) * minute, until: noon + Microseconds(until) * minute)
                    model.clip(from, until)
                } else {
                    shifts.insert(from: noon + Microseconds(from) * minute, until: noon + Microseconds(until) * minute)
                    model.insert(from, until)
                }
                model.forgetOld()
            }
            for at in MinuteModel.span {
                let instant = noon + Microseconds(at) * minute
                #expect(shifts.contains(instant) == model.isOn[at], "seed \(seed), minute \(at)")
                let now = Int.random(in: MinuteModel.span, using: &random)
                #expect(
                    shifts.standing(of: instant, now: noon + Microseconds(now) * minute) == model.standing(at, at: now),
                    "seed \(seed), minute \(at) at \(now)")
                let next = model.nextChange(after: at).map { noon + Microseconds($0) * minute }
                #expect(shifts.nextChange(after: instant) == next, "seed \(seed), after minute \(at)")
            }
        }
    }

    // MARK: The judge

    @Test func `a ping counts within its driver's shift and nowhere else`() {
        var bench = Bench(shifts((noon, noon + 10 * minute)))
        #expect(bench.verdict(ping(noon - 1), at: noon) == "off_shift")
        #expect(bench.verdict(ping(noon), at: noon) == "accepted")
        #expect(bench.verdict(ping(noon + minute), at: noon + minute) == "accepted")
        #expect(bench.verdict(ping(noon + 10 * minute), at: noon + 10 * minute) == "off_shift")
    }

    @Test func `a ping from before the shift that comes during it is off shift`() {
        var bench = Bench(shifts((noon, .max)))
        #expect(bench.verdict(ping(noon + minute), at: noon + minute) == "accepted")
        #expect(bench.verdict(ping(noon - minute), at: noon + minute) == "off_shift")
    }

    @Test func `a ping of the shift that comes after its end is for history alone, and known when it comes again`() {
        var bench = Bench(shifts((noon, noon + 10 * minute)))
        let end = noon + 20 * minute
        #expect(bench.verdict(ping(noon + minute), at: noon + minute) == "accepted")
        #expect(bench.verdict(ping(noon + 5 * minute), at: end) == "late")
        #expect(bench.verdict(ping(noon + 5 * minute), at: end) == "duplicate")
        #expect(bench.verdict(ping(noon + minute), at: end) == "duplicate")
        #expect(bench.judge.newest(of: bench.driver)?.recordedAt == noon + minute)
        // Not judged for jumps: there is no line to be drawn through what was not shown.
        #expect(bench.verdict(ping(noon + 6 * minute, latitude: 0), at: end) == "late")
    }

    @Test func `a ping of yesterday's shift is not shown in today's`() {
        var bench = Bench(shifts((noon - 60 * minute, noon - 30 * minute), (noon, .max)))
        #expect(bench.verdict(ping(noon - 40 * minute), at: noon + minute) == "late")
        #expect(bench.judge.newest(of: bench.driver) == nil)
        #expect(bench.verdict(ping(noon), at: noon + minute) == "accepted")
    }

    @Test func `off shift stands after mock and before duplicate`() {
        var rules = JudgeRules()
        rules.mock.isForbidden = true
        var bench = Bench(shifts((noon, .max)), rules: rules)
        #expect(bench.verdict(ping(noon - 1, isMock: true), at: noon) == "mock")
        #expect(bench.verdict(ping(noon), at: noon) == "accepted")
        bench.judge.shifts.set(shifts((noon + minute, .max)), of: bench.driver)
        #expect(bench.verdict(ping(noon), at: noon + minute) == "off_shift")
        #expect(bench.verdict(ping(noon, latitude: 0), at: noon + minute) == "off_shift")
    }

    @Test func `where shifts are required, nobody is known until it is said of him`() {
        var bench = Bench(nil)
        #expect(!bench.judge.shifts.isKnown(bench.driver))
        #expect(bench.verdict(ping(noon), at: noon) == "off_shift")
        bench.judge.shifts.set(.always, of: bench.driver)
        #expect(bench.judge.shifts.isKnown(bench.driver))
        #expect(bench.verdict(ping(noon), at: noon) == "accepted")
        bench.judge.shifts.set(nil, of: bench.driver)
        #expect(!bench.judge.shifts.isKnown(bench.driver))
    }

    @Test func `where they are not required, only those of whom something is said are off shift`() {
        var judge = Judge(rules: JudgeRules())
        let (one, other) = (judge.addDriver(), judge.addDriver())
        judge.shifts.set(.never, of: one)
        var first = ping(noon)
        var second = ping(noon)
        #expect(judge.judge(&first, of: one, now: noon).words == "off_shift")
        #expect(judge.judge(&second, of: other, now: noon).words == "accepted")
        #expect(judge.shifts.isKnown(one) && judge.shifts.isKnown(other))
    }
}
