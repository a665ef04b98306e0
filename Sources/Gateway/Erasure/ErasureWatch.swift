/// A gateway's part in erasures: it forgets the driver, keeps the stores' copies of it out until they are gone, and cleans
/// its journal; then its node is done.
///
/// What is under way is learned from Postgres: at once where the bus says so, else at the next look, every
/// `access.refresh_s`. All questions go over one connection, so the answers come in the order of asking: what was asked
/// about a driver before an erasure ended is answered before its end is seen here.
import EventLoop
import Glibc
import Journal
import RedisClient
import Synchronization
import Tracking

/// See the file's head. Lives on the loop's thread.
final class ErasureWatch {
    /// How long a request waits for its receipt (API.md leaves it open): longer than an ordinary one takes, in milliseconds.
    private static let patienceMilliseconds = 3_000
    /// How often a journal that is being cleaned is looked at, in milliseconds.
    private static let pollMilliseconds = 20

    /// What this process knows of an erasure that is under way.
    private struct Known {
        let request: ErasureStore.Open
        /// The newest record that may be the driver's, once the driver was forgotten.
        var lastLSN: UInt64?
        /// Whether the node is being told as done, or was.
        var isTold = false
        /// Keys and members that this process has taken out of Redis.
        var redisKeys: Int64 = 0
        /// Answers of Redis that are still to come.
        var missingReplies = 0
    }

    private unowned let gateway: Gateway
    private let key: KeyTemplate
    private var known: [String: Known] = [:]
    /// Of each driver with an erasure under way, up to when it reaches.
    private var reach: [DriverID: Microseconds] = [:]
    /// Whether Postgres knows of this gateway, so that an erasure waits for it.
    private(set) var isRegistered = false
    /// When Postgres was told last that this gateway is there, in monotonic microseconds, and on which machine that is.
    private var toldPresence: Int64 = 0
    private let host = machineName()
    private var isLooking = false
    private var mustLookAgain = false
    private var timer: LoopTimer?
    /// Requests that wait for their end, by the erasure's id.
    private var waiting: [String: (timer: LoopTimer, then: () -> Void)] = [:]
    /// Those whose end was seen here.
    private(set) var finished = 0

    init(gateway: Gateway) {
        self.gateway = gateway
        key = KeyTemplate(gateway.configuration.redisLocationKey)
    }

    private var store: ErasureStore { ErasureStore(gateway) }
    private var node: String { gateway.pipeline.journal.nodeID }

    /// Erasures under way.
    var count: Int { known.count }

    /// Whether a position that a store still has is to be kept out.
    func hides(_ position: Position, of driver: DriverID) -> Bool {
        reach[driver].map { position.receivedAt <= $0 } ?? false
    }

    /// Whether something of the driver is being erased: what a store has without the time of its receipt is kept out.
    func hidesAll(of driver: DriverID) -> Bool { reach[driver] != nil }

    func close() {
        timer?.close()
        timer = nil
        for (timer, _) in waiting.values { timer.close() }
        waiting = [:]
    }

    /// Calls `then` once the erasure, which is under way, has ended, or after three seconds.
    func await(_ id: String, then: @escaping () -> Void) {
        let timer = LoopTimer(loop: gateway.loop) { [weak self] in self?.endWait(id) }
        timer.start(afterMilliseconds: Self.patienceMilliseconds)
        waiting[id] = (timer, then)
    }

    private func endWait(_ id: String) {
        guard let (timer, then) = waiting.removeValue(forKey: id) else { return }
        timer.close()
        then()
    }

    // MARK: Looking

    /// What is due every second while Postgres is there. Right after a first start its tables may not be.
    func everySecond() {
        if !isRegistered { return look() }
        let now = SystemClock.monotonicMicroseconds()
        if now - toldPresence >= NodeRetirement.heartbeatSeconds * 1_000_000 { tellPresence() }
    }

    /// So that an erasure waits for this gateway, and that it is known to be there.
    private func tellPresence() {
        toldPresence = SystemClock.monotonicMicroseconds()
        store.register(node: node, host: host) { [weak self] isDone in self?.isRegistered = isDone }
    }

    /// Asks which erasures are under way, and does this gateway's part of them.
    func look() {
        guard !isLooking else {
            mustLookAgain = true
            return
        }
        isLooking = true
        if !isRegistered { tellPresence() }
        store.open(node: node) { [weak self] answer in
            guard let self else { return }
            isLooking = false
            if case .success(let open) = answer { found(open) }
            guard mustLookAgain else { return }
            mustLookAgain = false
            look()
        }
    }

    private func found(_ open: [ErasureStore.Open]) {
        let ids = Set(open.map(\.id))
        let ended = known.filter { !ids.contains($0.key) }
        for id in ended.keys { known[id] = nil }
        for request in open where known[request.id] == nil { known[request.id] = Known(request: request) }
        reach = Dictionary(known.values.map { ($0.request.driver, $0.request.reachesTo) }, uniquingKeysWith: max)
        let withheld = known.values.filter { !$0.request.keepsRegistration }.map(\.request.driver)
        let isWithheld = gateway.access.withhold(Set(withheld))
        for request in open { takePart(in: request, isWithheld: isWithheld) }
        for erasure in ended.values { end(erasure.request) }
        // One may have ended before it was ever seen under way.
        for id in waiting.keys where !ids.contains(id) { endWait(id) }
        watchJournal()
        gateway.flushSoon()
    }

    // MARK: Forgetting

    private func takePart(in request: ErasureStore.Open, isWithheld: Bool) {
        // Another gateway's clock may be ahead: what is received here until this one has come there counts too.
        guard SystemClock.wallMicroseconds() > request.reachesTo else { return }
        _ = forget(request)
        guard var erasure = known[request.id], erasure.lastLSN == nil, !request.isNodeDone, isWithheld else { return }
        erasure.lastLSN = gateway.pipeline.journal.appendedLSN
        known[request.id] = erasure
        removeFromRedis(request)
        if !request.keepsRegistration { gateway.driverSessions.end(request.driver) }
    }

    /// Returns whether a newer position is known.
    private func forget(_ request: ErasureStore.Open) -> Bool {
        gateway.orders?.arrivals.forget(request.driver)
        gateway.driverSessions.forget(request.driver, through: request.reachesTo)
        return gateway.pipeline.forget(
            request.driver, receivedThrough: request.reachesTo, now: SystemClock.wallMicroseconds())
    }

    private func removeFromRedis(_ request: ErasureStore.Open) {
        let commands =
            [["DEL", key.string(for: request.driver)], ["DEL", DeviceStates.key.string(for: request.driver)]]
            + gateway.pipeline.redis.geo.removal(of: request.driver, gateway.pipeline)
        known[request.id]?.missingReplies = commands.count
        for command in commands {
            guard let redis = gateway.redis else {
                known[request.id]?.missingReplies -= 1
                continue
            }
            // Redis away is no reason to wait here: nothing new is written, and the last step looks again.
            redis.send(command) { [weak self] reply in
                self?.known[request.id]?.missingReplies -= 1
                if case .integer(let count) = reply { self?.known[request.id]?.redisKeys += count }
            }
        }
        gateway.pipeline.redis.rewrite(request.driver, gateway.pipeline)
    }

    /// Everything is gone. What was received since is shown again.
    private func end(_ request: ErasureStore.Open) {
        finished += 1
        _ = forget(request)
        gateway.pipeline.redis.rewrite(request.driver, gateway.pipeline)
        gateway.access.refresh()
    }

    // MARK: The journal

    private func watchJournal() {
        guard known.values.contains(where: { !$0.isTold && !$0.request.isNodeDone }) else {
            timer?.stop()
            return
        }
        if timer == nil { timer = LoopTimer(loop: gateway.loop) { [weak self] in self?.cleanJournal() } }
        guard timer?.isActive == false else { return }
        timer?.start(afterMilliseconds: 0, everyMilliseconds: Self.pollMilliseconds)
    }

    /// Where everything up to an erasure is in Postgres, the segment that holds it is left, and goes.
    private func cleanJournal() {
        let journal = gateway.pipeline.journal.store
        let committed = gateway.history?.counters.lastCommittedLSN.load(ordering: .acquiring) ?? .max
        for (id, erasure) in known where !erasure.isTold && !erasure.request.isNodeDone {
            guard let last = erasure.lastLSN else {
                takePart(in: erasure.request, isWithheld: gateway.access.isWithheld)
                continue
            }
            guard committed >= last else { continue }
            guard journal.firstLSN > last else {
                journal.leaveSegment(through: last)
                continue
            }
            guard erasure.missingReplies <= 0 else { continue }
            known[id]?.isTold = true
            store.finished(id, node: node, redisKeys: erasure.redisKeys) { [weak self] isDone in
                guard isDone else {
                    self?.known[id]?.isTold = false
                    return
                }
                self?.gateway.maintenance?.wake()
                self?.gateway.bus?.publish(.erasure(id))
            }
        }
        watchJournal()
    }
}

/// The machine's name, as its system has it.
private func machineName() -> String {
    var name = utsname()
    uname(&name)
    return withUnsafeBytes(of: &name.nodename) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
}
