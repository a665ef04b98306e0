/// Keeps the history's days in order: those ahead are made, those past retention are written out and dropped, and archives
/// past theirs deleted.
///
/// A day goes in these steps, each of which can be the last before a crash:
/// 1. it is archived, verified, and has its row in `history_archives`: a failure keeps the day where it is;
/// 2. it is marked and detached, so that nothing is added to it any more;
/// 3. the archive is compared with the detached table, and written again where rows came between 1 and 2;
/// 4. it is dropped, and `dropped_at` set, in one transaction.
/// What was marked is found again and taken through the rest. A day is dropped a day after retention ends: pings are judged
/// at the door and may then wait in a journal.
import EventLoop
import PostgresClient
import Tracking

/// Works on the connection of one thread, outside of a transaction.
struct PartitionKeeper {
    /// What is being done, for whoever watches.
    enum Step: Equatable {
        case made(days: Int)
        case finalized(String)
        /// `of` is an estimate; nil where there is none.
        case archiving(String, rows: Int, of: Int?)
        case archived(ArchiveManifest, isNew: Bool)
        case dropped(String)
        case deleted(archive: String)
    }

    private static let day: Microseconds = 86_400_000_000

    private let connection: PostgresConnection
    private let configuration: Configuration
    private let cutOff: PostgresCutOff
    private let place: HistoryPlace
    private let archives: Archives
    private let removal: PartitionRemoval
    /// How long to wait for somebody else who works on the partitions.
    private let lockMilliseconds: Int

    /// `stepMilliseconds` is how long one step waits for a lock in Postgres; each is tried three times.
    init(
        _ connection: PostgresConnection, _ configuration: Configuration, cutOff: PostgresCutOff,
        lockMilliseconds: Int = 10_000, stepMilliseconds: Int = 2_000
    ) {
        self.connection = connection
        self.configuration = configuration
        self.cutOff = cutOff
        self.lockMilliseconds = lockMilliseconds
        place = configuration.historyPlace
        archives = Archives(
            directory: configuration.historyArchiveDirectory, connection: connection,
            schema: configuration.postgresSchema, history: configuration.historySchema, cutOff: cutOff)
        removal = PartitionRemoval(
            connection: connection, place: place, cutOff: cutOff, lockMilliseconds: stepMilliseconds)
    }

    /// The history's days, oldest first.
    func list() throws(PostgresError) -> [PartitionEntry] {
        try PartitionEntry.all(connection, place)
    }

    /// Does all that is due at `now`. What fails does not keep the rest from being done; the first failure is thrown at the
    /// end. Where nothing of the history is kept (retention 0), nothing is done.
    func maintain(now: Microseconds, report: (Step) throws -> Void = { _ in }) throws {
        guard configuration.historyRetentionDays > 0 else { return }
        try locked {
            var failure: (any Error)?
            func attempt(_ body: () throws -> Void) throws {
                do { try body() } catch let error as PostgresError where error.endsSession {
                    throw error
                } catch { failure = failure ?? error }
            }
            try attempt { try finishForeignDetaches(report) }
            try attempt { try makeAhead(now, report) }
            // Before days are archived: it makes room.
            try attempt { try deleteArchives(now, report) }
            try attempt { try dropDays(now, report) }
            if let failure { throw failure }
        }
    }

    /// Writes days out without dropping them: `day` (`YYYY-MM-DD` in the history's zone), or every day that is over at
    /// `now`. A sound archive that holds the same already is left as it is.
    func archive(day: String?, now: Microseconds, report: (Step) throws -> Void = { _ in }) throws {
        guard archives.directory != nil else { throw PartitionError.noArchiveDirectory }
        try locked {
            let entries = try list().filter { $0.state == .attached }
            var chosen = entries.filter { $0.lower != nil && $0.upper.map { $0 <= now } ?? false }
            if let day {
                let bounds = try self.bounds(of: day)
                chosen = entries.filter { ($0.lower ?? .max) < bounds.upper && ($0.upper ?? .min) > bounds.lower }
                if chosen.isEmpty { throw PartitionError.noPartition(day: day) }
            }
            for entry in chosen { try write(entry, report) }
        }
    }

    /// What `maintain` would drop and delete at `now`: partitions, and files of archives.
    func due(now: Microseconds) throws -> (partitions: [PartitionEntry], archives: [String]) {
        guard configuration.historyRetentionDays > 0 else { return ([], []) }
        return (try list().filter { isDue($0, now) || $0.state == .leftover }, try expiredArchives(now))
    }

    private func locked(_ body: () throws -> Void) throws {
        try MaintenanceLock.whileAlone(
            connection, schema: configuration.postgresSchema, withinMilliseconds: lockMilliseconds, body)
    }

    private func isDue(_ entry: PartitionEntry, _ now: Microseconds) -> Bool {
        guard entry.lower != nil, let upper = entry.upper, entry.state != .detached else { return false }
        return upper <= now - Microseconds(configuration.historyRetentionDays + 1) * Self.day
    }

    /// A DETACH that somebody else began and did not end keeps every other partition from being detached.
    private func finishForeignDetaches(_ report: (Step) throws -> Void) throws {
        for entry in try list() where entry.state == .detaching && !entry.isMarked {
            try removal.detach(entry, mark: false)
            try report(.finalized(entry.name))
        }
    }

    private func makeAhead(_ now: Microseconds, _ report: (Step) throws -> Void) throws {
        var partitions = Partitions(schema: place.history, timeZone: configuration.historyTimeZone)
        let made = try partitions.makeAhead(configuration.historyPartitionsAheadDays, now: now, connection)
        if made > 0 { try report(.made(days: made)) }
    }

    private func dropDays(_ now: Microseconds, _ report: (Step) throws -> Void) throws {
        let entries = try list()
        for entry in entries where entry.state == .attached && entry.isMarked && !isDue(entry, now) {
            try removal.unmark(entry)
        }
        let isGoing = { (entry: PartitionEntry) in
            entry.state == .leftover || entry.state == .detaching && entry.isMarked
        }
        // What was begun comes first: a pending DETACH keeps the others waiting.
        for entry in entries where isGoing(entry) { try drop(entry, now, report) }
        let due = entries.filter { isDue($0, now) && !isGoing($0) }
        // Said also while nothing is due, so that there is time to do something about it.
        if let name = try PartitionEntry.defaultPartition(connection, place) {
            throw PartitionError.defaultPartition(name)
        }
        for entry in due { try drop(entry, now, report) }
    }

    private func drop(_ entry: PartitionEntry, _ now: Microseconds, _ report: (Step) throws -> Void) throws {
        if entry.state == .attached { try write(entry, report) }
        if entry.state != .leftover { try removal.detach(entry) }
        try write(entry, report)
        try removal.drop(entry, now: now)
        try report(.dropped(entry.name))
    }

    /// Makes sure that there is an archive which holds what `entry` does, where there is a directory for archives.
    private func write(_ entry: PartitionEntry, _ report: (Step) throws -> Void) throws {
        guard let directory = archives.directory, let day = entry.day else { return }
        let (manifest, isNew) = try archives.write(day, into: directory) { rows in
            try report(.archiving(entry.name, rows: rows, of: entry.rows))
        }
        try report(.archived(manifest, isNew: isNew))
    }

    private func deleteArchives(_ now: Microseconds, _ report: (Step) throws -> Void) throws {
        for file in try expiredArchives(now) {
            try archives.delete(file)
            try report(.deleted(archive: file))
        }
    }

    private func expiredArchives(_ now: Microseconds) throws -> [String] {
        guard configuration.historyArchiveRetentionDays > 0 else { return [] }
        let limit = now - Microseconds(configuration.historyArchiveRetentionDays) * Self.day
        return try archives.dropped(before: limit)
    }

    /// When `day` begins and ends, by Postgres.
    private func bounds(of day: String) throws(PostgresError) -> PartitionBounds {
        let zone = quotedLiteral(configuration.historyTimeZone)
        let rows = try connection.query(
            """
            SELECT \(Partitions.microseconds("($1::date::timestamp AT TIME ZONE \(zone))")),
                \(Partitions.microseconds("(($1::date + 1)::timestamp AT TIME ZONE \(zone))"))
            """, [day])
        return PartitionBounds(lower: rows.integer(0, 0) ?? 0, upper: rows.integer(0, 1) ?? 0)
    }
}
