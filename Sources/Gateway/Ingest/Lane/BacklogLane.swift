/// The backlog lane: what devices have gathered while they were away goes to history at leisure, so that it delays
/// nobody's live ping.
///
/// A device's frame or request of more than `largeBytes` is not judged where it arrives. It waits as bytes, and at the end
/// of each turn of the loop the lane works for `sliceMicroseconds`, in this order: frames that have just come are opened,
/// and where they hold backlog (more than `handful` pings older than `lane.age_s`) the newest ping is judged at once, so
/// that the driver is on the map; the rest follows slice by slice, device by device in turn, and is `late` then. What holds
/// no backlog is judged as a whole, as if there were no lane. A ping is received when it is judged.
///
/// The lane's memory is bounded by `lane.mib`; what does not fit is refused and can be sent again. Nothing in it has been
/// acknowledged, so a crash or a stop loses nothing. It takes from a device's allowance as it works, down to a tenth of the
/// burst, which is left for live pings, and waits where there is no more; a request's pings are taken from it at once.
import EventLoop
import Journal
import Tracking

/// See the file's head. Lives on the loop's thread.
final class BacklogLane {
    /// Frames and requests of devices that are larger are looked at in the lane.
    static let largeBytes = 8 << 10
    /// So many old pings, some ten milliseconds' worth for a hundred phones at once, are no backlog.
    static let handful = 64
    /// What it works a turn, in microseconds: what a live ping waits for it at most, give or take a slice.
    private static let sliceMicroseconds: Int64 = 1_000
    /// Pings between two looks at the clock.
    private static let slicePings = 64
    /// It waits while the journal has more than this to write.
    private static let journalBytes = 512 << 10
    /// How long the journal may have no room before what waits is refused, in microseconds.
    private static let journalPatience: Int64 = 1_000_000
    /// How long a device waits whose allowance is used up, in milliseconds.
    private static let allowanceMilliseconds = 50

    private unowned let gateway: Gateway
    private let limitBytes: Int
    private let age: Microseconds
    private let futureTolerance: Microseconds
    /// What has come and was not opened yet.
    private var fresh: [BacklogEntry] = []
    /// Backlog by driver, and whose turn is next.
    private var queues: [DriverIndex: [BacklogEntry]] = [:]
    private var turns: [DriverIndex] = []
    /// The one that is being judged, and its pings.
    private var active: BacklogEntry?
    private var batch = PingBatch()
    private var wakeUp: LoopWakeUp?
    private var timer: LoopTimer?
    private var blockedSince: Int64?

    /// Bytes that wait.
    private(set) var bytes = 0
    /// Frames and requests that wait.
    private(set) var waiting = 0
    /// Pings that were judged as backlog.
    private(set) var judgedPings = 0
    /// Frames and requests that were refused.
    private(set) var refusals = 0

    init(gateway: Gateway) {
        self.gateway = gateway
        limitBytes = gateway.configuration.laneMiB << 20
        age = Int64(gateway.configuration.laneAgeSeconds) * 1_000_000
        futureTolerance = gateway.rules.future.tolerance
    }

    func start(_ loop: EventLoop) {
        // Either makes a turn, and each turn ends with `work`.
        wakeUp = LoopWakeUp(loop: loop) {}
        timer = LoopTimer(loop: loop) {}
    }

    func close() {
        wakeUp?.close()
        timer?.close()
    }

    // MARK: What comes and goes

    /// A frame or request of a device has come. Where there is no room for it, it is refused at once.
    func add(_ entry: BacklogEntry) {
        waiting += 1
        bytes += entry.byteCount
        guard gateway.isAccepting else { return refuse(entry, .unavailable("shutting down")) }
        guard bytes <= limitBytes else {
            return refuse(entry, .unavailable("too much backlog of all devices waits"))
        }
        fresh.append(entry)
        wakeUp?.wake()
    }

    /// The sender is gone: what was not judged is left to be sent again.
    func giveUp(_ entry: BacklogEntry) {
        guard !entry.isOver else { return }
        end(entry)
        // The others find it gone when its turn comes.
        if active === entry { active = nil }
    }

    /// Refuses all that waits: the gateway stops.
    func refuseAll(_ reason: String) {
        let all = fresh + queues.values.joined() + [active].compactMap { $0 }
        (fresh, queues, turns, active) = ([], [:], [], nil)
        for entry in all where !entry.isOver { refuse(entry, .unavailable(reason)) }
    }

    private func refuse(_ entry: BacklogEntry, _ refusal: BacklogEntry.Refusal) {
        refusals += 1
        end(entry)
        entry.refused(refusal)
    }

    private func end(_ entry: BacklogEntry) {
        entry.isOver = true
        waiting -= 1
        bytes -= entry.byteCount
        entry.ended()
    }

    // MARK: Working

    /// Works for a slice of time. Called at the end of every turn.
    func work() {
        guard waiting > 0 else { return }
        let start = SystemClock.monotonicMicroseconds()
        var now = start
        while now - start < Self.sliceMicroseconds {
            guard hasRoom(now) else { return }
            guard step() else { break }
            now = SystemClock.monotonicMicroseconds()
        }
        guard waiting > 0 else { return }
        if !fresh.isEmpty || active != nil || turns.contains(where: { isDue($0, SystemClock.wallMicroseconds()) }) {
            wakeUp?.wake()
        } else if let timer, !timer.isActive {
            timer.start(afterMilliseconds: Self.allowanceMilliseconds)
        }
    }

    /// Judges all of an entry now, whatever else waits: its sender sends faster than its backlog is worked off, and would
    /// otherwise have to be refused.
    func hurry(_ entry: BacklogEntry) {
        if let index = fresh.firstIndex(where: { $0 === entry }) {
            fresh.remove(at: index)
            open(entry)
        }
        guard !entry.isOver, queues[entry.driver]?.contains(where: { $0 === entry }) == true || active === entry else {
            return
        }
        if active !== entry {
            suspend()
            queues[entry.driver]?.removeAll { $0 === entry }
            guard load(entry) else { return }
        }
        let rest = entry.count - entry.next
        let now = SystemClock.wallMicroseconds()
        if let allowance = entry.spareAllowance, !gateway.limits.take(rest, allowance, now: now) {
            active = nil
            return refuse(entry, .rate(gateway.limits.refuse(rest, allowance, now: now)))
        }
        guard gateway.pipeline.hasRoom(forPings: rest) else {
            active = nil
            return refuse(entry, .unavailable("the journal is full"))
        }
        judge(entry, rest, now)
    }

    /// Whether the journal takes more. It makes a turn when it has made progress.
    private func hasRoom(_ now: Int64) -> Bool {
        let journal = gateway.pipeline.journal
        guard journal.pendingBytes < Self.journalBytes, gateway.pipeline.hasRoom(forPings: Self.slicePings) else {
            let since = blockedSince ?? now
            blockedSince = since
            if now - since > Self.journalPatience {
                refuseAll("the journal is full")
            } else if let timer, !timer.isActive {
                timer.start(afterMilliseconds: Self.allowanceMilliseconds)
            }
            return false
        }
        blockedSince = nil
        return true
    }

    /// Does one thing. False where nothing can be done now.
    private func step() -> Bool {
        if !fresh.isEmpty {
            let entry = fresh.removeFirst()
            if !entry.isOver { open(entry) }
            return true
        }
        if let active {
            advance(active)
            return true
        }
        guard let entry = takeTurn() else { return false }
        _ = load(entry)
        return true
    }

    /// The next device's oldest entry whose time has come.
    private func takeTurn() -> BacklogEntry? {
        let now = SystemClock.wallMicroseconds()
        for _ in turns.indices {
            let driver = turns.removeFirst()
            queues[driver]?.removeAll { $0.isOver }
            guard let entry = queues[driver]?.first else {
                queues[driver] = nil
                continue
            }
            turns.append(driver)
            guard entry.notBefore <= now else { continue }
            queues[driver]?.removeFirst()
            return entry
        }
        return nil
    }

    private func isDue(_ driver: DriverIndex, _ now: Microseconds) -> Bool {
        queues[driver]?.first.map { $0.isOver || $0.notBefore <= now } ?? true
    }

    private func enqueue(_ entry: BacklogEntry, atFront: Bool = false) {
        if queues[entry.driver] == nil {
            queues[entry.driver] = []
            turns.append(entry.driver)
        }
        if atFront {
            queues[entry.driver]?.insert(entry, at: 0)
        } else {
            queues[entry.driver]?.append(entry)
        }
    }

    // MARK: Opening

    /// Finds out what an entry is: no backlog, which is judged now, or backlog, whose newest ping is.
    private func open(_ entry: BacklogEntry) {
        let pipeline = gateway.pipeline
        guard entry.decode() else { return end(entry) }
        guard pipeline.resolve(entry.sender) else { return lookUp(entry) }
        if let obstacle = gateway.obstacle { return refuse(entry, .unavailable(obstacle)) }
        let now = SystemClock.wallMicroseconds()
        entry.count = pipeline.batch.pings.count
        var old = 0
        var newest: (index: Int, recordedAt: Microseconds)?
        for index in pipeline.batch.pings.indices where pipeline.batch.pings[index].defect == nil {
            let recordedAt = pipeline.batch.pings[index].ping.recordedAt
            if recordedAt < now - age { old += 1 }
            if recordedAt <= now + futureTolerance, recordedAt > newest?.recordedAt ?? .min {
                newest = (index, recordedAt)
            }
        }
        let isBacklog = old > Self.handful
        if !isBacklog || !entry.waitsForAllowance, let allowance = entry.allowance,
            !gateway.limits.take(max(entry.count, 1), allowance, now: now)
        {
            return refuse(entry, .rate(gateway.limits.refuse(entry.count, allowance, now: now)))
        }
        guard isBacklog else {
            pipeline.process(entry.sender, now: now)
            end(entry)
            return entry.judged(now)
        }
        if let newest, newest.recordedAt > pipeline.fanout.position(of: entry.driver)?.recordedAt ?? .min,
            entry.spareAllowance.map({ gateway.limits.take(1, $0, now: now) }) ?? true
        {
            pipeline.process(entry.sender, newest.index..<newest.index + 1, now: now)
            entry.outcome.add(pipeline.outcome)
            entry.first = newest.index
            judgedPings += 1
        }
        guard active == nil, fresh.isEmpty, queues.isEmpty else { return enqueue(entry) }
        pipeline.exchange(&batch)
        active = entry
    }

    /// The driver's shifts have to be known first.
    private func lookUp(_ entry: BacklogEntry) {
        gateway.load([entry.id], of: entry.sender) { [self] isLoaded in
            guard !entry.isOver else { return }
            guard isLoaded else { return refuse(entry, .unavailable("drivers cannot be looked up now")) }
            fresh.append(entry)
            wakeUp?.wake()
        }
    }

    // MARK: Judging

    /// Makes an entry that has waited the active one. False where it is over now, or waits for something else.
    private func load(_ entry: BacklogEntry) -> Bool {
        let pipeline = gateway.pipeline
        guard entry.decode(), pipeline.batch.pings.count == entry.count else {
            end(entry)
            return false
        }
        guard pipeline.resolve(entry.sender) else {
            lookUp(entry)
            return false
        }
        pipeline.exchange(&batch)
        active = entry
        return true
    }

    /// Puts the active entry back, to go on with it later.
    private func suspend() {
        guard let entry = active else { return }
        active = nil
        enqueue(entry, atFront: true)
    }

    /// Judges the next slice of the active entry, as much as its sender's allowance has.
    private func advance(_ entry: BacklogEntry) {
        guard gateway.pipeline.knowsShifts(of: entry.driver) else { return suspend() }
        let now = SystemClock.wallMicroseconds()
        var count = min(Self.slicePings, entry.count - entry.next)
        if let allowance = entry.spareAllowance { count = gateway.limits.takeSpare(count, allowance, now: now) }
        guard count > 0 else {
            // Each time its bytes are read anew, so a slice's worth should be there.
            entry.notBefore = now + (entry.allowance.map { gateway.limits.timeToFill(Self.slicePings, $0) } ?? 0)
            return suspend()
        }
        judge(entry, count, now)
    }

    private func judge(_ entry: BacklogEntry, _ count: Int, _ now: Microseconds) {
        let pipeline = gateway.pipeline
        pipeline.exchange(&batch)
        pipeline.process(entry.sender, entry.next..<entry.next + count, besides: entry.first, now: now)
        entry.outcome.add(pipeline.outcome)
        entry.next += count
        judgedPings += count
        if entry.next == entry.count {
            active = nil
            end(entry)
            entry.outcome.rejections.sort { $0.index < $1.index }
            pipeline.outcome = entry.outcome
            entry.judged(now)
        }
        pipeline.exchange(&batch)
    }
}
