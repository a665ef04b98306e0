/// The job `partitions`, and what it has done.
import EventLoop
import Logging
import Synchronization
import Tracking

/// Written on the maintenance's thread, read by metrics.
final class PartitionCounters: Sendable {
    /// What is there, and what was done since the process began.
    struct Values: Sendable {
        /// Partitions of the history at the last look.
        var partitions = 0
        /// Where the oldest of them begins, microseconds since 1970; nil where there is none.
        var oldest: Microseconds?
        /// Their size with indexes.
        var bytes = 0
        var archivesWritten = 0
        var archivedRows = 0
        var archivedBytes = 0
        var archivesDeleted = 0
        var partitionsDropped = 0
    }

    private let values = Mutex(Values())

    var current: Values { values.withLock { $0 } }

    func found(_ entries: [PartitionEntry]) {
        let attached = entries.filter { $0.state == .attached }
        values.withLock {
            $0.partitions = attached.count
            $0.oldest = attached.compactMap(\.lower).min()
            $0.bytes = entries.reduce(0) { $0 + $1.bytes }
        }
    }

    func count(_ step: PartitionKeeper.Step) {
        values.withLock {
            switch step {
            case .archived(let manifest, isNew: true):
                $0.archivesWritten += 1
                $0.archivedRows += manifest.rows
                $0.archivedBytes += manifest.bytes
            case .dropped: $0.partitionsDropped += 1
            case .deleted: $0.archivesDeleted += 1
            default: break
            }
        }
    }
}

extension MaintenanceJob {
    /// Looks after the partitions every `history.maintenance_s`.
    static func partitions(_ configuration: Configuration) -> MaintenanceJob {
        MaintenanceJob(name: "partitions", interval: Int64(configuration.historyMaintenanceSeconds) * 1_000_000) {
            session in
            let counters = session.counters.partitions
            let keeper = PartitionKeeper(session.connection, session.configuration, cutOff: session.cutOff)
            let outcome = Result {
                try keeper.maintain(now: SystemClock.wallMicroseconds()) { step in
                    counters.count(step)
                    if let words = step.words { session.log.notice("\(words)") }
                }
            }
            // Also after a failure: it is then that one looks.
            counters.found(try keeper.list())
            try outcome.get()
            return false
        }
    }
}

extension PartitionKeeper.Step {
    /// One line about what was done; nil where it is only under way, or nothing new.
    var words: String? {
        switch self {
        case .made(let days): "made \(days) \(days == 1 ? "partition" : "partitions") ahead"
        case .finalized(let name): "ended the detaching of \(name)"
        case .archiving, .archived(_, isNew: false): nil
        case .archived(let manifest, isNew: true):
            "archived \(manifest.partition): \(manifest.rows) rows, \(manifest.bytes) bytes, in \(manifest.file)"
        case .dropped(let name): "dropped \(name)"
        case .deleted(let archive): "deleted the archive \(archive)"
        }
    }
}
