/// Subscriptions at one server: the primary, or any node of a cluster, where plain messages are heard at every node.
import EventLoop

/// See the file's head. Lives on the loop's thread.
final class ServerSubscriptions {
    /// When a refusal such as a missing right is asked about again, in milliseconds.
    private static let refusedMilliseconds = 2_000

    private let seeker: RedisSeeker
    /// In a cluster: where else to go.
    private let topology: ClusterTopology?
    private var link: SubscriptionLink?
    private var timer: LoopTimer?
    private var wanted: Set<String> = []
    private var refused: Set<String> = []
    var onStanding: ([String]) -> Void = { _ in }
    var onLost: ([String]) -> Void = { _ in }

    init(
        loop: EventLoop, deployment: RedisDeployment, isSharded: Bool,
        received: @escaping (Span<UInt8>, Span<UInt8>) -> Void
    ) {
        seeker = RedisSeeker(loop: loop, deployment: deployment, wantsPrimary: true)
        if case .cluster(let seeds) = deployment {
            topology = ClusterTopology(loop: loop, seeds: seeds)
        } else {
            topology = nil
        }
        topology?.onMap = { [unowned self] map in
            guard case .cluster(let seeds) = deployment else { return }
            seeker.candidates = (map.primaries + map.replicas).map { seeds[0].moved(to: $0) }
        }
        seeker.onReady = { [unowned self] connection in
            let fresh = SubscriptionLink(loop: loop, connection: connection, isSharded: isSharded, received: received)
            link = fresh
            fresh.onStanding = { [unowned self] in onStanding($0) }
            fresh.onLost = { [unowned self] in onLost($0) }
            fresh.onRefused = { [unowned self] in isRefused($0, $1) }
            fresh.subscribe(Array(wanted))
            connection.flush()
        }
        seeker.onLost = { [unowned self] in
            topology?.refresh()
            let lost = link?.takeStanding() ?? []
            link = nil
            if !lost.isEmpty { onLost(lost) }
        }
        timer = LoopTimer(loop: loop) { [unowned self] in withExtendedLifetime(self) { askRefused() } }
    }

    var isConnected: Bool { link != nil }
    var count: Int { wanted.count }

    func subscribe(_ channels: [String]) {
        let new = channels.filter { wanted.insert($0).inserted }
        if !new.isEmpty { link?.subscribe(new) }
    }

    func unsubscribe(_ channels: [String]) {
        let known = channels.filter { wanted.remove($0) != nil }
        if !known.isEmpty { link?.unsubscribe(known) }
    }

    func flush() {
        link?.connection.flush()
    }

    func close() {
        timer?.close()
        topology?.close()
        _ = link?.close()
        link = nil
        seeker.close()
    }

    private func isRefused(_ channels: [String], _ refusal: RedisRefusal?) {
        if refusal == .notPrimary { link?.connection.end("it has become a replica") }
        refused.formUnion(channels)
        if timer?.isActive != true { timer?.start(afterMilliseconds: Self.refusedMilliseconds) }
    }

    private func askRefused() {
        let again = refused.intersection(wanted)
        refused = []
        guard let link, !again.isEmpty else { return }
        link.subscribe(Array(again))
        link.connection.flush()
    }
}
