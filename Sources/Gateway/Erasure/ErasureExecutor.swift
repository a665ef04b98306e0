/// Takes a driver out of Postgres, the archives and Redis, a bounded piece at a time: each piece and the note of it are one
/// transaction where Postgres alone is concerned, and can be repeated where something else is, so that any process can go
/// on where another was killed.
///
/// Only whoever holds the maintenance's lock does this. The order matters: first every gateway has forgotten the driver
/// and has nothing of it in its journal (`ErasureWatch`), so that no row can come back behind a step.
import PostgresClient
import Tracking

/// See the file's head. One thread.
final class ErasureExecutor {
    /// What a call came to.
    enum Outcome: Equatable {
        /// Nothing is to be done.
        case nothing
        /// Only these gateways can go on: their journals are not clean yet.
        case awaiting([String])
        /// A piece was done, perhaps the last.
        case advanced
    }

    let connection: PostgresConnection
    let configuration: Configuration
    let schema: String
    let cutOff: PostgresCutOff
    private let redis: ErasureRedis

    init(_ connection: PostgresConnection, _ configuration: Configuration, cutOff: PostgresCutOff) {
        self.connection = connection
        self.cutOff = cutOff
        self.configuration = configuration
        schema = quotedIdentifier(configuration.postgresSchema)
        redis = ErasureRedis(configuration)
    }

    /// Does one piece of the oldest erasure that can go on.
    func advance() throws -> Outcome {
        let rows = try connection.query(
            """
            SELECT \(Erasure.columns(schema)) FROM \(schema).erasures
            WHERE finished_at IS NULL ORDER BY requested_at, id
            """)
        var awaited: Set<String> = []
        for row in 0..<rows.count {
            guard let erasure = Erasure(rows, row), let driver = erasure.driver else { continue }
            if erasure.step == .journals, !erasure.awaiting.isEmpty {
                awaited.formUnion(erasure.awaiting)
                continue
            }
            try advance(erasure, driver)
            return .advanced
        }
        return awaited.isEmpty ? .nothing : .awaiting(awaited.sorted())
    }

    private func advance(_ erasure: Erasure, _ driver: DriverID) throws {
        switch erasure.step {
        case .journals: try endJournals(erasure)
        case .history: try removeHistory(erasure, driver)
        case .deadLetters: try removeDeadLetters(erasure, driver)
        case .rollup: try removeHours(erasure, driver)
        case .registration: try removeRegistration(erasure, driver)
        case .platform: try runPlatform(erasure, driver)
        case .audit: try rewriteAudit(erasure, driver)
        case .archives: try rewriteArchives(erasure, driver)
        case .redis: try removeFromRedis(erasure, driver)
        case .vacuum: try vacuum(erasure)
        case .receipt: try finish(erasure)
        }
    }

    // MARK: Steps

    /// Runs `body` and notes in the same transaction how far the erasure is then: in the next step, where `body` says that
    /// this one has ended.
    func piece(_ erasure: Erasure, _ body: (inout ErasureProgress) throws(PostgresError) -> Bool) throws(PostgresError)
    {
        try connection.transaction("SET LOCAL search_path TO \(configuration.historyPlace.searchPath)") {
            () throws(PostgresError) in
            var progress = erasure.progress
            let hasEnded = try body(&progress)
            if hasEnded { progress.endStep() }
            try connection.query(
                "UPDATE erasures SET step = $2, progress = $3::jsonb WHERE id = $1",
                [erasure.id, (hasEnded ? erasure.step.next : erasure.step).rawValue, progress.json])
        }
    }

    private func endJournals(_ erasure: Erasure) throws(PostgresError) {
        try piece(erasure) { (progress) throws(PostgresError) in
            let nodes = try connection.query("SELECT cardinality(nodes_done) FROM erasures WHERE id = $1", [erasure.id])
            progress.add(nodes.integer(0, 0) ?? 0, "journals")
            return true
        }
    }

    /// Files are written anew one after the other; what was counted of a file whose writing was cut off right behind it may
    /// be missing in the receipt.
    private func rewriteArchives(_ erasure: Erasure, _ driver: DriverID) throws {
        let archives = Archives(
            directory: configuration.historyArchiveDirectory, connection: connection,
            schema: configuration.postgresSchema, history: configuration.historySchema, cutOff: cutOff)
        var progress = erasure.progress
        var counted = ArchiveErasure()
        try archives.erase(driver: driver.string, receivedThrough: erasure.reachesTo) { state in
            progress.add(Int64(state.filesRewritten - counted.filesRewritten), "archive_files")
            progress.add(Int64(state.rows - counted.rows), "archive_rows")
            (progress.done, progress.of) = (state.filesDone, state.files)
            counted = state
            try connection.query(
                "UPDATE \(schema).erasures SET progress = $2::jsonb WHERE id = $1", [erasure.id, progress.json])
        }
        try piece(erasure) { (noted) throws(PostgresError) in
            noted = progress
            return true
        }
    }

    /// Gateways have taken out what they had written; here follows what may have been written elsewhere.
    private func removeFromRedis(_ erasure: Erasure, _ driver: DriverID) throws {
        let removed = try redis.remove(driver, drops: !erasure.keepsRegistration)
        try piece(erasure) { (progress) throws(PostgresError) in
            progress.add(removed, "redis_keys")
            return true
        }
        try redis.tell([.erasure(erasure.id)])
    }

    /// One table a time: VACUUM is no part of a transaction. The planner's statistics are made anew, since they hold
    /// samples of names; those of the whole history too, where somebody has made some.
    private func vacuum(_ erasure: Erasure) throws(PostgresError) {
        let table = erasure.progress.touched?.first
        if let table, let name = try place(of: table) {
            try connection.run(table == PartitionName.table ? "ANALYZE \(name)" : "VACUUM (ANALYZE) \(name)")
        }
        try piece(erasure) { (progress) throws(PostgresError) in
            if table != nil { progress.touched?.removeFirst() }
            return progress.touched?.isEmpty ?? true
        }
    }

    /// A table with its schema, as SQL takes it: Drover's own comes before one of that name beside the history. Nil where
    /// it is gone, as a day that was dropped meanwhile.
    private func place(of table: String) throws(PostgresError) -> String? {
        let place = configuration.historyPlace
        for name in [place.schema, place.history].map({ "\(quotedIdentifier($0)).\(quotedIdentifier(table))" })
        where try connection.query("SELECT to_regclass($1) IS NOT NULL", [name]).flag(0, 0) == true { return name }
        return nil
    }

    /// The receipt takes the place of the driver's id.
    private func finish(_ erasure: Erasure) throws {
        try connection.query(
            """
            UPDATE \(schema).erasures SET driver_id = NULL, finished_at = clock_timestamp(), progress = '{}',
                receipt = jsonb_build_object('id', id, 'state', 'done', 'driver_hash', encode(driver_hash, 'hex'),
                    'reaches_to', $2::text, 'requested_at', $3::text, 'requested_by', requested_by,
                    'finished_at', to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
                    'keeps_registration', keeps_registration, 'removed', $4::jsonb)
            WHERE id = $1 AND finished_at IS NULL
            """,
            [
                erasure.id, Timestamp.string(erasure.reachesTo), Timestamp.string(erasure.requestedAt),
                ErasurePlaces.complete(erasure.progress.removed),
            ])
        try connection.run("VACUUM \(schema).erasures")
        try redis.tell([.erasure(erasure.id)])
    }

    /// Tells gateways what they would find in Postgres by themselves at their next look.
    func tell(_ messages: [ControlMessage]) throws {
        if !messages.isEmpty { try redis.tell(messages) }
    }

    /// Deletes the Redis copies of tracking sessions, by the hashes of their tokens; before their rows change, since
    /// afterwards nobody would know of them. Returns how many there were.
    func removeCopies(_ hashes: [String]) throws -> Int64 {
        hashes.isEmpty ? 0 : try redis.delete(hashes.map { SessionCopies.key($0) })
    }
}

/// Where something may have been removed: every receipt says how much, also where it is nothing.
enum ErasurePlaces {
    private static let all = [
        "api_keys", "archive_files", "archive_rows", "assignments", "audit_rows", "dead_letters", "devices",
        "driver_sessions", "driver_states", "groups", "history_rows", "hourly_rows", "journals", "partitions",
        "platform_rows",
        "redis_keys", "tracking_sessions",
    ]

    /// The counts as JSON, 0 where there is none.
    static func complete(_ removed: [String: Int64]?) -> String {
        var writer = JSONWriter()
        writer.raw("{")
        for (index, name) in all.enumerated() {
            if index > 0 { writer.raw(",") }
            writer.raw("\"\(name)\":\(removed?[name] ?? 0)")
        }
        writer.raw("}")
        return String(decoding: writer.bytes, as: UTF8.self)
    }
}
