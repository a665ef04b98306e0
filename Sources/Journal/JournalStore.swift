// The history thread's side of the journal: wait, read, release.

/// Reads durable records and releases those that are stored elsewhere.
public final class JournalStore: Sendable {
    private let exchange: JournalExchange
    private let fileSystem: any JournalFileSystem

    init(_ exchange: JournalExchange, _ fileSystem: any JournalFileSystem) {
        self.exchange = exchange
        self.fileSystem = fileSystem
    }

    /// The newest durable record.
    public var durableLSN: UInt64 { exchange.durableLSN }

    /// Blocks until a record behind `lsn` is durable, `wake` is called, the time is over, or the journal fails or closes;
    /// returns the newest durable LSN.
    public func waitForRecords(after lsn: UInt64, timeoutMilliseconds: Int) -> UInt64 {
        exchange.waitForRecords(after: lsn, deadline: Monitor.now() + Int64(timeoutMilliseconds) * 1000)
    }

    /// Lets the current `waitForRecords` return, or the next one where none is under way. From any thread.
    public func wake() { exchange.wake() }

    /// Says that records up to `lsn` are kept elsewhere. The journal's thread then deletes the segments that hold no others;
    /// the newest segment stays. Returns at once.
    public func release(through lsn: UInt64) { exchange.release(through: lsn) }

    /// Wishes that no record up to `lsn` stay in a file for long: the newest segment, which is never deleted, is left for
    /// a new one where it holds such a record. Released records then go with their segments, though the last of a segment
    /// has to be released too. Returns at once; where the disk is full nothing happens, so ask again as long as `firstLSN`
    /// is not beyond `lsn`.
    public func leaveSegment(through lsn: UInt64) { exchange.leaveSegment(through: lsn) }

    /// Bytes of all its files.
    public var allocatedBytes: Int { exchange.allocatedBytes }

    /// The oldest record that a file may hold; one more than the newest where none is left.
    public var firstLSN: UInt64 {
        let catalog = exchange.segments
        return catalog.segments.first?.firstLSN ?? exchange.durableLSN + 1
    }

    /// A reader of the records behind `lsn`. Throws `notInJournal` where the journal does not reach back to `lsn + 1` or not
    /// on to `lsn`: then records are missing, or `lsn` belongs to another journal.
    public func makeReader(after lsn: UInt64) throws(JournalError) -> JournalReader {
        let catalog = exchange.segments
        let durableLSN = exchange.durableLSN
        let next = catalog.skippingLost(lsn + 1)
        let first = catalog.segments.first?.firstLSN ?? durableLSN + 1
        guard next >= first, next <= durableLSN + 1 else {
            throw .notInJournal(lsn: lsn + 1, firstLSN: first, lastLSN: durableLSN)
        }
        return JournalReader(exchange, fileSystem, next: next)
    }
}
