/// What is tidied up when this process ends in the ordinary way: private servers first, then directories.
///
/// Where it ends by a signal, `setpriv --pdeathsig` ends the servers (see `ChildProcess`) and the directories stay.
import Glibc
import Synchronization

enum ProcessEnd {
    /// Servers are ended before the directories they write into are removed.
    enum Stage: Int, Sendable { case processes, directories }

    private struct Entries: Sendable {
        var next = 0
        var bodies: [Int: (stage: Stage, body: @Sendable () -> Void)] = [:]
    }

    private static let entries = Mutex(Entries())
    private static let isHooked: Bool = {
        atexit { ProcessEnd.run() }
        return true
    }()

    /// Calls `body` at the end of the process unless it is cancelled before.
    static func register(_ stage: Stage, _ body: @escaping @Sendable () -> Void) -> Int {
        precondition(isHooked)
        return entries.withLock { entries in
            entries.next += 1
            entries.bodies[entries.next] = (stage, body)
            return entries.next
        }
    }

    static func cancel(_ id: Int) {
        _ = entries.withLock { $0.bodies.removeValue(forKey: id) }
    }

    private static func run() {
        let bodies = entries.withLock { entries in
            defer { entries.bodies = [:] }
            return entries.bodies.values.sorted { $0.stage.rawValue < $1.stage.rawValue }
        }
        for entry in bodies { entry.body() }
    }
}
