/// How often devices are asked to report: often while somebody watches their driver, most often near its destination,
/// rarely while nobody looks.
///
/// Told over `GET /v1/ingest` as `{"rate":{"interval_ms":…}}`, and by the replies of the phone apps that can listen, which
/// ask `interval`. Nothing here is on the hot path: once a second it looks at the drivers whose viewers came or went.
import EventLoop
import Tracking
import WebServer

/// The steps, from configuration: milliseconds between two reports. 0 is no wish.
struct ReportSteps: Equatable {
    /// While it is watched, within `nearMetres` of its destination.
    var near: Int
    /// While it is watched.
    var watched: Int
    /// While nobody looks.
    var idle: Int
    /// Metres.
    var nearMetres: Int
}

/// See the file's head. Lives on the loop's thread.
final class ReportRates {
    /// How long after its last viewer a driver still counts as watched: a page that is loaded again does not slow it down.
    static let patience: Microseconds = 30_000_000

    private unowned let gateway: Gateway
    private let steps: ReportSteps
    private let remote: RemoteViewers
    /// The connections of devices that can be told, by driver.
    private var connections: [DriverIndex: [(number: Int, serial: UInt64)]] = [:]
    /// Drivers that lost their last viewer, with the instant from which that counts; in order.
    private var cooling: [(driver: DriverIndex, at: Microseconds)] = []
    /// Drivers that are watched and can be told: those that may come near.
    private var watched: Set<DriverIndex> = []
    /// Drivers whose viewers came or went since the last second.
    private var changed: Set<DriverIndex> = []
    /// Connections by what they were told last.
    private(set) var told: [Int: Int] = [:]

    init(gateway: Gateway) {
        self.gateway = gateway
        steps = gateway.configuration.reportSteps
        remote = RemoteViewers(gateway: gateway)
    }

    /// How often the driver's devices should report, in milliseconds; 0 is no wish. `now` is wall time.
    func interval(of driver: DriverIndex, now: Microseconds) -> Int {
        let pipeline = gateway.pipeline
        guard isWatched(driver) || now - pipeline.fanout.watchedUntil(driver) < Self.patience else { return steps.idle }
        return isNear(driver) ? steps.near : steps.watched
    }

    /// Whether somebody watches the driver, here or through another gateway.
    private func isWatched(_ driver: DriverIndex) -> Bool {
        gateway.pipeline.fanout.isWatched(driver) || remote.isWatched(driver)
    }

    /// Whether an order that the driver carries goes to a place nearby.
    private func isNear(_ driver: DriverIndex) -> Bool {
        gateway.arrivals.isNear(driver, metres: Double(steps.nearMetres))
    }

    // MARK: Devices that listen

    /// A device is connected and greeted: it is told what is wished of it.
    func connected(_ socket: IngestSocket, of driver: DriverIndex, now: Microseconds) {
        connections[driver, default: []].append((socket.connection.number, socket.serial))
        if isWatched(driver) { watched.insert(driver) }
        told[0, default: 0] += 1
        tell(socket, interval(of: driver, now: now))
    }

    /// A device's connection is gone.
    func disconnected(_ socket: IngestSocket, of driver: DriverIndex) {
        guard let index = connections[driver]?.firstIndex(where: { $0.serial == socket.serial }) else { return }
        connections[driver]?.remove(at: index)
        if connections[driver]?.isEmpty == true {
            connections[driver] = nil
            watched.remove(driver)
        }
        count(socket.toldInterval, -1)
    }

    /// Viewers of these drivers came or went.
    func follow(_ changes: [DriverIndex]) {
        for driver in changes where connections[driver] != nil { changed.insert(driver) }
    }

    /// Tells the devices for which something else is wished now.
    func everySecond(now: Microseconds) {
        remote.everySecond()
        defer { changed.removeAll(keepingCapacity: true) }
        for driver in changed where connections[driver] != nil {
            if isWatched(driver) {
                watched.insert(driver)
                tell(driver, now: now)
            } else {
                watched.remove(driver)
                cooling.append((driver, now + Self.patience))
            }
        }
        let due = cooling.prefix { $0.at <= now }.map(\.driver)
        cooling.removeFirst(due.count)
        for driver in due { tell(driver, now: now) }
        // Who is watched moves, and may have come near.
        if steps.near != steps.watched { for driver in watched { tell(driver, now: now) } }
    }

    private func tell(_ driver: DriverIndex, now: Microseconds) {
        guard let connections = connections[driver] else { return }
        let interval = interval(of: driver, now: now)
        for (number, serial) in connections {
            gateway.server?.withConnection(number) { connection in
                guard let socket = connection.session as? IngestSocket, socket.serial == serial else { return }
                tell(socket, interval)
            }
        }
    }

    private func tell(_ socket: IngestSocket, _ interval: Int) {
        guard socket.toldInterval != interval else { return }
        count(socket.toldInterval, -1)
        count(interval, 1)
        socket.tell(interval: interval)
    }

    private func count(_ interval: Int, _ change: Int) {
        told[interval, default: 0] += change
        if told[interval] == 0 { told[interval] = nil }
    }
}
