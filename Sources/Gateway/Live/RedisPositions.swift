/// Newest positions to Redis: PUBLISH on the live tick, hashes and the GEO set on a longer one, each tick one write.
///
/// Only what changed since the last tick is written, and of each driver only the newest. While Redis is away the
/// changes stay marked, so the newest values are written as soon as it returns.
import RedisClient
import Tracking

/// Writes positions. Lives on the loop's thread.
final class RedisPositions {
    private let key: KeyTemplate
    private let channel: KeyTemplate
    private let geoKey: String
    private let templates: Templates
    private let ttl: Microseconds
    private var commands = RedisCommands()
    private var writer = JSONWriter()
    /// Drivers whose position is not published, and not in the hash, yet.
    private var unpublished = ChangedDrivers()
    private var unwritten = ChangedDrivers()
    /// Drivers that are in the GEO set because of us.
    private var listed: [Bool] = []
    private(set) var counters = Counters()

    struct Counters {
        var hashes = 0
        var published = 0
        var swept = 0
    }

    init(_ configuration: Configuration) {
        key = KeyTemplate(configuration.redisLocationKey)
        channel = KeyTemplate(configuration.redisLocationChannel)
        geoKey = configuration.redisGeoKey
        templates = Templates(geoKey: geoKey)
        ttl = Int64(configuration.redisLocationTTLSeconds) * 1_000_000
    }

    /// A driver has a new newest position. Hot path.
    @inline(__always)
    func changed(_ driver: DriverIndex) {
        unpublished.insert(driver)
        unwritten.insert(driver)
    }

    /// Whether there are positions to publish.
    var hasUnpublished: Bool { !unpublished.isEmpty }

    /// How many drivers wait for their hash to be written.
    var unwrittenCount: Int { unwritten.count }

    /// Tells the bus. Positions that cannot be published are dropped: a channel has no memory, the hash has.
    func publish(_ redis: RedisConnection, _ fanout: Fanout, _ table: DriverTable) {
        guard redis.hasRoom else { return unpublished.removeAll() }
        commands.removeAll()
        unpublished.drain { driver in
            guard let position = fanout.position(of: driver) else { return }
            let id = table.id(of: driver)
            commands.begin(template: templates.publish)
            channel.append(id, to: &commands)
            writer.removeAll()
            writer.raw("{\"driver_id\":")
            writer.id(id)
            writer.raw(",")
            position.appendMembers(to: &writer)
            writer.raw("}")
            commands.argument(writer.bytes)
            counters.published += 1
        }
        redis.send(commands)
    }

    /// Writes the hashes and GEO entries of what changed.
    func write(_ redis: RedisConnection, _ fanout: Fanout, _ table: DriverTable, now: Microseconds) {
        guard redis.hasRoom, !unwritten.isEmpty else { return }
        commands.removeAll()
        unwritten.drain { driver in
            guard let position = fanout.position(of: driver) else { return }
            let id = table.id(of: driver)
            writeHash(id, position, lifeMilliseconds: (position.receivedAt + ttl - now) / 1_000)
            writeGeo(driver, id, position)
            counters.hashes += 1
        }
        redis.send(commands)
    }

    /// After a reconnection the server may be empty: everything that is still alive is written again.
    func rewriteAll(_ fanout: Fanout, now: Microseconds) {
        for driver in 0..<fanout.driverCount {
            if let position = fanout.position(of: driver), now - position.receivedAt < ttl { unwritten.insert(driver) }
        }
    }

    /// Takes drivers that were not heard of since `deadline` out of the GEO set.
    func sweep(_ redis: RedisConnection, _ fanout: Fanout, _ table: DriverTable, before deadline: Microseconds) {
        guard redis.hasRoom else { return }
        commands.removeAll()
        for driver in listed.indices where listed[driver] {
            guard let position = fanout.position(of: driver), position.receivedAt < deadline else { continue }
            listed[driver] = false
            commands.command(["ZREM", geoKey, table.id(of: driver).string])
            counters.swept += 1
        }
        redis.send(commands)
    }

    private func writeHash(_ id: DriverID, _ position: Position, lifeMilliseconds: Int64) {
        let known = 5 + (position.speed == nil ? 0 : 1) + (position.heading == nil ? 0 : 1)
        commands.begin(template: templates.hset[known - 5])
        key.append(id, to: &commands)
        field(templates.lat) { $0.degrees(position.latitude) }
        field(templates.lng) { $0.degrees(position.longitude) }
        field(templates.accuracy) { $0.thousandths(position.accuracy) }
        field(templates.recordedAt) { $0.integer(position.recordedAt / 1_000) }
        field(templates.timestamp) { Timestamp.append(position.recordedAt, to: &$0.bytes) }
        if let heading = position.heading { field(templates.heading) { $0.thousandths(heading) } }
        if let speed = position.speed { field(templates.speed) { $0.thousandths(speed) } }
        if known < 7 {
            // What became unknown must not stay behind as if it were known.
            commands.begin(arguments: 2 + 7 - known)
            commands.argument("HDEL")
            key.append(id, to: &commands)
            if position.heading == nil { commands.argument("heading") }
            if position.speed == nil { commands.argument("speed") }
        }
        commands.begin(template: templates.pexpire)
        key.append(id, to: &commands)
        writer.removeAll()
        writer.integer(max(1, lifeMilliseconds))
        commands.argument(writer.bytes)
    }

    private func field(_ name: [UInt8], _ value: (inout JSONWriter) -> Void) {
        commands.constant(name)
        writer.removeAll()
        value(&writer)
        commands.argument(writer.bytes)
    }

    private func writeGeo(_ driver: DriverIndex, _ id: DriverID, _ position: Position) {
        // Redis' geohash ends at ±85.05112878°, the limit of the web's map projection.
        guard abs(position.latitude) <= 850_511_287 else { return }
        while listed.count <= driver { listed.append(false) }
        listed[driver] = true
        commands.begin(template: templates.geoAdd)
        writer.removeAll()
        writer.degrees(position.longitude)
        commands.argument(writer.bytes)
        writer.removeAll()
        writer.degrees(position.latitude)
        commands.argument(writer.bytes)
        commands.beginArgument(length: id.text.count)
        for index in 0..<id.text.count { commands.append(id.text[index]) }
        commands.endArgument()
    }
}

/// What is the same in every command, in the protocol's own bytes.
private struct Templates {
    let publish = RedisCommands.template(["PUBLISH"], of: 3)
    let pexpire = RedisCommands.template(["PEXPIRE"], of: 3)
    /// With neither heading nor speed known, with one of them, with both.
    let hset = (5...7).map { RedisCommands.template(["HSET"], of: 2 + 2 * $0) }
    let geoAdd: [UInt8]
    let lat = RedisCommands.template(["lat"], of: 0)
    let lng = RedisCommands.template(["lng"], of: 0)
    let accuracy = RedisCommands.template(["accuracy"], of: 0)
    let recordedAt = RedisCommands.template(["recorded_at"], of: 0)
    let timestamp = RedisCommands.template(["timestamp"], of: 0)
    let heading = RedisCommands.template(["heading"], of: 0)
    let speed = RedisCommands.template(["speed"], of: 0)

    init(geoKey: String) {
        geoAdd = RedisCommands.template(["GEOADD", geoKey], of: 5)
    }
}

/// A key or channel with the driver's id in it.
struct KeyTemplate {
    private let prefix: [UInt8]
    private let suffix: [UInt8]

    /// `template` holds `{id}` once, which the configuration has checked.
    init(_ template: String) {
        let bytes = Array(template.utf8)
        let marker = Array("{id}".utf8)
        let start = bytes.indices.first { bytes[$0...].starts(with: marker) } ?? bytes.endIndex
        prefix = Array(bytes[..<start])
        suffix = Array(bytes[start...].dropFirst(marker.count))
    }

    /// Appends the key of `id` as a command's argument; allocates nothing.
    @inline(__always)
    func append(_ id: DriverID, to commands: inout RedisCommands) {
        commands.beginArgument(length: prefix.count + id.text.count + suffix.count)
        commands.append(prefix)
        for index in 0..<id.text.count { commands.append(id.text[index]) }
        commands.append(suffix)
        commands.endArgument()
    }

    func string(for id: DriverID) -> String {
        String(decoding: prefix, as: UTF8.self) + id.string + String(decoding: suffix, as: UTF8.self)
    }
}

/// A set of drivers that is filled a ping at a time and emptied a tick at a time.
struct ChangedDrivers {
    private var list: [DriverIndex] = []
    private var isListed: [Bool] = []

    var isEmpty: Bool { list.isEmpty }
    var count: Int { list.count }

    @inline(__always)
    mutating func insert(_ driver: DriverIndex) {
        while isListed.count <= driver { isListed.append(false) }
        guard !isListed[driver] else { return }
        isListed[driver] = true
        list.append(driver)
    }

    mutating func drain(_ body: (DriverIndex) -> Void) {
        for driver in list {
            isListed[driver] = false
            body(driver)
        }
        list.removeAll(keepingCapacity: true)
    }

    mutating func removeAll() {
        drain { _ in }
    }
}
