/// Whose orders go where, as Drover's own tables say: all of them are read now and then, and one when something is said of it
/// here or by another gateway. Drivers who carry nothing cost nothing.
import EventLoop
import PostgresClient
import Tracking

extension ArrivalWatch {
    /// Reads all, if the last reading is old enough.
    func lookIfDue() {
        guard case .own(let orders) = source, orders.isConnected, !isLooking else { return }
        guard lookAgainAt <= SystemClock.monotonicMicroseconds() else { return }
        isLooking = true
        orders.carried(nil) { [weak self] answer in
            guard let self else { return }
            isLooking = false
            guard case .success(let carried) = answer else { return }
            lookAgainAt = SystemClock.monotonicMicroseconds() + life
            learn(carried, about: nil)
        }
    }

    /// Somebody else carries the order, or it goes elsewhere. Of many orders at once one question is made.
    func heard(of order: DriverID) {
        guard case .own = source else { return }
        heardOf.insert(order)
        askAboutHeard()
    }

    private func askAboutHeard() {
        guard case .own(let orders) = source, !isAsking, !heardOf.isEmpty else { return }
        isAsking = true
        let asked = heardOf
        heardOf = []
        orders.carried(Array(asked)) { [weak self] answer in
            guard let self else { return }
            isAsking = false
            switch answer {
            case .success(let carried): learn(carried, about: asked)
            case .failure: lookAgainAt = 0
            }
            askAboutHeard()
        }
    }

    /// These are carried, and of what was asked about, nil for all, no others.
    private func learn(_ carried: [OrderStore.Carried], about asked: Set<DriverID>?) {
        var orders: [DriverID: [DriverID: Order]] = [:]
        let concerned = asked.map { Set($0.flatMap { drivers(of: $0) }) } ?? Set(followed.keys)
        for driver in concerned {
            orders[driver] =
                asked.map { asked in followed[driver]?.orders.filter { !asked.contains($0.key) } ?? [:] } ?? [:]
        }
        for row in carried {
            let known = followed[row.driver]?.orders
            var tracker = known?[row.order]?.tracker ?? ArrivalTracker()
            tracker.advance(to: row.stage)
            orders[row.driver, default: known ?? [:]][row.order] = Order(
                user: row.user, destination: row.destination, tracker: tracker)
        }
        for (driver, orders) in orders {
            if orders.isEmpty { forget(driver) } else { put(orders, driver) { _ in } }
        }
    }
}
