/// Which drivers' channels this process listens to: exactly those of drivers that its own viewers watch, by name, through
/// an order or a group, or inside an area, and for a while after the last viewer has gone. Nobody else's positions come in.
///
/// A subscription begins with a hole: what was published before it stood. So whenever one stands, for the first time or
/// again, the driver's hash is read, and once more when every gateway has had time to write what it had published. Where it
/// stood before, viewers are told that they may have missed something (`"recovered":false`), and cursors of before are void.
import EventLoop
import Tracking
import WebServer

/// See the file's head. Lives on the loop's thread.
final class Interest {
    private struct State {
        let channel: String
        var stands = false
        /// Whether it has stood, and positions were missed since.
        var wasLost = false
        /// When nobody will have watched for long enough, in wall microseconds.
        var endsAt = Microseconds.max
    }

    /// For how long a driver is listened to after it was told of on the channel of a cell, where it is told of every five
    /// seconds.
    private static let nearness: Microseconds = 12_000_000
    /// After how many seconds without a word of a driver its hash is read again: Redis promises of no message that it
    /// arrives, as where a server has just lost its slots or its place.
    private static let silence: Int32 = 10

    private unowned let gateway: Gateway
    private let channel: KeyTemplate
    private let linger: Microseconds
    /// Whether there are others to listen to.
    private(set) var hasOthers = false
    private var states: [DriverIndex: State] = [:]
    private var drivers: [String: DriverIndex] = [:]
    /// Drivers whose last viewer went, with the instant from which that counts; in order.
    private var lingering: [(driver: DriverIndex, at: Microseconds)] = []
    /// Drivers who were near an area that is watched here, likewise.
    private var near: [(driver: DriverIndex, at: Microseconds)] = []
    /// Drivers whose hashes are to be read again.
    private var rereading: [DriverIndex] = []
    private var timer: LoopTimer?
    /// Viewers that were told since something was lost.
    private var told: Set<Int> = []
    private var lost = 0
    /// How often viewers were told that they may have missed something.
    private(set) var interruptions = 0

    init(gateway: Gateway) {
        self.gateway = gateway
        channel = KeyTemplate(gateway.configuration.redisLocationChannel)
        linger = Int64(gateway.configuration.liveInterestLingerSeconds) * 1_000_000
        timer = LoopTimer(loop: gateway.loop) { [unowned self] in rereadNow() }
    }

    /// How many drivers are listened to.
    var count: Int { states.count }

    /// The channel of a driver.
    func channel(of driver: DriverIndex) -> String { channel.string(for: gateway.pipeline.drivers.id(of: driver)) }

    /// Whether this process listens to the driver.
    func isListening(to driver: DriverIndex) -> Bool { states[driver]?.stands == true }

    /// The drivers that it listens to.
    var standing: [DriverIndex] { states.compactMap { $0.value.stands ? $0.key : nil } }

    func close() {
        timer?.close()
    }

    // MARK: Who is watched

    /// Viewers came or went. Called at the end of each turn.
    func follow(_ changes: [DriverIndex]) {
        guard hasOthers else { return }
        let now = SystemClock.wallMicroseconds()
        var new: [String] = []
        for driver in changes {
            if gateway.pipeline.fanout.isWatched(driver) {
                begin(driver, &new)
            } else if states[driver] != nil {
                states[driver]?.endsAt = now + linger
                lingering.append((driver, now + linger))
            }
        }
        if !new.isEmpty { gateway.bus?.listen(to: new) }
    }

    /// A driver is near an area that is watched here, and may cross its border any moment: it is listened to for a while.
    func approach(_ driver: DriverIndex) {
        guard hasOthers, !gateway.pipeline.fanout.isWatched(driver) else { return }
        let end = SystemClock.wallMicroseconds() + Self.nearness
        var new: [String] = []
        if states[driver] == nil {
            begin(driver, &new)
            states[driver]?.endsAt = end
        }
        guard let known = states[driver]?.endsAt, known != .max else { return }
        states[driver]?.endsAt = max(known, end)
        near.append((driver, end))
        if !new.isEmpty { gateway.bus?.listen(to: new) }
    }

    private func begin(_ driver: DriverIndex, wasLost: Bool = false, _ new: inout [String]) {
        guard states[driver] == nil else {
            states[driver]?.endsAt = .max
            return
        }
        let name = channel(of: driver)
        states[driver] = State(channel: name, wasLost: wasLost)
        drivers[name] = driver
        new.append(name)
    }

    /// Other gateways have come: perhaps while they could not be heard, so that something was missed.
    func begin(hasMissed: Bool) {
        hasOthers = true
        var new: [String] = []
        for driver in 0..<gateway.pipeline.fanout.driverCount where gateway.pipeline.fanout.isWatched(driver) {
            begin(driver, wasLost: hasMissed, &new)
        }
        if hasMissed { lost = states.count }
        gateway.bus?.listen(to: new)
    }

    /// The last one has gone: all positions are this process's own.
    func end() {
        hasOthers = false
        gateway.bus?.ignore(states.values.map(\.channel))
        for driver in states.keys { gateway.pipeline.recency.setListened(false, to: driver) }
        // Whose devices were connected to others has lost them.
        gateway.devices.look(at: Array(states.keys))
        states = [:]
        drivers = [:]
        lingering = []
        near = []
        lost = 0
    }

    /// Looks at who is silent, and lets go of drivers that nobody has watched for a while. Called once a second.
    func everySecond(now: Microseconds) {
        let silent = states.keys.filter { gateway.pipeline.recency.isSilent($0, for: Self.silence) }
        if !silent.isEmpty { read(silent) }
        let left = lingering.prefix { $0.at <= now }.map(\.driver)
        let passed = near.prefix { $0.at <= now }.map(\.driver)
        guard !left.isEmpty || !passed.isEmpty else { return }
        lingering.removeFirst(left.count)
        near.removeFirst(passed.count)
        let due = left + passed
        var old: [String] = []
        for driver in due {
            guard let state = states[driver], state.endsAt <= now else { continue }
            states[driver] = nil
            drivers[state.channel] = nil
            if state.wasLost { lost -= 1 }
            gateway.pipeline.recency.setListened(false, to: driver)
            gateway.pipeline.fanout.endLog(of: driver)
            gateway.devices.forget(driver)
            old.append(state.channel)
        }
        gateway.bus?.ignore(old)
    }

    // MARK: What the bus says

    /// These subscriptions stand from now on.
    func stand(_ channels: [String]) {
        var standing: [DriverIndex] = []
        var interrupted: [DriverIndex] = []
        for channel in channels {
            guard let driver = drivers[channel], let state = states[driver] else { continue }
            states[driver]?.stands = true
            states[driver]?.wasLost = false
            if state.wasLost { interrupted.append(driver) }
            standing.append(driver)
            // What a viewer was shown until now may lack what was published before this moment.
            gateway.pipeline.fanout.interrupt(driver)
            gateway.pipeline.recency.setListened(true, to: driver)
        }
        guard !standing.isEmpty else { return }
        if !interrupted.isEmpty { tell(interrupted) }
        read(standing)
        gateway.devices.look(at: standing)
        rereading += standing
        timer?.start(afterMilliseconds: 2 * gateway.configuration.redisWriteIntervalMilliseconds)
    }

    /// These do not stand any more.
    func lose(_ channels: [String]) {
        for channel in channels {
            guard let driver = drivers[channel], states[driver]?.stands == true else { continue }
            states[driver]?.stands = false
            states[driver]?.wasLost = true
            lost += 1
            gateway.pipeline.recency.setListened(false, to: driver)
        }
    }

    private func rereadNow() {
        let due = rereading
        rereading = []
        read(due)
    }

    private func read(_ due: [DriverIndex]) {
        gateway.directory.reread(due.map { gateway.pipeline.drivers.id(of: $0) })
    }

    /// Viewers of these drivers may have missed something: each is told once.
    private func tell(_ interrupted: [DriverIndex]) {
        var viewers: Set<Int> = []
        for driver in interrupted {
            gateway.pipeline.fanout.forEachViewer(of: driver) { viewers.insert($0) }
        }
        for handle in viewers where told.insert(handle).inserted {
            gateway.server?.withConnection(handle) { ($0.session as? TrackSocket)?.tellInterrupted() }
            interruptions += 1
        }
        lost -= interrupted.count
        if lost <= 0 {
            lost = 0
            told = []
        }
    }
}
