/// The senders: an open loop of pings at intended times, and their acknowledgements.
import Glibc

/// Latencies count from the intended time, so a stall hides nothing. Drivers and sockets are numbered through all groups.
final class Fleet {
    let groups: [FleetGroup]
    private let dialect: any Dialect
    private var sockets: [DeviceSocket]
    /// When the next frame is due, and in which group.
    private(set) var nextDue = Int64.max
    private var nextGroup = 0
    var latency = LatencyRecord()
    /// Actual minus intended sending time: the generator's own delay.
    private(set) var lag = Latencies()
    private(set) var recentLag = Latencies(isCoarse: true)
    private(set) var counts = PingCounts()
    private var flushing: BacklogQueue
    private var clogged: [Int] = []
    private var window: Range<Int64> = 0..<0
    private(set) var failure: String?

    init(_ plans: [FleetPlan], _ dialect: any Dialect) {
        self.dialect = dialect
        var groups: [FleetGroup] = []
        var sockets: [DeviceSocket] = []
        for plan in plans {
            let firstDriver = groups.last.map { $0.firstDriver + $0.plan.drivers } ?? 0
            groups.append(FleetGroup(plan, firstDriver: firstDriver, firstSocket: sockets.count, dialect))
            for socket in 0..<plan.sockets {
                sockets.append(DeviceSocket(group: groups.count - 1, firstDriver: firstDriver + socket))
            }
        }
        self.groups = groups
        self.sockets = sockets
        flushing = BacklogQueue(count: sockets.count)
    }

    var drivers: Int { groups.last.map { $0.firstDriver + $0.plan.drivers } ?? 0 }
    var socketCount: Int { sockets.count }
    func firstDriver(of socket: Int) -> Int { sockets[socket].firstDriver }
    /// Where a socket stands in the ramp and in the drop.
    func rank(of socket: Int) -> Double {
        let group = groups[sockets[socket].group]
        return group.plan.rank(of: socket - group.firstSocket)
    }

    /// What has to be added to a ping's `recorded_at` for its intended time, in nanoseconds, by driver.
    var subMilliseconds: [Int32] {
        groups.flatMap { group in
            (0..<group.plan.drivers).map { Int32(group.plan.phase(of: $0) % 1_000 * 1_000) }
        }
    }

    func begin(_ timeline: Timeline) {
        window = timeline.window
        latency.window = timeline.window
        for group in groups { group.schedule = PingSchedule(group.plan, timeline) }
        findNext()
    }

    private func findNext() {
        nextDue = .max
        for (index, group) in groups.enumerated() where group.schedule.due < nextDue {
            nextDue = group.schedule.due
            nextGroup = index
        }
    }

    /// Sends frames that are due, at most 256 so that reading is never put off for long.
    func sendDue(_ clock: RunClock) {
        for _ in 0..<256 {
            guard nextDue < .max else { return }
            let time = clock.now
            guard nextDue <= time else { return }
            enqueue(at: time)
            groups[nextGroup].schedule.advance()
            if groups.count == 1 { nextDue = groups[0].schedule.due } else { findNext() }
        }
    }

    private func enqueue(at time: Int64) {
        let group = groups[nextGroup]
        let driver = group.schedule.driver
        let socket = group.firstSocket + driver % group.plan.sockets
        // A phone that is catching up sends its new pings behind the old ones.
        if sockets[socket].isCatchingUp { return }
        let isMeasured = window.contains(nextDue)
        recentLag.record(nanoseconds: time - nextDue)
        if isMeasured {
            counts.due += group.plan.pingsPerFrame
            lag.record(nanoseconds: time - nextDue)
        }
        let frame = OutgoingFrame(
            due: nextDue, driver: Int32(driver), round: Int32(group.schedule.round),
            pings: Int32(group.plan.pingsPerFrame))
        guard sockets[socket].descriptor >= 0, sockets[socket].frames.append(frame) else {
            counts.unsent += group.plan.pingsPerFrame
            return
        }
        push(socket)
    }

    /// Sends what the socket may send now.
    private func push(_ socket: Int) {
        let group = groups[sockets[socket].group]
        while sockets[socket].frames.hasUnsent, sockets[socket].frames.sent < dialect.framesInFlight,
            !sockets[socket].isClogged
        {
            let frame = sockets[socket].frames.firstUnsent
            let outcome = group.withFrame(frame, number: sockets[socket].sentFrames) { sockets[socket].send($0) }
            if case .failed(let reason) = outcome {
                lost(socket, reason)
                return
            }
            if sockets[socket].isClogged { clogged.append(socket) }
            sockets[socket].sentFrames += 1
            sockets[socket].sentPings += Int(frame.pings)
            sockets[socket].frames.markSent(last: sockets[socket].sentPings)
            counts.sent += Int(frame.pings)
            if frame.isBacklog { counts.backlogSent += Int(frame.pings) }
            if !dialect.acknowledges { _ = sockets[socket].frames.removeFirst() }
        }
    }

    /// The socket has room again, or may have.
    func roomed(_ socket: Int) {
        guard sockets[socket].isClogged else { return }
        if case .failed(let reason) = sockets[socket].sendRest() { return lost(socket, reason) }
        push(socket)
    }

    /// Sockets that have become clogged since the last time.
    func takeClogged() -> [Int] {
        defer { if !clogged.isEmpty { clogged.removeAll() } }
        return clogged
    }

    func isClogged(_ socket: Int) -> Bool { sockets[socket].isClogged }
    /// Whether nothing waits for an answer at this socket.
    func isIdle(_ socket: Int) -> Bool { sockets[socket].frames.isEmpty }

    // MARK: Connections

    func opened(_ socket: Int, _ descriptor: Int32) { sockets[socket].open(descriptor) }

    /// The connection is about to be closed by the harness: what is on its way will never be answered.
    func closing(_ socket: Int) {
        counts.cutOff += sockets[socket].close()
        if sockets[socket].isCatchingUp { flushing.append(socket) }
    }

    /// The connection has ended by itself.
    func lost(_ socket: Int, _ reason: String) {
        guard sockets[socket].descriptor >= 0 else { return }
        failure = failure ?? "a device's connection was lost: \(reason)"
        counts.lost += 1
        closing(socket)
    }

    // MARK: Acknowledgements

    /// A message from the server to socket `socket`.
    func received(_ message: Message, on socket: Int, at time: Int64) {
        switch dialect.acknowledgement(in: message) {
        case .cumulative(let value, let hasRejections):
            if hasRejections { counts.rejections += 1 }
            while sockets[socket].frames.sent > 0, sockets[socket].frames.first.last <= value {
                acknowledge(sockets[socket].frames.removeFirst(), at: time)
            }
        case .one(let hasRejections):
            if hasRejections { counts.rejections += 1 }
            guard sockets[socket].frames.sent > 0 else { return }
            acknowledge(sockets[socket].frames.removeFirst(), at: time)
        case .refused:
            guard sockets[socket].frames.sent > 0 else { return }
            counts.refusals += 1
            counts.refusedPings += Int(sockets[socket].frames.removeFirst().pings)
        case .failed(let status):
            failure = "the server answered a device's pings with \(status)"
            counts.failures += 1
            if dialect.deviceFraming == .http, sockets[socket].frames.sent > 0 {
                counts.refusedPings += Int(sockets[socket].frames.removeFirst().pings)
            }
        case .none:
            let reply = dialect.reply(to: message)
            if !reply.isEmpty { _ = reply.withUnsafeBytes { sockets[socket].send($0) } }
            return
        }
        if sockets[socket].isCatchingUp { flushing.append(socket) }
        push(socket)
    }

    private func acknowledge(_ frame: OutgoingFrame, at time: Int64) {
        counts.acknowledged += Int(frame.pings)
        if frame.isBacklog {
            counts.backlogAcknowledged += Int(frame.pings)
        } else {
            latency.record(intended: frame.due, at: time, count: Int(frame.pings))
        }
    }

    func forgetRecent() {
        latency.forgetRecent()
        recentLag.reset()
    }

    // MARK: Backlogs

    /// Every device with a backlog begins to flush it. Returns how many there are.
    func beginFlush(at time: Int64) -> Int {
        for socket in sockets.indices {
            guard let backlog = groups[sockets[socket].group].plan.backlog else { continue }
            groups[sockets[socket].group].flushBegan = time
            sockets[socket].backlogLeft = backlog.frames
            sockets[socket].flushBegan = time
            flushing.append(socket)
        }
        return flushing.count
    }

    var hasBacklogToSend: Bool { !flushing.isEmpty }
    /// Devices whose backlog is acknowledged to the last ping, or whose connection was lost before.
    private(set) var flushedDevices = 0
    private(set) var flushTimes = Latencies()

    /// Sends one frame of one device's backlog, if one may be sent.
    func sendBacklog(at time: Int64) {
        guard let socket = flushing.popFirst() else { return }
        let group = groups[sockets[socket].group]
        guard let backlog = group.plan.backlog, sockets[socket].backlogLeft > 0, sockets[socket].descriptor >= 0 else {
            return finishFlush(socket, at: time)
        }
        guard sockets[socket].frames.count < backlog.framesInFlight else { return }
        let round = backlog.frames - sockets[socket].backlogLeft
        sockets[socket].backlogLeft -= 1
        let frame = OutgoingFrame(
            due: time, driver: Int32(socket - group.firstSocket), round: Int32(round),
            pings: Int32(backlog.pingsPerFrame), isBacklog: true)
        guard sockets[socket].frames.append(frame) else { return }
        push(socket)
        if sockets[socket].backlogLeft > 0 { flushing.append(socket) }
    }

    private func finishFlush(_ socket: Int, at time: Int64) {
        let isDone = sockets[socket].frames.isEmpty || sockets[socket].descriptor < 0
        guard sockets[socket].flushBegan > 0, isDone else { return }
        flushTimes.record(nanoseconds: time - sockets[socket].flushBegan)
        sockets[socket].flushBegan = 0
        flushedDevices += 1
    }
}
