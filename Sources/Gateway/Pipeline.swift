/// The hot path, top to bottom: bytes of a frame → pings → driver → verdict → journal → viewers and Redis.
///
/// A ping costs no allocation, no reference counting, no existential, no `String` and no `async` here. What comes before
/// (sockets) is in `Ingest/`, what comes after: acknowledgement in `Ingest/AcknowledgementQueue`, viewers in
/// `Tracking/Live`, Redis in `Live/RedisPositions`, Postgres in `History/`.
import EventLoop
import Journal
import Tracking

/// Who sends a batch.
enum Sender {
    /// A device, bound to its driver.
    case device(DriverIndex, DriverID)
    /// A backend, which names a driver in every ping; perhaps one that may not name every driver.
    case backend(ScopedDrivers?)
}

/// A ping of the current batch that was not kept.
struct Rejection {
    /// Its place in the batch.
    var index: Int
    var reason: RejectionReason
    var defect: PingDefect?
}

/// One process's pipeline. Lives on the loop's thread.
final class Pipeline {
    let journal: Journal
    private(set) var drivers: DriverTable
    private var judge: Judge
    var fanout: Fanout
    let redis: RedisPositions
    private(set) var counters = PipelineCounters()
    let keepsHistory: Bool

    /// The batch being worked on, and what came of it.
    private(set) var batch = PingBatch()
    private var resolved: [Int32] = []
    var outcome = BatchOutcome()
    /// Ids of the last `resolve` that are not known yet.
    private(set) var unknown: [DriverID] = []
    private var record = PingRecordBuffer()
    /// Positions from before this process began, of drivers whose shifts are not known yet.
    private var withheld: [DriverIndex: Position] = [:]
    /// How current all this is.
    var recency = Recency()
    /// Drivers that moved since the platform's table was last told; nil where it wants to hear nothing.
    var moved: ChangedDrivers?

    init(
        journal: Journal, rules: JudgeRules, presence: PresenceLimits, replayBytes: Int, redis: RedisPositions,
        keepsHistory: Bool, requiresShifts: Bool = false
    ) {
        self.journal = journal
        self.redis = redis
        self.keepsHistory = keepsHistory
        drivers = DriverTable(seed: .random(in: .min ... .max))
        judge = Judge(rules: rules, requiresShifts: requiresShifts)
        fanout = Fanout(limits: presence, epoch: .random(in: .min ... .max), replayBytes: replayBytes)
    }

    // MARK: 1. Bytes to pings

    /// Decodes a frame or body. On an error nothing of it exists.
    func decode(_ bytes: Span<UInt8>, maximumPings: Int, allowsEnvelope: Bool) throws(PingDecodingError) {
        try PingDecoder.decode(bytes, into: &batch, maximumPings: maximumPings, allowsEnvelope: allowsEnvelope)
    }

    /// The same of a phone app's document.
    func decode<Result>(
        _ bytes: Span<UInt8>, by decoder: (Span<UInt8>, inout PingBatch) throws(PingDecodingError) -> Result
    ) throws(PingDecodingError) -> Result {
        try decoder(bytes, &batch)
    }

    /// The batch's names of drivers are labels: who sends it is who it is about.
    func dropNames() {
        batch.dropNames()
    }

    /// The same of GeoJSON.
    func decodeFeatures(_ bytes: Span<UInt8>, maximumPings: Int) throws(PingDecodingError) {
        try GeoJSONPings.decode(bytes, into: &batch, maximumPings: maximumPings)
    }

    // MARK: 2. Pings to drivers

    /// A ping whose driver is not known, and one whose driver the sender may not name.
    private static let noDriver: Int32 = -1
    private static let foreignDriver: Int32 = -2

    /// Finds each ping's driver. False where some are new to this process or to the sender's scope, not known to be on
    /// shift or off, or not heard of for a while in which they may have reported to others: load what is in `unknown`, then ask again.
    func resolve(_ sender: Sender) -> Bool {
        resolved.removeAll(keepingCapacity: true)
        unknown.removeAll(keepingCapacity: true)
        let scoped: ScopedDrivers?
        switch sender {
        case .device(let driver, let id):
            if !judge.shifts.isKnown(driver) || !recency.isCurrent(driver, within: Recency.life) { unknown.append(id) }
            return unknown.isEmpty
        case .backend(let limits): scoped = limits
        }
        scoped?.forgetOld()
        for index in batch.pings.indices {
            guard batch.pings[index].defect == nil, let id = batch.pings[index].driver else {
                resolved.append(Self.noDriver)
                continue
            }
            if let scoped {
                guard let isWithin = scoped.verdict(for: id) else {
                    unknown.append(id)
                    continue
                }
                guard isWithin else {
                    resolved.append(Self.foreignDriver)
                    continue
                }
            }
            if let driver = drivers.index(of: id), judge.shifts.isKnown(driver),
                recency.isCurrent(driver, within: Recency.life)
            {
                resolved.append(Int32(driver))
            } else {
                unknown.append(id)
            }
        }
        return unknown.isEmpty
    }

    /// Whether the sender may not name some driver of the batch, which `resolve` has found out.
    var namesForeignDriver: Bool { resolved.contains(Self.foreignDriver) }

    // MARK: 3. Verdicts

    /// Whether the journal takes the whole batch now. If not, nothing of it may be judged: it is refused as a whole.
    func hasRoom() -> Bool {
        journal.hasRoom(records: batch.pings.count, bytes: batch.pings.count * PingRecord.maximumBytes)
    }

    /// Whether the journal takes so many pings now.
    func hasRoom(forPings count: Int) -> Bool {
        journal.hasRoom(records: count, bytes: count * PingRecord.maximumBytes)
    }

    /// Takes the batch away and puts another in its place, for who works on one for longer than a turn.
    func exchange(_ other: inout PingBatch) {
        swap(&batch, &other)
    }

    /// Judges, keeps and shows every ping of the batch. `resolve` and `hasRoom` have said yes.
    func process(_ sender: Sender, now: Microseconds) {
        process(sender, batch.pings.indices, now: now)
    }

    /// The same of a part of a device's batch, without the ping that was judged before; `outcome` is of this part alone.
    func process(_ sender: Sender, _ part: Range<Int>, besides judged: Int = -1, now: Microseconds) {
        outcome.reset()
        counters.received += part.count
        for index in part {
            if index == judged {
                counters.received -= 1
                continue
            }
            if let defect = batch.pings[index].defect {
                reject(index, .malformed, defect)
                continue
            }
            let driver: DriverIndex
            let id: DriverID
            switch sender {
            case .device(let own, let ownID):
                if let named = batch.pings[index].driver, named != ownID {
                    reject(index, .driverMismatch)
                    continue
                }
                driver = own
                id = ownID
            case .backend:
                guard let named = batch.pings[index].driver else {
                    reject(index, .malformed, .missing(.driverID))
                    continue
                }
                guard resolved[index] != Self.foreignDriver else {
                    reject(index, .driverMismatch)
                    continue
                }
                driver = Int(resolved[index])
                id = named
            }
            recency.heard(driver)
            var ping = batch.pings[index].ping
            switch judge.judge(&ping, of: driver, now: now) {
            case .accepted(let clamped):
                outcome.accepted += 1
                if clamped { outcome.clamped += 1 }
                keep(ping, id, now, clamped ? .clamped : [])
                show(ping, driver, now)
            case .late(let clamped):
                outcome.late += 1
                if clamped { outcome.clamped += 1 }
                keep(ping, id, now, clamped ? [.late, .clamped] : .late)
            case .duplicate:
                outcome.duplicate += 1
            case .rejected(let reason):
                reject(index, reason)
                noteTrouble(reason, of: driver, recordedAt: ping.recordedAt, now: now)
            }
        }
        counters.add(outcome)
    }

    @inline(__always)
    private func reject(_ index: Int, _ reason: RejectionReason, _ defect: PingDefect? = nil) {
        outcome.rejections.append(Rejection(index: index, reason: reason, defect: defect))
    }

    /// Viewers are told why a driver who does report is not on the map.
    private func noteTrouble(
        _ reason: RejectionReason, of driver: DriverIndex, recordedAt: Microseconds, now: Microseconds
    ) {
        switch reason {
        case .accuracy: fanout.refused(driver, .lowAccuracy, now: now)
        case .future: fanout.refused(driver, .clock(ahead: recordedAt - now), now: now)
        default: break
        }
    }

    // MARK: 4. The journal

    @inline(__always)
    private func keep(_ ping: Ping, _ id: DriverID, _ now: Microseconds, _ flags: PingFlags) {
        guard keepsHistory else { return }
        let flags = ping.isMock ? flags.union(.mock) : flags
        record.encode(PingRecord(ping, driver: id, receivedAt: now, flags: flags)) { _ = journal.append($0) }
    }

    // MARK: 5. Viewers and Redis

    @inline(__always)
    private func show(_ ping: Ping, _ driver: DriverIndex, _ now: Microseconds) {
        fanout.update(driver, Position(ping, receivedAt: now), now: now)
        redis.changed(driver)
        moved?.insert(driver)
    }

    // MARK: Drivers and their memory

    /// A driver that is new to this process, with what the stores know of it.
    @discardableResult
    func addDriver(_ id: DriverID) -> DriverIndex {
        if let known = drivers.index(of: id) { return known }
        let driver = drivers.add(id)
        let judged = judge.addDriver()
        let shown = fanout.addDriver()
        recency.addDriver()
        precondition(driver == judged && driver == shown, "the tables of drivers run in step")
        return driver
    }

    /// What was accepted before this process began: fixes for the judge, the newest of them for the map.
    func recall(_ position: Position, isLate: Bool, of driver: DriverIndex) {
        judge.recall(position.anchor, isLate: isLate, of: driver)
        if !isLate { restore(position, of: driver) }
    }

    /// Puts a position from before this process began on the map, without being news to anybody.
    func restore(_ position: Position, of driver: DriverIndex) {
        if judge.shifts.isKnown(driver) {
            fanout.restore(driver, position)
        } else if withheld[driver].map({ $0.recordedAt < position.recordedAt }) ?? true {
            withheld[driver] = position
        }
    }

    /// The newest fix that the judge knows of.
    func newest(of driver: DriverIndex) -> Anchor? { judge.newest(of: driver) }

    /// A fix for the judge alone, that another gateway accepted. What others tell is no proof that it was kept: a gateway may
    /// die between telling and keeping, and its device then sends the ping again, to this one perhaps. So its repetition is
    /// late, which is kept where it is not there yet, and a duplicate, which is not, only where nothing is kept at all.
    func follow(_ anchor: Anchor, of driver: DriverIndex) {
        if keepsHistory {
            judge.follow(anchor, of: driver)
        } else {
            judge.recall(anchor, isLate: false, of: driver)
        }
    }

    /// A fix that is no news, for the judge alone.
    func remember(_ anchor: Anchor, of driver: DriverIndex) {
        judge.recall(anchor, isLate: true, of: driver)
    }

    // MARK: Shifts

    /// Whether a position may be on the map now. Where the driver's shifts are not known yet, it waits for them.
    func isShown(_ position: Position, of driver: DriverIndex, now: Microseconds) -> Bool {
        guard judge.shifts.isKnown(driver) else {
            if withheld[driver].map({ $0.recordedAt < position.recordedAt }) ?? true { withheld[driver] = position }
            return false
        }
        return !judge.shifts.isEnforced
            || judge.shifts.standing(of: driver, recordedAt: position.recordedAt, now: now) == .on
    }

    /// Whether the driver's pings can be judged.
    func knowsShifts(of driver: DriverIndex) -> Bool { judge.shifts.isKnown(driver) }

    /// The driver's shifts have to be asked for again before a ping is judged.
    func forgetShifts(of driver: DriverIndex) { judge.shifts.set(nil, of: driver) }

    /// These are the driver's shifts from now on. A position that is of no shift that is on goes from the map, and one
    /// that waited for them comes onto it. Returns whether one went.
    func setShifts(_ shifts: Shifts, of driver: DriverIndex, now: Microseconds) -> Bool {
        judge.shifts.set(shifts, of: driver)
        let waiting = withheld.removeValue(forKey: driver)
        func isOn(_ position: Position) -> Bool { shifts.standing(of: position.recordedAt, now: now) == .on }
        guard shifts.contains(now) else { return fanout.leaveShift(driver, now: now) }
        var hasGone = false
        if let shown = fanout.position(of: driver), !isOn(shown) { hasGone = fanout.leaveShift(driver, now: now) }
        fanout.enterShift(driver)
        if let waiting, isOn(waiting), fanout.position(of: driver) == nil { fanout.update(driver, waiting, now: now) }
        return hasGone
    }

    /// Forgets what was received of a driver up to `instant`: on the map, in the judge's memory, and for returning viewers.
    /// A newer position stays, and the judge's memory with it, which holds no older one; returns whether there is one.
    func forget(_ id: DriverID, receivedThrough instant: Microseconds, now: Microseconds) -> Bool {
        guard let driver = drivers.index(of: id) else { return false }
        if let waiting = withheld[driver], waiting.receivedAt <= instant { withheld[driver] = nil }
        if fanout.forget(driver, receivedThrough: instant, now: now) { return true }
        judge.forget(driver)
        return false
    }
}

/// What came of one batch.
struct BatchOutcome {
    var accepted = 0
    var late = 0
    var duplicate = 0
    var clamped = 0
    var rejections: [Rejection] = []

    mutating func reset() {
        accepted = 0
        late = 0
        duplicate = 0
        clamped = 0
        rejections.removeAll(keepingCapacity: true)
    }

    /// Adds what came of another part of the same batch.
    mutating func add(_ other: BatchOutcome) {
        accepted += other.accepted
        late += other.late
        duplicate += other.duplicate
        clamped += other.clamped
        rejections += other.rejections
    }
}

/// Sums over all batches: received = accepted + late + duplicate + rejected, at any moment.
struct PipelineCounters {
    var received = 0
    var accepted = 0
    var late = 0
    var duplicate = 0
    var clamped = 0
    /// By `RejectionReason.rawValue`.
    var rejected = InlineArray<10, Int>(repeating: 0)

    mutating func add(_ outcome: BatchOutcome) {
        accepted += outcome.accepted
        late += outcome.late
        duplicate += outcome.duplicate
        clamped += outcome.clamped
        for index in outcome.rejections.indices {
            rejected[Int(outcome.rejections[index].reason.rawValue)] += 1
        }
    }
}
