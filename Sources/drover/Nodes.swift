/// `drover nodes …`.
import ArgumentParser
import Gateway

/// The gateways that write one history.
struct Nodes: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "List the gateways that write this history, and take out one that is gone for good.",
        subcommands: [List.self, Retire.self, Admit.self])

    /// Lists nodes.
    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract:
                "List nodes: id, machine, state, last heard of, last record in Postgres and when, erasures waiting.",
            discussion: """
                A node is a journal: its id is in the file node-id of journal.directory. States: running (heard of within five \
                minutes), silent. Times are UTC.
                """)

        @OptionGroup var options: ConfigurationOptions

        func run() throws {
            for line in try NodeCommands(options.load()).list() { print(line) }
        }
    }

    /// Takes a node out.
    struct Retire: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Take out a node that will never run again: erasures wait for its journal no longer.",
            discussion: """
                What its journal held and Postgres does not is lost. A node that was heard of within five minutes is refused. \
                Never of one that will run again: where drivers were erased meanwhile, it writes nothing until it is admitted.
                """)

        @OptionGroup var options: ConfigurationOptions
        @Argument(help: "The node's id, from drover nodes list.") var node: String
        @Flag(help: "Also one that was heard of within five minutes.") var force = false

        func run() throws {
            print(try NodeCommands(options.load()).retire(node, isForced: force))
        }
    }

    /// Takes a node in again.
    struct Admit: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Take in again a node that was retired and whose journal was found.",
            discussion:
                "Drivers who were erased meanwhile have to be erased again: its journal may bring back their pings.")

        @OptionGroup var options: ConfigurationOptions
        @Argument(help: "The node's id.") var node: String

        func run() throws {
            print(try NodeCommands(options.load()).admit(node))
        }
    }
}
