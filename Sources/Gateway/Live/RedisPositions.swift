/// Newest positions to Redis: PUBLISH on the live tick, hashes and the GEO set on a longer one, each tick one write.
///
/// Only what changed since the last tick is written, and of each driver only the newest. While Redis is away the
/// changes stay marked, so the newest values are written as soon as it returns.
///
/// Redis' CPU is what is saved here. A driver is published at most once in a write interval, so that one who reports
/// ten times a second costs Redis no more than one who reports four times; a driver of 1 Hz is published on the next
/// live tick. A hash's life is only set anew once it is off by a tenth; a driver who falls silent gets it exactly.
import RedisClient
import Tracking

/// Writes positions. Lives on the loop's thread.
final class RedisPositions {
    private let key: KeyTemplate
    private let channel: KeyTemplate
    private let hash: HashLayout
    /// Nil where the layout has no fix time that could be compared.
    private var guarded: GuardedHashes?
    private let publishCommand: [UInt8]
    private let templates = Templates()
    private let ttl: Microseconds
    private var commands = RedisCommands()
    private var writer = JSONWriter()
    /// Drivers who are published on the next live tick, those who wait for the next round of writing, and those whose
    /// hash is not written yet.
    private var unpublished = ChangedDrivers()
    private var deferred = ChangedDrivers()
    private var unwritten = ChangedDrivers()
    /// Rounds of writing, counted.
    private var round: UInt32 = 1
    private var memory: [Memory] = []
    /// Where questions by place are answered from.
    var geo: GeoSet
    /// Who enters an area that another gateway's viewers watch.
    var cells: CellPublisher
    /// Where the look for silent drivers goes on.
    private var silenceCursor = 0
    private(set) var counters = Counters()
    /// Drivers taken out of the GEO set because they had gone offline.
    var sweptCount: Int { geo.swept }

    /// What Redis was told of a driver.
    private struct Memory {
        /// The round in which the driver was last published.
        var publishedRound: UInt32 = 0
        /// Whether the newest position came in here, and others know it from here.
        var isOwn = false
        /// When the hash ends, as it was last told; 0 where it was not.
        var expiry: Microseconds = 0
    }

    struct Counters {
        var hashes = 0
        var published = 0
        /// Hashes that another gateway had written a newer position to.
        var newerElsewhere = 0
    }

    /// All silent drivers are found once in so many sweeps, which come every second.
    private static let sweepsPerRound = 16
    /// Below this a life is set with every write, in microseconds: an error of a tenth would last too long.
    private static let shortestLazyLife: Microseconds = 20_000_000

    init(_ configuration: Configuration) {
        key = KeyTemplate(configuration.redisLocationKey)
        channel = KeyTemplate(configuration.redisLocationChannel)
        hash = HashLayout(configuration.hashLayout)
        guarded = GuardedHashes(key, hash)
        publishCommand = RedisCommands.template([configuration.redisPublishCommand], of: 3)
        ttl = Int64(configuration.redisLocationTTLSeconds) * 1_000_000
        geo = GeoSet(configuration)
        cells = CellPublisher(configuration)
    }

    /// A driver has a new newest position. Hot path.
    @inline(__always)
    func changed(_ driver: DriverIndex) {
        grow(to: driver)
        memory[driver].isOwn = true
        if memory[driver].publishedRound == round { deferred.insert(driver) } else { unpublished.insert(driver) }
        unwritten.insert(driver)
    }

    /// A position from this process's journal: it may not have been published.
    func recalled(_ driver: DriverIndex) {
        grow(to: driver)
        memory[driver].isOwn = true
    }

    /// Whether there are positions to publish now.
    var hasUnpublished: Bool { !unpublished.isEmpty }

    /// How many drivers wait for their hash to be written.
    var unwrittenCount: Int { unwritten.count }

    /// Tells the bus. Positions that cannot be published are dropped: a channel has no memory, the hash has.
    func publish(_ redis: RedisStore, _ fanout: Fanout, _ table: DriverTable) {
        guard redis.hasRoom else { return unpublished.removeAll() }
        commands.removeAll()
        unpublished.drain { appendPublication(of: $0, fanout, table) }
        redis.send(commands)
    }

    /// A round of writing: the hashes and GEO entries of what changed, and the positions that waited to be published.
    /// Where other gateways write too, only what is newer than theirs.
    func write(_ redis: RedisStore, _ pipeline: Pipeline, now: Microseconds) {
        round &+= 1
        guard redis.hasRoom else { return deferred.removeAll() }
        let fanout = pipeline.fanout
        let table = pipeline.drivers
        let isGuarded = pipeline.recency.isAccompanied && guarded != nil
        commands.removeAll()
        deferred.drain { appendPublication(of: $0, fanout, table) }
        unwritten.drain { driver in
            guard let position = fanout.position(of: driver) else { return }
            let id = table.id(of: driver)
            let latitude = DecimalText(Int64(position.latitude), decimals: 7)
            let longitude = DecimalText(Int64(position.longitude), decimals: 7)
            let end = position.receivedAt + ttl
            if isGuarded {
                memory[driver].expiry = end
                guarded?.add(
                    driver, id, position, latitude, longitude, lifeMilliseconds: max(1, (end - now) / 1_000),
                    isCluster: redis.isCluster
                ) { call, drivers in send(call, of: drivers, redis, pipeline) }
            } else {
                hash.append(id, position, latitude, longitude, at: key, to: &commands)
                if end - memory[driver].expiry > (ttl < Self.shortestLazyLife ? 0 : ttl / 10) {
                    appendLife(of: driver, id, until: end, now: now)
                }
            }
            geo.add(driver, id, position, latitude, longitude, to: &commands)
            counters.hashes += 1
        }
        guarded?.finish { call, drivers in send(call, of: drivers, redis, pipeline) }
        geo.finish(&commands)
        redis.send(commands)
    }

    /// Sends a guarded call. Where a hash is newer than what was known here, it is read before the driver's next ping is
    /// judged.
    private func send(_ call: RedisCommands, of drivers: [DriverIndex], _ redis: RedisStore, _ pipeline: Pipeline) {
        redis.send(call) { [self] reply in
            switch reply {
            case .array(let newer):
                for case .integer(let place) in newer where place >= 1 && place <= drivers.count {
                    counters.newerElsewhere += 1
                    pipeline.recency.isBehind(drivers[Int(place) - 1])
                }
            case .error(let text):
                for driver in drivers { unwritten.insert(driver) }
                // A server that was started anew, or took another's place, has to be taught.
                if text.hasPrefix("NOSCRIPT") { GuardedHashes.load(redis) {} }
            default:
                // The connection is lost: all is written again when it is back.
                break
            }
        }
    }

    /// After a reconnection the server may be empty: everything that is still alive is written again, and what came in
    /// here is published again, since others may have missed it.
    func rewriteAll(_ redis: RedisStore, _ pipeline: Pipeline, now: Microseconds) {
        if guarded != nil { GuardedHashes.load(redis) {} }
        for driver in memory.indices { memory[driver].expiry = 0 }
        geo.forgetIndex()
        for driver in 0..<pipeline.fanout.driverCount {
            guard let position = pipeline.fanout.position(of: driver), now - position.receivedAt < ttl else { continue }
            grow(to: driver)
            unwritten.insert(driver)
            if memory[driver].isOwn, pipeline.recency.isAccompanied { unpublished.insert(driver) }
        }
    }

    /// The driver's hash and its place in the GEO set were deleted: what is known of it is written again.
    func rewrite(_ id: DriverID, _ pipeline: Pipeline) {
        guard let driver = pipeline.drivers.index(of: id) else { return }
        grow(to: driver)
        memory[driver].expiry = 0
        geo.forget(driver)
        if pipeline.fanout.position(of: driver) != nil { unwritten.insert(driver) }
    }

    /// Once a second: gives the hashes of drivers who have fallen silent their exact life.
    func sweep(_ redis: RedisStore, _ fanout: Fanout, _ table: DriverTable, now: Microseconds) {
        guard redis.hasRoom else { return }
        commands.removeAll()
        for _ in 0..<(memory.count + Self.sweepsPerRound - 1) / Self.sweepsPerRound {
            silenceCursor = silenceCursor + 1 < memory.count ? silenceCursor + 1 : 0
            guard memory[silenceCursor].expiry > now, let position = fanout.position(of: silenceCursor),
                now - position.receivedAt > 1_000_000, position.receivedAt + ttl > memory[silenceCursor].expiry
            else { continue }
            appendLife(
                of: silenceCursor, table.id(of: silenceCursor), until: position.receivedAt + ttl, now: now)
        }
        redis.send(commands)
    }

    private func grow(to driver: DriverIndex) {
        while memory.count <= driver { memory.append(Memory()) }
    }

    // MARK: Commands

    private func appendPublication(of driver: DriverIndex, _ fanout: Fanout, _ table: DriverTable) {
        guard let position = fanout.position(of: driver) else { return }
        memory[driver].publishedRound = round
        let id = table.id(of: driver)
        commands.begin(template: publishCommand)
        channel.append(id, to: &commands)
        writer.removeAll()
        PublishedPosition.append(id, position, to: &writer)
        commands.argument(writer.bytes)
        if !cells.isIdle { cells.append(writer.bytes, driver, position, to: &commands) }
        counters.published += 1
    }

    private func appendLife(of driver: DriverIndex, _ id: DriverID, until end: Microseconds, now: Microseconds) {
        memory[driver].expiry = end
        commands.begin(template: templates.pexpire)
        key.append(id, to: &commands)
        let life = DecimalText(max(1, (end - now) / 1_000))
        commands.argument(count: life.count) { life.append(to: &$0) }
    }
}

/// What is the same in every command, in the protocol's own bytes.
private struct Templates {
    let pexpire = RedisCommands.template(["PEXPIRE"], of: 3)
}
