/// Asks Sentinels where the primary is (redis.io/docs/reference/sentinel-clients).
import EventLoop

/// See the file's head. Lives on the loop's thread.
final class RedisSentinels {
    /// How long a Sentinel may take to answer, in microseconds.
    private static let patience: Int64 = 1_000_000

    private let loop: EventLoop
    private let sentinels: [RedisAddress]
    private let name: String
    private let template: RedisAddress
    private var connection: RedisConnection?
    private var next = -1
    private var attemptsLeft = 0
    private var answer: ((RedisAddress?) -> Void)?
    /// Why no Sentinel names a primary; nil where one does.
    private(set) var lastError: String?

    init(loop: EventLoop, sentinels: [RedisAddress], name: String, template: RedisAddress) {
        (self.loop, self.sentinels, self.name, self.template) = (loop, sentinels, name, template)
    }

    /// Gives the primary's address, or nil where no Sentinel knows it. Who asks while an answer is awaited gets that one,
    /// in place of who asked before.
    func ask(_ answer: @escaping (RedisAddress?) -> Void) {
        let isAsked = self.answer != nil
        self.answer = answer
        if isAsked { return }
        attemptsLeft = sentinels.count
        if connection != nil { put() } else { connect() }
    }

    /// What the present Sentinel said was of no use: the next question goes to the next one.
    func distrust() {
        guard answer == nil else { return }
        connection?.close()
        connection = nil
    }

    func close() {
        answer = nil
        distrust()
    }

    private func connect() {
        guard attemptsLeft > 0 else { return finish(nil) }
        attemptsLeft -= 1
        next = (next + 1) % sentinels.count
        let fresh = RedisConnection(
            loop: loop, address: sentinels[next], greeting: .init(forgivesCredentials: true), patience: Self.patience)
        connection = fresh
        fresh.onReady = { [unowned self] in if answer != nil { put() } }
        fresh.onEnd = { [unowned self] ending in
            connection = nil
            if case .failed(let reason) = ending {
                lastError =
                    "cannot reach the Sentinel at \(fresh.address.endpoint.display): \(reason). Start redis-sentinel or "
                    + "set DROVER_REDIS_URL"
            }
            if answer != nil { connect() }
        }
    }

    private func put() {
        guard let connection, connection.isReady else { return }
        connection.send(["SENTINEL", "GET-MASTER-ADDR-BY-NAME", name]) { [weak self] reply in self?.answered(reply) }
        connection.flush()
    }

    private func answered(_ reply: RedisReply) {
        guard answer != nil else { return }
        if let parts = reply.elements, parts.count == 2, let host = parts[0].text,
            let port = parts[1].text.flatMap({ UInt16($0) })
        {
            lastError = nil
            return finish(template.moved(to: .tcp(host: host, port: port)))
        }
        switch reply {
        // The connection's end goes on to the next.
        case .lost: return
        case .error(let text): lastError = "the Sentinel at \(sentinels[next].endpoint.display) says: \(text)"
        default:
            lastError =
                "the Sentinel at \(sentinels[next].endpoint.display) knows no primary called \(name). Write its name in "
                + "DROVER_REDIS_URL: redis-sentinel://host:26379/NAME"
        }
        connection?.close()
        connection = nil
        connect()
    }

    private func finish(_ address: RedisAddress?) {
        let told = answer
        answer = nil
        told?(address)
    }
}
