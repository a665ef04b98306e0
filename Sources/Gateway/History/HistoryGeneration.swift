/// How the writers of the history and the roll-up agree on what the roll-up has seen, without a write a ping.
///
/// A writer's transaction holds `lock` shared, reads the generation, writes its rows and, for each driver's hour that it
/// has not noted in this generation, a note. The roll-up takes `lock` alone, raises the generation, takes its snapshot
/// and lets go. So in its snapshot each generation below the new one is complete: every transaction that wrote a note of
/// it, or left one out because an earlier transaction had written it, has ended. The roll-up works on exactly the rows
/// of that snapshot, takes those generations' notes away, and every row that it did not see is noted in a later one.
/// From that follows what makes it cheap: where all notes of an hour lie behind the last ping that the roll-up knows of
/// it, the hour need not be read again but only what is behind that ping.
import PostgresClient

/// The lock and its name.
enum HistoryGeneration {
    /// The number of the advisory lock of `schema`, as SQL. Held shared by each transaction that writes history.
    static func lock(_ schema: String) -> String {
        "hashtextextended('drover generation ' || \(quotedLiteral(schema)), 0)"
    }

    /// A subquery: the generation now. Sound only in a statement that begins after the lock was taken.
    static let current = "(SELECT generation FROM history_generation)"

    /// Where there is no generation.
    static var missing: PostgresError {
        PostgresError(
            .schema, "the table history_generation does not have its one row",
            advice: "Insert it: INSERT INTO history_generation (generation) VALUES (1).")
    }
}
