/// Why a driver is not fresher, on every gateway and not only where its devices report. Beside others each writes what its
/// drivers' devices do to Redis, into a field of its own of the hash `drover:device:{id}`, and reads that hash when a driver
/// who is watched here and reports elsewhere is about to be stale or offline, and now and then while it is. A connect costs
/// two commands, a ping none.
import EventLoop
import RedisClient
import Tracking

/// See the file's head. Lives on the loop's thread.
final class DeviceStates {
    /// The hash of a driver's devices.
    static let key = KeyTemplate("drover:device:{id}")
    /// For how long it stays after the last change, in milliseconds.
    private static let life = 86_400_000
    /// How often refused pings are told of while they go on, in microseconds.
    private static let repetition: Microseconds = 10_000_000
    /// How long before a driver's presence changes the reason is asked for, in microseconds.
    private static let lead: Microseconds = 2_000_000
    /// Seconds between two looks at a driver who is stale, and at one who is offline.
    private static let stalePeriod = 5
    private static let offlinePeriod = 30

    private unowned let gateway: Gateway
    private let limits: PresenceLimits
    /// What others were told.
    private var told: [DriverIndex: DeviceState] = [:]
    private var second = 0

    init(gateway: Gateway) {
        self.gateway = gateway
        limits = gateway.configuration.presenceLimits
    }

    // MARK: What is known here

    /// Tells others what devices did in this turn. Called at the end of each in which they did something.
    func follow() {
        let changes = gateway.pipeline.fanout.takeDeviceChanges()
        if gateway.pipeline.recency.isAccompanied { tell(changes) }
    }

    /// Others have come, or Redis may have lost what they were told.
    func retell() {
        told = [:]
        guard gateway.pipeline.recency.isAccompanied else { return }
        tell(0..<gateway.pipeline.fanout.driverCount)
    }

    private func tell(_ drivers: some Sequence<DriverIndex>) {
        guard let redis = gateway.redis, redis.hasRoom else { return }
        let now = SystemClock.wallMicroseconds()
        var commands = RedisCommands()
        for driver in drivers {
            let state = gateway.pipeline.fanout.device(of: driver)
            guard isNews(state, to: told[driver] ?? DeviceState()) else { continue }
            told[driver] = state
            let key = Self.key.string(for: gateway.pipeline.drivers.id(of: driver))
            commands.command(["HSET", key, gateway.company.id, DeviceReport(state, at: now).text])
            commands.command(["PEXPIRE", key, "\(Self.life)"])
        }
        redis.send(commands)
    }

    private func isNews(_ state: DeviceState, to known: DeviceState) -> Bool {
        state.connections != known.connections || state.endedAt != known.endedAt
            || state.troubledAt - known.troubledAt >= Self.repetition
    }

    // MARK: What others know

    /// Asks for the reasons of drivers who are watched here and are silent. Called once a second.
    func everySecond(now: Microseconds) {
        second += 1
        look(at: gateway.interest.standing.filter { isDue($0, now: now) })
    }

    private func isDue(_ driver: DriverIndex, now: Microseconds) -> Bool {
        let fanout = gateway.pipeline.fanout
        guard fanout.device(of: driver).connections == 0 else { return false }
        let age = fanout.position(of: driver).map { now - $0.recordedAt } ?? .max
        guard age >= limits.stale - Self.lead else { return false }
        if age < limits.stale || (limits.offline - Self.lead..<limits.offline).contains(age) { return true }
        return (second &+ driver) % (age < limits.offline ? Self.stalePeriod : Self.offlinePeriod) == 0
    }

    /// Asks for what others know of the drivers' devices.
    func look(at drivers: [DriverIndex]) {
        guard let redis = gateway.redis, redis.isReady else { return }
        for driver in drivers {
            let key = Self.key.string(for: gateway.pipeline.drivers.id(of: driver))
            redis.send(["HGETALL", key]) { [weak self] reply in
                guard let fields = reply.elements else { return }
                self?.learn(fields.map { $0.text ?? "" }, of: driver)
            }
        }
    }

    private func learn(_ fields: [String], of driver: DriverIndex) {
        guard gateway.interest.isListening(to: driver) || !gateway.interest.hasOthers else { return }
        var elsewhere: DeviceState?
        for index in stride(from: 0, to: fields.count - 1, by: 2) where fields[index] != gateway.company.id {
            guard let report = DeviceReport(fields[index + 1]) else { continue }
            let state = gateway.company.isThere(fields[index]) ? report.state : report.orphaned
            elsewhere = elsewhere?.joined(with: state) ?? state
        }
        gateway.pipeline.fanout.learn(elsewhere, of: driver, now: SystemClock.wallMicroseconds())
    }

    /// A driver is not listened to any more: what others know would only get old.
    func forget(_ driver: DriverIndex) {
        gateway.pipeline.fanout.learn(nil, of: driver, now: SystemClock.wallMicroseconds())
    }
}
