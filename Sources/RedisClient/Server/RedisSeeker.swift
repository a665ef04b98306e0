/// Keeps a connection to the one server that is to be talked to: the primary among several servers, the one that Sentinels
/// name, or any of a list; and looks again whenever it is lost or turns out to be the wrong one.
import EventLoop

/// See the file's head. Lives on the loop's thread.
final class RedisSeeker {
    /// How often Sentinels are asked whether the primary is still the same, in milliseconds.
    private static let watchMilliseconds = 1_000

    private let loop: EventLoop
    private let wantsPrimary: Bool
    private let sentinels: RedisSentinels?
    /// Where it is looked for, in turn, where no Sentinel knows.
    var candidates: [RedisAddress]
    private var next = 0
    /// Where a replica has sent us, tried before the next candidate.
    private var named: RedisAddress?
    private var attempt: RedisConnection?
    private var timer: LoopTimer?
    private var watchTimer: LoopTimer?
    private var pause = RetryPause()
    private var pastErrorReplies = 0
    private var connectionError: String?
    private var isClosed = false

    /// Sets up a connection before it is made.
    var onAttempt: (RedisConnection) -> Void = { _ in }
    var onReady: (RedisConnection) -> Void = { _ in }
    /// What was ready is gone.
    var onLost: () -> Void = {}

    /// Starts looking. `wantsPrimary`: whether a replica will not do.
    init(loop: EventLoop, deployment: RedisDeployment, wantsPrimary: Bool) {
        self.loop = loop
        switch deployment {
        case .servers(let servers):
            (candidates, sentinels, self.wantsPrimary) = (servers, nil, wantsPrimary)
        case .cluster(let nodes):
            (candidates, sentinels, self.wantsPrimary) = (nodes, nil, false)
        case .sentinels(let addresses, let name, let template):
            candidates = []
            sentinels = RedisSentinels(loop: loop, sentinels: addresses, name: name, template: template)
            self.wantsPrimary = true
        }
        timer = LoopTimer(loop: loop) { [unowned self] in withExtendedLifetime(self) { seek() } }
        timer?.start(afterMilliseconds: 0)
        if sentinels != nil {
            watchTimer = LoopTimer(loop: loop) { [unowned self] in withExtendedLifetime(self) { watch() } }
            watchTimer?.start(afterMilliseconds: Self.watchMilliseconds, everyMilliseconds: Self.watchMilliseconds)
        }
    }

    /// The connection, while it can be used.
    var connection: RedisConnection? { attempt?.isReady == true ? attempt : nil }
    /// Why there is none; nil while there is.
    var lastError: String? { connection == nil ? sentinels?.lastError ?? connectionError : nil }
    var errorReplies: Int { pastErrorReplies + (attempt?.errorReplies ?? 0) }

    func close() {
        isClosed = true
        attempt?.close()
        attempt = nil
        sentinels?.close()
        timer?.close()
        watchTimer?.close()
    }

    private func seek() {
        guard attempt == nil, !isClosed else { return }
        guard let sentinels else { return connect(to: named ?? candidates[next % candidates.count]) }
        sentinels.ask { [weak self] address in
            guard let self, !isClosed, attempt == nil else { return }
            if let address { connect(to: address) } else { later() }
        }
    }

    private func connect(to address: RedisAddress) {
        let fresh = RedisConnection(loop: loop, address: address, greeting: .init(wantsPrimary: wantsPrimary))
        attempt = fresh
        var wasReady = false
        fresh.onReady = { [unowned self] in
            wasReady = true
            pause.reset()
            connectionError = nil
            onReady(fresh)
        }
        fresh.onEnd = { [unowned self] ending in
            pastErrorReplies += fresh.errorReplies
            attempt = nil
            ended(ending, at: address)
            later()
            if wasReady { onLost() }
        }
        onAttempt(fresh)
    }

    private func ended(_ ending: RedisConnection.Ending, at address: RedisAddress) {
        sentinels?.distrust()
        let cameByName = named != nil
        named = nil
        switch ending {
        case .failed(let reason):
            connectionError =
                "cannot reach Redis at \(address.display): \(reason). Start Redis or set DROVER_REDIS_URL"
            next = (next + 1) % max(1, candidates.count)
        case .replica(let primary):
            connectionError =
                "the Redis at \(address.display) is a replica and its primary cannot be reached. Promote one of them, "
                + "or add the primary to DROVER_REDIS_URL"
            // A replica of a replica sends us on, but not for ever.
            if let primary, !cameByName || primary != address.endpoint { named = address.moved(to: primary) }
            if cameByName { next = (next + 1) % max(1, candidates.count) }
        }
    }

    private func later() {
        timer?.start(afterMilliseconds: pause.next())
    }

    private func watch() {
        guard let present = connection, let sentinels else { return }
        sentinels.ask { [weak self] address in
            guard let self, let address, attempt === present, address.endpoint != present.address.endpoint else {
                return
            }
            present.end("the Sentinels name \(address.endpoint.display) as the primary")
        }
    }
}
