/// Where Drover's tables are, and where those of the history are: a platform that has tables of Drover's names keeps
/// Drover's own in a schema beside its own, and may still want the history among its tables.
import PostgresClient

/// Two schemas of one database, often the same. Unquoted.
struct HistoryPlace: Sendable, Equatable {
    /// `postgres.schema`: everything but the history.
    let schema: String
    /// `history.schema`: `driver_location_events` with its partitions and its type, the roll-up, and the view.
    let history: String

    /// `history` empty is the same as `schema`.
    init(schema: String, history: String = "") {
        self.schema = schema
        self.history = history.isEmpty ? schema : history
    }

    /// Tables and views that stand in `history`; a partition stands beside its parent.
    static let relations = ["driver_location_events", "driver_location_hourly", "active_driver_locations"]

    /// As SQL takes it. Drover's own come first, so that a platform's tables of the same names are never meant.
    var searchPath: String {
        schema == history ? quotedIdentifier(schema) : "\(quotedIdentifier(schema)), \(quotedIdentifier(history))"
    }

    /// The name of one of the history's relations, or of a partition, as SQL takes it.
    func inHistory(_ table: String) -> String { "\(quotedIdentifier(history)).\(quotedIdentifier(table))" }
}

extension Configuration {
    /// Where the tables are.
    var historyPlace: HistoryPlace { HistoryPlace(schema: postgresSchema, history: historySchema) }

    /// The schema of the history, unquoted.
    var historySchemaName: String { historyPlace.history }
}
