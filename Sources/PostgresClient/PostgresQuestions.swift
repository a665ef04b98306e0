/// Asking Postgres from the event loop, which must never wait: credentials, assignments, a driver's newest position.
///
/// One connection, driven by the loop; questions queue up, are asked one at a time, and each is answered or given up by
/// its deadline. A lost connection is made again by itself.
import CPostgres
public import EventLoop

/// A queue of questions to one Postgres. Belongs to its loop's thread; `close()` ends it.
public final class PostgresQuestions {
    /// What a question comes to.
    public typealias Answer = (Result<PostgresRows, PostgresError>) -> Void

    /// Questions that may wait; what comes on top is refused.
    public static let queueLimit = 1_000
    /// Bytes of SQL and parameters that may wait.
    public static let queueLimitBytes = 1 << 20

    /// A connection that is younger than this, in microseconds, is kept where its server takes no writes: making it anew has
    /// just been of no help.
    private static let readOnlyPatience: Int64 = 5_000_000

    private struct Question {
        let sql: String
        let parameters: [String?]
        let isBinary: Bool
        /// Whether the statement is prepared once a connection and then only executed.
        let isPrepared: Bool
        /// Whether it was prepared anew already.
        var isAnew = false
        let deadline: Int64
        let answer: Answer
        var bytes: Int { sql.utf8.count + parameters.reduce(0) { $0 + ($1?.utf8.count ?? 0) } }
    }

    /// A connection and the watch on its socket, which is closed before libpq may close the socket.
    private final class Link {
        let handle: PostgresHandle
        var poll: LoopPoll?
        /// The names of prepared statements by their SQL; a name is never used twice.
        var prepared: [String: String] = [:]
        var preparations = 0
        /// The SQL that is being prepared for the first question.
        var preparing: String?
        /// When it was connected, in monotonic microseconds.
        var connectedAt: Int64 = 0
        init(_ handle: consuming PostgresHandle) { self.handle = handle }
    }

    private enum Phase {
        case waiting, connecting, idle, busy, closed
    }

    private let loop: EventLoop
    private let address: PostgresAddress
    private var phase = Phase.waiting
    private var link: Link?
    /// The present attempt to connect.
    private var walk: ServerWalk
    /// In order of asking; the first is the one under way while `busy`.
    private var queue: [Question] = []
    private var queueBytes = 0
    /// When the deadline timer is set to fire; never later than the earliest deadline in the queue.
    private var nextDeadline = Int64.max
    private var rows: PostgresRows?
    private var refusal: PostgresError?
    private var delay = RetryDelay()
    private var retryTimer: LoopTimer?
    private var deadlineTimer: LoopTimer?

    /// Called when `isConnected` changes.
    public var onStateChange: ((_ isConnected: Bool) -> Void)?
    /// Called with each message of the channels that a `LISTEN` was asked for; after a lost connection they must be asked
    /// for again, and what was told meanwhile was missed.
    public var onNotification: ((_ channel: String, _ payload: String) -> Void)?
    /// Why the last attempt to connect failed or the connection was lost; nil while connected.
    public private(set) var lastError: PostgresError?

    /// Begins to connect. Name resolution happens in libpq and blocks the loop: give a socket's directory, an address
    /// (`hostaddr`) or a name in /etc/hosts.
    public init(loop: EventLoop, address: PostgresAddress) {
        self.loop = loop
        self.address = address
        walk = ServerWalk(address)
        retryTimer = LoopTimer(loop: loop) { [weak self] in self?.retryIsDue() }
        deadlineTimer = LoopTimer(loop: loop) { [weak self] in self?.deadlineIsDue() }
        connect()
    }

    /// Whether questions reach the server now.
    public var isConnected: Bool { phase == .idle || phase == .busy }

    /// Questions that wait for an answer.
    public var queued: Int { queue.count }

    /// Asks one statement with parameters `$1`, `$2`, … as text, nil for NULL. `then` is called once, on a later turn of
    /// the loop or in `close()`, with rows or an error; an error of kind `.interrupted` where `deadlineMilliseconds` is over.
    /// False, and `then` is never called, where the queue is full or closed. With `binary`, values come in their types'
    /// binary form. With `prepared`, the statement is parsed and planned once a connection, which a transaction-mode pool
    /// must know how to carry (PgBouncer 1.21 does).
    public func ask(
        _ sql: String, _ parameters: [String?] = [], binary: Bool = false, prepared: Bool = false,
        deadlineMilliseconds: Int = 2_000, then: @escaping Answer
    ) -> Bool {
        precondition(!(binary && prepared), "prepared statements are answered as text")
        let question = Question(
            sql: sql, parameters: parameters, isBinary: binary, isPrepared: prepared,
            deadline: SystemClock.monotonicMicroseconds() + Int64(deadlineMilliseconds) * 1_000, answer: then)
        guard phase != .closed, queue.count < Self.queueLimit, queueBytes + question.bytes <= Self.queueLimitBytes
        else {
            return false
        }
        queue.append(question)
        queueBytes += question.bytes
        if question.deadline < nextDeadline { setDeadlineTimer(question.deadline) }
        sendNext()
        return true
    }

    /// Ends the connection; what is queued is answered with an error.
    public func close() {
        guard phase != .closed else { return }
        phase = .closed
        unlink()
        retryTimer?.close()
        deadlineTimer?.close()
        (retryTimer, deadlineTimer) = (nil, nil)
        onStateChange = nil
        onNotification = nil
        let left = queue
        queue = []
        queueBytes = 0
        for question in left { question.answer(.failure(PostgresError(.interrupted, "the connection was closed"))) }
    }

    // MARK: Connecting

    private func connect() {
        phase = .connecting
        walk = ServerWalk(address)
        beginToConnect()
    }

    private func beginToConnect() {
        do {
            link = Link(try walk.begin())
            retryTimer?.start(afterMilliseconds: walk.limitMilliseconds)
            try watch(.writable)
        } catch {
            lost(error)
        }
    }

    private func continueConnecting(_ link: Link) {
        // libpq may close this socket and open another, for the next address.
        link.poll?.close()
        link.poll = nil
        do throws(PostgresError) {
            let status = PQconnectPoll(link.handle.pointer)
            if walk.hasGoneOn(link.handle) { retryTimer?.start(afterMilliseconds: walk.limitMilliseconds) }
            switch status {
            case PGRES_POLLING_READING: try watch(.readable)
            case PGRES_POLLING_WRITING: try watch(.writable)
            case PGRES_POLLING_OK: try connected(link)
            default: throw link.handle.error
            }
        } catch {
            lost(error)
        }
    }

    private func connected(_ link: Link) throws(PostgresError) {
        PQsetnonblocking(link.handle.pointer, 1)
        try watch(.readable)
        retryTimer?.stop()
        link.connectedAt = SystemClock.monotonicMicroseconds()
        delay.reset()
        lastError = nil
        phase = .idle
        onStateChange?(true)
        sendNext()
    }

    private func watch(_ readiness: LoopReadiness) throws(PostgresError) {
        guard let link else { return }
        do {
            let poll = try LoopPoll(loop: loop, descriptor: link.handle.socket) { [weak self] _ in self?.ready() }
            link.poll = poll
            poll.watch(readiness)
        } catch {
            throw PostgresError(.connection, "cannot watch the socket to Postgres: \(error)")
        }
    }

    /// The connection is of no use any more: make another, after a while.
    private func lost(_ error: PostgresError) {
        guard phase != .closed else { return }
        let wasConnected = isConnected
        let wasBusy = phase == .busy
        unlink()
        phase = .waiting
        lastError = error
        retryTimer?.start(afterMilliseconds: delay.next())
        if wasBusy { answerFirst(.failure(error)) }
        if wasConnected { onStateChange?(false) }
    }

    private func unlink() {
        link?.poll?.close()
        link = nil
        rows = nil
        refusal = nil
    }

    private func retryIsDue() {
        switch phase {
        case .waiting: connect()
        case .connecting:
            // libpq would stay with a server that does not answer.
            if walk.skip() {
                unlink()
                return beginToConnect()
            }
            lost(PostgresError(.connection, "no answer in time while connecting to \(address.description)"))
        case .idle, .busy, .closed: break
        }
    }

    // MARK: Asking

    private func sendNext() {
        guard phase == .idle, let link, let question = queue.first else { return }
        phase = .busy
        do throws(PostgresError) {
            if !question.isPrepared {
                try link.handle.send(question.sql, question.parameters, binary: question.isBinary)
            } else if let name = link.prepared[question.sql] {
                try link.handle.execute(name, question.parameters)
            } else {
                link.preparations += 1
                try link.handle.prepare("drover\(link.preparations)", question.sql)
                link.preparing = question.sql
            }
            try flush(link)
        } catch {
            // It did not reach the server whole, so it can be asked again.
            phase = .idle
            lost(error)
        }
    }

    private func flush(_ link: Link) throws(PostgresError) {
        link.poll?.watch(try link.handle.flush() ? .readable : [.readable, .writable])
    }

    private func ready() {
        guard let link else { return }
        if phase == .connecting { return continueConnecting(link) }
        do throws(PostgresError) {
            try link.handle.consume()
            if phase == .busy {
                try flush(link)
                try takeResults(link)
            }
            while self.link === link, let message = link.handle.notification() {
                onNotification?(message.channel, message.payload)
            }
            if self.link === link, link.handle.isBroken { throw link.handle.error }
        } catch {
            if self.link === link { lost(error) }
        }
    }

    private func takeResults(_ link: Link) throws(PostgresError) {
        while PQisBusy(link.handle.pointer) == 0 {
            guard let result = PQgetResult(link.handle.pointer) else {
                guard !link.handle.isBroken else { throw refusal ?? link.handle.error }
                let answer: Result<PostgresRows, PostgresError> =
                    if let refusal { .failure(refusal) } else if let rows { .success(rows) } else {
                        .failure(link.handle.error)
                    }
                (rows, refusal) = (nil, nil)
                if case .failure(let error) = answer, isEnd(of: link, error) { throw error }
                phase = .idle
                if isAskedAgain(answer, link) { return sendNext() }
                answerFirst(answer)
                sendNext()
                return
            }
            let status = PQresultStatus(result)
            refusal = refusal ?? link.handle.error(of: result)
            rows = PostgresRows(result)
            if [PGRES_COPY_IN, PGRES_COPY_OUT, PGRES_COPY_BOTH].contains(status) {
                throw PostgresError(.schema, "a question cannot be a COPY")
            }
        }
    }

    /// Whether an answer says that the connection is of no more use: the server ends it, or it takes no writes (any more),
    /// and another of the address has become the primary, or will.
    private func isEnd(of link: Link, _ error: PostgresError) -> Bool {
        guard error.endsSession else { return false }
        return !error.isReadOnly
            || SystemClock.monotonicMicroseconds() - link.connectedAt >= Self.readOnlyPatience
    }

    /// Whether the first question goes on: what it needs was prepared just now, or is to be prepared anew, because tables
    /// have changed under its plan or because a pool has given us another server connection.
    private func isAskedAgain(_ answer: Result<PostgresRows, PostgresError>, _ link: Link) -> Bool {
        if let sql = link.preparing {
            link.preparing = nil
            guard case .success = answer else { return false }
            link.prepared[sql] = "drover\(link.preparations)"
            return true
        }
        guard let question = queue.first, question.isPrepared, !question.isAnew, case .failure(let error) = answer,
            ["0A000", "26000"].contains(error.sqlState), link.prepared[question.sql] != nil
        else { return false }
        link.prepared[question.sql] = nil
        queue[0].isAnew = true
        return true
    }

    private func answerFirst(_ answer: Result<PostgresRows, PostgresError>) {
        let question = queue.removeFirst()
        queueBytes -= question.bytes
        question.answer(answer)
    }

    // MARK: Deadlines

    private func setDeadlineTimer(_ deadline: Int64) {
        nextDeadline = deadline
        let left = deadline - SystemClock.monotonicMicroseconds()
        deadlineTimer?.start(afterMilliseconds: Int(max(0, left) + 999) / 1_000)
    }

    private func deadlineIsDue() {
        let now = SystemClock.monotonicMicroseconds()
        let error = PostgresError(.interrupted, "no answer from Postgres at \(address.description) in time")
        if phase == .busy, let first = queue.first, first.deadline <= now, let link {
            PostgresCancel.send(link.handle)
            lost(error)
        }
        let kept = phase == .busy ? 1 : 0
        let late = queue.dropFirst(kept).filter { $0.deadline <= now }
        if !late.isEmpty {
            queue = queue.prefix(kept) + queue.dropFirst(kept).filter { $0.deadline > now }
            for question in late { queueBytes -= question.bytes }
            for question in late { question.answer(.failure(error)) }
        }
        nextDeadline = .max
        if let earliest = queue.lazy.map(\.deadline).min() { setDeadlineTimer(earliest) }
    }
}
