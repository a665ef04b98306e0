/// Commands whose replies somebody awaits, followed through a cluster: to where MOVED and ASK send them, and again after
/// a moment where the cluster says so.
import EventLoop

/// See the file's head. Lives on the loop's thread.
final class FollowedQuestions {
    private struct Question {
        let command: RedisCommands
        let slot: Int?
        let since: Int64
        let handler: (RedisReply) -> Void
        var redirections = 0
        /// Where ASK has sent it.
        var detour: RedisAddress.Endpoint?
        /// The last refusal, which is the answer once patience is over.
        var refusal = RedisReply.lost
    }

    /// A redirection more is an answer: two nodes send us back and forth.
    private static let maximumRedirections = 5
    /// How long a question is asked again before its refusal is the answer, in microseconds; commands here have callers
    /// who wait.
    private static let patience: Int64 = 2_000_000
    private static let pauseMilliseconds = 50
    /// The most questions that wait; more are answered by their refusal.
    private static let maximumWaiting = 1_000

    private unowned let cluster: RedisCluster
    private var waiting: [Question] = []
    private var timer: LoopTimer?

    init(loop: EventLoop, cluster: RedisCluster) {
        self.cluster = cluster
        timer = LoopTimer(loop: loop) { [unowned self] in withExtendedLifetime(self) { askAgain() } }
    }

    func close() {
        timer?.close()
        let orphans = waiting
        waiting = []
        for question in orphans { question.handler(.lost) }
    }

    func ask(_ command: RedisCommands, _ handler: @escaping (RedisReply) -> Void) {
        var walk = CommandWalk()
        let bytes = command.bytes.span
        let key = walk.next(bytes)?.key ?? 0..<0
        ask(
            Question(
                command: command, slot: key.isEmpty ? nil : HashSlot.of(bytes.extracting(key)),
                since: SystemClock.monotonicMicroseconds(), handler: handler))
    }

    private func ask(_ question: Question) {
        let node: ClusterNode?
        if let detour = question.detour {
            node = cluster.node(at: detour)
        } else if let slot = question.slot {
            node = cluster.node(of: slot)
        } else {
            node = cluster.anyNode
        }
        guard let node, let connection = node.connection, connection.isReady else {
            // A new node is about to answer; one that is away is not waited for, as a single server is not.
            if node?.isNew ?? true { return askLater(question) }
            return question.handler(question.refusal)
        }
        if question.detour != nil { connection.send(["ASKING"]) { _ in } }
        connection.send(question.command) { [weak self, unowned connection] reply in
            guard let self, case .error(let text) = reply else { return question.handler(reply) }
            refused(question, by: reply, RedisRefusal(text, host: connection.host))
        }
    }

    private func refused(_ question: Question, by reply: RedisReply, _ refusal: RedisRefusal?) {
        var question = question
        question.refusal = reply
        question.detour = nil
        switch refusal {
        case .moved(let slot, let endpoint):
            cluster.move(slot, to: endpoint)
            follow(question)
        case .ask(_, let endpoint):
            question.detour = endpoint
            follow(question)
        case .notNow, .notPrimary: askLater(question)
        case .cannotWrite, nil: question.handler(reply)
        }
    }

    private func follow(_ question: Question) {
        guard question.redirections < Self.maximumRedirections else { return question.handler(question.refusal) }
        var question = question
        question.redirections += 1
        ask(question)
        cluster.flush()
    }

    private func askLater(_ question: Question) {
        guard SystemClock.monotonicMicroseconds() - question.since < Self.patience,
            waiting.count < Self.maximumWaiting
        else { return question.handler(question.refusal) }
        waiting.append(question)
        if timer?.isActive != true { timer?.start(afterMilliseconds: Self.pauseMilliseconds) }
    }

    private func askAgain() {
        let due = waiting
        waiting = []
        for question in due { ask(question) }
        cluster.flush()
    }
}
