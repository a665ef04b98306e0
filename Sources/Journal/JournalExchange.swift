// What the three threads of a journal share: the group that is handed over, what is durable, the catalogue of segments, the
// wishes of the history thread. Everything is either atomic or touched with the monitor held.

import Synchronization

/// The meeting place of loop, journal and history thread.
///
/// Unchecked: every stored `var` is private and only touched inside `monitor.withLock`.
final class JournalExchange: @unchecked Sendable {
    private let monitor = Monitor()
    private let durable: Atomic<UInt64>
    private let busy = Atomic<Bool>(false)
    private let refusing = Atomic<Bool>(false)
    private let full = Atomic<Bool>(false)
    private let allocated = Atomic<Int>(0)
    private let remaining = Atomic<Int>(0)

    private var handed: GroupBuffer?
    private var releaseThrough: UInt64 = 0
    private var isReleaseWanted = false
    /// Records that the newest segment shall not hold; 0 where nobody wishes that.
    private var leaveThrough: UInt64 = 0
    private var isClosing = false
    private var hasEnded = false
    private var isWoken = false
    /// The reader waits for a record behind this one; `.max` while it does not wait.
    private var awaitedLSN = UInt64.max
    /// Whether the loop's thread waits for the handed group.
    private var isIdleAwaited = false
    private var storedFailure: JournalError?
    private var catalog = SegmentCatalog()
    private var storedStatistics = JournalStatistics()

    init(durableLSN: UInt64) {
        durable = Atomic(durableLSN)
    }

    // MARK: Any thread

    /// Everything up to it is on the disk.
    var durableLSN: UInt64 { durable.load(ordering: .acquiring) }
    /// Whether a group is with the journal's thread.
    var isBusy: Bool { busy.load(ordering: .acquiring) }
    /// Whether nothing more can be accepted ever.
    var isRefusing: Bool { refusing.load(ordering: .acquiring) }
    /// Whether the group that is handed over waits for space.
    var isFull: Bool { full.load(ordering: .acquiring) }
    /// Bytes of all segment files.
    var allocatedBytes: Int { allocated.load(ordering: .acquiring) }
    /// Bytes that still fit into the newest segment.
    var remainingBytes: Int { remaining.load(ordering: .acquiring) }

    var failure: JournalError? { isRefusing ? monitor.withLock { storedFailure } : nil }
    var statistics: JournalStatistics { monitor.withLock { storedStatistics } }
    var segments: SegmentCatalog { monitor.withLock { catalog } }

    // MARK: The loop's thread

    /// Gives a group to the journal's thread, which must not be busy.
    func handOver(_ group: GroupBuffer) {
        monitor.withLock {
            precondition(handed == nil, "one group at a time")
            handed = group
            busy.store(true, ordering: .releasing)
        }
        // Outside the lock, or the woken thread would run right into it.
        monitor.signal(.work)
    }

    /// Waits until no group is handed over; false where the deadline came first or the journal failed.
    func waitUntilIdle(deadline: Int64) -> Bool {
        monitor.withLock {
            isIdleAwaited = true
            defer { isIdleAwaited = false }
            while handed != nil, storedFailure == nil, !hasEnded, Monitor.now() < deadline {
                monitor.wait(for: .progress, until: deadline)
            }
            return handed == nil && storedFailure == nil
        }
    }

    /// Asks the journal's thread to end, and waits for it; false where the deadline came first.
    func end(deadline: Int64) -> Bool {
        monitor.withLock {
            isClosing = true
            refusing.store(true, ordering: .releasing)
            monitor.signal(.work)
            monitor.signal(.progress)
            while !hasEnded, Monitor.now() < deadline { monitor.wait(for: .progress, until: deadline) }
            return hasEnded
        }
    }

    // MARK: The history thread

    /// Waits for a record behind `lsn`, for `wake`, for the end, or for the deadline.
    func waitForRecords(after lsn: UInt64, deadline: Int64) -> UInt64 {
        monitor.withLock {
            awaitedLSN = lsn
            defer { awaitedLSN = .max }
            while durableLSN <= lsn, !isWoken, storedFailure == nil, !isClosing, Monitor.now() < deadline {
                monitor.wait(for: .progress, until: deadline)
            }
            isWoken = false
            return durableLSN
        }
    }

    /// Lets the current or the next `waitForRecords` return.
    func wake() {
        monitor.withLock {
            isWoken = true
            monitor.signal(.progress)
        }
    }

    /// Wishes that records up to `lsn` be deleted.
    func release(through lsn: UInt64) {
        monitor.withLock {
            guard lsn > releaseThrough else { return }
            releaseThrough = lsn
            isReleaseWanted = true
            monitor.signal(.work)
        }
    }

    /// Wishes that the newest segment be left for another where it holds a record up to `lsn`.
    func leaveSegment(through lsn: UInt64) {
        monitor.withLock {
            leaveThrough = max(leaveThrough, lsn)
            monitor.signal(.work)
        }
    }

    // MARK: The journal's thread

    /// What there is to do.
    struct Work {
        var group: GroupBuffer?
        var releaseThrough: UInt64
        var isReleaseWanted: Bool
        var leaveThrough: UInt64
        var isClosing: Bool
    }

    /// Waits for something to do, or, while a group waits for space, until `retryAt`.
    func waitForWork(retryAt: Int64?) {
        monitor.withLock {
            while !isReleaseWanted, leaveThrough == 0, !isClosing, handed == nil || retryAt != nil {
                if let retryAt, Monitor.now() >= retryAt { return }
                monitor.wait(for: .work, until: retryAt)
            }
        }
    }

    /// Takes the wishes; the group stays handed over until `completed`.
    func takeWork() -> Work {
        monitor.withLock {
            defer { (isReleaseWanted, leaveThrough) = (false, 0) }
            return Work(
                group: handed, releaseThrough: releaseThrough, isReleaseWanted: isReleaseWanted,
                leaveThrough: leaveThrough, isClosing: isClosing)
        }
    }

    /// Makes the writer's view known: the catalogue and the bytes.
    func publish(_ writer: borrowing JournalWriter) {
        allocated.store(writer.catalog.bytes, ordering: .releasing)
        remaining.store(writer.remainingBytes, ordering: .releasing)
        let catalog = writer.catalog
        monitor.withLock { self.catalog = catalog }
    }

    /// The group is durable; its buffer belongs to the loop's thread again.
    func completed(_ group: GroupBuffer, durableLSN: UInt64, microseconds: UInt64) {
        let isAwaited = monitor.withLock {
            storedStatistics.flushes += 1
            storedStatistics.flushedBytes += UInt64(group.paddedSize)
            storedStatistics.lastFlushMicroseconds = microseconds
            storedStatistics.flushMicroseconds.record(microseconds)
            storedStatistics.groupRecords.record(UInt64(group.count))
            durable.store(durableLSN, ordering: .releasing)
            handed = nil
            full.store(false, ordering: .releasing)
            busy.store(false, ordering: .releasing)
            return isIdleAwaited || durableLSN > awaitedLSN
        }
        // A reader that waits for more than this is left asleep: groups come hundreds of times a second.
        if isAwaited { monitor.signal(.progress) }
    }

    /// The group waits for space.
    func foundNoSpace() {
        monitor.withLock {
            storedStatistics.fullAttempts += 1
            full.store(true, ordering: .releasing)
        }
    }

    /// A segment was deleted; there may be more.
    func released() {
        monitor.withLock {
            storedStatistics.releasedSegments += 1
            isReleaseWanted = true
        }
    }

    /// The newest segment was left; now it may be one that was released.
    func left() {
        monitor.withLock { isReleaseWanted = releaseThrough > 0 }
    }

    /// Nothing more is acknowledged.
    func fail(_ error: JournalError) {
        monitor.withLock {
            if storedFailure == nil { storedFailure = error }
            refusing.store(true, ordering: .releasing)
            monitor.signal(.progress)
        }
    }

    /// The journal's thread has done its last.
    func ended() {
        monitor.withLock {
            hasEnded = true
            monitor.signal(.progress)
        }
    }
}
