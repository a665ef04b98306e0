/// The watchers: viewers and what reaches them, with the latency of each position from its intended time.
import CLinux
import Glibc

final class Audience {
    private let plans: [AudiencePlan]
    private let dialect: any Dialect
    private let drivers: Int
    private let subMilliseconds: [Int32]
    /// By viewer: the descriptor, negative while there is no connection.
    private var sockets: [Int32]
    var latency = LatencyRecord()
    private var window: Range<Int64> = 0..<0
    private(set) var counts = DeliveryCounts()
    private(set) var failure: String?
    /// Of the last close frame: its code and words.
    private var reason = ""

    init(_ plans: [AudiencePlan], fleet: Fleet, _ dialect: any Dialect) {
        self.plans = plans
        self.dialect = dialect
        drivers = fleet.drivers
        subMilliseconds = fleet.subMilliseconds
        sockets = Array(repeating: -1, count: plans.reduce(0) { $0 + $1.viewers })
    }

    var socketCount: Int { sockets.count }

    /// The plan of a viewer and its place within it.
    func place(of viewer: Int) -> (plan: AudiencePlan, index: Int) {
        var index = viewer
        for plan in plans {
            if index < plan.viewers { return (plan, index) }
            index -= plan.viewers
        }
        return (plans[plans.count - 1], index)
    }

    /// The drivers that a viewer watches.
    func watched(by viewer: Int) -> [Int] {
        let (plan, index) = place(of: viewer)
        return plan.drivers(of: index, among: drivers)
    }

    /// Where a viewer stands in the ramp and in the drop, from 0 to below 1.
    func rank(of viewer: Int) -> Double {
        let (plan, index) = place(of: viewer)
        return Double(index) / Double(plan.viewers)
    }

    func begin(_ timeline: Timeline) {
        window = timeline.window
        latency.window = timeline.window
    }

    // MARK: Connections

    func opened(_ viewer: Int, _ descriptor: Int32) { sockets[viewer] = descriptor }
    func closing(_ viewer: Int) { sockets[viewer] = -1 }

    func lost(_ viewer: Int) {
        failure = failure ?? "the server ended a viewer's connection" + (reason.isEmpty ? "" : ": \(reason)")
        counts.lostReason = reason
        counts.lost += 1
        closing(viewer)
    }

    // MARK: Positions

    private static let idKey = Array("\"driver_id\":\"bench-".utf8)
    private static let timeKey = Array("\"recorded_at\":".utf8)

    /// A message from the server to socket `viewer`.
    func received(_ message: Message, on viewer: Int, at time: Int64) {
        guard dialect.carriesPositions(message) else {
            let reply = dialect.reply(to: message)
            if !reply.isEmpty { _ = send(sockets[viewer], reply, reply.count, Int32(MSG_NOSIGNAL)) }
            if message.kind == 8, dialect.viewerFraming == .webSocket {
                reason = String(decoding: message.payload.dropFirst(2), as: UTF8.self)
                reason = "\(DroverSocket.closeCode(message)) \(reason)"
            }
            return
        }
        let payload = message.payload
        counts.frames += 1
        counts.bytes += message.size
        var offset = 0
        while let id = Self.find(Self.idKey, in: payload, from: offset),
            let field = Self.find(Self.timeKey, in: payload, from: id + 5)
        {
            let driver = Self.digits(5, payload, at: id)
            let milliseconds = Self.digits(13, payload, at: field)
            offset = field + 13
            counts.deliveries += 1
            guard driver < subMilliseconds.count else { continue }
            let intended = Int64(milliseconds) * 1_000_000 + Int64(subMilliseconds[driver])
            if window.contains(intended) { counts.deliveriesInWindow += 1 }
            latency.record(intended: intended, at: time)
        }
    }

    /// The offset right behind the next `key`.
    private static func find(_ key: [UInt8], in payload: UnsafeRawBufferPointer, from offset: Int) -> Int? {
        guard offset < payload.count, let base = payload.baseAddress else { return nil }
        let found = key.withUnsafeBytes { drover_find(base + offset, payload.count - offset, $0.baseAddress, $0.count) }
        return found.map { $0 - base + key.count }
    }

    private static func digits(_ count: Int, _ payload: UnsafeRawBufferPointer, at offset: Int) -> Int {
        guard offset + count <= payload.count else { return 0 }
        return (0..<count).reduce(0) { $0 * 10 + Int(payload[offset + $1] &- UInt8(ascii: "0")) }
    }
}

/// What reached the viewers.
struct DeliveryCounts {
    /// Positions whose intended time lies in the measured part.
    var deliveriesInWindow = 0
    var deliveries = 0
    /// Frames with positions, and their bytes with headers.
    var frames = 0
    var bytes = 0
    /// Connections that ended by themselves.
    var lost = 0
    /// What the server said to the last of them.
    var lostReason = ""
}
