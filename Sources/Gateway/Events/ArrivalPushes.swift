/// Tells viewers of orders when they will be there: when they begin to watch, at each stage, and every `arrivals.push_s`
/// while the driver is heard.
import EventLoop
import Tracking
import WebServer

/// See the file's head. Lives on the loop's thread.
final class ArrivalPushes {
    private struct Turn: Hashable {
        let order: DriverID
        let driver: DriverID
    }

    private struct Told {
        var at: Microseconds
        var stage: ArrivalStage
    }

    private unowned let gateway: Gateway
    private let watch: ArrivalWatch
    private let interval: Microseconds
    /// What the viewers of watched orders were told last.
    private var told: [Turn: Told] = [:]

    init(gateway: Gateway, watch: ArrivalWatch) {
        self.gateway = gateway
        self.watch = watch
        interval = Int64(gateway.configuration.arrivalsPushSeconds) * 1_000_000
    }

    /// Called once a second, after the positions were looked at.
    func everySecond(now: Microseconds) {
        guard watch.carrying > 0 else { return told.removeAll() }
        let fanout = gateway.pipeline.fanout
        var frames: [Int: [Arrival]] = [:]
        var tellNext: [Turn: Told] = [:]
        for subject in fanout.assignableSubjects {
            guard case .order(let order) = subject, !watch.drivers(of: order).isEmpty,
                let topic = fanout.topic(subject)
            else { continue }
            let watchers = fanout.watchers(of: topic)
            guard !watchers.isEmpty else { continue }
            for arrival in shown(order, now) {
                let turn = Turn(order: order, driver: arrival.driver)
                let before = told[turn]
                guard isDue(arrival, before, now) else {
                    tellNext[turn] = before
                    continue
                }
                tellNext[turn] = Told(at: now, stage: arrival.stage)
                for handle in watchers { frames[handle, default: []].append(arrival) }
            }
        }
        told = tellNext
        for (handle, arrivals) in frames { send(arrivals, to: handle, now) }
    }

    /// An order's arrivals with drivers whom its viewers see: who has just left it is followed a moment longer.
    private func shown(_ order: DriverID, _ now: Microseconds) -> [Arrival] {
        let pipeline = gateway.pipeline
        guard let topic = pipeline.fanout.topic(.order(order)) else { return [] }
        return watch.arrivals(of: order, now: now).filter { arrival in
            pipeline.drivers.index(of: arrival.driver).map { pipeline.fanout.isIn($0, topic) } ?? false
        }
    }

    /// The clock ticks every second or a little later, which must not make five seconds six.
    private func isDue(_ arrival: Arrival, _ before: Told?, _ now: Microseconds) -> Bool {
        guard let before, before.stage == arrival.stage else { return true }
        // Of a driver who is silent the status tells, and nothing new is known.
        let heardAt = watch.followed[arrival.driver]?.heardAt ?? 0
        return now - before.at >= interval - 500_000 && now - heardAt < watch.offline
    }

    private func send(_ arrivals: [Arrival], to handle: Int, _ now: Microseconds) {
        gateway.server?.withConnection(handle) { connection in
            // Who reads slowly is told at the next time.
            guard !connection.isBackedUp, let session = connection.session as? TrackSocket else { return }
            tell(arrivals, session, now)
        }
    }

    /// Tells a viewer who has just begun to watch these orders.
    func greet(_ session: TrackSocket, _ orders: [DriverID]) {
        let now = SystemClock.wallMicroseconds()
        let arrivals = orders.flatMap { shown($0, now) }
        if !arrivals.isEmpty { tell(arrivals, session, now) }
    }

    private func tell(_ arrivals: [Arrival], _ session: TrackSocket, _ now: Microseconds) {
        var writer = JSONWriter()
        writer.arrivals(arrivals, precision: session.credential?.precisionMetres ?? 0, now: now)
        session.connection.sendQueued(text: writer.bytes)
    }
}
