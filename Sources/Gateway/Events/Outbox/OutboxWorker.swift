/// The loop of an outbox thread: connect, do what is due, wait for more. Webhook and platform have a thread each, so that
/// neither waits for the other's outage.
import EventLoop
import Logging
import PostgresClient

/// The state of an outbox thread.
struct OutboxWorker: ~Copyable {
    /// Does what is due and gives the pause until it is asked again, in milliseconds; 0 where there may be more at once.
    typealias Job = (OutboxStore) throws(PostgresError) -> Int

    private let configuration: Configuration
    private let signals: HistorySignals
    private let log: Logger
    private let job: Job
    private var delay = RetryDelay()

    init(_ configuration: Configuration, _ signals: HistorySignals, _ log: Logger, _ job: @escaping Job) {
        self.configuration = configuration
        self.signals = signals
        self.log = log
        self.job = job
    }

    /// Runs until it is asked to stop.
    consuming func run() {
        while !signals.isStopping {
            do {
                try serve()
            } catch {
                log.debug("the outbox waits for Postgres", metadata: ["reason": "\(error)"])
            }
            if signals.isStopping { return }
            signals.cutOff.pause(milliseconds: delay.next())
        }
    }

    /// One connection's life.
    private mutating func serve() throws {
        let connection = try configuration.connectDirectly(cutOff: signals.cutOff)
        // The history's writer brings the schema up to date.
        try Migrations.check(connection, schema: configuration.postgresSchema)
        let store = OutboxStore(connection, schema: configuration.postgresSchema)
        while !signals.isStopping {
            let pause = try job(store)
            delay.reset()
            guard pause > 0 else { continue }
            signals.cutOff.pause(milliseconds: pause)
            guard connection.isAlive else { throw PostgresError(.connection, "Postgres ended the connection") }
        }
    }
}
