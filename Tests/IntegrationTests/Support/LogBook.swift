// What the gateways of the tests have logged: shown with every issue, and searched at the end for what must not be there.

import Foundation
import Synchronization
import Testing

/// All logs of this run.
enum LogBook {
    private struct Entry {
        let gateway: ObjectIdentifier
        let path: String
    }

    private static let entries = Mutex<[Entry]>([])
    /// What the logs of gateways that are gone said.
    static let finished = Mutex<[String]>([])
    /// Tokens that were made in this run.
    static let secrets = Mutex<Set<String>>([])

    static func open(_ gateway: RunningGateway, _ path: String) {
        entries.withLock { $0.append(Entry(gateway: ObjectIdentifier(gateway), path: path)) }
    }

    /// The gateway is gone and its directory soon will be.
    static func close(_ gateway: RunningGateway) {
        let id = ObjectIdentifier(gateway)
        let paths = entries.withLock { entries in
            defer { entries.removeAll { $0.gateway == id } }
            return entries.filter { $0.gateway == id }.map(\.path)
        }
        for path in paths { finished.withLock { $0.append(read(path)) } }
    }

    /// The logs of the gateways that run now.
    static func current() -> [String] {
        entries.withLock { $0.map(\.path) }.map(read)
    }

    /// The issue with the end of the log of the gateway that was started last: tests run one after another, so that is
    /// the one it is about.
    static func explain(_ issue: Issue) -> Issue {
        var issue = issue
        let log = current().last ?? finished.withLock { $0.last } ?? ""
        issue.comments.append("the gateway's log:\n\(String(log.suffix(3_000)))")
        return issue
    }

    private static func read(_ path: String) -> String {
        (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
    }
}
