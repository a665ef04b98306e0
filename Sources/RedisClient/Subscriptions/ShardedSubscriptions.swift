/// Subscriptions in a cluster of which each stands at the owner of its channel's slot, and goes where the slot goes.
import EventLoop

/// See the file's head. Lives on the loop's thread.
final class ShardedSubscriptions {
    private typealias Endpoint = RedisAddress.Endpoint

    /// Where a wanted channel is asked for.
    private enum Place: Equatable {
        /// Nobody is known to own its slot, or it was refused a moment ago.
        case nowhere
        case at(Endpoint)
    }

    /// A node at which channels are wanted.
    private final class Node {
        let seeker: RedisSeeker
        var link: SubscriptionLink?
        var channels: Set<String> = []

        init(_ seeker: RedisSeeker) { self.seeker = seeker }

        func close() -> [String] {
            let lost = link?.close() ?? []
            link = nil
            seeker.close()
            return lost
        }
    }

    /// When channels without a place, or refused at theirs, look for one again, in milliseconds.
    private static let retryMilliseconds = 200

    private let loop: EventLoop
    private let seeds: [RedisAddress]
    private let topology: ClusterTopology
    private let received: (Span<UInt8>, Span<UInt8>) -> Void
    private var nodes: [Endpoint: Node] = [:]
    /// The wanted channels.
    private var places: [String: Place] = [:]
    private var timer: LoopTimer?
    var onStanding: ([String]) -> Void = { _ in }
    var onLost: ([String]) -> Void = { _ in }

    init(loop: EventLoop, seeds: [RedisAddress], received: @escaping (Span<UInt8>, Span<UInt8>) -> Void) {
        (self.loop, self.seeds, self.received) = (loop, seeds, received)
        topology = ClusterTopology(loop: loop, seeds: seeds)
        topology.onMap = { [unowned self] _ in settle() }
        timer = LoopTimer(loop: loop) { [unowned self] in withExtendedLifetime(self) { settle() } }
    }

    /// Whether every node that has wanted channels is connected.
    var isConnected: Bool {
        topology.map != nil && nodes.values.allSatisfy { $0.link != nil }
    }
    var count: Int { places.count }

    func subscribe(_ channels: [String]) {
        let new = channels.filter { places[$0] == nil }
        for name in new { places[name] = .nowhere }
        place(new)
    }

    func unsubscribe(_ channels: [String]) {
        for (endpoint, names) in take(channels) {
            if let link = nodes[endpoint]?.link { Self.unsubscribe(names, at: link) }
        }
        for name in channels { places[name] = nil }
    }

    func flush() {
        for node in nodes.values { node.link?.connection.flush() }
    }

    func close() {
        timer?.close()
        topology.close()
        for node in nodes.values { _ = node.close() }
        (nodes, places) = ([:], [:])
    }

    // MARK: Places

    /// Asks for channels at the owners of their slots.
    private func place(_ channels: [String]) {
        var homeless = false
        for (endpoint, names) in Dictionary(grouping: channels, by: { topology.map?.owner(of: HashSlot.of($0)) }) {
            guard let endpoint else {
                homeless = true
                continue
            }
            let node = node(at: endpoint)
            node.channels.formUnion(names)
            for name in names { places[name] = .at(endpoint) }
            if let link = node.link { Self.subscribe(names, at: link) }
        }
        if homeless { topology.refresh() }
    }

    /// One command may name channels of one slot only.
    private static func subscribe(_ names: some Sequence<String>, at link: SubscriptionLink) {
        for names in Dictionary(grouping: names, by: { HashSlot.of($0) }).values { link.subscribe(names) }
    }

    private static func unsubscribe(_ names: [String], at link: SubscriptionLink) {
        for names in Dictionary(grouping: names, by: { HashSlot.of($0) }).values { link.unsubscribe(names) }
    }

    /// Takes channels away from their nodes; returns them by node.
    private func take(_ channels: [String]) -> [Endpoint: [String]] {
        var taken: [Endpoint: [String]] = [:]
        for name in channels {
            guard case .at(let endpoint) = places[name] else { continue }
            nodes[endpoint]?.channels.remove(name)
            places[name] = .nowhere
            taken[endpoint, default: []].append(name)
        }
        return taken
    }

    /// Brings every channel to where the map says, whatever has changed.
    private func settle() {
        guard let map = topology.map else { return }
        let misplaced = places.filter { name, place in
            map.owner(of: HashSlot.of(name)).map { place != .at($0) } ?? true
        }.map(\.key)
        for (endpoint, names) in take(misplaced) {
            guard let link = nodes[endpoint]?.link else { continue }
            // Who publishes by the same map does it elsewhere now.
            let lost = link.standing(among: names)
            Self.unsubscribe(names, at: link)
            if !lost.isEmpty { onLost(lost) }
        }
        place(misplaced)
        for (endpoint, node) in nodes where node.channels.isEmpty && !map.primaries.contains(endpoint) {
            _ = node.close()
            nodes[endpoint] = nil
        }
        flush()
    }

    private func node(at endpoint: Endpoint) -> Node {
        if let node = nodes[endpoint] { return node }
        let seeker = RedisSeeker(
            loop: loop, deployment: .servers([seeds[0].moved(to: endpoint)]), wantsPrimary: false)
        let node = Node(seeker)
        nodes[endpoint] = node
        seeker.onReady = { [unowned self, unowned node] connection in connected(node, connection) }
        seeker.onLost = { [unowned self, unowned node] in
            let lost = node.link?.takeStanding() ?? []
            node.link = nil
            topology.refresh()
            if !lost.isEmpty { onLost(lost) }
        }
        // A node that cannot be reached may have lost its slots to another.
        seeker.onAttempt = { [unowned self, unowned node] _ in if node.link == nil { topology.refresh() } }
        return node
    }

    private func connected(_ node: Node, _ connection: RedisConnection) {
        let link = SubscriptionLink(loop: loop, connection: connection, isSharded: true, received: received)
        node.link = link
        link.onStanding = { [unowned self] in onStanding($0) }
        link.onLost = { [unowned self] in onLost($0) }
        link.onRefused = { [unowned self] in refused($0, $1) }
        Self.subscribe(node.channels, at: link)
        connection.flush()
    }

    private func refused(_ channels: [String], _ refusal: RedisRefusal?) {
        _ = take(channels)
        if case .moved(let slot, let endpoint) = refusal {
            topology.move(slot, to: endpoint)
        } else {
            topology.refresh()
        }
        if timer?.isActive != true { timer?.start(afterMilliseconds: refusal == nil ? Self.retryMilliseconds : 1) }
    }
}
