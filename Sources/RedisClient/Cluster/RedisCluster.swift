/// A Redis Cluster behind the interface of one Redis: a connection to each primary, commands sent to the owner of their
/// key's slot, batches cut by node, redirections followed.
///
/// What is lost on the way is told, not kept: a node's return and a slot's new owner are told like a server's return
/// (`onChange`), after which the gateway writes everything again that is still alive.
import EventLoop

/// See the file's head. Lives on the loop's thread.
final class RedisCluster {
    /// How long a first answer for all nodes is waited for, and returns are gathered, in milliseconds.
    private static let gatherMilliseconds = 500
    private static let returnMilliseconds = 100
    /// A node that answers nothing for this long, in microseconds, is reason to ask the others who owns its slots.
    private static let suspicion: Int64 = 1_000_000

    private let loop: EventLoop
    private let seeds: [RedisAddress]
    private let topology: ClusterTopology
    private let onChange: (Bool) -> Void
    private var nodes: [RedisAddress.Endpoint: ClusterNode] = [:]
    /// The owners' nodes in the order of the map's primaries.
    private var primaries: [ClusterNode] = []
    private var owners: [Int16] = []
    private var wasTold = false
    private var timer: LoopTimer?
    private var secondTimer: LoopTimer?
    private var refusals = RefusalPace()
    private lazy var followed = FollowedQuestions(loop: loop, cluster: self)
    private var pastErrorReplies = 0
    var onRefused: (() -> Void)?

    init(loop: EventLoop, seeds: [RedisAddress], onChange: @escaping (Bool) -> Void) {
        self.loop = loop
        self.seeds = seeds
        self.onChange = onChange
        topology = ClusterTopology(loop: loop, seeds: seeds)
        topology.onMap = { [unowned self] in adopt($0) }
        timer = LoopTimer(loop: loop) { [unowned self] in withExtendedLifetime(self) { tellReturn() } }
        secondTimer = LoopTimer(loop: loop) { [unowned self] in withExtendedLifetime(self) { everySecond() } }
        secondTimer?.start(afterMilliseconds: 1_000, everyMilliseconds: 1_000)
    }

    var isReady: Bool { primaries.contains { $0.isReady } }
    var isWhole: Bool { owners.allSatisfy { $0 >= 0 } && isReady && primaries.allSatisfy { $0.isReady } }
    var hasRoom: Bool { primaries.contains { $0.hasRoom } }
    var errorReplies: Int { nodes.values.reduce(pastErrorReplies) { $0 + $1.errorReplies } }
    var lastError: String? {
        topology.map == nil ? topology.lastError : primaries.lazy.compactMap { $0.isReady ? nil : $0.lastError }.first
    }

    func close() {
        topology.close()
        timer?.close()
        secondTimer?.close()
        followed.close()
        for node in nodes.values { node.close() }
        (nodes, primaries, owners) = ([:], [], [])
    }

    func flush() {
        for node in nodes.values { node.connection?.flush() }
    }

    // MARK: Commands

    /// Cuts the batch by node. What belongs to a node that is away is dropped: its return is told.
    func send(_ commands: RedisCommands) {
        guard !owners.isEmpty else { return }
        var walk = CommandWalk()
        let bytes = commands.bytes.span
        while let found = walk.next(bytes) {
            guard let node = node(of: HashSlot.of(bytes.extracting(found.key)), isPublish: found.isPublish) else {
                continue
            }
            node.cut.appendCommand(commands.bytes[found.command])
        }
        for node in primaries where node.cut.count > 0 {
            if node.hasRoom {
                node.connection?.send(node.cut)
            } else if node.isReady {
                refusals.refused()
            }
            node.cut.removeAll()
        }
    }

    func send(_ command: RedisCommands, _ handler: @escaping (RedisReply) -> Void) {
        guard isReady else { return handler(.lost) }
        followed.ask(command, handler)
    }

    /// The primaries' connections; nil of one that is away.
    var connections: [RedisConnection?] { primaries.map { $0.isReady ? $0.connection : nil } }

    func sendToEach(_ parts: [String], _ handler: @escaping ([RedisReply]) -> Void) {
        let asked = primaries
        guard !asked.isEmpty else { return handler([.lost]) }
        var replies = [RedisReply](repeating: .lost, count: asked.count)
        var left = asked.count
        for (index, node) in asked.enumerated() {
            let take = { (reply: RedisReply) in
                replies[index] = reply
                left -= 1
                if left == 0 { handler(replies) }
            }
            if let connection = node.connection { connection.send(parts, take) } else { take(.lost) }
        }
    }

    /// The owner of the slot; nil where nobody owns it, or nothing is known yet.
    func node(of slot: Int) -> ClusterNode? {
        guard !owners.isEmpty, owners[slot] >= 0 else { return nil }
        return primaries[Int(owners[slot])]
    }

    /// The same for a message, which any other node takes as well where that one is away.
    func node(of slot: Int, isPublish: Bool) -> ClusterNode? {
        let owner = node(of: slot)
        return isPublish && owner?.isReady != true ? anyNode ?? owner : owner
    }

    /// Any node that answers, for commands without a key.
    var anyNode: ClusterNode? { primaries.first { $0.isReady } }

    // MARK: The map

    /// A node said that the slot is another's.
    func move(_ slot: Int, to endpoint: RedisAddress.Endpoint) {
        topology.move(slot, to: endpoint)
        if let map = topology.map { take(map) }
    }

    /// The node at this place, connected to where it was not.
    func node(at endpoint: RedisAddress.Endpoint) -> ClusterNode {
        if let node = nodes[endpoint] { return node }
        let node = ClusterNode(loop: loop, address: seeds[0].moved(to: endpoint))
        nodes[endpoint] = node
        node.onReady = { [unowned self] in nodeIsReady() }
        node.onEnd = { [unowned self] in nodeEnded() }
        node.onRefusal = { [unowned self] refusal, isAwaited in if !isAwaited { refused(refusal) } }
        return node
    }

    private func adopt(_ map: ClusterMap) {
        let before = owners.isEmpty ? [] : owners.map { $0 < 0 ? nil : primaries[Int($0)].address.endpoint }
        take(map)
        for (endpoint, node) in nodes where !node.isPrimary {
            pastErrorReplies += node.errorReplies
            node.close()
            nodes[endpoint] = nil
        }
        guard !before.isEmpty else { return }
        let moved = (0..<HashSlot.count).contains { before[$0] != map.owner(of: $0) }
        if moved, wasTold { timer?.start(afterMilliseconds: Self.returnMilliseconds) }
    }

    private func take(_ map: ClusterMap) {
        for node in nodes.values { node.isPrimary = false }
        // A primary that owns nothing any more stays in a map that was changed slot by slot; no harm is in it.
        primaries = map.primaries.map { node(at: $0) }
        for node in primaries { node.isPrimary = true }
        owners = map.owners
    }

    private func nodeIsReady() {
        if wasTold {
            timer?.start(afterMilliseconds: Self.returnMilliseconds)
        } else if primaries.allSatisfy({ $0.isReady }) {
            tellReturn()
        } else {
            timer?.start(afterMilliseconds: Self.gatherMilliseconds)
        }
    }

    private func tellReturn() {
        timer?.stop()
        guard isReady else { return }
        wasTold = true
        onChange(true)
        flush()
    }

    private func nodeEnded() {
        topology.refresh()
        guard wasTold, !isReady else { return }
        wasTold = false
        timer?.stop()
        onChange(false)
    }

    private func refused(_ refusal: RedisRefusal) {
        switch refusal {
        case .moved(let slot, let endpoint): move(slot, to: endpoint)
        case .ask: break
        case .notPrimary, .notNow, .cannotWrite: topology.refresh()
        }
        refusals.refused()
    }

    private func everySecond() {
        let now = SystemClock.monotonicMicroseconds()
        let isTroubled = primaries.contains { node in
            guard let connection = node.connection, connection.isReady else { return true }
            return connection.waitsSince.map { now - $0 > Self.suspicion } ?? false
        }
        if isTroubled { topology.refresh() }
        guard isReady, refusals.isDue(now) else { return }
        onRefused?()
        flush()
    }
}
