/// How long the journal keeps records that Postgres has.
///
/// A replica that does not hold up commits may lack the last of them when it is promoted. The checkpoint is among what it
/// lacks, so a writer that finds an earlier one writes the records behind it again, as long as the journal still has them.

/// Which records may go. Belongs to the history's thread.
struct JournalRetention {
    /// Commits within so many microseconds are remembered as one.
    private static let grain: Int64 = 1_000_000

    private struct Mark {
        /// The last record committed, by when, and since when commits were counted into this mark.
        var lsn: UInt64
        var committedAt: Int64
        let beganAt: Int64
    }

    private let keepMicroseconds: Int64
    /// Beyond so many bytes of journal what is committed goes at once: pings that have no other place need the room.
    private let roomBytes: Int
    /// Oldest first; at most one more than `keepMicroseconds` has seconds.
    private var marks: [Mark] = []
    private var released: UInt64 = 0

    /// `keepSeconds` 0: what is committed goes at once.
    init(keepSeconds: Int, roomBytes: Int) {
        keepMicroseconds = Int64(keepSeconds) * 1_000_000
        self.roomBytes = roomBytes
    }

    /// A connection found Postgres at `lsn`: what was committed behind that is not there any more.
    mutating func begin(at lsn: UInt64, now: Int64) {
        marks.removeAll { $0.lsn > lsn }
        committed(lsn, now: now)
    }

    /// Records through `lsn` are committed.
    mutating func committed(_ lsn: UInt64, now: Int64) {
        if let last = marks.last {
            if last.lsn == lsn { return }
            if now - last.beganAt < Self.grain {
                marks[marks.count - 1].lsn = lsn
                marks[marks.count - 1].committedAt = now
                return
            }
        }
        marks.append(Mark(lsn: lsn, committedAt: now, beganAt: now))
    }

    /// Through which record they may go now; nil where no more may than before. `journalBytes` are those of its files.
    mutating func releasable(now: Int64, journalBytes: Int) -> UInt64? {
        let isShort = journalBytes > roomBytes
        let due = marks.prefix { isShort || now - $0.committedAt >= keepMicroseconds }
        guard let last = due.last else { return nil }
        marks.removeFirst(due.count)
        guard last.lsn > released else { return nil }
        released = last.lsn
        return last.lsn
    }
}
