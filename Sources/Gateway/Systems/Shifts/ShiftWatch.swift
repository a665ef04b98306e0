/// When drivers are on shift: asked of the platform before a driver's first ping is judged, again when its tables change
/// and every `cache_s`, and followed by the clock. Who goes off shift disappears: from the map, the hash and the GEO set.
///
/// A shift may end with a change that is heard of a moment later, some milliseconds as a rule: what comes in between
/// counts. While the platform's database is away, drivers whose shifts are known keep them for a quarter of an hour; pings
/// of the others are refused with 503 or 1013, so that nothing is lost.
import EventLoop
import Logging
import RedisClient
import Tracking

/// See the file's head. Lives on the loop's thread.
final class ShiftWatch {
    /// How long shifts are believed that nobody could be asked about again.
    static let patience: Microseconds = 900_000_000
    /// How often an answer is asked for again because the tables changed meanwhile.
    private static let attempts = 5

    /// What is known of a driver.
    private struct Record {
        /// What the platform says; nil where it has not said yet. Always on shift where it is not asked.
        var shifts: Shifts?
        /// When it was last said, by the monotonic clock.
        var askedAt: Microseconds = 0
        /// Whether Redis has, or may have, something of the driver.
        var isInRedis = true
    }

    private unowned let gateway: Gateway
    private let lookUp: LookUp?
    /// How long answers are good for.
    private let life: Microseconds
    private let key: KeyTemplate
    private let states: DriverStates
    private var activities: [DriverID: DriverActivity] = [:]
    private var hasStates = false
    private var isReadingStates = false
    private var mustReadStatesAgain = false
    /// Who waits for the first reading.
    private var stateWaiters: [() -> Void] = []
    private var records: [Record] = []
    /// Drivers whose standing changes at an instant that is known.
    private var appointments: [DriverIndex: Microseconds] = [:]
    /// Drivers who are off shift and could not be taken out of Redis yet.
    private var lingering: Set<DriverIndex> = []
    /// Counts the changes of the platform's tables.
    private var version = 0
    private var refreshedAt: Microseconds = 0
    private var timer: LoopTimer?
    /// Drivers that went off shift before this process's eyes.
    private(set) var ended = 0

    init(gateway: Gateway) {
        self.gateway = gateway
        let configuration = gateway.configuration
        lookUp = LookUp(gateway.systemDatabase, configuration.system, .shifts)
        life = configuration.system.shiftsLife
        key = KeyTemplate(configuration.redisLocationKey)
        states = DriverStates(
            postgres: gateway.postgres, schema: configuration.postgresSchema,
            retentionDays: configuration.historyRetentionDays)
        lookUp?.onChange = { [unowned self] in refresh() }
    }

    /// Begins to follow the clock, with the drivers that the journal knew.
    func start() {
        timer = LoopTimer(loop: gateway.loop) { [unowned self] in everySecond() }
        timer?.start(afterMilliseconds: 1_000, everyMilliseconds: 1_000)
        look()
    }

    func close() {
        timer?.close()
        timer = nil
    }

    /// Drivers whose shifts are known here and who are on shift now.
    var onShift: Int {
        guard lookUp != nil else { return 0 }
        let now = SystemClock.wallMicroseconds()
        return records.indices.reduce(0) { $0 + (effective($1)?.contains(now) == true ? 1 : 0) }
    }

    // MARK: The platform's shifts

    /// Finds out about drivers, who are all in the pipeline; `then` hears whether their pings can be judged, at once where
    /// nothing has to be asked.
    func load(_ ids: [DriverID], then: @escaping (Bool) -> Void) {
        if !hasStates, states.isReadable {
            stateWaiters.append { [weak self] in self?.find(ids, then: then) }
            if !isReadingStates { look() }
        } else {
            find(ids, then: then)
        }
    }

    private func find(_ ids: [DriverID], attempt: Int = 1, then: @escaping (Bool) -> Void) {
        guard let lookUp else {
            for id in ids where activities[id] != nil { apply(id) }
            return then(true)
        }
        let pipeline = gateway.pipeline
        let missing = ids.filter { id in pipeline.drivers.index(of: id).map { !pipeline.knowsShifts(of: $0) } ?? false }
        guard !missing.isEmpty else { return then(true) }
        let asked = version
        lookUp.find(missing.map(\.string)) { [weak self] answer in
            guard let self, case .success(let found) = answer else { return then(false) }
            // What was asked before a change may be wrong already: it is asked again, and where the tables never rest,
            // believed meanwhile.
            let isFresh = asked == version
            if isFresh || attempt == Self.attempts { for id in missing { learn(id, found[id.string] ?? []) } }
            if !isFresh, attempt == Self.attempts { follow(missing) }
            find(ids, attempt: attempt + 1, then: then)
        }
    }

    /// Asks again about drivers whose shifts are known.
    private func follow(_ ids: [DriverID]) {
        let asked = version
        for start in stride(from: 0, to: ids.count, by: LookUp.batch) {
            let piece = Array(ids[start..<min(start + LookUp.batch, ids.count)])
            lookUp?.find(piece.map(\.string)) { [weak self] answer in
                // Where nobody could be asked, the next refresh does it.
                guard let self, case .success(let found) = answer else { return }
                for id in piece where asked == version || knows(id) { learn(id, found[id.string] ?? []) }
                gateway.flushSoon()
            }
        }
    }

    /// Whether the driver's pings can be judged. Those of whom a later refresh says that they are to be asked for again
    /// cannot, whatever an earlier answer says.
    private func knows(_ id: DriverID) -> Bool {
        gateway.pipeline.drivers.index(of: id).map { gateway.pipeline.knowsShifts(of: $0) } ?? false
    }

    /// The platform's tables have changed, or answers are old. Those on shift are asked about at once; the others before
    /// their next ping is judged.
    private func refresh() {
        guard lookUp != nil, gateway.systemDatabase?.isConnected == true else { return }
        version += 1
        refreshedAt = SystemClock.monotonicMicroseconds()
        let now = SystemClock.wallMicroseconds()
        let pipeline = gateway.pipeline
        var awaited: [DriverID] = []
        for driver in 0..<pipeline.drivers.count {
            let isDue = record(driver).shifts.map { $0.contains(now) || $0.nextChange(after: now) != nil } ?? true
            if isDue { awaited.append(pipeline.drivers.id(of: driver)) } else { pipeline.forgetShifts(of: driver) }
        }
        follow(awaited)
    }

    private func learn(_ id: DriverID, _ rows: [LookUpRow]) {
        guard let driver = gateway.pipeline.drivers.index(of: id) else { return }
        grow(to: driver)
        records[driver].shifts = Shifts(rows)
        records[driver].askedAt = SystemClock.monotonicMicroseconds()
        apply(id)
    }

    // MARK: Drivers out of service

    /// Reads again who is out of service. Called when Postgres is there, every `access.refresh_s`, and when the bus is back.
    func look() {
        guard !isReadingStates else {
            mustReadStatesAgain = true
            return
        }
        isReadingStates = true
        states.read(nil) { [weak self] found in
            guard let self else { return }
            isReadingStates = false
            if let found {
                hasStates = true
                if found.count == DriverStates.maximum {
                    gateway.log.error("more drivers are out of service than are read; the others count as active")
                }
                let changed = Set(activities.keys).union(found.keys).filter { activities[$0] != found[$0] }
                activities = found
                for id in changed { apply(id) }
                if !changed.isEmpty { gateway.flushSoon() }
            }
            // Also where it failed, as it does before the tables are made: nobody waits for long.
            let waiters = stateWaiters
            stateWaiters = []
            for waiter in waiters { waiter() }
            guard mustReadStatesAgain else { return }
            mustReadStatesAgain = false
            look()
        }
    }

    /// A driver was put into service or out of it.
    func stateChanged(_ id: DriverID) {
        // An answer that is under way may be from before.
        if isReadingStates { mustReadStatesAgain = true }
        states.read(id) { [weak self] found in
            guard let self, let found, activities[id] != found[id] else { return }
            activities[id] = found[id]
            apply(id)
            gateway.flushSoon()
        }
    }

    // MARK: What follows

    /// What counts of a driver's shifts; nil where they are not known.
    private func effective(_ driver: DriverIndex) -> Shifts? {
        guard let shifts = record(driver).shifts else { return nil }
        return activities[gateway.pipeline.drivers.id(of: driver)]?.limit(shifts) ?? shifts
    }

    private func record(_ driver: DriverIndex) -> Record {
        var record = driver < records.count ? records[driver] : Record()
        if lookUp == nil { record.shifts = .always }
        return record
    }

    private func grow(to driver: DriverIndex) {
        while records.count <= driver { records.append(Record()) }
    }

    /// Brings map, judge and Redis into line with what is known of the driver now.
    private func apply(_ id: DriverID) {
        guard let driver = gateway.pipeline.drivers.index(of: id), let shifts = effective(driver) else { return }
        grow(to: driver)
        let now = SystemClock.wallMicroseconds()
        if gateway.pipeline.setShifts(shifts, of: driver, now: now) { ended += 1 }
        appointments[driver] = shifts.nextChange(after: now)
        if shifts.contains(now) {
            records[driver].isInRedis = true
            lingering.remove(driver)
        } else if records[driver].isInRedis {
            removeFromRedis(driver)
        }
    }

    /// Also what an earlier process has left there. Where Redis is away, it is done when it is back.
    private func removeFromRedis(_ driver: DriverIndex) {
        let id = gateway.pipeline.drivers.id(of: driver)
        let removal = gateway.pipeline.redis.geo.removal(of: id, gateway.pipeline)
        gateway.pipeline.redis.rewrite(id, gateway.pipeline)
        guard let redis = gateway.redis, redis.isReady else {
            lingering.insert(driver)
            return
        }
        var commands = RedisCommands()
        commands.command(["DEL", key.string(for: id)])
        for command in removal { commands.command(command) }
        redis.send(commands)
        records[driver].isInRedis = false
    }

    private func everySecond() {
        let now = SystemClock.wallMicroseconds()
        let due = appointments.filter { $0.value <= now }
        for driver in due.keys { apply(gateway.pipeline.drivers.id(of: driver)) }
        if !due.isEmpty { gateway.flushSoon() }
        if !hasStates, states.isReadable { look() }
        if !lingering.isEmpty, gateway.redis?.isReady == true {
            let off = lingering
            lingering = []
            for driver in off { removeFromRedis(driver) }
        }
        guard lookUp != nil else { return }
        let monotonic = SystemClock.monotonicMicroseconds()
        // A little later, so that no answer is found to be just young enough.
        if monotonic - refreshedAt > life + 500_000 { refresh() }
        for driver in records.indices where records[driver].shifts != nil {
            if monotonic - records[driver].askedAt > max(Self.patience, 2 * life) {
                records[driver].shifts = nil
                gateway.pipeline.forgetShifts(of: driver)
            }
        }
    }
}

extension SystemConfiguration {
    /// Whether a driver's shifts are asked for.
    var requiresShifts: Bool { lookUps[.shifts] != nil }

    /// How old an answer about shifts may become, in microseconds; a second at least.
    var shiftsLife: Microseconds {
        let seconds = lookUps[.shifts].flatMap { statements[$0]?.cacheSeconds } ?? 0
        return Microseconds(max(1, seconds)) * 1_000_000
    }
}
