/// The loop of the history's thread: connect, resume at the checkpoint, gather a batch, write it; after any fault the same
/// again from the beginning, with the journal as the memory of what is still to do.
import EventLoop
import Journal
import PostgresClient
import Synchronization
import Tracking

/// What keeps the worker from going on.
enum HistoryFault: Error, CustomStringConvertible {
    /// Postgres, or the way to it.
    case postgres(PostgresError)
    /// The journal cannot be read.
    case journal(JournalError)
    /// Going on would do harm.
    case unsafe(String)

    /// Whether somebody has to repair something, rather than Postgres come back.
    var needsRepair: Bool {
        switch self {
        case .postgres(let error): ![.connection, .transient, .interrupted].contains(error.kind)
        case .journal, .unsafe: true
        }
    }

    var description: String {
        switch self {
        case .postgres(let error): error.description
        case .journal(let error): "\(error)"
        case .unsafe(let text): text
        }
    }
}

/// The state of the history's thread.
struct HistoryWorker: ~Copyable {
    private static let minute: Int64 = 60_000_000
    private static let hour = 60 * minute
    /// How long the thread sleeps at most when nothing comes; then it looks whether its connection still stands.
    private static let idleMilliseconds = 1_000
    /// Deadlocks of one batch that are met on the same connection.
    private static let deadlocksEndured = 5

    private let configuration: HistoryConfiguration
    private let store: JournalStore
    private let counters: HistoryCounters
    private let signals: HistorySignals
    private var batch = HistoryBatch()
    private var records = JournalBatch()
    private var floodGuard = DeadLetterGuard()
    private var retention: JournalRetention
    private var delay: RetryDelay
    private var schemaIsReady = false
    /// What the last COMMIT that was sent would have done, where its answer did not come.
    private var unanswered: HistoryOutcome?
    private var nextPartitionsAt: Int64 = 0
    /// Whether the present connection got as far as writing.
    private var isServing = false
    /// Whether writing met something to repair: then being connected does not yet mean being ready.
    private var mustProve = false

    init(
        _ configuration: HistoryConfiguration, _ store: JournalStore, _ counters: HistoryCounters,
        _ signals: HistorySignals
    ) {
        self.configuration = configuration
        self.store = store
        self.counters = counters
        self.signals = signals
        retention = JournalRetention(keepSeconds: configuration.keepSeconds, roomBytes: configuration.keepBytes)
        delay = RetryDelay(
            shortestMilliseconds: configuration.retryMilliseconds.lowerBound,
            longestMilliseconds: configuration.retryMilliseconds.upperBound)
    }

    /// Runs until it is asked to stop.
    consuming func run() {
        while true {
            do throws(HistoryFault) {
                try serve()
            } catch {
                counters.set(lastError: error.description)
                counters.set(error.needsRepair ? .holding(error.description) : .connecting)
                if error.needsRepair, isServing { mustProve = true }
                isServing = false
            }
            if signals.isStopping { return }
            let longest = configuration.retryMilliseconds.upperBound
            signals.cutOff.pause(milliseconds: min(longest, delay.next() + configuration.retryMilliseconds.lowerBound))
            if signals.isStopping { return }
        }
    }

    /// One connection's life. Returns when it is time to stop.
    private mutating func serve() throws(HistoryFault) {
        let session = try postgres { () throws(PostgresError) in
            let session = try HistorySession(configuration, cutOff: signals.cutOff)
            if !schemaIsReady { try session.prepareSchema() }
            try session.readCheckpoint()
            return session
        }
        schemaIsReady = true
        settle(session.checkpoint)
        nextPartitionsAt = 0
        try keepPartitions(session)
        let reader = try journal { () throws(JournalError) in try store.makeReader(after: session.checkpoint) }
        retention.begin(at: session.checkpoint, now: SystemClock.monotonicMicroseconds())
        release()
        counters.lastCommittedLSN.store(session.checkpoint, ordering: .releasing)
        isServing = true
        if !mustProve { becomeReady() }
        while true {
            let stopping = signals.isStopping
            guard try gather(from: reader, after: session.checkpoint, waiting: !stopping) else {
                if stopping { return }
                // A journal that has ended does not wait; do not spin until the gateway stops this thread too.
                signals.cutOff.pause(milliseconds: 10)
                release()
                guard session.isAlive else {
                    throw .postgres(PostgresError(.connection, "Postgres ended the connection"))
                }
                try keepPartitions(session)
                continue
            }
            try write(session)
            delay.reset()
            try keepPartitions(session)
        }
    }

    /// Fills `batch` with what is durable behind `position`: at once when enough is there, else after giving the rest of a
    /// batch time to come. False where nothing came.
    private mutating func gather(
        from reader: JournalReader, after position: UInt64, waiting: Bool
    ) throws(HistoryFault) -> Bool {
        let durable = store.waitForRecords(
            after: position, timeoutMilliseconds: waiting ? Self.idleMilliseconds : 0)
        guard durable > position else { return false }
        let full = position + UInt64(configuration.batchRecords)
        if waiting, durable < full, !signals.isStopping {
            _ = store.waitForRecords(after: full - 1, timeoutMilliseconds: configuration.batchMilliseconds)
        }
        batch.removeAll()
        do {
            _ = try reader.read(
                into: &records, maxRecords: configuration.batchRecords,
                maxBytes: configuration.batchRecords * PingRecord.maximumBytes)
        } catch { throw .journal(error) }
        Self.encode(records, into: &batch)
        return records.count > 0
    }

    private static func encode(_ records: borrowing JournalBatch, into batch: inout HistoryBatch) {
        for index in 0..<records.count { records.withRecord(at: index) { batch.append($0) } }
    }

    /// Writes the batch, in as many transactions as Postgres makes necessary.
    private mutating func write(_ session: HistorySession) throws(HistoryFault) {
        var plan = HistoryPlan(count: batch.count, faulty: batch.faults.map(\.index))
        var refusal: PostgresError?
        var madeAfresh = false
        var deadlocks = 0
        try postgres { () throws(PostgresError) in try session.makePartitions(for: batch, afresh: false) }
        while let step = plan.next {
            do {
                switch step {
                case .write(let range, let path): try write(range, path, session)
                case .setAside(let index): try setAside(index, refusal, session)
                }
                plan.succeeded()
            } catch .postgres(let error) where step.isWrite && error.kind == .unique && plan.metExistingRow() {
                continue
            } catch .postgres(let error)
                where step.isWrite && error.sqlState == "40P01" && deadlocks < Self.deadlocksEndured
            {
                // Another node writes the same fixes. Through the staging table they come in one order, the key's, which
                // everybody keeps.
                deadlocks += 1
                _ = plan.metExistingRow()
            } catch .postgres(let error) where step.isWrite && error.kind == .noPartition && !madeAfresh {
                madeAfresh = true
                try postgres { () throws(PostgresError) in try session.makePartitions(for: batch, afresh: true) }
            } catch .postgres(let error) where step.isWrite && [.data, .unique].contains(error.kind) {
                refusal = error
                plan.metBadRow()
            }
        }
        mustProve = false
        becomeReady()
    }

    private func becomeReady() {
        counters.set(.ready)
        counters.set(lastError: nil)
    }

    private mutating func write(
        _ range: Range<Int>, _ path: HistoryPlan.Path, _ session: HistorySession
    ) throws(HistoryFault) {
        let start = SystemClock.monotonicMicroseconds()
        let lastLSN = records.firstLSN + UInt64(range.upperBound - 1)
        do {
            try session.write(range, of: batch, path, lastLSN: lastLSN) { unanswered = $0 }
        } catch { throw .postgres(error) }
        counters.add(durationMicroseconds: SystemClock.monotonicMicroseconds() - start)
        floodGuard.stored(range.count)
        settle(session.checkpoint)
        retention.committed(session.checkpoint, now: SystemClock.monotonicMicroseconds())
        release()
    }

    private mutating func setAside(
        _ index: Int, _ refusal: PostgresError?, _ session: HistorySession
    ) throws(HistoryFault) {
        let fault = batch.faults.first { $0.index == index }?.fault
        let reason = fault.map { DeadLetterReason($0) } ?? refusal.map { DeadLetterReason($0) }
        guard let reason else { preconditionFailure("a record is set aside only for a reason") }
        guard floodGuard.allowsAnother else {
            throw .unsafe(
                "more than one in \(DeadLetterGuard.oneIn) of the last rows would have to be set aside, the last one "
                    + "because: \(reason.text) (SQLSTATE \(reason.sqlState)). That is a fault of the schema rather than of "
                    + "the rows: repair it; see ingest_dead_letters for the first \(DeadLetterGuard.allowance).")
        }
        do {
            try session.setAside(index, of: batch, records, reason) { unanswered = $0 }
        } catch { throw .postgres(error) }
        floodGuard.setAside()
        settle(session.checkpoint)
        retention.committed(session.checkpoint, now: SystemClock.monotonicMicroseconds())
        release()
    }

    /// Lets the journal forget what it need not keep.
    private mutating func release() {
        let now = SystemClock.monotonicMicroseconds()
        if let lsn = retention.releasable(now: now, journalBytes: store.allocatedBytes) { store.release(through: lsn) }
    }

    /// Counts the last transaction once the checkpoint shows that it was committed. Where it does not, a later one may:
    /// an earlier connection can still be at work in the server.
    private mutating func settle(_ checkpoint: UInt64) {
        guard let outcome = unanswered, outcome.lastLSN <= checkpoint else { return }
        unanswered = nil
        counters.add(outcome, now: SystemClock.wallMicroseconds())
    }

    private mutating func keepPartitions(_ session: HistorySession) throws(HistoryFault) {
        let now = SystemClock.monotonicMicroseconds()
        guard now >= nextPartitionsAt else { return }
        let refusal = try postgres { () throws(PostgresError) in try session.makePartitionsAhead() }
        nextPartitionsAt = now + (refusal == nil ? Self.hour : Self.minute)
        counters.set(partitionError: refusal?.description)
    }

    private func postgres<Result>(
        _ body: () throws(PostgresError) -> Result
    ) throws(HistoryFault) -> Result {
        do { return try body() } catch { throw .postgres(error) }
    }

    private func journal<Result>(_ body: () throws(JournalError) -> Result) throws(HistoryFault) -> Result {
        do { return try body() } catch { throw .journal(error) }
    }
}

extension HistoryPlan.Step {
    /// Whether the step writes rows, so that a refusal can be about their data.
    var isWrite: Bool {
        if case .write = self { true } else { false }
    }
}
