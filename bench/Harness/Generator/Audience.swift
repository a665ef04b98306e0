/// The watchers: viewers and what reaches them, with the latency of each position from its intended time.
import CLinux
import Glibc

/// Who watches what.
struct AudiencePlan {
    var viewers = 1_000
    var driversPerViewer = 1
    /// The fastest rate a viewer asks for, in writes a second; nil is the server's own.
    var maximumRate: Double?

    /// The drivers that a viewer watches, spread evenly over the fleet.
    func drivers(of viewer: Int, among count: Int) -> [Int] {
        // The step has no factor in common with most fleets, so that neighbours watch different drivers.
        (0..<min(driversPerViewer, count)).map { (viewer + $0 * max(1, count / driversPerViewer)) % count }
    }
}

final class Audience {
    let plan: AudiencePlan
    private let fleet: FleetPlan
    private let dialect: any Dialect
    private var sockets: [Int32] = []
    var window: Range<Int64> = 0..<0
    private(set) var latency = Latencies()
    /// Positions whose intended time lies in the window.
    private(set) var deliveriesInWindow = 0
    private(set) var deliveries = 0
    /// Frames, and their bytes with headers.
    private(set) var frames = 0
    private(set) var bytes = 0
    private(set) var failure: String?

    init(_ plan: AudiencePlan, fleet: FleetPlan, _ dialect: any Dialect) {
        self.dialect = dialect
        self.plan = plan
        self.fleet = fleet
    }

    func open() throws {
        for viewer in 0..<plan.viewers {
            sockets.append(
                try dialect.openViewer(
                    drivers: plan.drivers(of: viewer, among: fleet.drivers), maximumRate: plan.maximumRate))
        }
    }

    func close() {
        for socket in sockets { Glibc.close(socket) }
        sockets = []
    }

    var descriptors: [Int32] { sockets }

    private static let idKey = Array("\"driver_id\":\"bench-".utf8)
    private static let timeKey = Array("\"recorded_at\":".utf8)

    /// A message from the server to socket `viewer`.
    func received(_ message: Message, on viewer: Int, at time: Int64) {
        guard dialect.carriesPositions(message) else {
            let reply = dialect.reply(to: message)
            if !reply.isEmpty { _ = send(sockets[viewer], reply, reply.count, Int32(MSG_NOSIGNAL)) }
            return
        }
        let payload = message.payload
        frames += 1
        bytes += message.size
        var offset = 0
        while let id = Self.find(Self.idKey, in: payload, from: offset),
            let field = Self.find(Self.timeKey, in: payload, from: id + 5)
        {
            let driver = Self.digits(5, payload, at: id)
            let milliseconds = Self.digits(13, payload, at: field)
            offset = field + 13
            deliveries += 1
            let intended = Int64(milliseconds) * 1_000_000 + fleet.phase(of: driver) % 1_000 * 1_000
            if window.contains(intended) {
                deliveriesInWindow += 1
                latency.record(nanoseconds: time - intended)
            }
        }
    }

    func ended() {
        failure = failure ?? "the server ended a viewer's connection"
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
