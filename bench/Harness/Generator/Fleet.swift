/// The senders: an open loop of pings at intended times, and their acknowledgements.
import Glibc

/// What a fleet does.
struct FleetPlan {
    var drivers = 500
    /// Drivers share sockets evenly; at most `drivers`.
    var sockets = 500
    /// All drivers together.
    var pingsPerSecond = 10_000.0
    var pingsPerFrame = 1

    /// Microseconds from a driver's frame to its next: a multiple of 1 ms, so that `recorded_at`, which is in
    /// milliseconds, tells the intended time to the microsecond.
    var period: Int64 {
        max(1, Int64((Double(drivers * pingsPerFrame) / pingsPerSecond * 1_000).rounded())) * 1_000
    }

    /// Microseconds within a period at which the driver's frame is due.
    func phase(of driver: Int) -> Int64 { Int64(driver) * period / Int64(drivers) }
}

/// See the file's head. Latencies count from the intended time, so a stall hides nothing (no coordinated omission).
final class Fleet {
    let plan: FleetPlan
    private var sockets: [Int32] = []
    private var waiting: [Waiting]
    private let dialect: any Dialect
    private var template: PingTemplate
    /// The next frame's number, over all drivers.
    private var next = 0
    private var start: Int64 = 0
    /// Intended times from here to there are measured, nanoseconds.
    var window: Range<Int64> = 0..<0
    private(set) var acknowledged = Latencies()
    /// Actual minus intended sending time: the generator's own delay.
    private(set) var lag = Latencies()
    private(set) var sentInWindow = 0
    private(set) var sent = 0
    private(set) var acknowledgedCount = 0
    /// Acknowledgements that carried rejections; a run has none.
    private(set) var rejections = 0
    /// Frames that were refused for now (429, 503).
    private(set) var refusals = 0
    private(set) var failure: String?

    /// Frames of one socket that wait for their acknowledgement: the number of the last ping and the intended time.
    private struct Waiting {
        var frames: [(last: Int, intended: Int64)] = []
        var head = 0
        var pings = 0
        var acknowledged = 0
    }

    init(_ plan: FleetPlan, _ dialect: any Dialect) {
        self.plan = plan
        self.dialect = dialect
        template = dialect.template(pingsPerFrame: plan.pingsPerFrame)
        waiting = Array(repeating: Waiting(), count: plan.sockets)
    }

    func open() throws {
        for socket in 0..<plan.sockets { sockets.append(try dialect.openDevice(driver: socket)) }
    }

    func close() {
        for socket in sockets { Glibc.close(socket) }
        sockets = []
    }

    var descriptors: [Int32] { sockets }

    /// Begins at `start`, a multiple of 1 ms in nanoseconds.
    func begin(at start: Int64) { self.start = start }

    /// When the next frame is due, in nanoseconds.
    var nextDue: Int64 {
        let driver = next % plan.drivers
        return start + (Int64(next / plan.drivers) * plan.period + plan.phase(of: driver)) * 1_000
    }

    /// Sends every frame that is due. `now` reads the clock.
    func sendDue(_ now: () -> Int64) {
        while failure == nil {
            let due = nextDue
            let time = now()
            guard due <= time else { return }
            send(due: due, at: time)
            next += 1
        }
    }

    private func send(due: Int64, at time: Int64) {
        let driver = next % plan.drivers
        let socket = driver % plan.sockets
        let round = next / plan.drivers
        let milliseconds = due / 1_000_000
        let spacing = plan.period / 1_000 / Int64(plan.pingsPerFrame)
        template.set(driver: driver, frame: next)
        for index in 0..<plan.pingsPerFrame {
            let back = Int64(plan.pingsPerFrame - 1 - index) * spacing
            template.set(
                index, driver: driver, milliseconds: milliseconds - back, step: round * plan.pingsPerFrame + index)
        }
        let count = template.bytes.withUnsafeBytes {
            Glibc.send(sockets[socket], $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
        }
        guard count == template.bytes.count else {
            failure = "a device's socket does not take its frame: \(Socket.reason())"
            return
        }
        waiting[socket].pings += plan.pingsPerFrame
        waiting[socket].frames.append((waiting[socket].pings, due))
        sent += plan.pingsPerFrame
        if window.contains(due) {
            sentInWindow += plan.pingsPerFrame
            lag.record(nanoseconds: time - due)
        }
    }

    /// A message from the server to socket `socket`.
    func received(_ message: Message, on socket: Int, at time: Int64) {
        switch dialect.acknowledgement(in: message) {
        case .cumulative(let value, let hasRejections):
            if hasRejections { rejections += 1 }
            acknowledge(through: value, on: socket, at: time)
        case .one(let hasRejections):
            if hasRejections { rejections += 1 }
            acknowledge(through: waiting[socket].acknowledged + plan.pingsPerFrame, on: socket, at: time)
        case .refused:
            refusals += 1
            acknowledge(through: waiting[socket].acknowledged + plan.pingsPerFrame, on: socket, at: nil)
        case .failed(let status): failure = failure ?? "the server answered a device's pings with \(status)"
        case .none:
            let reply = dialect.reply(to: message)
            if !reply.isEmpty { _ = Glibc.send(sockets[socket], reply, reply.count, Int32(MSG_NOSIGNAL)) }
        }
    }

    /// Nil instead of a time is a refusal: the frames are over, and have no latency.
    private func acknowledge(through value: Int, on socket: Int, at time: Int64?) {
        acknowledgedCount += max(0, value - waiting[socket].acknowledged)
        waiting[socket].acknowledged = max(value, waiting[socket].acknowledged)
        while waiting[socket].head < waiting[socket].frames.count {
            let frame = waiting[socket].frames[waiting[socket].head]
            guard frame.last <= value else { break }
            waiting[socket].head += 1
            if let time, window.contains(frame.intended) {
                acknowledged.record(nanoseconds: time - frame.intended, count: plan.pingsPerFrame)
            }
        }
        if waiting[socket].head == waiting[socket].frames.count {
            waiting[socket].frames.removeAll(keepingCapacity: true)
            waiting[socket].head = 0
        }
    }

    func ended(_ socket: Int) {
        failure = failure ?? "the server ended a device's connection"
    }
}
