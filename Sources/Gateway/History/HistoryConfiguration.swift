/// What the history writer is told at start-up.

/// Settings of the history. Each is a setting of `config/drover.yaml`.
struct HistoryConfiguration: Sendable {
    /// `DROVER_POSTGRES_URL`, as libpq reads it. May be a transaction-mode pool.
    var postgresURL: String

    /// `DROVER_POSTGRES_DIRECT_URL`, for migrations and partitions beside a transaction-mode pool; nil: `postgresURL`.
    var directURL: String?

    /// `DROVER_POSTGRES_SCHEMA`: where Drover's tables are; made where it is missing.
    var schema = "public"

    /// `DROVER_HISTORY_SCHEMA`: where the history is, when it is not with the other tables; empty: with them.
    var historySchema = ""

    /// Both.
    var place: HistoryPlace { HistoryPlace(schema: schema, history: historySchema) }

    /// `DROVER_HISTORY_TIME_ZONE`, a name that Postgres knows: whose days the partitions are.
    var timeZone = "UTC"

    /// A transaction holds at most so many records.
    var batchRecords = 20_000

    /// A batch is written at latest so many milliseconds after its first record was seen.
    var batchMilliseconds = 200

    /// How long records that Postgres has stay in the journal, in seconds; 0 is no longer than they have to.
    var keepSeconds = 0

    /// Bytes of journal beyond which they do not.
    var keepBytes = Int.max

    /// Days after today for which a partition is kept ready.
    var partitionsAhead = 2

    /// Whether the first connection brings the schema up to date. Without it, a schema that is behind holds the writer.
    var migrate = true

    /// Shortest and longest pause in milliseconds before a fault is tried again; between them the pause grows by chance.
    var retryMilliseconds = 100...5_000

    /// Whose checkpoint this is: the random id kept in the journal's directory.
    var nodeID: String

    /// A configuration with the defaults for what is not said here.
    init(postgresURL: String, nodeID: String) {
        self.postgresURL = postgresURL
        self.nodeID = nodeID
    }
}
