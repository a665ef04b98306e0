// What the journal's thread does, one step at a time, so that a test can drive it without the thread.

import Glibc

/// Takes work from the exchange and has the writer do it. Used by one thread only.
final class JournalWorker {
    /// How long a group that found no space waits before the next attempt, in microseconds; a release ends the wait.
    private static let retryMicroseconds: Int64 = 1_000_000

    private var writer: JournalWriter
    private let exchange: JournalExchange
    private let onProgress: @Sendable () -> Void
    private var hasFailed = false

    init(_ writer: JournalWriter, _ exchange: JournalExchange, onProgress: @escaping @Sendable () -> Void) {
        self.writer = writer
        self.exchange = exchange
        self.onProgress = onProgress
        exchange.publish(writer)
    }

    /// The body of the thread.
    func run() {
        while true {
            exchange.waitForWork(retryAt: exchange.isFull ? Monitor.now() + JournalWorker.retryMicroseconds : nil)
            if !step() { break }
        }
        finish()
    }

    /// Seals the newest segment and closes the files.
    func finish() {
        if !hasFailed, case .failed(let error) = writer.seal() { fail(error) }
        writer.close()
        exchange.ended()
    }

    /// Writes the group that was handed over, if there is one, leaves the newest segment where that was asked for, and
    /// deletes one released segment. False once there is nothing more to do for ever.
    func step() -> Bool {
        if hasFailed { return false }
        let work = exchange.takeWork()
        let wasFull = exchange.isFull
        // Space first where it is wanting, otherwise whoever waits for an acknowledgement first.
        if wasFull, work.isReleaseWanted { release(through: work.releaseThrough) }
        if let group = work.group, !hasFailed { write(group) }
        if work.leaveThrough > 0, !hasFailed, !exchange.isFull { leaveSegment(through: work.leaveThrough) }
        if !wasFull, work.isReleaseWanted, !hasFailed { release(through: work.releaseThrough) }
        return !hasFailed && !work.isClosing
    }

    private func write(_ group: GroupBuffer) {
        let start = Monitor.now()
        switch writer.write(group) {
        case .durable:
            exchange.publish(writer)
            exchange.completed(
                group, durableLSN: writer.durableLSN, microseconds: UInt64(max(0, Monitor.now() - start)))
            onProgress()
        case .full:
            exchange.foundNoSpace()
        case .failed(let error):
            fail(error)
        }
    }

    /// Without space for another segment nothing happens: whoever wants it asks again.
    private func leaveSegment(through lsn: UInt64) {
        switch writer.leaveNewest(through: lsn) {
        case .durable:
            exchange.publish(writer)
            exchange.left()
        case .full: break
        case .failed(let error): fail(error)
        }
    }

    private func release(through lsn: UInt64) {
        do throws(FileError) {
            guard try writer.releaseOldest(through: lsn) else { return }
            exchange.publish(writer)
            exchange.released()
        } catch {
            fail(.failed(operation: error.operation, path: error.name, code: error.code))
        }
    }

    private func fail(_ error: JournalError) {
        hasFailed = true
        exchange.fail(error)
        onProgress()
    }
}
