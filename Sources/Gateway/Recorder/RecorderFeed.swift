/// What is new, for the viewers that speak the Recorder's protocol: looked for four times a second, as often as any viewer of
/// more than eight drivers is written to, and only while there is such a viewer. Of drivers who report to other gateways
/// the hashes are read every two seconds: such a viewer sees everybody, and nobody else has to.
import EventLoop
import Tracking
import WebServer

/// The viewers, and what was new when it was last looked. Lives on the loop's thread.
final class RecorderFeed {
    private static let tickMilliseconds = 250
    /// Ticks from one reading of the others' drivers to the next.
    private static let ticksPerReading = 8

    private unowned let gateway: Gateway
    /// The connections' numbers by the sessions' serials.
    private var viewers: [UInt64: Int] = [:]
    /// By driver, the fix time that was last seen.
    private var seen: [Microseconds] = []
    private var timer: LoopTimer?
    private var ticks = 0
    private var isReading = false

    init(gateway: Gateway) {
        self.gateway = gateway
    }

    func close() {
        timer?.close()
        timer = nil
    }

    /// Tells a viewer of all that is new from now on.
    func add(_ socket: RecorderSocket) {
        viewers[socket.serial] = socket.connection.number
        guard timer == nil else { return }
        _ = news()
        timer = LoopTimer(loop: gateway.loop) { [unowned self] in tick() }
        timer?.start(afterMilliseconds: Self.tickMilliseconds, everyMilliseconds: Self.tickMilliseconds)
    }

    /// It is gone.
    func remove(_ socket: RecorderSocket) {
        viewers[socket.serial] = nil
        if viewers.isEmpty { close() }
    }

    private func tick() {
        ticks += 1
        if ticks % Self.ticksPerReading == 0, !isReading {
            isReading = true
            gateway.places.bringAll { [weak self] in self?.isReading = false }
        }
        let news = news()
        for number in Array(viewers.values) {
            gateway.server?.withConnection(number) { ($0.session as? RecorderSocket)?.hear(news) }
        }
    }

    /// The drivers whose newest position is another than before.
    private func news() -> [DriverIndex] {
        let fanout = gateway.pipeline.fanout
        var news: [DriverIndex] = []
        for driver in 0..<fanout.driverCount {
            let recordedAt = fanout.position(of: driver)?.recordedAt ?? .min
            if driver == seen.count { seen.append(.min) }
            guard seen[driver] != recordedAt else { continue }
            seen[driver] = recordedAt
            if recordedAt != .min { news.append(driver) }
        }
        return news
    }
}
