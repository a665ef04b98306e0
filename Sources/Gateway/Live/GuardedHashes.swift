/// Hashes that several gateways write and that never go back in time: a script in Redis compares the fix times and writes
/// only what is not older. One call takes many drivers, so that what a script costs by itself is shared; in a cluster a
/// call takes one, since their keys lie in different slots.
import Crypto
import RedisClient
import Tracking

/// Composes the calls. Part of `RedisPositions`; lives on the loop's thread.
struct GuardedHashes {
    /// The most drivers of one call: Redis serves nobody else meanwhile.
    private static let driversPerCall = 64

    /// KEYS are the hashes. ARGV is the field of the fix time and whether it is text, then for each hash the new fix time,
    /// the hash's life in milliseconds, how many arguments follow for HSET and how many for HDEL, and those. Returns the
    /// places of hashes that are newer and were left alone.
    private static let script = """
        local newer, at = {}, 3
        for place = 1, #KEYS do
            local key, time, sets, drops = KEYS[place], ARGV[at], tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3])
            local known = redis.call('HGET', key, ARGV[1])
            local isNewer = false
            if known then
                if ARGV[2] == '1' then isNewer = known > time
                else isNewer = (tonumber(known) or 0) > tonumber(time) end
            end
            if isNewer then newer[#newer + 1] = place
            else
                redis.call('HSET', key, unpack(ARGV, at + 4, at + 3 + sets))
                if drops > 0 then redis.call('HDEL', key, unpack(ARGV, at + 4 + sets, at + 3 + sets + drops)) end
                redis.call('PEXPIRE', key, ARGV[at + 1])
            end
            at = at + 4 + sets + drops
        end
        return newer
        """

    private let key: KeyTemplate
    private let hash: HashLayout
    private let guardField: HashLayout.GuardField
    private let digest: String
    private var keys = RedisCommands()
    private var arguments = RedisCommands()
    private var argumentCount = 0
    private var drivers: [DriverIndex] = []

    /// Nil where the layout has no fix time to compare.
    init?(_ key: KeyTemplate, _ hash: HashLayout) {
        guard let guardField = hash.guardField else { return nil }
        self.key = key
        self.hash = hash
        self.guardField = guardField
        digest = Insecure.SHA1.hash(data: Array(Self.script.utf8)).map { byte in
            String(byte >> 4, radix: 16) + String(byte & 15, radix: 16)
        }.joined()
    }

    /// Teaches every server the script.
    static func load(_ redis: RedisStore, then: @escaping () -> Void) {
        redis.sendToEach(["SCRIPT", "LOAD", script]) { _ in then() }
    }

    /// Adds a driver's hash. Where that fills a call it is handed to `send` with the drivers in it.
    mutating func add(
        _ driver: DriverIndex, _ id: DriverID, _ position: Position, _ latitude: DecimalText, _ longitude: DecimalText,
        lifeMilliseconds: Int64, isCluster: Bool, _ send: (RedisCommands, [DriverIndex]) -> Void
    ) {
        drivers.append(driver)
        key.append(id, to: &keys)
        argumentCount += hash.appendGuarded(
            id, position, latitude, longitude, lifeMilliseconds, to: &arguments)
        if isCluster || drivers.count == Self.driversPerCall { finish(send) }
    }

    /// Hands the call that was begun to `send`.
    mutating func finish(_ send: (RedisCommands, [DriverIndex]) -> Void) {
        guard !drivers.isEmpty else { return }
        var call = RedisCommands()
        call.begin(arguments: 5 + drivers.count + argumentCount)
        call.argument("EVALSHA")
        call.argument(digest)
        call.argument("\(drivers.count)")
        call.constant(keys.bytes)
        call.argument(guardField.name)
        call.argument(guardField.isText ? "1" : "0")
        call.constant(arguments.bytes)
        send(call, drivers)
        keys.removeAll()
        arguments.removeAll()
        argumentCount = 0
        drivers.removeAll(keepingCapacity: true)
    }
}
