/// `drover partitions …`.
import ArgumentParser
import Gateway

/// The history's days.
struct Partitions: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "List the days of the history, make, archive and drop them.",
        discussion:
            "A running gateway does this by itself every history.maintenance_s; the commands may run beside it.",
        subcommands: [List.self, Maintain.self, Archive.self])

    /// Lists partitions.
    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "List partitions: name, bounds in UTC, about how many rows, size, state, archive.",
            discussion: """
                States: attached (part of the history); detaching (a DETACH that is not finished, maintain ends it); leftover
                (taken off to be dropped, maintain ends it); detached (taken off by somebody, Drover leaves it alone).
                """)

        @OptionGroup var options: ConfigurationOptions

        func run() throws {
            for line in try PartitionCommands(options.load()).list() { print(line) }
        }
    }

    /// Does what is due.
    struct Maintain: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make the days ahead, archive and drop those past retention, delete archives past theirs.")

        @OptionGroup var options: ConfigurationOptions
        @Option(help: "As if it were then: RFC 3339 such as 2026-12-24T00:00:00Z, or epoch milliseconds.")
        var at: String?
        @Flag(help: "Only say what would be dropped and deleted.") var dryRun = false

        func run() throws {
            try PartitionCommands(options.load()).maintain(at: at, isDryRun: dryRun) { print($0) }
        }
    }

    /// Writes days out.
    struct Archive: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Write days into history.archive_directory without dropping them.",
            discussion: "A day that has a sound archive with the same rows is left as it is.")

        @OptionGroup var options: ConfigurationOptions
        @Option(help: "The day as YYYY-MM-DD in history.time_zone; without it every day that is over.")
        var day: String?

        func run() throws {
            try PartitionCommands(options.load()).archive(day: day) { print($0) }
        }
    }
}
