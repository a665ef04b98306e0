/// The transactions of the history: rows and checkpoint together, so that each journal record is in Postgres exactly once.
///
/// The checkpoint is moved first and only from where this writer saw it. Its row lock makes an earlier connection of the
/// same node, which may still be at work in the server after we gave it up, finish before us or fail after us.
import EventLoop
import Journal
import PostgresClient
import Tracking

/// A connection with what it knows: the checkpoint and the partitions. One thread.
final class HistorySession {
    private static let migrationMilliseconds = 1_800_000

    private let connection: PostgresConnection
    private let configuration: HistoryConfiguration
    private let cutOff: PostgresCutOff
    private let address: PostgresAddress
    private let direct: PostgresAddress?
    private var partitions: Partitions
    private var stream: [UInt8] = []
    /// What the roll-up has been told. It goes with the connection: what a COMMIT without an answer did is not known.
    private var notes = ChangeNotes()
    /// The staging table's name, once it is known.
    private var knownStaging: String?
    /// The record through which this node's rows are in Postgres.
    private(set) var checkpoint: UInt64 = 0

    /// Connects.
    init(_ configuration: HistoryConfiguration, cutOff: PostgresCutOff) throws(PostgresError) {
        self.configuration = configuration
        self.cutOff = cutOff
        address = try PostgresAddress(configuration.postgresURL)
        if let url = configuration.directURL { direct = try PostgresAddress(url) } else { direct = nil }
        partitions = Partitions(schema: configuration.place.history, timeZone: configuration.timeZone)
        connection = try PostgresConnection(address, cutOff: cutOff)
    }

    /// Whether the connection, idle, still stands.
    var isAlive: Bool { connection.isAlive }

    /// Brings the schema up to date, or checks that it is where the configuration leaves that to `drover migrate`.
    func prepareSchema() throws(PostgresError) {
        if configuration.migrate {
            // A migration may rewrite a table, and wait for another gateway that does.
            let patient = try PostgresConnection(
                direct ?? address, cutOff: cutOff, callMilliseconds: Self.migrationMilliseconds)
            try Migrations.migrate(patient, schema: configuration.schema, history: configuration.historySchema)
        } else {
            try Migrations.check(connection, schema: configuration.schema, history: configuration.historySchema)
        }
    }

    /// Reads the checkpoint of this node; 0 where there is none.
    func readCheckpoint() throws(PostgresError) {
        let rows = try connection.query(
            "SELECT lsn FROM \(quotedIdentifier(configuration.schema)).ingest_checkpoints WHERE node_id = $1",
            [configuration.nodeID])
        checkpoint = rows.count == 0 ? 0 : UInt64(rows.integer(0, 0) ?? 0)
        guard checkpoint == 0 else { return }
        try connection.transaction("SET LOCAL search_path TO \(quotedIdentifier(configuration.schema))") {
            () throws(PostgresError) in
            try NodeRetirement.checkReturn(of: configuration.nodeID, connection)
        }
    }

    /// Makes the partitions of the days ahead. Where Postgres refuses, what exists is used and the refusal is returned
    /// instead of thrown: an operator may make the partitions, and a long ANALYZE may hold the lock that ATTACH needs.
    func makePartitionsAhead() throws(PostgresError) -> PostgresError? {
        do {
            try partitions.makeAhead(
                configuration.partitionsAhead, now: SystemClock.wallMicroseconds(), directConnection())
            return nil
        } catch  where !error.endsSession {
            try partitions.reload(connection)
            return error
        }
    }

    /// Makes the partitions that `batch` lacks. `afresh` where Postgres did not have one that was known.
    func makePartitions(for batch: borrowing HistoryBatch, afresh: Bool) throws(PostgresError) {
        // Another node may have made them: a look at the catalogue waits for nobody, and makes no second connection.
        if afresh || !partitions.cover(batch) { try partitions.reload(connection) }
        if !partitions.cover(batch) { try partitions.make(for: batch, directConnection()) }
    }

    /// Writes the records `range` of `batch`. Just before COMMIT, when only its outcome can still be unknown, `atCommit` is
    /// told what it would be.
    func write(
        _ range: Range<Int>, of batch: borrowing HistoryBatch, _ path: HistoryPlan.Path, lastLSN: UInt64,
        atCommit: (HistoryOutcome) -> Void
    ) throws(PostgresError) {
        var outcome = HistoryOutcome(lastLSN: lastLSN, oldestReceivedAt: batch.oldestReceivedAt)
        try connection.transaction(prologue) { () throws(PostgresError) in
            notes.begin(generation: try moveCheckpoint(to: lastLSN))
            batch.note(range, in: &notes)
            if path == .direct, batch.writeStream(of: range, .fresh, into: &stream) > 0 {
                outcome.inserted = UInt64(try copy(PartitionName.table, CopyRow.columns))
            }
            let staged = batch.writeStream(of: range, path == .direct ? .late : .all, into: &stream)
            if staged > 0 {
                let added = try copyThroughStaging()
                outcome.inserted += UInt64(added)
                outcome.alreadyThere = UInt64(staged - added)
            }
            if notes.writeStream(into: &stream) > 0 {
                _ = try copy("driver_location_changes", ChangeNotes.columns)
            }
            atCommit(outcome)
        }
        checkpoint = lastLSN
        notes.committed()
    }

    /// Puts the record at `index` into the dead-letter table.
    func setAside(
        _ index: Int, of batch: borrowing HistoryBatch, _ records: borrowing JournalBatch, _ reason: DeadLetterReason,
        atCommit: (HistoryOutcome) -> Void
    ) throws(PostgresError) {
        let lsn = records.firstLSN + UInt64(index)
        let letter = DeadLetter(
            nodeID: configuration.nodeID, lsn: lsn, driver: batch.driver(index), recordedAt: batch.recordedAt(index),
            record: records.withRecord(at: index) { DeadLetter.hexadecimal($0) }, reason: reason)
        try connection.transaction(prologue) { () throws(PostgresError) in
            _ = try moveCheckpoint(to: lsn)
            try letter.insert(connection)
            atCommit(HistoryOutcome(lastLSN: lsn, deadLettered: 1))
        }
        checkpoint = lsn
    }

    /// For what a transaction-mode pool cannot carry: a connection of its own where one is configured.
    private func directConnection() throws(PostgresError) -> PostgresConnection {
        guard let direct else { return connection }
        return try PostgresConnection(direct, cutOff: cutOff)
    }

    /// Settings of each transaction. A role or database that sets `synchronous_commit` to off would break the promise
    /// that what left the journal is on Postgres' disk.
    private var prologue: String {
        """
        SET LOCAL search_path TO \(configuration.place.searchPath); SET LOCAL synchronous_commit = on;
        SET LOCAL statement_timeout = '25s'; SET LOCAL lock_timeout = '10s';
        SET LOCAL idle_in_transaction_session_timeout = '60s'; SET LOCAL client_min_messages = warning;
        SELECT pg_advisory_xact_lock_shared(\(HistoryGeneration.lock(configuration.schema)))
        """
    }

    /// Returns the generation that this transaction belongs to: the statement begins after the prologue took the lock.
    private func moveCheckpoint(to lsn: UInt64) throws(PostgresError) -> Int64 {
        let moved = try connection.query(
            """
            INSERT INTO ingest_checkpoints AS known (node_id, lsn) VALUES ($1, $2)
            ON CONFLICT (node_id) DO UPDATE SET lsn = EXCLUDED.lsn, updated_at = now() WHERE known.lsn = $3
            RETURNING \(HistoryGeneration.current)
            """, [configuration.nodeID, "\(lsn)", "\(checkpoint)"])
        guard moved.count == 1 else {
            throw PostgresError(
                .transient,
                "the checkpoint of node \(configuration.nodeID) is no longer at \(checkpoint): an earlier connection "
                    + "finished its work, or a copy of this journal's directory is in use elsewhere")
        }
        guard let generation = moved.integer(0, 0) else { throw HistoryGeneration.missing }
        return generation
    }

    /// Copies `stream` into columns of `table`.
    private func copy(_ table: String, _ columns: String) throws(PostgresError) -> Int {
        let statement = "COPY \(table) (\(columns)) FROM STDIN (FORMAT binary)"
        var copied: Result<Int, PostgresError> = .success(0)
        // `withUnsafeBytes` rethrows untyped, so the result travels beside it. The bytes are only read during the call.
        stream.withUnsafeBytes { bytes in
            copied = Result { () throws(PostgresError) in try connection.copy(statement, bytes) }
        }
        return try copied.get()
    }

    /// Rows that may exist go by a table of the session, from which only the missing ones are taken. Made within the
    /// transaction where it is missing, so that it is there whichever server connection a pool gives us.
    private func copyThroughStaging() throws(PostgresError) -> Int {
        let table = PartitionName.table
        let staging = try stagingName()
        try connection.run("CREATE TEMP TABLE IF NOT EXISTS \(staging) (LIKE \(table)) ON COMMIT DELETE ROWS")
        _ = try copy("pg_temp.\(staging)", CopyRow.columns)
        let inserted = try connection.query(
            """
            INSERT INTO \(table) (\(CopyRow.columns)) SELECT \(CopyRow.columns) FROM pg_temp.\(staging)
            ON CONFLICT DO NOTHING
            """)
        return inserted.affected
    }

    /// A pool's server connections outlive us, and serve other schemas and later versions of the table too: so the name is of
    /// this table with its present columns. Within a transaction.
    private func stagingName() throws(PostgresError) -> String {
        if let knownStaging { return knownStaging }
        let rows = try connection.query(
            "SELECT 'drover_staging_' || oid || '_' || relnatts FROM pg_class WHERE oid = to_regclass($1)",
            [PartitionName.table])
        guard rows.count == 1, let name = rows.text(0, 0) else {
            throw PostgresError(.schema, "there is no table \(PartitionName.table)")
        }
        knownStaging = name
        return name
    }
}
