/// Tells viewers what happens to the orders they watch, on this gateway and on every other: the bus says that something
/// happened to an order, and what it was is read from Postgres, so that nobody is told what is not written down.
import EventLoop
import Tracking
import WebServer

/// See the file's head. Lives on the loop's thread.
final class OrderEvents {
    /// Orders in one question.
    private static let batch = 2_000

    private unowned let gateway: Gateway
    private let store: OrderEventStore
    /// Events that were told here, until nobody reads them again; by id, with the moment in monotonic microseconds.
    private var told: [String: Microseconds] = [:]
    /// How far back a look goes, in seconds: what the bus missed is found at the next look, and a look may come late. A
    /// viewer who comes within this time of an event may hear of it too.
    private let reach: Int
    /// Somebody who is not on the loop delivers events: there are new ones.
    var onNews: (() -> Void)?

    init(gateway: Gateway, store: OrderEventStore) {
        self.gateway = gateway
        self.store = store
        reach = 2 * gateway.configuration.accessRefreshSeconds + 5
    }

    /// This gateway has written them down.
    func happened(_ events: [OrderEvent]) {
        guard !events.isEmpty else { return }
        tell(events)
        for order in Set(events.map(\.order)) { gateway.bus?.publish(.happened(.order(order))) }
        onNews?()
    }

    /// Something happened to an order, says the bus; perhaps this gateway said so itself.
    func heard(of subject: Subject) {
        guard case .order(let order) = subject else { return }
        onNews?()
        if isWatched(subject) { look([order]) }
    }

    /// Looks for what the bus missed. Called every `access.refresh_s`.
    func look() {
        let orders = gateway.pipeline.fanout.assignableSubjects.compactMap { subject -> DriverID? in
            guard case .order(let order) = subject, isWatched(subject) else { return nil }
            return order
        }
        for start in stride(from: 0, to: orders.count, by: Self.batch) {
            look(Array(orders[start..<min(start + Self.batch, orders.count)]))
        }
        let forgotten = SystemClock.monotonicMicroseconds() - Int64(2 * reach) * 1_000_000
        told = told.filter { $0.value > forgotten }
    }

    private func look(_ orders: [DriverID]) {
        store.recent(of: orders, seconds: reach) { [weak self] answer in
            if case .success(let events) = answer { self?.tell(events) }
        }
    }

    private func isWatched(_ subject: Subject) -> Bool {
        let fanout = gateway.pipeline.fanout
        return fanout.topic(subject).map { !fanout.watchers(of: $0).isEmpty } ?? false
    }

    private func tell(_ events: [OrderEvent]) {
        let now = SystemClock.monotonicMicroseconds()
        for event in events where told.updateValue(now, forKey: event.id) == nil { tell(event) }
    }

    private func tell(_ event: OrderEvent) {
        let subject = Subject.order(event.order)
        guard let topic = gateway.pipeline.fanout.topic(subject) else { return }
        let watchers = gateway.pipeline.fanout.watchers(of: topic)
        guard !watchers.isEmpty else { return }
        var writer = JSONWriter()
        writer.raw("{\"events\":[{\"type\":\"\(event.type)\",\"subject\":")
        writer.string(subject.name)
        writer.raw(",\"at\":\(event.at)}]}")
        for handle in watchers {
            gateway.server?.withConnection(handle) { connection in
                // Who carries an order is told by `Memberships`, together with the driver.
                if event.type != "assigned" { connection.sendQueued(text: writer.bytes) }
                guard let session = connection.session as? TrackSocket else { return }
                if event.type == "ended" {
                    session.toldEnded.insert(subject)
                } else {
                    session.toldEnded.remove(subject)
                }
            }
        }
    }
}
