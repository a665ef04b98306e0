/// Whether the peers' programs are there: `bench/peers/setup` fetches what is not, and says so.
import Glibc
import LocalServers

/// What `bench/peers/setup` has found.
struct PeerSetup {
    enum State {
        case ready(version: String)
        case missing(reason: String)
    }

    private var states: [String: State] = [:]

    /// Runs the script, which takes half a minute the first time and no time later.
    init() throws {
        guard access(Self.script, X_OK) == 0 else {
            throw BenchError(
                "\(Self.script) is not there; run it from the repository's own directory, as bench/run does")
        }
        let child = try ChildProcess([Self.script], output: .captured)
        guard child.wait(.seconds(600)) != nil else {
            child.terminate()
            throw BenchError("\(Self.script) did not end within ten minutes: \(child.output(last: 500))")
        }
        for line in child.output().split(separator: "\n") {
            let words = line.split(separator: " ", maxSplits: 2).map(String.init)
            if words.count == 3, words[1] == "ready" {
                states[words[0]] = .ready(version: words[2])
            } else if words.count == 3, line.contains(" not available: ") {
                states[words[0]] = .missing(reason: String(words[2].dropFirst("available: ".count)))
            }
        }
    }

    func state(of peer: Peer) -> State {
        states[peer.folder] ?? .missing(reason: "\(Self.script) said nothing of it")
    }

    static let directory = "bench/peers"
    private static let script = "\(directory)/setup"
}
