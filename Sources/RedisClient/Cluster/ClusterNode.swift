/// One node of a cluster: its connection, made again as long as the node is wanted.
import EventLoop

/// See the file's head. Lives on the loop's thread.
final class ClusterNode {
    let address: RedisAddress
    private let loop: EventLoop
    private var timer: LoopTimer?
    private var pause = RetryPause()
    private(set) var connection: RedisConnection?
    /// Commands on their way to `connection`, while a batch is cut.
    var cut = RedisCommands()
    /// Whether the node owns slots by the newest map.
    var isPrimary = true
    /// Error replies of connections that are over.
    private var pastErrorReplies = 0

    var onReady: () -> Void = {}
    var onEnd: () -> Void = {}
    var onRefusal: (RedisRefusal, _ isAwaited: Bool) -> Void = { _, _ in }
    private(set) var lastError: String?

    init(loop: EventLoop, address: RedisAddress) {
        self.loop = loop
        self.address = address
        timer = LoopTimer(loop: loop) { [unowned self] in withExtendedLifetime(self) { connect() } }
        timer?.start(afterMilliseconds: 0)
    }

    var isReady: Bool { connection?.isReady == true }
    var hasRoom: Bool { connection?.hasRoom == true }
    var errorReplies: Int { pastErrorReplies + (connection?.errorReplies ?? 0) }
    /// Whether it is being connected to for the first time, so that waiting a moment is worth it.
    var isNew: Bool { !isReady && pause.isFresh }

    func close() {
        connection?.close()
        connection = nil
        timer?.close()
        timer = nil
    }

    private func connect() {
        let connection = RedisConnection(loop: loop, address: address)
        self.connection = connection
        connection.onReady = { [unowned self] in
            pause.reset()
            lastError = nil
            onReady()
        }
        connection.onEnd = { [unowned self] ending in
            if case .failed(let reason) = ending {
                lastError =
                    "cannot reach Redis at \(address.display): \(reason). Start it or mend the cluster"
            }
            pastErrorReplies += connection.errorReplies
            self.connection = nil
            timer?.start(afterMilliseconds: pause.next())
            onEnd()
        }
        connection.onRefusal = { [unowned self] in onRefusal($0, $1) }
    }
}
