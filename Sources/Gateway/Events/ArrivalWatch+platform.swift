/// Whose orders go where, as the platform's own tables say: asked about every driver who moves, again when the answer is too
/// old or the tables have changed.
import EventLoop
import PostgresClient
import Tracking

/// A driver's orders as the platform gives them.
private typealias Given = [DriverID: (user: String?, destination: Destination?)]

extension ArrivalWatch {
    /// Drivers in one question.
    private static let batch = 500

    /// Drivers whose orders were on their way before this process began are followed on, even if they are not heard again.
    func resume() {
        guard !hasResumed, store.isConnected else { return }
        hasResumed = true
        store.followedDrivers { [weak self] answer in
            guard let self else { return }
            guard case .success(let drivers) = answer else { return hasResumed = false }
            for driver in drivers { begin(driver) }
            askDue()
        }
    }

    func askDue() {
        let now = SystemClock.monotonicMicroseconds()
        var due: [DriverID] = []
        for (driver, known) in followed where !known.isAsked && (known.askAgainAt <= now || known.change != change) {
            due.append(driver)
        }
        for start in stride(from: 0, to: due.count, by: Self.batch) {
            ask(Array(due[start..<min(start + Self.batch, due.count)]))
        }
    }

    private func ask(_ drivers: [DriverID]) {
        guard case .platform(let destinations, _) = source else { return }
        let asked = change
        for driver in drivers { mark(driver) { $0.isAsked = true } }
        destinations.find(drivers.map(\.string)) { [weak self] answer in
            guard let self else { return }
            guard case .success(let rows) = answer else { return postpone(drivers) }
            var changed: [DriverID] = []
            for driver in drivers {
                let orders = Self.orders(rows[driver.string] ?? [])
                if followed[driver]?.isSettled == true, isSame(orders, of: driver) {
                    settled(driver, orders, [:], asked)
                } else {
                    changed.append(driver)
                }
            }
            if !changed.isEmpty { writeDown(changed, rows, asked) }
        }
    }

    /// Postgres was away: asked again in a second, and nothing changes until then.
    private func postpone(_ drivers: [DriverID]) {
        let later = SystemClock.monotonicMicroseconds() + 1_000_000
        for driver in drivers {
            mark(driver) { [change] in
                $0.isAsked = false
                $0.askAgainAt = later
                $0.change = change
            }
        }
    }

    private static func orders(_ rows: [LookUpRow]) -> Given {
        var orders: Given = [:]
        for row in rows {
            guard let order = row["order_id"].flatMap({ DriverID($0) }) else { continue }
            let latitude = row["lat"].flatMap(Double.init)
            let longitude = row["lng"].flatMap(Double.init)
            let destination = latitude.flatMap { north in
                longitude.flatMap { Destination(latitude: north, longitude: $0) }
            }
            orders[order] = (row["user_id"], destination)
        }
        return orders
    }

    private func isSame(_ orders: Given, of driver: DriverID) -> Bool {
        guard let known = followed[driver]?.orders, known.count == orders.count else { return false }
        return orders.allSatisfy { known[$0.key] != nil && known[$0.key]?.user == $0.value.user }
    }

    /// Has the drivers' orders written down, with those that ended since, perhaps while no gateway ran.
    private func writeDown(_ drivers: [DriverID], _ rows: [String: [LookUpRow]], _ asked: Int) {
        let orders = Dictionary(uniqueKeysWithValues: drivers.map { ($0, Self.orders(rows[$0.string] ?? [])) })
        let turns = orders.flatMap { driver, orders in
            orders.map { OrderEventStore.Turn(order: $0.key, driver: driver, user: $0.value.user) }
        }
        store.progress(of: drivers) { [weak self] answer in
            guard let self, case .success(let before) = answer else { self?.postpone(drivers); return }
            // Another gateway may have written the end of one down that is still followed here.
            var ending = Set(before.filter { orders[$0.driver]?[$0.order] == nil }.map(\.order))
            for driver in drivers { ending.formUnion(gone(driver, orders[driver] ?? [:])) }
            carried(Array(ending)) { [weak self] carried in
                guard let self, let carried else { self?.postpone(drivers); return }
                store.follow(drivers, turns, carried: carried) { [weak self] answer in
                    guard let self else { return }
                    guard case .success(let happened) = answer else { return postpone(drivers) }
                    for driver in drivers {
                        let dropped = gone(driver, orders[driver] ?? [:])
                        endTimes(of: driver) { dropped.contains($0) && !carried.contains($0) }
                        let stages = before.filter { $0.driver == driver }.map { ($0.order, $0.stage) }
                        settled(driver, orders[driver] ?? [:], Dictionary(stages, uniquingKeysWith: max), asked)
                    }
                    tell(happened)
                }
            }
        }
    }

    /// Orders that are followed with the driver and that the platform gives no more.
    private func gone(_ driver: DriverID, _ orders: Given) -> Set<DriverID> {
        Set((followed[driver]?.orders ?? [:]).keys.filter { orders[$0] == nil })
    }

    /// Which of the orders somebody carries, as far as the platform says; nil where it cannot be asked.
    private func carried(_ orders: [DriverID], then: @escaping ([DriverID]?) -> Void) {
        guard case .platform(_, let carriers?) = source, !orders.isEmpty else { return then([]) }
        carriers.find(orders.map(\.string)) { answer in
            guard case .success(let rows) = answer else { return then(nil) }
            then(orders.filter { rows[$0.string]?.isEmpty == false })
        }
    }

    private func settled(
        _ driver: DriverID, _ orders: Given, _ stages: [DriverID: ArrivalStage], _ asked: Int
    ) {
        guard let known = followed[driver] else { return }
        let now = Dictionary(
            uniqueKeysWithValues: orders.map { order, there in
                var tracker = known.orders[order]?.tracker ?? ArrivalTracker()
                if let stage = stages[order] { tracker.advance(to: stage) }
                return (order, Order(user: there.user, destination: there.destination, tracker: tracker))
            })
        put(now, driver) { [life] in
            $0.isAsked = false
            $0.askAgainAt = SystemClock.monotonicMicroseconds() + life
            $0.change = asked
        }
    }
}
