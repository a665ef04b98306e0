/// The judge: every ping's outcome, from the rules and what is remembered of its driver. Second step of the hot path.

/// A driver's dense number in this process: the index of everything that is kept a driver.
public typealias DriverIndex = Int

/// Decides about pings. Holds some 650 bytes a driver.
public struct Judge: Sendable {
    /// How many of a driver's fix times are remembered, to tell a repetition from a late ping (API.md: at least 64).
    public static let remembered = 64

    private let rules: JudgeRules
    private var memories: [DriverMemory] = []
    /// `remembered` fix times a driver, a ring each.
    private var recent: [Microseconds] = []
    /// Who is on shift when.
    public var shifts: ShiftTable

    /// A judge that knows nobody. `requiresShifts` where only pings from within a driver's shift count.
    public init(rules: JudgeRules, requiresShifts: Bool = false) {
        self.rules = rules
        shifts = ShiftTable(isRequired: requiresShifts)
    }

    /// Makes room for one more driver and returns its index.
    public mutating func addDriver() -> DriverIndex {
        memories.append(DriverMemory())
        recent.append(contentsOf: repeatElement(Microseconds.min, count: Self.remembered))
        return memories.count - 1
    }

    /// The newest accepted position of a driver, if any is known.
    public func newest(of driver: DriverIndex) -> Anchor? {
        memories[driver].newest
    }

    /// Tells the judge of a ping that is kept already: it enters the memory, and becomes the newest position where it is.
    public mutating func recall(_ anchor: Anchor, isLate: Bool, of driver: DriverIndex) {
        remember(anchor.recordedAt, of: driver)
        guard !isLate, anchor.recordedAt > memories[driver].newest?.recordedAt ?? .min else { return }
        memories[driver].advance(to: anchor, isRemembered: true)
    }

    /// Tells the judge of a position that another gateway accepted and may not have kept: it becomes the newest where it
    /// is, and the ping that it came from is late here, not a duplicate.
    public mutating func follow(_ anchor: Anchor, of driver: DriverIndex) {
        guard anchor.recordedAt > memories[driver].newest?.recordedAt ?? .min else { return }
        memories[driver].advance(to: anchor, isRemembered: false)
    }

    /// Forgets everything about a driver, as if it had never been heard of.
    public mutating func forget(_ driver: DriverIndex) {
        memories[driver] = DriverMemory()
        for index in driver * Self.remembered..<(driver + 1) * Self.remembered { recent[index] = .min }
    }

    /// Judges a ping in API.md's order of checks. Cuts the speed of one that is kept, where it is too high.
    public mutating func judge(_ ping: inout Ping, of driver: DriverIndex, now: Microseconds) -> Verdict {
        guard rules.coordinates.admits(ping) else { return .rejected(.coordinates) }
        guard rules.zeroIsland.admits(ping) else { return .rejected(.zeroIsland) }
        guard rules.accuracy.admits(ping) else { return .rejected(.accuracy) }
        guard rules.future.admits(ping, now: now) else { return .rejected(.future) }
        guard rules.stale.admits(ping, now: now) else { return .rejected(.stale) }
        guard rules.mock.admits(ping) else { return .rejected(.mock) }
        if shifts.isEnforced {
            switch shifts.standing(of: driver, recordedAt: ping.recordedAt, now: now) {
            case .off: return .rejected(.offShift)
            case .over: return judgeAfterwards(&ping, of: driver)
            case .on: break
            }
        }

        let fix = Anchor(ping)
        if let newest = memories[driver].newest {
            if fix.recordedAt <= newest.recordedAt {
                if isRemembered(fix.recordedAt, of: driver) { return .duplicate }
                remember(fix.recordedAt, of: driver)
                return .late(clamped: rules.clamp.apply(&ping))
            }
            if !rules.jump.allows(newest, fix), !memories[driver].reanchors(at: fix, rules.jump) {
                return .rejected(.jump)
            }
        }
        memories[driver].advance(to: fix, isRemembered: true)
        remember(fix.recordedAt, of: driver)
        return .accepted(clamped: rules.clamp.apply(&ping))
    }

    /// A ping from a shift that is not on any more, or not yet: for history alone, as a late one is.
    private mutating func judgeAfterwards(_ ping: inout Ping, of driver: DriverIndex) -> Verdict {
        let recordedAt = ping.recordedAt
        if isRemembered(recordedAt, of: driver) { return .duplicate }
        remember(recordedAt, of: driver)
        return .late(clamped: rules.clamp.apply(&ping))
    }

    private func isRemembered(_ recordedAt: Microseconds, of driver: DriverIndex) -> Bool {
        // The newest is remembered even where 64 late pings have pushed it out of the ring.
        if memories[driver].isNewestRemembered, recordedAt == memories[driver].newest?.recordedAt { return true }
        let start = driver * Self.remembered
        for index in start..<(start + Self.remembered) where recent[index] == recordedAt { return true }
        return false
    }

    private mutating func remember(_ recordedAt: Microseconds, of driver: DriverIndex) {
        recent[driver * Self.remembered + Int(memories[driver].nextRecent)] = recordedAt
        memories[driver].nextRecent = (memories[driver].nextRecent + 1) % UInt8(Self.remembered)
    }
}

/// What the rules remember of one driver.
private struct DriverMemory: Sendable {
    private(set) var newest: Anchor?
    /// Whether the newest is a ping that is kept, here or in Postgres.
    private(set) var isNewestRemembered = false
    /// The last two pings in a row that were refused as jumps, older first.
    private var firstCandidate: Anchor?
    private var secondCandidate: Anchor?
    var nextRecent: UInt8 = 0

    mutating func advance(to anchor: Anchor, isRemembered: Bool) {
        newest = anchor
        isNewestRemembered = isRemembered
        firstCandidate = nil
        secondCandidate = nil
    }

    /// Notes a jump. True for the third in a row that agrees with the two before it, which then becomes the anchor.
    /// Repeating one ping proves nothing, so a candidate must be later than the one before.
    mutating func reanchors(at fix: Anchor, _ rule: JumpRule) -> Bool {
        guard let last = secondCandidate ?? firstCandidate else {
            firstCandidate = fix
            return false
        }
        guard fix.recordedAt > last.recordedAt else { return false }
        guard rule.allows(last, fix) else {
            firstCandidate = fix
            secondCandidate = nil
            return false
        }
        guard let first = firstCandidate, secondCandidate != nil else {
            secondCandidate = fix
            return false
        }
        if rule.allows(first, fix) { return true }
        firstCandidate = last
        secondCandidate = fix
        return false
    }
}
