/// `drover migrate`, `drover check` and `drover key …`.
import ArgumentParser
import Foundation
import Gateway

/// Brings the schema up to date.
struct Migrate: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Bring Drover's tables in Postgres up to date, and a platform's database to what its file needs.")

    @OptionGroup var options: ConfigurationOptions

    func run() throws {
        let (applied, notices) = try options.load().migrate()
        print(applied.isEmpty ? "nothing to do" : "applied \(applied.map(String.init).joined(separator: ", "))")
        for notice in notices { FileHandle.standardError.write(Data("drover: \(notice)\n".utf8)) }
    }
}

/// Says what is wrong.
struct Check: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract:
            "Check the configuration, both stores, a platform's statements, the journal's directory and the map's files."
    )

    @OptionGroup var options: ConfigurationOptions

    func run() throws {
        let (lines, isWell) = try options.load().check()
        for line in lines { print(line) }
        if !isWell { throw ExitCode.failure }
    }
}

/// API keys.
struct Key: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Create, list and revoke the API keys of backends.",
        subcommands: [Create.self, List.self, Revoke.self])

    /// Makes a key.
    struct Create: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Create a key and print it, alone, on standard output. It is shown this once.")

        @OptionGroup var options: ConfigurationOptions
        @Option(help: "A name to know it by.") var name: String
        @Option(
            help: """
                Permissions separated by commas, such as pings:write,positions:read, or the platform's own words for
                them (system.permissions).
                """)
        var permissions: String

        @Option(
            help: """
                What it is limited to, separated by commas: subjects such as group:east, or beginnings with a * such as
                order:east-*. Without it: nothing.
                """)
        var subjects: String?

        @Option(
            help: """
                Its own limit of requests in a period, such as 1000/900s. Without it: limits.key_requests_per_s and
                limits.key_burst.
                """)
        var rateLimit: String?

        func run() throws {
            let keys = try KeyCommands(options.load())
            let list = permissions.split(separator: ",").map(String.init)
            print(try keys.create(name: name, permissions: list, subjects: subjects, rateLimit: rateLimit))
        }
    }

    /// Lists keys.
    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "List keys: id, name, permissions, subjects, own limit, creation, state. No key is shown.")

        @OptionGroup var options: ConfigurationOptions

        func run() throws {
            for line in try KeyCommands(options.load()).list() { print(line) }
        }
    }

    /// Revokes a key.
    struct Revoke: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Revoke a key. Running gateways close its connections.")

        @OptionGroup var options: ConfigurationOptions
        @Argument(help: "The key's id, from drover key list.") var id: String

        func run() throws {
            print(try KeyCommands(options.load()).revoke(id))
        }
    }
}
