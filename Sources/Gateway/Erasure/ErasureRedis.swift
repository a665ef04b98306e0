/// Redis as a thread that may wait needs it: a connection of its own for a moment, one command after the other.
import EventLoop
import RedisClient
import Tracking

/// Takes a driver out of Redis, and tells gateways. One thread.
struct ErasureRedis {
    /// How long connecting and one command may take, in microseconds.
    private static let patience: Int64 = 3_000_000

    private let configuration: Configuration
    private let location: KeyTemplate

    init(_ configuration: Configuration) {
        self.configuration = configuration
        location = KeyTemplate(configuration.redisLocationKey)
    }

    /// Deletes the driver's hash and its place in the GEO set, and where `drops` says so the counters of its own JWT;
    /// returns how many there were. Throws where Redis is away.
    func remove(_ driver: DriverID, drops: Bool) throws -> Int64 {
        try withSession { session in
            var removed: Int64 = 0
            for key in [location, DeviceStates.key] {
                removed += try session.integer(["DEL", key.string(for: driver)])
            }
            let keys = GeoKeys(configuration)
            var cells: Set<GeoKeys.Cell> = [GeoKeys.whole]
            if keys.isCut {
                // Whichever gateway put it there.
                let names = try session.ask(["SMEMBERS", keys.index]).elements?.compactMap(\.text) ?? []
                cells = Set(names.compactMap(keys.cell(named:)))
            }
            for command in keys.removal(of: driver, from: cells) { removed += try session.integer(command) }
            guard drops else { return removed }
            // A device's JWT without an id of its own is counted by its driver's.
            let counters = KeyPattern(configuration.limitsCounterKey)
                .scanPattern { $0 == "client" ? "jwt:\(driver.string)" : nil }
            for key in try session.keys(counters) { removed += try session.integer(["DEL", key]) }
            return removed
        }
    }

    /// Deletes keys; returns how many there were.
    func delete(_ keys: [String]) throws -> Int64 {
        try withSession { session in
            var removed: Int64 = 0
            for key in keys { removed += try session.integer(["DEL", key]) }
            return removed
        }
    }

    /// Publishes messages to all gateways.
    func tell(_ messages: [ControlMessage]) throws {
        try withSession { session in
            for message in messages {
                _ = try session.integer([configuration.redisPublishCommand, Bus.controlChannel, message.text])
            }
        }
    }

    private func withSession<Value>(_ body: (Session) throws -> Value) throws -> Value {
        let session = try Session(RedisDeployment(configuration.redisURL), patience: Self.patience)
        defer { session.close() }
        return try body(session)
    }

    /// A connection on a loop that runs only while it is waited for.
    private final class Session {
        private let loop = EventLoop()
        private let deployment: RedisDeployment
        private let patience: Int64
        private let store: RedisStore

        init(_ deployment: RedisDeployment, patience: Int64) throws {
            self.deployment = deployment
            self.patience = patience
            store = RedisStore(loop: loop, deployment: deployment) { _ in }
            do {
                // In a cluster nothing may be out of reach.
                try run { store.isWhole }
            } catch {
                store.close()
                throw error
            }
        }

        func close() {
            store.close()
        }

        func ask(_ command: [String]) throws -> RedisReply {
            var answer: RedisReply?
            store.send(command) { answer = $0 }
            store.flush()
            try run { answer != nil }
            switch answer {
            case .error(let text): throw CommandError("Redis refuses \(command[0]): \(text)")
            case .lost, nil: throw CommandError(store.lastError ?? "cannot reach Redis at \(deployment.display)")
            case let reply?: return reply
            }
        }

        func integer(_ command: [String]) throws -> Int64 {
            guard case .integer(let number) = try ask(command) else {
                throw CommandError("Redis gave no number to \(command[0])")
            }
            return number
        }

        /// All keys that match a pattern.
        func keys(_ pattern: String) throws -> Set<String> {
            var keys: Set<String> = []
            var isComplete: Bool?
            store.scan(pattern) {
                keys.formUnion($0)
            } done: {
                isComplete = $0
            }
            try run { isComplete != nil }
            guard isComplete == true else {
                throw CommandError(store.lastError ?? "Redis refuses SCAN: grant it to the user of DROVER_REDIS_URL")
            }
            return keys
        }

        private func run(until isOver: () -> Bool) throws {
            let deadline = SystemClock.monotonicMicroseconds() + patience
            while !isOver() {
                guard SystemClock.monotonicMicroseconds() < deadline else {
                    throw CommandError(
                        store.lastError
                            ?? "cannot reach Redis at \(deployment.display). Start Redis or set DROVER_REDIS_URL")
                }
                loop.runOnce()
            }
        }
    }
}
