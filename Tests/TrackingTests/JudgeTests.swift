import Testing

@testable import Tracking

/// 2026-11-21T12:00:00Z.
private let noon: Microseconds = 1_795_262_400_000_000
private let second: Microseconds = 1_000_000
private let day = 86_400 * second
/// Metres a 10⁻⁷ of a degree of latitude has on the judge's sphere.
private let unit = Distance.metresPerDegree7

/// A good ping, `after` microseconds after noon.
private func ping(
    after: Microseconds = 0, latitude: Degrees7 = 436_532_000, longitude: Degrees7 = -793_832_000, accuracy: Float = 5,
    speed: Float? = nil, isMock: Bool = false
) -> Ping {
    var ping = Ping()
    ping.recordedAt = noon + after
    ping.latitude = latitude
    ping.longitude = longitude
    ping.accuracy = accuracy
    ping.speed = speed
    ping.isMock = isMock
    return ping
}

/// A judge of one driver, at noon unless told otherwise.
private struct Bench {
    var judge: Judge
    let driver: DriverIndex
    var now = noon

    init(_ configure: (inout JudgeRules) -> Void = { _ in }) {
        var rules = JudgeRules()
        configure(&rules)
        judge = Judge(rules: rules)
        driver = judge.addDriver()
    }

    mutating func verdict(_ ping: Ping) -> String {
        var ping = ping
        return judge.judge(&ping, of: driver, now: now).words
    }

    /// The verdicts of pings in order.
    mutating func verdicts(_ pings: [Ping]) -> [String] { pings.map { verdict($0) } }
}

@Suite struct JudgeTests {
    // MARK: Rules that look at one ping

    @Test(
        arguments: [
            (900_000_000, 0, "accepted"), (-900_000_000, 0, "accepted"), (0, 1_800_000_000, "accepted"),
            (0, -1_800_000_000, "accepted"), (900_000_001, 0, "coordinates"), (-900_000_001, 0, "coordinates"),
            (0, 1_800_000_001, "coordinates"), (0, -1_800_000_001, "coordinates"), (.max, .max, "coordinates"),
            (.min, .min, "coordinates"), (0, 0, "zero_island"), (0, 1, "accepted"), (1, 0, "accepted"),
            (0, -1, "accepted"),
        ] as [(Degrees7, Degrees7, String)])
    func `coordinates end at the poles and the antimeridian, and 0,0 is nowhere`(
        latitude: Degrees7, longitude: Degrees7, expected: String
    ) {
        var bench = Bench()
        #expect(bench.verdict(ping(latitude: latitude, longitude: longitude)) == expected)
    }

    @Test func `0,0 is a place where configuration says so`() {
        var bench = Bench { $0.zeroIsland.isEnabled = false }
        #expect(bench.verdict(ping(latitude: 0, longitude: 0)) == "accepted")
    }

    @Test(
        arguments: [
            (0, "accuracy"), (-0.0, "accuracy"), (-1, "accuracy"), (.leastNonzeroMagnitude, "accepted"),
            (199.9, "accepted"),
            (Float(200).nextDown, "accepted"), (Float(199.999_999), "accuracy"), (200, "accuracy"), (1e9, "accuracy"),
            (.infinity, "accuracy"), (-.infinity, "accuracy"), (.nan, "accuracy"),
        ] as [(Float, String)])
    func `accuracy lies above 0 and below 200 as it is stored`(accuracy: Float, expected: String) {
        var bench = Bench()
        #expect(bench.verdict(ping(accuracy: accuracy)) == expected)
    }

    @Test(
        arguments: [
            (29_900_000, "accepted"), (30_000_000, "accepted"), (30_000_001, "future"), (30_100_000, "future"),
            (1 << 60, "future"), (-30 * 86_400_000_000, "accepted"), (-30 * 86_400_000_000 - 1, "stale"),
            (-30 * 86_400_000_000 + 1, "accepted"), (-(1 << 60), "stale"),
        ] as [(Microseconds, String)])
    func `the clock allows 30 s ahead and what history keeps`(after: Microseconds, expected: String) {
        var bench = Bench()
        #expect(bench.verdict(ping(after: after)) == expected)
    }

    @Test func `where nothing is kept a ping may be a day old`() {
        var bench = Bench { $0.stale.retention = day }
        #expect(bench.verdicts([ping(after: -day), ping(after: -day - 1)]) == ["accepted", "stale"])
    }

    @Test func `simulated positions are refused only where configuration forbids them`() {
        var allowing = Bench()
        var forbidding = Bench { $0.mock.isForbidden = true }
        #expect(allowing.verdict(ping(isMock: true)) == "accepted")
        #expect(forbidding.verdicts([ping(isMock: true), ping()]) == ["mock", "accepted"])
    }

    @Test(
        arguments: [
            (nil, nil, false), (0, 0, false), (70, 70, false), (Float(70).nextUp, 70, true), (70.1, 70, true),
            (1e9, 70, true),
        ] as [(Float?, Float?, Bool)])
    func `a reported speed above 70 is cut and flagged`(speed: Float?, expected: Float?, isClamped: Bool) {
        var bench = Bench()
        var fix = ping(speed: speed)
        #expect(bench.judge.judge(&fix, of: bench.driver, now: noon) == .accepted(clamped: isClamped))
        #expect(fix.speed == expected)
        var late = ping(after: -1, speed: speed)
        #expect(bench.judge.judge(&late, of: bench.driver, now: noon) == .late(clamped: isClamped))
        #expect(late.speed == expected)
    }

    @Test func `a ping that is refused keeps the speed it came with`() {
        var bench = Bench()
        var refused = ping(accuracy: 0, speed: 99)
        #expect(bench.judge.judge(&refused, of: bench.driver, now: noon) == .rejected(.accuracy))
        #expect(refused.speed == 99)
    }

    /// Each ping is wrong in two ways; the earlier check in API.md's order names it.
    @Test(arguments: [
        (ping(latitude: 900_000_001, accuracy: 0), "coordinates"),
        (ping(latitude: 0, longitude: 0, accuracy: 0), "zero_island"),
        (ping(after: 31 * second, accuracy: 0), "accuracy"), (ping(after: -31 * day, accuracy: 200), "accuracy"),
        (ping(after: 31 * second, isMock: true), "future"), (ping(after: -31 * day, isMock: true), "stale"),
        (ping(after: 31 * second, latitude: 0, longitude: 0), "zero_island"),
        (ping(after: -31 * day, latitude: .max), "coordinates"), (ping(isMock: true), "mock"),
        (ping(after: -second, isMock: true), "mock"), (ping(after: second, latitude: 0, isMock: true), "mock"),
        // The same instant far away: a duplicate, whatever it says; and an older one far away: late, never a jump.
        (ping(latitude: 0), "duplicate"), (ping(after: -second, latitude: 0), "late"),
        (ping(after: second, latitude: 0), "jump"),
        (ping(after: second, latitude: 0, speed: 99), "jump"),
    ])
    func `the first reason in order is the one that is named`(wrong: Ping, expected: String) {
        var bench = Bench { $0.mock.isForbidden = true }
        #expect(bench.verdicts([ping(), wrong]) == ["accepted", expected])
    }

    // MARK: Repetitions and late pings

    @Test func `a repetition among the last 64 is a duplicate, an older one is late`() {
        var bench = Bench()
        let pings = (0..<65).map { ping(after: Microseconds($0) * second - 100 * second) }
        #expect(bench.verdicts(pings).allSatisfy { $0 == "accepted" })
        #expect(bench.verdicts(Array(pings.dropFirst())).allSatisfy { $0 == "duplicate" })
        #expect(bench.verdict(pings[0]) == "late")
        // Being late it is remembered in its turn, and pushes out the oldest.
        #expect(bench.verdicts([pings[0], pings[1]]) == ["duplicate", "late"])
    }

    @Test func `the newest is a duplicate even after 64 late pings`() {
        var bench = Bench()
        #expect(bench.verdict(ping()) == "accepted")
        for index in 1...70 { #expect(bench.verdict(ping(after: -Microseconds(index) * second)) == "late") }
        #expect(bench.verdict(ping()) == "duplicate")
    }

    @Test func `a late ping is never the newest and is not judged for jumps`() {
        var bench = Bench()
        #expect(bench.verdicts([ping(), ping(after: -second, latitude: -436_532_000)]) == ["accepted", "late"])
        #expect(bench.judge.newest(of: bench.driver)?.recordedAt == noon)
        #expect(bench.verdict(ping(after: second)) == "accepted")
    }

    @Test func `drivers do not share a memory`() {
        var bench = Bench()
        let other = bench.judge.addDriver()
        #expect(bench.verdict(ping()) == "accepted")
        var same = ping()
        #expect(bench.judge.judge(&same, of: other, now: noon) == .accepted(clamped: false))
        #expect(bench.verdict(ping()) == "duplicate")
    }

    @Test func `what is recalled counts as judged`() {
        var bench = Bench()
        let anchor = Position(ping(), receivedAt: noon).anchor
        let late = Position(ping(after: -9 * second), receivedAt: noon).anchor
        let older = Position(ping(after: -5 * second), receivedAt: noon).anchor
        bench.judge.recall(anchor, isLate: false, of: bench.driver)
        bench.judge.recall(late, isLate: true, of: bench.driver)
        bench.judge.recall(older, isLate: false, of: bench.driver)
        #expect(bench.judge.newest(of: bench.driver) == anchor)
        #expect(
            bench.verdicts([ping(), ping(after: -9 * second), ping(after: -5 * second), ping(after: -second)])
                == ["duplicate", "duplicate", "duplicate", "late"])
        #expect(bench.verdict(ping(after: second, latitude: 0)) == "jump")
    }

    @Test func `what another gateway accepted is the newest, and its ping late once, then a duplicate`() {
        var bench = Bench()
        bench.judge.follow(Position(ping(), receivedAt: noon).anchor, of: bench.driver)
        bench.judge.follow(Position(ping(after: -second), receivedAt: noon).anchor, of: bench.driver)
        #expect(bench.judge.newest(of: bench.driver)?.recordedAt == noon)
        #expect(
            bench.verdicts([
                ping(after: 1, latitude: 0), ping(), ping(), ping(after: -second), ping(after: second),
                ping(after: second),
            ]) == ["jump", "late", "duplicate", "late", "accepted", "duplicate"])
    }

    @Test func `midnight UTC is an instant like any other`() {
        var bench = Bench()
        let midnight = 12 * 3_600 * second
        bench.now = noon + midnight
        #expect(
            bench.verdicts([
                ping(after: midnight - 1_000), ping(after: midnight), ping(after: midnight - 1), ping(after: midnight),
            ]) == ["accepted", "accepted", "late", "duplicate"])
        #expect(bench.verdict(ping(after: midnight + second, latitude: 0)) == "jump")
    }

    // MARK: Jumps

    /// Along a meridian, 10 s apart, with 5 m and 15 m of accuracy: 70 m/s allow 720 m.
    @Test func `the implied speed counts after both accuracies are taken off`() {
        let reach = Degrees7((700 + 20) / unit)
        for (distance, expected) in [(reach - 1, "accepted"), (reach + 2, "jump")] {
            var bench = Bench()
            _ = bench.verdict(ping(after: -10 * second, accuracy: 5))
            #expect(bench.verdict(ping(latitude: 436_532_000 + distance, accuracy: 15)) == expected)
        }
    }

    @Test(
        arguments: [
            (10, "accepted"), (71, "jump"),
        ] as [(Double, String)])
    func `the limit is a matter of configuration`(speed: Double, expected: String) {
        var bench = Bench { $0.jump.maximumSpeed = 70 }
        var fast = Bench { $0.jump.maximumSpeed = 1_000 }
        let metres = Degrees7((speed * 100 + 10) / unit)
        let pings = [ping(after: -100 * second), ping(latitude: 436_532_000 + metres)]
        #expect(bench.verdicts(pings) == ["accepted", expected])
        #expect(fast.verdicts(pings) == ["accepted", "accepted"])
    }

    @Test func `the antimeridian is a line like any other`() {
        for latitude in [0, 436_532_000, 890_000_000, -900_000_000] as [Degrees7] {
            var bench = Bench()
            // 2.2 km at the equator, in 60 s.
            #expect(
                bench.verdict(ping(after: -60 * second, latitude: latitude, longitude: 1_799_900_000)) == "accepted")
            #expect(bench.verdict(ping(latitude: latitude, longitude: -1_799_900_000)) == "accepted")
        }
        var bench = Bench()
        #expect(bench.verdict(ping(after: -second, latitude: 0, longitude: 1_800_000_000)) == "accepted")
        #expect(bench.verdict(ping(latitude: 0, longitude: -1_800_000_000)) == "accepted")
        var far = Bench()
        #expect(far.verdict(ping(after: -second, latitude: 0, longitude: 1_799_000_000)) == "accepted")
        #expect(far.verdict(ping(latitude: 0, longitude: -1_799_000_000)) == "jump")
    }

    @Test func `at a pole every longitude is the same place`() {
        for pole in [900_000_000, -900_000_000] as [Degrees7] {
            var bench = Bench()
            #expect(bench.verdict(ping(after: -second, latitude: pole, longitude: 0)) == "accepted")
            #expect(bench.verdict(ping(latitude: pole, longitude: 1_800_000_000)) == "accepted")
            #expect(bench.verdict(ping(after: second, latitude: -pole, longitude: 0)) == "jump")
        }
    }

    // MARK: Re-anchoring

    /// `count` pings a second apart at another place, beginning `from` seconds after noon.
    private func elsewhere(_ count: Int, from: Microseconds, latitude: Degrees7 = 0) -> [Ping] {
        (0..<count).map { ping(after: (from + Microseconds($0)) * second, latitude: latitude) }
    }

    @Test func `the third agreeing ping in a row is accepted and moves the anchor`() {
        var bench = Bench()
        #expect(
            bench.verdicts([ping()] + elsewhere(4, from: 1)) == ["accepted", "jump", "jump", "accepted", "accepted"])
        #expect(bench.verdict(ping(after: 6 * second)) == "jump")
    }

    @Test func `the same ping again is no second witness`() {
        var bench = Bench()
        let wrong = elsewhere(1, from: 1)[0]
        #expect(bench.verdicts([ping(), wrong, wrong, wrong, wrong]) == ["accepted", "jump", "jump", "jump", "jump"])
        // Nor does an older one count; two later ones do.
        #expect(bench.verdict(ping(after: 500_000, latitude: 0)) == "jump")
        #expect(bench.verdicts(elsewhere(2, from: 2)) == ["jump", "accepted"])
    }

    @Test func `an accepted ping in between starts the count anew`() {
        var bench = Bench()
        #expect(bench.verdicts([ping()] + elsewhere(2, from: 1)) == ["accepted", "jump", "jump"])
        #expect(bench.verdict(ping(after: 3 * second)) == "accepted")
        #expect(bench.verdicts(elsewhere(3, from: 4)) == ["jump", "jump", "accepted"])
    }

    @Test func `candidates that disagree start anew with the last`() {
        var bench = Bench()
        let here = { elsewhere(1, from: $0, latitude: 0)[0] }
        let there = { elsewhere(1, from: $0, latitude: -300_000_000)[0] }
        #expect(
            bench.verdicts([ping(), here(1), there(2), here(3), here(4), there(5), there(6), there(7)])
                == ["accepted", "jump", "jump", "jump", "jump", "jump", "jump", "accepted"])
    }

    /// Accuracies make "can be reached" intransitive: the third must agree with both before it.
    @Test func `a third that agrees only with the second becomes the second of a new pair`() {
        var bench = Bench()
        func at(_ seconds: Microseconds, metres: Double, accuracy: Float) -> Ping {
            ping(after: seconds * second, latitude: Degrees7(metres / unit), accuracy: accuracy)
        }
        let pings = [
            ping(), at(1, metres: 0, accuracy: 1), at(2, metres: 250, accuracy: 190), at(3, metres: 500, accuracy: 1),
            at(4, metres: 560, accuracy: 1),
        ]
        #expect(bench.verdicts(pings) == ["accepted", "jump", "jump", "jump", "accepted"])
    }

    // MARK: Words

    @Test func `a refusal says what was wrong and what is expected`() {
        let rules = JudgeRules()
        #expect(rules.detail(of: .coordinates, for: ping(latitude: 1_397_000_000), now: noon).contains("swapped"))
        #expect(!rules.detail(of: .coordinates, for: ping(longitude: 1_900_000_000), now: noon).contains("swapped"))
        var early = ping()
        early.recordedAt = 1_795_262_400_000
        #expect(rules.detail(of: .stale, for: early, now: noon).contains("milliseconds"))
        #expect(rules.detail(of: .future, for: ping(), now: noon).contains("30 s"))
        #expect(Set(RejectionReason.allCases.map { rules.detail(of: $0, for: ping(), now: noon) }).count == 10)
    }

    // MARK: Against the reference

    @Test(arguments: 1...8)
    func `random streams of many drivers are judged as the slow reference judges them`(seed: Int) throws {
        var random = SeededGenerator(seed: UInt64(seed))
        var rules = JudgeRules()
        rules.mock.isForbidden = random.oneIn(2)
        var judge = Judge(rules: rules)
        var reference = ReferenceJudge()
        reference.forbidsMock = rules.mock.isForbidden
        let drivers = (0..<random.int(1...40)).map { _ in judge.addDriver() }
        var now = noon
        var seen: [String: Int] = [:]
        for step in 0..<(isLongRun ? 200_000 : 10_000) {
            now += Microseconds(random.int(0...2_000_000))
            let driver = random.pick(drivers)
            var ping = randomPing(now, &random)
            let expected = reference.judge(ping, of: driver, now: now)
            let verdict = judge.judge(&ping, of: driver, now: now).words
            try #require(verdict == expected, "seed \(seed), step \(step): \(ping)")
            seen[verdict, default: 0] += 1
        }
        for words in ["accepted", "late", "duplicate", "jump", "future", "stale", "accuracy", "coordinates"] {
            #expect(seen[words] != nil, "seed \(seed) never had \(words)")
        }
    }

    private func randomPing(_ now: Microseconds, _ random: inout SeededGenerator) -> Ping {
        // Few places and coarse times, so that repetitions, jumps and agreements all happen.
        let places: [(Degrees7, Degrees7)] = [
            (436_532_000, -793_832_000), (437_000_000, -793_832_000), (0, 1_799_999_000), (899_990_000, 0),
        ]
        let place = random.oneIn(3) ? random.pick(places) : places[0]
        let step = Microseconds(2_000_000)
        var age = Microseconds(random.int(0...10)) * step
        if random.oneIn(10) { age = Microseconds(random.int(0...200)) * step }
        if random.oneIn(20) { age = random.pick([-30_000_001, -30_000_000, 30 * day, 30 * day + 1]) }
        var ping = ping(
            after: (now - age) / step * step - noon, latitude: place.0 + Degrees7(random.int(-20_000...10_000)),
            longitude: place.1 &+ Degrees7(random.int(-20_000...1_000)),
            accuracy: random.pick([0, 0.5, 5, 5, 5, 50, 150, 199.9, 200]), speed: random.pick([nil, 0, 70, 71]),
            isMock: random.oneIn(10))
        if age < 0 || age >= 30 * day { ping.recordedAt = now - age }
        if random.oneIn(30) { ping.longitude = random.pick([1_800_000_000, -1_800_000_000, 1_800_000_001, .min]) }
        if random.oneIn(50) { (ping.latitude, ping.longitude) = (0, 0) }
        return ping
    }
}
