/// A peer that runs: started on the core of the server under test, on a free loopback port, ended by its process id.
import Glibc
import LocalServers

final class RunningPeer {
    let port: Int
    private let child: ChildProcess
    private let directory: TemporaryDirectory

    /// Returns once it takes connections.
    init(_ peer: Peer, stage: Stage) throws {
        directory = try TemporaryDirectory(prefix: "drover-peer")
        let (listener, port) = try Socket.listen()
        close(listener)
        self.port = port
        child = try ChildProcess(
            [
                "taskset", "-c", "\(stage.serverCore)", "\(PeerSetup.directory)/\(peer.folder)/start", "\(port)",
                directory.path,
            ] + peer.arguments,
            environment: [
                "DROVER_REDIS_URL": stage.redis.url,
                "DROVER_POSTGRES_URL": stage.postgres.url(database: Stage.database),
            ], output: .captured)
        do {
            try stage.wait(for: "\(peer.title) to listen", within: .seconds(20)) { try self.isListening() }
        } catch {
            stop()
            throw BenchError("\(peer.title) did not start: \(error). It said: \(child.output(last: 1_000))")
        }
    }

    /// Its process; workers are below it.
    var processID: Int32 { child.processID }

    func stop() {
        child.terminate()
        directory.remove()
    }

    private func isListening() throws -> Bool {
        guard child.isRunning else { throw BenchError("it ended at once") }
        guard let descriptor = try? Opening.play([], at: ServerAddress(port: port)) else { return false }
        close(descriptor)
        return true
    }
}
