/// `drover erase`.
import ArgumentParser
import Foundation
import Gateway

/// Erases a driver's telemetry.
struct Erase: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Erase what is known of a driver, up to now, or of a customer, and print the receipt.",
        discussion: """
            History, roll-up, archives, journals, Redis, and the driver's devices, orders, groups and its name in sessions, \
            keys and the audit trail. Interrupted or refused, it goes on where it was when it is run again. Where no \
            gateway does the work this command does it, and needs the directory of archives. With a platform's file its \
            statements erase_driver and erase_customer run too.
            """)

    @OptionGroup var options: ConfigurationOptions
    @Argument(help: "The driver's id.") var driver: String?
    @Option(help: "Instead of a driver: a customer, by the platform's id.") var customer: String?
    @Flag(help: "Leave devices, orders, groups, sessions and keys as they are.") var keepRegistration = false
    @Flag(help: "Do not ask.") var yes = false
    @Option(help: "How long to wait while nothing goes on, in seconds.") var wait = 60

    @Option(
        help: """
            Instead of erasing: wait no longer for the journal of a gateway that is gone for good, by its node id. Never of \
            one that will run again.
            """)
    var forgetNode: String?

    func validate() throws {
        guard [driver, customer, forgetNode].compactMap({ $0 }).count == 1 else {
            throw ValidationError("Name a driver, or a customer with --customer, or a node with --forget-node.")
        }
        guard (0...86_400).contains(wait) else { throw ValidationError("--wait is 0 to 86400 seconds.") }
    }

    func run() throws {
        let command = try EraseCommand(options.load())
        if let forgetNode { return print(try command.forgetNode(forgetNode)) }
        if let customer {
            if !yes { try confirm(customer, "what is known of the customer") }
            return print(try command.erase(customer: customer))
        }
        guard let driver else { return }
        if !yes { try confirm(driver, keepRegistration ? "the telemetry of" : "everything that is known of") }
        print(try command.erase(driver, keepsRegistration: keepRegistration, waitSeconds: wait))
    }

    private func confirm(_ id: String, _ what: String) throws {
        guard isatty(STDIN_FILENO) == 1 else {
            FileHandle.standardError.write(Data("drover: nobody can be asked here: add --yes to erase\n".utf8))
            throw ExitCode.failure
        }
        FileHandle.standardError.write(Data("Erase \(what) \(id), for good? Type its id: ".utf8))
        guard readLine() == id else {
            FileHandle.standardError.write(Data("drover: nothing was erased\n".utf8))
            throw ExitCode.failure
        }
    }
}
