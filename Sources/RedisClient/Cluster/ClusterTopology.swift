/// Keeps a cluster's map: asks one node after another, on a connection made for the question, so that neither a busy
/// connection nor a single node that is wrong about the others is relied on.
import EventLoop

/// See the file's head. Lives on the loop's thread.
final class ClusterTopology {
    /// Asked anew so often where nothing seems wrong, in milliseconds.
    private static let calmMilliseconds = 30_000
    /// And at most so often where something does.
    private static let troubledMilliseconds: Int64 = 1_000
    /// How long a node may take to answer, in microseconds.
    private static let patience: Int64 = 1_000_000

    private let loop: EventLoop
    private let seeds: [RedisAddress]
    private var known: [RedisAddress.Endpoint] = []
    private var next = 0
    private var attemptsLeft = 0
    private var question: RedisConnection?
    private var timer: LoopTimer?
    private var lastAsked: Int64 = .min / 2
    private var isClosed = false
    /// What is known now; nil before the first answer.
    private(set) var map: ClusterMap?
    /// Why there is no answer; nil after one.
    private(set) var lastError: String?
    /// An answer came, perhaps the same as before.
    var onMap: (ClusterMap) -> Void = { _ in }

    init(loop: EventLoop, seeds: [RedisAddress]) {
        self.loop = loop
        self.seeds = seeds
        timer = LoopTimer(loop: loop) { [unowned self] in withExtendedLifetime(self) { begin() } }
        timer?.start(afterMilliseconds: 0)
    }

    /// Asks again soon, at most once a second.
    func refresh() {
        guard !isClosed, question == nil, map != nil else { return }
        let pause = lastAsked / 1_000 + Self.troubledMilliseconds - SystemClock.monotonicMicroseconds() / 1_000
        timer?.start(afterMilliseconds: Int(max(0, pause)))
    }

    /// A node said that the slot is another's: believed at once, and asked about.
    func move(_ slot: Int, to endpoint: RedisAddress.Endpoint) {
        guard map?.owner(of: slot) != endpoint else { return }
        map?.move(slot, to: endpoint)
        refresh()
    }

    func close() {
        isClosed = true
        question?.close()
        question = nil
        timer?.close()
    }

    private var candidates: [RedisAddress] {
        seeds + known.filter { endpoint in !seeds.contains { $0.endpoint == endpoint } }.map { seeds[0].moved(to: $0) }
    }

    private func begin() {
        guard question == nil else { return }
        lastAsked = SystemClock.monotonicMicroseconds()
        attemptsLeft = candidates.count
        ask()
    }

    private func ask() {
        let candidates = candidates
        next = (next + 1) % candidates.count
        attemptsLeft -= 1
        let connection = RedisConnection(loop: loop, address: candidates[next], patience: Self.patience)
        question = connection
        connection.onReady = { [unowned self, unowned connection] in
            connection.send(["CLUSTER", "SLOTS"]) { [weak self] in self?.answered($0) }
            connection.flush()
        }
        connection.onEnd = { [unowned self] ending in
            guard case .failed(let reason) = ending else { return }
            failed(reason, at: connection.address)
        }
    }

    private func answered(_ reply: RedisReply) {
        guard let connection = question else { return }
        if case .lost = reply { return }
        guard let answer = ClusterMap(reply, host: connection.host) else {
            let text = if case .error(let text) = reply { text } else { "it knows no owner of any slot" }
            return failed(text, at: connection.address)
        }
        question = nil
        connection.close()
        lastError = nil
        map = answer
        for endpoint in answer.primaries + answer.replicas where !known.contains(endpoint) { known.append(endpoint) }
        // Nodes that are gone for good must not make the list grow.
        if known.count > 3 * (answer.primaries.count + answer.replicas.count) {
            known = answer.primaries + answer.replicas
        }
        timer?.start(afterMilliseconds: Self.calmMilliseconds)
        onMap(answer)
    }

    private func failed(_ reason: String, at address: RedisAddress) {
        question?.close()
        question = nil
        let hint =
            reason.contains("cluster support disabled")
            ? "Write its address as redis://…" : "Start Redis or set DROVER_REDIS_URL"
        lastError = "cannot reach Redis Cluster by \(address.endpoint.display): \(reason). \(hint)"
        if attemptsLeft > 0 { return ask() }
        timer?.start(afterMilliseconds: map == nil ? Int.random(in: 100...500) : Int(Self.troubledMilliseconds))
    }
}
