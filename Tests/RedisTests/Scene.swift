// A store or subscriptions on a loop that runs only while something is awaited, and real servers behind them.

import EventLoop
import LocalServers
import RedisClient
import Testing

/// Starts servers and waits for them: one test of these at a time has the machine.
@Suite("Redis", .serialized)
enum RedisServers {}

/// Something did not happen in time.
struct OutOfTime: Error, CustomStringConvertible {
    let description: String
}

/// A loop that is run until something has happened.
final class Scene {
    let loop = EventLoop()
    private var beat: LoopTimer?
    /// Called at every beat of the loop, each 5 ms: a load that goes on while something is awaited.
    var onBeat: () -> Void = {}
    /// Called at the end of every turn, as a gateway writes what a turn has sent.
    var atEndOfTurn: [() -> Void] = []

    init() {
        loop.atEndOfTurn { [unowned self] in for body in atEndOfTurn { body() } }
        beat = LoopTimer(loop: loop) { [unowned self] in onBeat() }
        beat?.start(afterMilliseconds: 5, everyMilliseconds: 5)
    }

    deinit {
        beat?.close()
        loop.removeEndOfTurnHook()
    }

    /// Runs the loop until `condition` holds.
    func await(_ what: String, within seconds: Int64 = 30, _ condition: () throws -> Bool) throws {
        let deadline = SystemClock.monotonicMicroseconds() + seconds * 1_000_000
        while try !condition() {
            guard SystemClock.monotonicMicroseconds() < deadline else {
                throw OutOfTime(description: "not within \(seconds) s: \(what)")
            }
            loop.runOnce()
        }
    }
}

/// A store and what it has told.
final class StoreScene {
    let scene = Scene()
    private(set) var store: RedisStore!
    private(set) var changes: [Bool] = []
    private(set) var refusals = 0
    /// What a gateway does when it is told of a return or of refused writes: everything is written again.
    var writeAgain: () -> Void = {}

    init(_ url: String) throws {
        store = RedisStore(loop: scene.loop, deployment: try RedisDeployment(url)) { [unowned self] isReady in
            changes.append(isReady)
            if isReady { writeAgain() }
        }
        scene.atEndOfTurn.append { [weak self] in self?.store.flush() }
        store.onRefused = { [unowned self] in
            refusals += 1
            writeAgain()
        }
    }

    deinit { store.close() }

    func awaitReady() throws {
        try scene.await("the store is ready: \(store.lastError ?? "")") { store.isReady && changes.last == true }
    }

    /// The reply to one command.
    func ask(_ parts: String...) throws -> RedisReply {
        var reply: RedisReply?
        store.send(parts) { reply = $0 }
        store.flush()
        try scene.await("a reply to \(parts[0])") { reply != nil }
        return try #require(reply)
    }

    /// Sends a batch of which nobody awaits the replies.
    func send(_ commands: [[String]]) {
        var batch = RedisCommands()
        for command in commands { batch.command(command) }
        store.send(batch)
        store.flush()
    }

    /// A command's answer, asked again until it is `reply`.
    func await(_ reply: RedisReply, to parts: String...) throws {
        var answer: RedisReply?
        var isAsked = false
        try scene.await("\(parts) gives \(reply), not \(String(describing: answer))") {
            if answer == reply { return true }
            if !isAsked {
                isAsked = true
                store.send(parts) {
                    answer = $0
                    isAsked = false
                }
                store.flush()
            }
            return false
        }
    }
}

/// Subscriptions and what they have told.
final class SubscriptionScene {
    let scene: Scene
    private(set) var subscriptions: RedisSubscriptions!
    /// What stands, by what was told; a word that contradicts the last one is kept in `contradictions`.
    private(set) var standing: Set<String> = []
    private(set) var contradictions: [String] = []
    private(set) var losses = 0
    private(set) var messages: [String: [String]] = [:]
    /// Messages of channels that did not stand, as was told.
    private(set) var unexpected = 0

    init(_ url: String, _ kind: RedisSubscriptions.Kind, in scene: Scene = Scene()) throws {
        self.scene = scene
        subscriptions = RedisSubscriptions(loop: scene.loop, deployment: try RedisDeployment(url), kind: kind) {
            [unowned self] channel, payload in
            let name = Self.text(channel)
            messages[name, default: []].append(Self.text(payload))
            if !standing.contains(name) { unexpected += 1 }
        }
        scene.atEndOfTurn.append { [weak self] in self?.subscriptions.flush() }
        subscriptions.onStanding = { [unowned self] channels in
            for channel in channels where !standing.insert(channel).inserted { contradictions.append("+" + channel) }
        }
        subscriptions.onLost = { [unowned self] channels in
            losses += channels.count
            for channel in channels where standing.remove(channel) == nil { contradictions.append("-" + channel) }
        }
    }

    deinit { subscriptions.close() }

    func subscribe(_ channels: [String]) {
        subscriptions.subscribe(channels)
        subscriptions.flush()
    }

    func awaitStanding(_ channels: [String]) throws {
        let wanted = Set(channels)
        try scene.await("\(wanted.count) channels stand, not \(standing.count)") { standing == wanted }
    }

    private static func text(_ bytes: Span<UInt8>) -> String {
        var array: [UInt8] = []
        for index in bytes.indices { array.append(bytes[index]) }
        return String(decoding: array, as: UTF8.self)
    }
}
