// The event loop's side of the journal: append, hand over, ask what is durable.
//
// A record's way: `append` copies it into the group that gathers; `submit` hands the group to the journal's thread as soon as
// that is idle; the thread writes and syncs it, raises `durableLSN` and calls `onProgress`; only then may it be acknowledged.
// While one group is being written the next one gathers in the other buffer, so that groups grow with the load.

/// A local append-only log of opaque records. Every record has an LSN (record number), the first is 1.
///
/// Belongs to one thread, the event loop's, which opens, uses and closes it.
public final class Journal {
    /// What was found at start-up.
    public let recovery: JournalRecovery
    /// A random 128-bit id in hexadecimal, made with the directory and kept in it.
    public let nodeID: String
    /// The history thread's side.
    public let store: JournalStore

    let worker: JournalWorker
    private let exchange: JournalExchange
    private let fileSystem: any JournalFileSystem
    private let segmentBytes: Int
    private let limitBytes: Int
    private var thread: JournalThread?
    private var filling: GroupBuffer
    private var other: GroupBuffer
    private var handedBytes = 0
    private var nextLSN: UInt64
    private var isClosed = false

    /// Opens the directory, making it where it is missing; takes an exclusive lock on it, checks every segment, and starts
    /// the journal's thread. `onProgress` is called on that thread after every group that became durable, and once when the
    /// journal fails.
    public convenience init(
        configuration: JournalConfiguration, onProgress: @escaping @Sendable () -> Void
    ) throws(JournalError) {
        try configuration.validate()
        let fileSystem = try POSIXFileSystem(directory: configuration.directory)
        try self.init(configuration: configuration, fileSystem: fileSystem, onProgress: onProgress)
        thread = try JournalThread(worker)
    }

    /// Opens a journal whose worker somebody else drives.
    init(
        configuration: JournalConfiguration, fileSystem: any JournalFileSystem,
        onProgress: @escaping @Sendable () -> Void
    ) throws(JournalError) {
        let start = Monitor.now()
        var recovered = try Recovery.run(fileSystem, configuration: configuration)
        nodeID = try NodeIdentity.loadOrCreate(in: fileSystem, accepted: configuration.acceptCorruptSegment)
        recovered.report.durationMicroseconds = Monitor.now() - start
        recovery = recovered.report
        nextLSN = recovered.nextLSN
        self.fileSystem = fileSystem
        segmentBytes = configuration.segmentBytes
        limitBytes = configuration.limitBytes
        exchange = JournalExchange(durableLSN: recovered.nextLSN - 1)
        let writer = JournalWriter(recovered, fileSystem, configuration: configuration)
        worker = JournalWorker(writer, exchange, onProgress: onProgress)
        store = JournalStore(exchange, fileSystem)
        filling = GroupBuffer(capacity: configuration.groupCapacity)
        other = GroupBuffer(capacity: configuration.groupCapacity)
    }

    deinit {
        close(timeoutMicroseconds: 5_000_000)
    }

    /// Starts the thread for a journal that was opened without one.
    func startThread() throws(JournalError) { thread = try JournalThread(worker) }

    /// Whether `records` more records of together `bytes` bytes are accepted now. Ask before a batch, so that it is refused
    /// whole. False while the limit is reached, while the disk has no space, while both buffers are full, and for ever once
    /// the journal has failed or is closed.
    public func hasRoom(records: Int, bytes: Int) -> Bool {
        if exchange.isRefusing || exchange.isFull { return false }
        let need = bytes + records * JournalRecord.overhead
        if !filling.fits(need) {
            submit()
            if !filling.fits(need) { return false }
        }
        // The segments that the group on its way and the one that gathers will need at most.
        var left = exchange.remainingBytes
        var newSegments = 0
        for group in [inFlightBytes, filling.used + need + 7] where group > 0 {
            if group > left {
                newSegments += 1
                left = segmentBytes - SegmentHeader.size - GroupHeader.size
            }
            left -= group
        }
        return newSegments == 0 || exchange.allocatedBytes + newSegments * segmentBytes <= limitBytes
    }

    /// Copies a record of 1 to 4,096 bytes into the group that gathers, and returns its LSN. `hasRoom` has said yes to it.
    /// It is durable once `durableLSN` has reached it.
    public func append(_ record: Span<UInt8>) -> UInt64 {
        let lsn = nextLSN
        filling.append(record, lsn: lsn)
        nextLSN = lsn &+ 1
        return lsn
    }

    /// Hands the group that gathers to the journal's thread if that is idle. Called at the end of every turn of the loop
    /// that appended, and again on progress.
    public func submit() {
        if filling.isEmpty || exchange.isBusy || exchange.isRefusing { return }
        let group = filling
        handedBytes = group.paddedSize
        filling = other
        other = group
        filling.reset()
        exchange.handOver(group)
    }

    /// The newest record that was appended.
    public var appendedLSN: UInt64 { nextLSN - 1 }

    /// Every record up to this one survives a crash and may be acknowledged.
    public var durableLSN: UInt64 { exchange.durableLSN }

    /// Why nothing more will ever be durable. The process must end: a sync that failed is never repeated.
    public var failure: JournalError? { exchange.failure }

    /// Whether appended records wait for disk space. It passes when space returns or segments are released.
    public var isFull: Bool { exchange.isFull }

    /// Bytes of the segment files.
    public var sizeBytes: Int { exchange.allocatedBytes }

    /// Bytes in memory that are not durable yet.
    public var pendingBytes: Int { inFlightBytes + (filling.isEmpty ? 0 : filling.paddedSize) }

    /// Of these, bytes that `submit` has not handed over yet.
    public var gatheringBytes: Int { filling.isEmpty ? 0 : filling.paddedSize }

    /// Counters of the journal's thread.
    public var statistics: JournalStatistics { exchange.statistics }

    /// Writes and syncs what was appended, ends the thread, and lets go of the directory. Returns whether every appended
    /// record is durable; false after a failure, with no disk space, or where `timeoutMicroseconds` did not suffice.
    @discardableResult
    public func close(timeoutMicroseconds: Int64) -> Bool {
        if isClosed { return appendedLSN == durableLSN }
        isClosed = true
        guard let thread else {
            _ = exchange.end(deadline: 0)
            return appendedLSN == durableLSN
        }
        let deadline = Monitor.now() + timeoutMicroseconds
        // The group on its way, then the one that gathers.
        for _ in 0..<2 where exchange.waitUntilIdle(deadline: deadline) { submit() }
        _ = exchange.waitUntilIdle(deadline: deadline)
        if exchange.end(deadline: deadline) {
            thread.join()
            fileSystem.unlock()
        } else {
            thread.detach()
        }
        return appendedLSN == durableLSN
    }

    private var inFlightBytes: Int { exchange.isBusy ? handedBytes : 0 }
}
