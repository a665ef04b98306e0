/// Follows the orders of drivers who move: knows where they go, estimates when they arrive, and has each stage written down
/// once. Works on the newest positions once a second, so that a ping costs nothing more.
///
/// Where orders go says the platform (`ArrivalWatch+platform`) or Drover's own table (`ArrivalWatch+own`).
import EventLoop
import PostgresClient
import RedisClient
import Tracking

/// Who says where orders go and who carries them.
enum DestinationSource {
    /// The platform's own tables, about drivers who move; `carriers` where they say who carries an order, too.
    case platform(destinations: LookUp, carriers: LookUp?)
    /// Drover's own tables: `PUT /v1/orders/{id}` and `PUT /v1/orders/{id}/drivers`.
    case own(OrderStore)
}

/// See the file's head. Lives on the loop's thread.
final class ArrivalWatch {
    /// An order that a driver carries.
    struct Order {
        let user: String?
        var destination: Destination?
        var tracker: ArrivalTracker
    }

    /// A driver.
    struct Followed {
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

    unowned let gateway: Gateway
    let source: DestinationSource
    let store: OrderEventStore
    private let events: OrderEvents
    private let times: ArrivalTimes?
    private let limits: ArrivalLimits
    /// How long what was asked holds, in microseconds.
    let life: Microseconds
    private let interval: Microseconds
    private(set) var followed: [DriverID: Followed] = [:]
    /// Who carries each order that is followed.
    private var carriers: [DriverID: Set<DriverID>] = [:]
    /// The fix time of each driver's position that was looked at last.
    private var looked: [Microseconds] = []
    /// Stages that are reached and not written down yet.
    private var moves: [OrderEventStore.Turn: OrderEventStore.Move] = [:]
    private var isAdvancing = false
    /// Platform: whether the drivers of before were asked for. Own: whether a look is under way.
    var hasResumed = false
    var isLooking = false
    /// Own: when all orders are to be looked at again, in monotonic microseconds.
    var lookAgainAt: Microseconds = 0
    /// Own: orders of which something was said, and whether a question about such is under way.
    var heardOf: Set<DriverID> = []
    var isAsking = false
    var change = 0
    private var timesDueAt: Microseconds = 0

    init(gateway: Gateway, database: SystemDatabase?, store: OrderEventStore, events: OrderEvents) {
        let configuration = gateway.configuration
        self.gateway = gateway
        self.store = store
        self.events = events
        times = ArrivalTimes(template: configuration.redisETAKey) { [unowned gateway] in gateway.redis }
        limits = configuration.arrivalLimits
        interval = Int64(configuration.arrivalsIntervalSeconds) * 1_000_000
        guard let destinations = LookUp(database, configuration.system, .destinations) else {
            source = .own(OrderStore(postgres: gateway.postgres, schema: configuration.postgresSchema))
            life = Int64(configuration.accessRefreshSeconds) * 1_000_000
            return
        }
        source = .platform(
            destinations: destinations, carriers: LookUp(database, configuration.system, .orderDrivers))
        let statement = configuration.system.lookUps[.destinations] ?? ""
        life = Int64(max(1, database?.cacheSeconds(of: statement) ?? 1)) * 1_000_000
        destinations.onChange = { [unowned self] in
            change += 1
            askDue()
        }
    }

    /// How many drivers are followed who carry an order.
    var carrying: Int { followed.count { !$0.value.orders.isEmpty } }

    /// Who carries an order, sorted.
    func drivers(of order: DriverID) -> [DriverID] {
        (carriers[order] ?? []).sorted { $0.string < $1.string }
    }

    // MARK: Each second

    /// Called once a second.
    func everySecond(now: Microseconds) {
        switch source {
        case .platform:
            resume()
            follow(now)
            forget(now)
            askDue()
        case .own:
            lookIfDue()
            followCarriers(now)
        }
        advance()
        writeTimes(now)
    }

    /// Every driver who moves may carry something.
    private func follow(_ now: Microseconds) {
        let pipeline = gateway.pipeline
        for driver in 0..<pipeline.fanout.driverCount {
            guard let position = news(of: driver, now) else { continue }
            move(pipeline.drivers.id(of: driver), to: position, now)
        }
    }

    /// Who carries something is known beforehand.
    private func followCarriers(_ now: Microseconds) {
        let pipeline = gateway.pipeline
        for driver in Array(followed.keys) {
            guard let index = pipeline.drivers.index(of: driver), let position = news(of: index, now) else { continue }
            move(driver, to: position, now)
        }
    }

    /// A driver's position, if it was not looked at before. What was restored at the start is news of nobody.
    private func news(of driver: DriverIndex, _ now: Microseconds) -> Position? {
        while looked.count <= driver { looked.append(.min) }
        guard let position = gateway.pipeline.fanout.position(of: driver), position.recordedAt > looked[driver] else {
            return nil
        }
        looked[driver] = position.recordedAt
        return now - position.receivedAt < offline ? position : nil
    }

    /// How long nothing may be heard of a driver, in microseconds.
    var offline: Microseconds { Int64(gateway.configuration.liveOfflineSeconds) * 1_000_000 }

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

    // MARK: Who is followed

    /// The driver carries these orders and no others. An order's way begins where the driver is now, and may be over already.
    func put(_ orders: [DriverID: Order], _ driver: DriverID, _ change: (inout Followed) -> Void) {
        var known = followed[driver] ?? Followed()
        let before = known.orders
        for order in before.keys where orders[order] == nil { drop(order, driver) }
        for order in orders.keys { carriers[order, default: []].insert(driver) }
        known.orders = orders
        known.isSettled = true
        change(&known)
        followed[driver] = known
        let now = SystemClock.wallMicroseconds()
        guard let index = gateway.pipeline.drivers.index(of: driver) else { return }
        // Where it was not looked at yet, it concerns all of them.
        if let position = news(of: index, now) { return move(driver, to: position, now) }
        guard let position = gateway.pipeline.fanout.position(of: index) else { return }
        for (order, state) in orders where before[order] == nil || before[order]?.destination != state.destination {
            move(order, of: driver, to: position, now)
        }
    }

    /// Changes what is known of a driver but the orders.
    func mark(_ driver: DriverID, _ change: (inout Followed) -> Void) {
        if followed[driver] != nil { change(&followed[driver]!) }
    }

    /// Follows a driver on of whom nothing has been heard here.
    func begin(_ driver: DriverID) {
        if followed[driver] == nil { followed[driver] = Followed(heardAt: SystemClock.wallMicroseconds()) }
    }

    private func drop(_ order: DriverID, _ driver: DriverID) {
        carriers[order]?.remove(driver)
        if carriers[order]?.isEmpty == true { carriers[order] = nil }
    }

    /// Who is silent and carries nothing needs no memory.
    private func forget(_ now: Microseconds) {
        let silent = now - offline
        for (driver, known) in followed
        where known.heardAt < silent && known.orders.isEmpty && known.isSettled && !known.isAsked {
            followed[driver] = nil
        }
    }

    /// The driver carries nothing any more, or its telemetry is erased.
    func forget(_ driver: DriverID) {
        for order in (followed[driver]?.orders ?? [:]).keys { drop(order, driver) }
        followed[driver] = nil
        moves = moves.filter { $0.key.driver != driver }
    }

    /// Takes the times of the driver's orders that are over out of the sets, whichever gateway has written that down: this
    /// one may have told a time since.
    func endTimes(of driver: DriverID, where isOver: (DriverID) -> Bool) {
        guard let times else { return }
        for (order, state) in followed[driver]?.orders ?? [:] where isOver(order) {
            if let user = state.user { times.remove(order, of: user) }
        }
    }

    /// This gateway has written down what happened.
    func tell(_ happened: [OrderEvent]) {
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
        let offline = now - offline
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
