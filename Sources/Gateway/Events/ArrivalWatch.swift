/// Follows the orders of drivers who move: asks the platform where they go, estimates when they arrive, and has each stage
/// written down once. Works on the newest positions once a second, so that a ping costs nothing more.
import EventLoop
import PostgresClient
import RedisClient
import Tracking

/// See the file's head. Lives on the loop's thread. Only where `system.look_ups.destinations` is configured.
final class ArrivalWatch {
    /// Drivers in one question.
    private static let batch = 500

    private struct Order {
        let user: String?
        var destination: Destination?
        var tracker: ArrivalTracker
    }

    private struct Followed {
        var pace = DriverPace()
        var orders: [DriverID: Order] = [:]
        /// Whether `orders` is written down, so that stages can be.
        var isSettled = false
        var isAsked = false
        /// When the look-up's answer is too old, in monotonic microseconds, and of which change of its tables it is.
        var askAgainAt: Microseconds = 0
        var change = 0
        /// Receipt of the newest position, in wall microseconds.
        var heardAt: Microseconds = 0
    }

    private unowned let gateway: Gateway
    private let destinations: LookUp
    private let carriers: LookUp?
    private let store: OrderEventStore
    private let events: OrderEvents
    private let times: ArrivalTimes?
    private let limits: ArrivalLimits
    private let life: Microseconds
    private let interval: Microseconds
    private var followed: [DriverID: Followed] = [:]
    /// The fix time of each driver's position that was looked at last.
    private var looked: [Microseconds] = []
    /// Stages that are reached and not written down yet.
    private var moves: [OrderEventStore.Turn: OrderEventStore.Move] = [:]
    private var isAdvancing = false
    private var hasResumed = false
    private var change = 0
    private var timesDueAt: Microseconds = 0

    /// Nil where no destinations are known.
    init?(gateway: Gateway, database: SystemDatabase?, store: OrderEventStore, events: OrderEvents) {
        let configuration = gateway.configuration
        guard let destinations = LookUp(database, configuration.system, .destinations) else { return nil }
        self.gateway = gateway
        self.destinations = destinations
        self.store = store
        self.events = events
        carriers = LookUp(database, configuration.system, .orderDrivers)
        times = ArrivalTimes(template: configuration.redisETAKey) { [unowned gateway] in gateway.redis }
        limits = configuration.arrivalLimits
        let statement = configuration.system.lookUps[.destinations] ?? ""
        life = Int64(max(1, database?.cacheSeconds(of: statement) ?? 1)) * 1_000_000
        interval = Int64(configuration.arrivalsIntervalSeconds) * 1_000_000
        destinations.onChange = { [unowned self] in
            change += 1
            askDue()
        }
    }

    /// How many drivers are followed who carry an order.
    var carrying: Int { followed.count { !$0.value.orders.isEmpty } }

    // MARK: Each second

    /// Called once a second.
    func everySecond(now: Microseconds) {
        resume()
        follow(now)
        forget(now)
        askDue()
        advance()
        writeTimes(now)
    }

    /// Drivers whose orders were on their way before this process began are followed on, even if they are not heard again.
    private func resume() {
        guard !hasResumed, store.isConnected else { return }
        hasResumed = true
        store.followedDrivers { [weak self] answer in
            guard let self else { return }
            guard case .success(let drivers) = answer else { return hasResumed = false }
            for driver in drivers where followed[driver] == nil {
                followed[driver] = Followed(heardAt: SystemClock.wallMicroseconds())
            }
            askDue()
        }
    }

    private func follow(_ now: Microseconds) {
        let pipeline = gateway.pipeline
        let count = pipeline.fanout.driverCount
        while looked.count < count { looked.append(.min) }
        for driver in 0..<count {
            guard let position = pipeline.fanout.position(of: driver), position.recordedAt > looked[driver] else {
                continue
            }
            looked[driver] = position.recordedAt
            // What was restored at the start is news of nobody.
            guard now - position.receivedAt < Int64(gateway.configuration.liveOfflineSeconds) * 1_000_000 else {
                continue
            }
            move(pipeline.drivers.id(of: driver), to: position, now)
        }
    }

    private func move(_ driver: DriverID, to position: Position, _ now: Microseconds) {
        followed[driver, default: Followed()].pace.move(to: position)
        followed[driver]?.heardAt = now
        guard let known = followed[driver], known.isSettled else { return }
        for order in known.orders.keys { move(order, of: driver, to: position, now) }
    }

    private func move(_ order: DriverID, of driver: DriverID, to position: Position, _ now: Microseconds) {
        guard let pace = followed[driver]?.pace, let state = followed[driver]?.orders[order] else { return }
        let stage = followed[driver]?.orders[order]?.tracker.move(
            to: position, destination: state.destination, pace: pace, limits: limits, now: now)
        guard let stage else { return }
        let turn = OrderEventStore.Turn(order: order, driver: driver, user: nil)
        moves[turn] = OrderEventStore.Move(
            order: order, driver: driver, stage: stage, position: position,
            estimate: followed[driver]?.orders[order]?.tracker.estimate)
    }

    /// Who is silent and carries nothing needs no memory.
    private func forget(_ now: Microseconds) {
        let silent = now - Int64(gateway.configuration.liveOfflineSeconds) * 1_000_000
        for (driver, known) in followed
        where known.heardAt < silent && known.orders.isEmpty && known.isSettled && !known.isAsked {
            followed[driver] = nil
        }
    }

    /// The driver's telemetry is erased.
    func forget(_ driver: DriverID) {
        followed[driver] = nil
        moves = moves.filter { $0.key.driver != driver }
    }

    // MARK: Whose orders

    private func askDue() {
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
        let asked = change
        for driver in drivers { followed[driver]?.isAsked = true }
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
            followed[driver]?.isAsked = false
            followed[driver]?.askAgainAt = later
            followed[driver]?.change = change
        }
    }

    private static func orders(_ rows: [LookUpRow]) -> [DriverID: (user: String?, destination: Destination?)] {
        var orders: [DriverID: (user: String?, destination: Destination?)] = [:]
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

    private func isSame(
        _ orders: [DriverID: (user: String?, destination: Destination?)], of driver: DriverID
    ) -> Bool {
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
            let ending = before.filter { orders[$0.driver]?[$0.order] == nil }.map(\.order)
            carried(ending) { [weak self] carried in
                guard let self, let carried else { self?.postpone(drivers); return }
                store.follow(drivers, turns, carried: carried) { [weak self] answer in
                    guard let self else { return }
                    guard case .success(let happened) = answer else { return postpone(drivers) }
                    for driver in drivers {
                        let stages = before.filter { $0.driver == driver }.map { ($0.order, $0.stage) }
                        settled(driver, orders[driver] ?? [:], Dictionary(stages, uniquingKeysWith: max), asked)
                    }
                    tell(happened)
                }
            }
        }
    }

    /// Which of the orders somebody carries, as far as the platform says; nil where it cannot be asked.
    private func carried(_ orders: [DriverID], then: @escaping ([DriverID]?) -> Void) {
        guard let carriers, !orders.isEmpty else { return then([]) }
        carriers.find(orders.map(\.string)) { answer in
            guard case .success(let rows) = answer else { return then(nil) }
            then(orders.filter { rows[$0.string]?.isEmpty == false })
        }
    }

    private func settled(
        _ driver: DriverID, _ orders: [DriverID: (user: String?, destination: Destination?)],
        _ stages: [DriverID: ArrivalStage], _ asked: Int
    ) {
        guard var known = followed[driver] else { return }
        let begun = orders.keys.filter { known.orders[$0] == nil }
        known.orders = Dictionary(
            uniqueKeysWithValues: orders.map { order, there in
                var tracker = known.orders[order]?.tracker ?? ArrivalTracker()
                if let stage = stages[order] { tracker.advance(to: stage) }
                return (order, Order(user: there.user, destination: there.destination, tracker: tracker))
            })
        known.isSettled = true
        known.isAsked = false
        known.askAgainAt = SystemClock.monotonicMicroseconds() + life
        known.change = asked
        followed[driver] = known
        // An order's way begins where the driver is now, and may be over already.
        let pipeline = gateway.pipeline
        guard let position = pipeline.drivers.index(of: driver).flatMap({ pipeline.fanout.position(of: $0) }) else {
            return
        }
        for order in begun { move(order, of: driver, to: position, SystemClock.wallMicroseconds()) }
    }

    private func tell(_ happened: [OrderEvent]) {
        for event in happened where event.type == "ended" {
            if let user = event.user { times?.remove(event.order, of: user) }
        }
        events.happened(happened)
    }

    // MARK: Stages and times

    private func advance() {
        guard !isAdvancing, !moves.isEmpty, store.isConnected else { return }
        isAdvancing = true
        let now = moves
        moves = [:]
        store.advance(Array(now.values)) { [weak self] answer in
            guard let self else { return }
            isAdvancing = false
            switch answer {
            case .success(let happened): tell(happened)
            // What has come further meanwhile has come that far, too.
            case .failure: moves.merge(now) { further, _ in further }
            }
        }
    }

    private func writeTimes(_ now: Microseconds) {
        guard let times, timesDueAt <= now else { return }
        timesDueAt = now + interval
        let offline = now - Int64(gateway.configuration.liveOfflineSeconds) * 1_000_000
        let pipeline = gateway.pipeline
        var due: [ArrivalTimes.Time] = []
        for (driver, known) in followed where !known.orders.isEmpty && known.heardAt > offline {
            guard let position = pipeline.drivers.index(of: driver).flatMap({ pipeline.fanout.position(of: $0) })
            else { continue }
            for (order, state) in known.orders {
                guard let user = state.user, let destination = state.destination else { continue }
                // Made anew: while the driver stands, the arrival moves away.
                let estimate = ArrivalEstimate(from: position, to: destination, pace: known.pace, now: now)
                due.append(ArrivalTimes.Time(user: user, order: order, at: estimate.arrivesAt))
            }
        }
        times.write(due)
    }
}

extension Configuration {
    /// Where stages begin.
    var arrivalLimits: ArrivalLimits {
        var limits = ArrivalLimits()
        limits.soon = Int64(arrivalsSoonSeconds) * 1_000_000
        limits.arrivingRadius = Double(max(arrivalsArrivingRadiusMetres, arrivalsArrivedRadiusMetres))
        limits.arrivedRadius = Double(arrivalsArrivedRadiusMetres)
        limits.departure = Double(arrivalsDepartedMetres)
        return limits
    }
}
